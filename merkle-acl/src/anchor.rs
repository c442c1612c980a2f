//! From the raw bytes of a block header to the few facts everything else hangs on.

use alloy_primitives::{Address, B64, B256, Bloom, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, Header};

use crate::error::HeaderError;

/// Longest header that is read, in bytes. Ethereum's are some 610.
pub const MAX_HEADER_BYTES: usize = 4096;
/// Most fields a header may have. Osaka's have 21; room for a few forks.
pub const MAX_HEADER_FIELDS: usize = 32;

/// One block of the host chain, as its own header states it.
///
/// Only the bytes were checked: whether this block is final, or of this chain at all, is for the caller to decide, by `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Anchor {
    hash: B256,
    number: u64,
    state_root: B256,
    timestamp: u64,
}

impl Anchor {
    /// Parses a header strictly: one RLP list, fields 0 to 14 by position with their exact types, well-formed
    /// strings after them (later forks append fields), nothing behind the list.
    ///
    /// # Errors
    /// [`HeaderError`]; block 0 is refused.
    pub fn from_header_rlp(rlp: &[u8]) -> Result<Self, HeaderError> {
        RawHeader::parse(rlp, MAX_HEADER_BYTES).map(|header| header.anchor(keccak256(rlp)))
    }

    /// Block hash: keccak-256 of the header bytes (of a sealed header: without what comes after the block was agreed on).
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Block number, never 0.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Root of the state trie after this block.
    pub const fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Unix seconds.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }
}

/// A header whose fields were read, not hashed yet.
pub(crate) struct RawHeader<'a> {
    number: u64,
    state_root: B256,
    timestamp: u64,
    /// RLP of the fields before the extra data.
    before: &'a [u8],
    /// Content of the extra data.
    pub(crate) extra: &'a [u8],
    /// RLP of the fields after it.
    after: &'a [u8],
}

impl<'a> RawHeader<'a> {
    /// Strictly, as [`Anchor::from_header_rlp`] has it.
    pub(crate) fn parse(rlp: &'a [u8], max: usize) -> Result<Self, HeaderError> {
        if rlp.len() > max {
            return Err(HeaderError::TooLong { len: rlp.len(), max });
        }
        let mut rest = rlp;
        let payload = Header::decode_bytes(&mut rest, true).map_err(|reason| HeaderError::Rlp { field: 0, reason })?;
        if !rest.is_empty() {
            return Err(HeaderError::TrailingBytes(rest.len()));
        }
        let mut fields = Fields { rest: payload, next: 0 };
        fields.take::<B256>()?; // parent
        fields.take::<B256>()?; // ommers
        fields.take::<Address>()?; // beneficiary
        let state_root = fields.take::<B256>()?;
        fields.take::<B256>()?; // transactions
        fields.take::<B256>()?; // receipts
        fields.take::<Bloom>()?; // logs bloom
        fields.take::<U256>()?; // difficulty
        let number = fields.take::<u64>()?;
        fields.take::<u64>()?; // gas limit
        fields.take::<u64>()?; // gas used
        let timestamp = fields.take::<u64>()?;
        let before = payload.get(..payload.len() - fields.rest.len()).unwrap_or_default();
        let extra = fields.take_string()?;
        let after = fields.rest;
        fields.take::<B256>()?; // mix hash
        fields.take::<B64>()?; // nonce
        while !fields.rest.is_empty() {
            fields.take_string()?;
        }
        if number == 0 {
            return Err(HeaderError::Genesis);
        }
        Ok(Self { number, state_root, timestamp, before, extra, after })
    }

    pub(crate) const fn anchor(&self, hash: B256) -> Anchor {
        Anchor { hash, number: self.number, state_root: self.state_root, timestamp: self.timestamp }
    }

    /// Hash of this header with other extra data.
    pub(crate) fn hash_with_extra(&self, extra: &[u8]) -> B256 {
        let mut fields = self.before.to_vec();
        extra.encode(&mut fields);
        fields.extend_from_slice(self.after);
        let mut rlp = Vec::with_capacity(fields.len() + 8);
        Header { list: true, payload_length: fields.len() }.encode(&mut rlp);
        rlp.extend_from_slice(&fields);
        keccak256(rlp)
    }
}

/// Reads header fields in order and knows the position of the next one.
struct Fields<'a> {
    rest: &'a [u8],
    next: usize,
}

impl<'a> Fields<'a> {
    fn take<T: Decodable>(&mut self) -> Result<T, HeaderError> {
        let field = self.advance()?;
        T::decode(&mut self.rest).map_err(|reason| HeaderError::Rlp { field, reason })
    }

    fn take_string(&mut self) -> Result<&'a [u8], HeaderError> {
        let field = self.advance()?;
        Header::decode_bytes(&mut self.rest, false).map_err(|reason| HeaderError::Rlp { field, reason })
    }

    fn advance(&mut self) -> Result<usize, HeaderError> {
        if self.next >= MAX_HEADER_FIELDS {
            return Err(HeaderError::TooManyFields(MAX_HEADER_FIELDS));
        }
        let field = self.next;
        self.next += 1;
        Ok(field)
    }
}
