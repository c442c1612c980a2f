//! What nodes say to each other about ciphertexts under `exact`: many small parts in one frame, of whatever sessions.
//!
//! ```text
//! frame  = part*
//! part   = 1 ‖ voter u8 ‖ u16 votes ‖ votes ‖ signature (64)          step 4: votes, signed by the voter, by whomever brought
//!        | 2 ‖ session (32) ‖ u32 attempt ‖ u8 elements ‖ elements   step 5: shares of the masked values
//!        | 3 ‖ session (32) ‖ u32 attempt ‖ u8 elements ‖ elements   step 7: shares of the messages
//!        | 4 ‖ session (32) ‖ u8 elements ‖ elements                 step 4a: shares of the bits, attempt 0
//! vote   = sample digest (32) ‖ u32 attempt ‖ u64 batch ‖ u32 from ‖ u32 to
//! ```
//!
//! Integers little-endian, an element eight bytes. `session` is that of the ciphertext at attempt 0. A frame is read whole or
//! not at all: its sender made it, so one that is malformed is its fault.

use alloy_primitives::B256;
use bytes::Bytes;
use std::sync::Arc;
use tkms_mpc::ring::{Gr16, Ring as _};
use tkms_mpc::statement::SIGNATURE_BYTES;
use tkms_types::{Committee, PartyId, SessionId, limits};

/// Votes in one ballot.
pub(super) const MAX_VOTES: usize = 512;
/// Elements of the longest message: the masked squares of the bits of a euint256.
const MAX_ELEMENTS: usize = 160;
/// Bytes from which a frame is closed and the next one begun.
pub(super) const FRAME_BYTES: usize = 256 * 1024;
const ELEMENT: usize = Gr16::BYTES;

const _: () = assert!(FRAME_BYTES + MAX_VOTES * 64 < limits::PEER_MESSAGE_BYTES);

const VOTES: u8 = 1;
const MASKED: u8 = 2;
const REVEALED: u8 = 3;
const BITS: u8 = 4;

/// A range for an attempt of a ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub digest: B256,
    pub attempt: u32,
    pub batch: u64,
    pub from: u32,
    pub to: u32,
}

/// Votes under one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    pub voter: PartyId,
    pub votes: Vec<Vote>,
    pub signature: [u8; SIGNATURE_BYTES],
}

/// A message of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub base: SessionId,
    pub attempt: u32,
    pub what: What,
    pub elements: Vec<Gr16>,
}

/// Of which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Bits,
    Masked,
    Revealed,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Ballot(Arc<Ballot>),
    Word(Word),
}

/// A frame that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("it is cut short")]
    Cut,
    #[error("part {0} is of no known kind")]
    Kind(u8),
    #[error("it names a voter outside of the committee")]
    Voter,
    #[error("{0} votes in a ballot, or none")]
    Votes(usize),
    #[error("{0} elements, or none")]
    Elements(usize),
}

impl Part {
    pub fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Ballot(ballot) => {
                bytes.extend([VOTES, ballot.voter.number()]);
                bytes.extend((ballot.votes.len() as u16).to_le_bytes());
                for vote in &ballot.votes {
                    bytes.extend(vote.digest);
                    bytes.extend(vote.attempt.to_le_bytes());
                    bytes.extend(vote.batch.to_le_bytes());
                    bytes.extend(vote.from.to_le_bytes());
                    bytes.extend(vote.to.to_le_bytes());
                }
                bytes.extend(ballot.signature);
            }
            Self::Word(word) => {
                bytes.push(match word.what {
                    What::Bits => BITS,
                    What::Masked => MASKED,
                    What::Revealed => REVEALED,
                });
                bytes.extend(word.base.0);
                if word.what != What::Bits {
                    bytes.extend(word.attempt.to_le_bytes());
                }
                bytes.push(word.elements.len() as u8);
                write_elements(&word.elements, bytes);
            }
        }
    }
}

/// Frames of bounded size from parts, in their order.
pub(super) fn frames(parts: &[Part]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut bytes = Vec::new();
    for part in parts {
        part.write(&mut bytes);
        if bytes.len() >= FRAME_BYTES {
            frames.push(Bytes::from(std::mem::take(&mut bytes)));
        }
    }
    if !bytes.is_empty() {
        frames.push(bytes.into());
    }
    frames
}

/// Reads a frame.
pub(super) fn parts(committee: Committee, frame: &[u8]) -> Result<Vec<Part>, FrameError> {
    let mut reader = Reader(frame);
    let mut parts = Vec::new();
    while !reader.0.is_empty() {
        parts.push(match reader.byte()? {
            VOTES => Part::Ballot(Arc::new(reader.ballot(committee)?)),
            MASKED => Part::Word(reader.word(What::Masked)?),
            REVEALED => Part::Word(reader.word(What::Revealed)?),
            BITS => Part::Word(reader.word(What::Bits)?),
            kind => return Err(FrameError::Kind(kind)),
        });
    }
    Ok(parts)
}

pub(super) fn write_elements(elements: &[Gr16], bytes: &mut Vec<u8>) {
    elements.iter().for_each(|element| element.write_le(bytes));
}

