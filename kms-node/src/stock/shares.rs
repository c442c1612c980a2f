//! What a session of `exact` left with this node: its shares of the messages, sealed, and what it sent for them. Whoever
//! asks for the ciphertext again is answered from here, whoever was late is served from here.
//!
//! ```text
//! u8 version 1 ‖ sample digest (32) ‖ u8 type ‖ u64 batch ‖ u32 from ‖ u32 to ‖ u16 bytes of the masked shares ‖ these
//!   ‖ AES-256-GCM(message shares)
//! ```
//!
//! Integers little-endian; an empty range: the session took nothing from stock. The key is the session's own, so one
//! plaintext meets it: the shares are a function of the session. What stands before the ciphertext is authenticated.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use alloy_primitives::B256;
use std::sync::Arc;
use tkms_mpc::exact::{MessageShares, Range};
use tkms_mpc::preprocessing::BatchId;
use tkms_types::transcript::Transcript;
use tkms_types::{ContextId, EpochId, FheType, SessionId};
use zeroize::Zeroizing;

const TAG: &str = "tkms/exact/stored/v1";
const VERSION: u8 = 1;
/// Bytes before the masked shares.
const HEADER: usize = 1 + 32 + 1 + 8 + 4 + 4 + 2;

/// A session that ended, one attempt of it.
#[derive(Debug)]
pub struct EndedSession {
    /// The ciphertext's session at attempt 0.
    pub base: SessionId,
    /// Which attempt.
    pub attempt: u32,
    /// Digest of the samples.
    pub digest: B256,
    /// Type of the ciphertext.
    pub kind: FheType,
    /// Its items; `None` for a session that made its own bits.
    pub range: Option<Range>,
    /// The shares of the masked values, as they were sent.
    pub masked: Vec<u8>,
    /// What it ended with.
    pub shares: Arc<MessageShares>,
}

/// What rows are named and sealed with.
pub(super) struct Sealer<'a> {
    pub root: &'a [u8; 32],
    pub names: (ContextId, EpochId),
}

impl Sealer<'_> {
    fn cipher(&self, base: SessionId, attempt: u32) -> Aes256Gcm {
        let names = Transcript::new(TAG).word(base.0).u32(attempt).finish();
        let key = Zeroizing::new(*blake3::keyed_hash(self.root, &names.0).as_bytes());
        Aes256Gcm::new((&*key).into())
    }

    /// The row; `None` if the cipher refuses, which it does for plaintexts of gigabytes only.
    pub fn seal(&self, ended: &EndedSession) -> Option<Vec<u8>> {
        let (batch, from, to) = ended.range.map_or((0, 0, 0), |range| (range.batch.number, range.from, range.to));
        let mut row = Vec::with_capacity(HEADER + ended.masked.len());
        row.push(VERSION);
        row.extend(ended.digest);
        row.push(ended.kind as u8);
        row.extend(batch.to_le_bytes());
        row.extend(from.to_le_bytes());
        row.extend(to.to_le_bytes());
        row.extend(u16::try_from(ended.masked.len()).ok()?.to_le_bytes());
        row.extend(&ended.masked);
        let payload = Payload { msg: &ended.shares.to_secret_bytes(), aad: &row };
        let sealed = self.cipher(ended.base, ended.attempt).encrypt(&Nonce::from([0; 12]), payload).ok()?;
        row.extend(sealed);
        Some(row)
    }

    /// Reads a row; `None` if it was altered, moved or is another epoch's.
    pub fn open(&self, base: SessionId, attempt: u32, row: &[u8]) -> Option<EndedSession> {
        let (header, rest) = row.split_at_checked(HEADER)?;
        let (length, _) = header.last_chunk::<2>().map(|length| (u16::from_le_bytes(*length), ()))?;
        let (masked, sealed) = rest.split_at_checked(length.into())?;
        let aad = row.get(..HEADER + masked.len())?;
        let payload = Payload { msg: sealed, aad };
        let shares = self.cipher(base, attempt).decrypt(&Nonce::from([0; 12]), payload).map(Zeroizing::new).ok()?;
        let ([VERSION], header) = header.split_first_chunk::<1>()? else { return None };
        let (digest, header) = header.split_first_chunk::<32>()?;
        let ([kind], header) = header.split_first_chunk::<1>()?;
        let (number, header) = header.split_first_chunk::<8>()?;
        let (from, header) = header.split_first_chunk::<4>()?;
        let (to, _) = header.split_first_chunk::<4>()?;
        let (from, to) = (u32::from_le_bytes(*from), u32::from_le_bytes(*to));
        let batch = BatchId { context: self.names.0, epoch: self.names.1, number: u64::from_le_bytes(*number) };
        Some(EndedSession {
            base,
            attempt,
            digest: B256::new(*digest),
            kind: FheType::from_number(*kind)?,
            range: (from < to).then_some(Range { batch, from, to }),
            masked: masked.to_vec(),
            shares: Arc::new(MessageShares::from_secret_bytes(&shares).ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tkms_types::{Committee, Id as _};

    fn ended() -> EndedSession {
        // version, n, party, u32 blocks, four bytes a block
        let stored = [&[1, 4, 2, 2, 0, 0, 0][..], &[1, 2, 3, 4, 5, 6, 7, 31]].concat();
        let batch = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 9 };
        EndedSession {
            base: SessionId(B256::repeat_byte(1)),
            attempt: 3,
            digest: B256::repeat_byte(2),
            kind: FheType::Uint8,
            range: Some(Range { batch, from: 4, to: 6 }),
            masked: vec![7; 8],
            shares: Arc::new(MessageShares::from_secret_bytes(&stored).unwrap()),
        }
    }

    fn sealer(root: &[u8; 32]) -> Sealer<'_> {
        Sealer { root, names: (ContextId::numbered(1), EpochId::numbered(1)) }
    }

    #[test]
    fn a_row_opens_under_its_own_name_only_and_shows_no_share() {
        let ended = ended();
        let row = sealer(&[5; 32]).seal(&ended).unwrap();
        let back = sealer(&[5; 32]).open(ended.base, 3, &row).unwrap();
        assert_eq!((back.range, back.kind, back.digest), (ended.range, ended.kind, ended.digest));
        assert_eq!((&back.masked, &back.shares), (&ended.masked, &ended.shares));
        assert_eq!(back.shares.owner().committee, Committee::new(4).unwrap());
        assert!(!row.windows(4).any(|bytes| bytes == [5, 6, 7, 31]), "in the clear");
        assert!(sealer(&[6; 32]).open(ended.base, 3, &row).is_none());
        assert!(sealer(&[5; 32]).open(ended.base, 4, &row).is_none());
        assert!(sealer(&[5; 32]).open(SessionId(B256::ZERO), 3, &row).is_none());
    }

    #[test]
    fn an_altered_or_torn_row_does_not_open() {
        let ended = ended();
        let row = sealer(&[5; 32]).seal(&ended).unwrap();
        for place in 0..row.len() {
            let mut altered = row.clone();
            altered[place] ^= 1;
            assert!(sealer(&[5; 32]).open(ended.base, 3, &altered).is_none(), "byte {place}");
            assert!(sealer(&[5; 32]).open(ended.base, 3, &row[..place]).is_none(), "cut at {place}");
        }
    }
}
