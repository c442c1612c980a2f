//! Chains whose validators seal each block inside its header: QBFT and IBFT 2.0, as Besu and GoQuorum publish them.
//!
//! The extra data is a list: vanity (32 bytes), validators, vote, round, seals. A validator signs the header with its round and
//! without seals; the block's hash is that of the header without either, so that it does not depend on who committed when.
//!
//! | | committed by signing | hashed as |
//! |---|---|---|
//! | QBFT | vanity, validators, vote, round, empty list | vanity, validators, vote, 0, empty list |
//! | IBFT 2.0 | vanity, validators, vote, round (4 bytes) | vanity, validators, vote |

use alloy_primitives::{Address, B256};
use alloy_rlp::{Decodable, EMPTY_LIST_CODE, EMPTY_STRING_CODE, Error, Header};

use super::{
    AttesterSet, Finality, HeaderEvidence, HeaderTrust, Need, SIGNATURE_BYTES, SetError, TrustError, Unattested,
    Witness, attesters::recover_with_parity,
};
use crate::{
    anchor::{Anchor, RawHeader},
    error::HeaderError,
};

/// Longest sealed header that is read: 64 validators and their seals take 6 KiB.
pub const MAX_SEALED_HEADER_BYTES: usize = 32 * 1024;
const VANITY_BYTES: usize = 32;
/// A round of IBFT 2.0.
const FIXED_ROUND_BYTES: usize = 4;

/// How the extra data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealFormat {
    /// QBFT.
    Qbft,
    /// IBFT 2.0.
    Ibft2,
}

/// Trust in the seals of a pinned set of validators. A change of the chain's own list is never followed by itself: it takes a new
/// cluster file.
pub struct ValidatorSeals {
    format: SealFormat,
    validators: AttesterSet,
}

impl ValidatorSeals {
    /// `validators` sorted; the quorum is that of the protocol, ⌈2m/3⌉.
    ///
    /// # Errors
    /// [`SetError`].
    pub fn new(format: SealFormat, validators: Vec<Address>) -> Result<Self, SetError> {
        let quorum = (2 * validators.len()).div_ceil(3);
        Ok(Self { format, validators: AttesterSet::new(B256::ZERO, validators, quorum)? })
    }

    fn count(&self, digest: B256, seals: &[&[u8]]) -> usize {
        let mut seen = 0u64;
        for seal in seals {
            let signer = match seal {
                [_, .., 0] => recover_with_parity(digest, seal, false),
                [_, .., 1] => recover_with_parity(digest, seal, true),
                _ => None,
            };
            if let Some(place) = signer.and_then(|signer| self.validators.place(signer)) {
                seen |= 1 << place;
            }
        }
        seen.count_ones() as usize
    }
}

impl HeaderTrust for ValidatorSeals {
    fn anchor(&self, header: &[u8]) -> Result<Anchor, HeaderError> {
        let header = RawHeader::parse(header, MAX_SEALED_HEADER_BYTES)?;
        let extra = Extra::parse(header.extra, self.format).map_err(HeaderError::Extra)?;
        Ok(header.anchor(header.hash_with_extra(&extra.hashed(self.format))))
    }

    /// A sealed block is final at once.
    fn attested(&self, _: &Anchor, evidence: &HeaderEvidence, _: Need, _: u64) -> Result<Finality, TrustError> {
        if evidence.witness != Witness::Seals {
            return Err(Unattested::WrongWitness.into());
        }
        let header = RawHeader::parse(&evidence.header, MAX_SEALED_HEADER_BYTES)?;
        let extra = Extra::parse(header.extra, self.format).map_err(HeaderError::Extra)?;
        let (len, max) = (extra.seals.len(), self.validators.members().len());
        if len > max {
            return Err(Unattested::TooMany { len, max }.into());
        }
        // A chain that keeps its validators in a contract names none in its headers.
        let mut named = extra.validators.clone();
        named.sort_unstable();
        if !named.is_empty() && named != self.validators.members() {
            return Err(Unattested::OtherValidators.into());
        }
        let found = self.count(header.hash_with_extra(&extra.committed(self.format)), &extra.seals);
        let needed = self.validators.quorum();
        if found >= needed { Ok(Finality::Finalized) } else { Err(Unattested::Quorum { found, needed }.into()) }
    }
}

