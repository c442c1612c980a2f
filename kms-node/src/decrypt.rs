//! Glue to the protocol: sample lists in, masked shares and their messages out.

use bytes::Bytes;
use tkms_mpc::decrypt::{MAX_BLOCKS, MaskedShares, PartialDecryption, masked_shares};
use tkms_mpc::fault::Misuse;
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::{DEGREE, Gr128};
use tkms_types::SessionId;
use tkms_wire::samples::SampleList;

/// Elements of the longest message that makes sense.
const MAX_ELEMENTS: usize = MAX_BLOCKS / DEGREE;

/// All the local work of a session: a pure function of key, samples and session.
pub(crate) fn local_shares(
    (key, masks): (&KeyShare, &PrssKeys),
    list: &SampleList,
    session: SessionId,
) -> Result<MaskedShares, Misuse> {
    let samples = Samples::new(list.dimension as usize, &list.words)?;
    masked_shares(key, &samples, masks, &session)
}

/// The body of a message: its elements, 64 bytes each. Four blocks stand in one, so a block costs 16 bytes.
pub(crate) fn encode(message: &PartialDecryption) -> Bytes {
    message.shares.iter().flat_map(|share| share.to_le_bytes()).collect::<Vec<u8>>().into()
}

/// Reads a body. One that is no list of elements becomes an empty message, which the machine blames on its sender.
pub(crate) fn decode(body: &[u8]) -> PartialDecryption {
    let (elements, rest) = body.as_chunks::<{ Gr128::BYTES }>();
    if !rest.is_empty() || elements.len() > MAX_ELEMENTS {
        return PartialDecryption { shares: Vec::new() };
    }
    PartialDecryption { shares: elements.iter().map(Gr128::from_le_bytes).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_round_trips_and_costs_16_bytes_a_block() {
        let shares = vec![Gr128::new([1, 2, 3, u128::MAX]), Gr128::new([5, 6, 7, 8])];
        let body = encode(&PartialDecryption { shares: shares.clone() });
        assert_eq!(body.len(), 2 * DEGREE * 16);
        assert_eq!(decode(&body).shares, shares);
    }

    #[test]
    fn a_body_of_broken_elements_is_an_empty_message() {
        for length in [1, 63, 65, (MAX_ELEMENTS + 1) * Gr128::BYTES] {
            assert!(decode(&vec![0; length]).shares.is_empty(), "{length}");
        }
    }
}