/// Elements that stand one after the other; a rest is dropped.
pub(super) fn read_elements(bytes: &[u8]) -> Vec<Gr16> {
    bytes.as_chunks::<ELEMENT>().0.iter().map(|element| Gr16::read_le(element)).collect()
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(FrameError::Cut)?;
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn ballot(&mut self, committee: Committee) -> Result<Ballot, FrameError> {
        let voter = committee.party(self.byte()?).map_err(|_| FrameError::Voter)?;
        let count = usize::from(u16::from_le_bytes(self.array()?));
        if count == 0 || count > MAX_VOTES {
            return Err(FrameError::Votes(count));
        }
        let mut votes = Vec::with_capacity(count);
        for _ in 0..count {
            votes.push(Vote {
                digest: B256::new(self.array()?),
                attempt: self.u32()?,
                batch: u64::from_le_bytes(self.array()?),
                from: self.u32()?,
                to: self.u32()?,
            });
        }
        Ok(Ballot { voter, votes, signature: self.array()? })
    }

    fn word(&mut self, what: What) -> Result<Word, FrameError> {
        let base = SessionId(B256::new(self.array()?));
        let attempt = if what == What::Bits { 0 } else { self.u32()? };
        let count = usize::from(self.byte()?);
        if count == 0 || count > MAX_ELEMENTS {
            return Err(FrameError::Elements(count));
        }
        let (elements, rest) = self.0.split_at_checked(count * ELEMENT).ok_or(FrameError::Cut)?;
        self.0 = rest;
        Ok(Word { base, attempt, what, elements: read_elements(elements) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committee() -> Committee {
        Committee::new(4).unwrap()
    }

    fn vote(number: u32) -> Vote {
        Vote { digest: B256::repeat_byte(9), attempt: number, batch: u64::MAX - 1, from: 5, to: 21 }
    }

    fn ballot(votes: usize) -> Part {
        let voter = PartyId::new(3).unwrap();
        Part::Ballot(Arc::new(Ballot { voter, votes: vec![vote(2); votes], signature: [7; SIGNATURE_BYTES] }))
    }

    fn word(what: What, elements: usize) -> Part {
        let attempt = if what == What::Bits { 0 } else { 3 };
        let elements = vec![Gr16::new([1, 2, 3, u16::MAX]); elements];
        Part::Word(Word { base: SessionId(B256::repeat_byte(1)), attempt, what, elements })
    }

    fn one(part: &Part) -> Vec<u8> {
        let mut bytes = Vec::new();
        part.write(&mut bytes);
        bytes
    }

    #[test]
    fn parts_round_trip_in_their_order_and_cost_what_the_page_says() {
        let parts = [ballot(3), word(What::Masked, 4), word(What::Revealed, 16), word(What::Bits, 160), ballot(1)];
        let frames = frames(&parts);
        assert_eq!(frames.len(), 1);
        assert_eq!(super::parts(committee(), &frames[0]).unwrap(), parts);
        assert_eq!(one(&parts[1]).len(), 38 + 4 * 8, "a euint64 has 16 blocks");
        assert_eq!(one(&parts[0]).len(), 4 + 3 * 52 + 64);
        assert!(super::frames(&[]).is_empty());
    }

    #[test]
    fn many_parts_make_several_bounded_frames_and_none_is_lost() {
        let parts = vec![ballot(MAX_VOTES); 40];
        let frames = frames(&parts);
        assert!(frames.len() > 1 && frames.iter().all(|frame| frame.len() < limits::PEER_MESSAGE_BYTES));
        let read: usize = frames.iter().map(|frame| super::parts(committee(), frame).unwrap().len()).sum();
        assert_eq!(read, parts.len());
    }

    #[test]
    fn what_is_cut_unknown_or_out_of_bounds_is_refused() {
        for part in [ballot(2), word(What::Masked, 4), word(What::Bits, 3)] {
            let whole = one(&part);
            for cut in 1..whole.len() {
                assert_eq!(super::parts(committee(), &whole[..cut]), Err(FrameError::Cut), "cut at {cut}");
            }
        }
        let refused = |place: usize, byte: u8, part: &Part| {
            let mut bytes = one(part);
            bytes[place] = byte;
            super::parts(committee(), &bytes).unwrap_err()
        };
        assert_eq!(refused(0, 0, &ballot(1)), FrameError::Kind(0));
        assert_eq!(refused(0, 5, &word(What::Masked, 1)), FrameError::Kind(5));
        for voter in [0, 5, 255] {
            assert_eq!(refused(1, voter, &ballot(1)), FrameError::Voter);
        }
        assert_eq!(refused(2, 0, &ballot(1)), FrameError::Votes(0));
        assert_eq!(refused(3, 255, &ballot(1)), FrameError::Votes(255 * 256 + 1));
        assert_eq!(refused(37, 0, &word(What::Masked, 1)), FrameError::Elements(0));
        assert_eq!(refused(37, 161, &word(What::Masked, 1)), FrameError::Elements(161));
    }
}