/// The parts of the extra data.
struct Extra<'a> {
    /// RLP of vanity, validators and vote.
    agreed: &'a [u8],
    validators: Vec<Address>,
    /// RLP of the round.
    round: &'a [u8],
    seals: Vec<&'a [u8]>,
}

impl<'a> Extra<'a> {
    /// Strictly: every item of its type, nothing more.
    fn parse(mut bytes: &'a [u8], format: SealFormat) -> Result<Self, Error> {
        let items = Header::decode_bytes(&mut bytes, true)?;
        end(bytes)?;
        let mut rest = items;
        if Header::decode_bytes(&mut rest, false)?.len() != VANITY_BYTES {
            return Err(Error::UnexpectedLength);
        }
        let validators = addresses(Header::decode_bytes(&mut rest, true)?)?;
        vote(&mut rest, format)?;
        let agreed = taken(items, rest);
        let after_vote = rest;
        round(&mut rest, format)?;
        let round = taken(after_vote, rest);
        let seals = seals(Header::decode_bytes(&mut rest, true)?)?;
        end(rest)?;
        Ok(Self { agreed, validators, round, seals })
    }

    /// What a validator signs, as extra data.
    fn committed(&self, format: SealFormat) -> Vec<u8> {
        match format {
            SealFormat::Qbft => list(&[self.agreed, self.round, &[EMPTY_LIST_CODE]]),
            SealFormat::Ibft2 => list(&[self.agreed, self.round]),
        }
    }

    /// What the block's hash covers, as extra data.
    fn hashed(&self, format: SealFormat) -> Vec<u8> {
        match format {
            SealFormat::Qbft => list(&[self.agreed, &[EMPTY_STRING_CODE], &[EMPTY_LIST_CODE]]),
            SealFormat::Ibft2 => list(&[self.agreed]),
        }
    }
}

/// No vote (an empty list, with IBFT 2.0 an empty string), or a list of a validator and one more string.
fn vote(rest: &mut &[u8], format: SealFormat) -> Result<(), Error> {
    if format == SealFormat::Ibft2 && rest.first() == Some(&EMPTY_STRING_CODE) {
        return Header::decode_bytes(rest, false).map(|_| ());
    }
    let mut vote = Header::decode_bytes(rest, true)?;
    if vote.is_empty() && format == SealFormat::Qbft {
        return Ok(());
    }
    Address::decode(&mut vote)?;
    Header::decode_bytes(&mut vote, false)?;
    end(vote)
}

/// A number; with IBFT 2.0 always four bytes.
fn round(rest: &mut &[u8], format: SealFormat) -> Result<(), Error> {
    match format {
        SealFormat::Qbft => u32::decode(rest).map(|_| ()),
        SealFormat::Ibft2 => match Header::decode_bytes(rest, false)?.len() {
            FIXED_ROUND_BYTES => Ok(()),
            _ => Err(Error::UnexpectedLength),
        },
    }
}

fn addresses(mut rest: &[u8]) -> Result<Vec<Address>, Error> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        found.push(Address::decode(&mut rest)?);
    }
    Ok(found)
}

fn seals(mut rest: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let seal = Header::decode_bytes(&mut rest, false)?;
        if seal.len() != SIGNATURE_BYTES {
            return Err(Error::UnexpectedLength);
        }
        found.push(seal);
    }
    Ok(found)
}

/// What of `all` lies before `rest`, its end.
fn taken<'a>(all: &'a [u8], rest: &[u8]) -> &'a [u8] {
    all.get(..all.len() - rest.len()).unwrap_or_default()
}

fn end(rest: &[u8]) -> Result<(), Error> {
    if rest.is_empty() { Ok(()) } else { Err(Error::UnexpectedLength) }
}

fn list(items: &[&[u8]]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = Vec::with_capacity(payload.len() + 4);
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}
