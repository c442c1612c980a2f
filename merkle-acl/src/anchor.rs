//! From the raw bytes of a block header to the few facts everything else hangs on.

use alloy_primitives::{Address, B64, B256, Bloom, U256, keccak256};
use alloy_rlp::{Decodable, Header};

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
        if rlp.len() > MAX_HEADER_BYTES {
            return Err(HeaderError::TooLong { len: rlp.len(), max: MAX_HEADER_BYTES });
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
        fields.skip_string()?; // extra data
        fields.take::<B256>()?; // mix hash
        fields.take::<B64>()?; // nonce
        while !fields.rest.is_empty() {
            fields.skip_string()?;
        }
        if number == 0 {
            return Err(HeaderError::Genesis);
        }
        Ok(Self { hash: keccak256(rlp), number, state_root, timestamp })
    }

    /// Block hash: keccak-256 of the header bytes.
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

/// Reads header fields in order and knows the position of the next one.
struct Fields<'a> {
    rest: &'a [u8],
    next: usize,
}

impl Fields<'_> {
    fn take<T: Decodable>(&mut self) -> Result<T, HeaderError> {
        let field = self.advance()?;
        T::decode(&mut self.rest).map_err(|reason| HeaderError::Rlp { field, reason })
    }

    fn skip_string(&mut self) -> Result<(), HeaderError> {
        let field = self.advance()?;
        Header::decode_bytes(&mut self.rest, false).map(|_| ()).map_err(|reason| HeaderError::Rlp { field, reason })
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
