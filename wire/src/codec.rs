//! Small strict reader and writer for fixed layouts: little-endian integers, lengths as u64 (fhevm-compat §3.6).

/// Reads a layout field by field and never past the end.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Short { field })?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Short { field })?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u128(&mut self, field: &'static str) -> Result<u128, DecodeError> {
        self.array(field).map(u128::from_le_bytes)
    }

    /// A length or count of at most `limit`.
    pub(crate) fn len(&mut self, field: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let found = self.array(field).map(u64::from_le_bytes)?;
        usize::try_from(found).ok().filter(|len| *len <= limit).ok_or(DecodeError::Length { field, found })
    }

    /// A byte string of at most `limit` bytes.
    pub(crate) fn vec(&mut self, field: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.len(field, limit)?;
        self.bytes(field, len)
    }

    /// A byte string that must have N bytes.
    pub(crate) fn exact<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.vec(field, N)?;
        bytes.try_into().map_err(|_| DecodeError::Length { field, found: bytes.len() as u64 })
    }

    /// Bytes that stand fixed in the layout.
    pub(crate) fn expect(&mut self, field: &'static str, fixed: &[u8]) -> Result<(), DecodeError> {
        let found = self.bytes(field, fixed.len())?;
        if found == fixed { Ok(()) } else { Err(DecodeError::Value { field }) }
    }

    /// What has not been read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.0.len())) }
    }
}

/// Appends a byte string with its length.
pub(crate) fn put_vec(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Bytes that do not follow their layout. Never says a secret byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside this field.
    #[error("the bytes end inside {field}")]
    Short {
        /// The field.
        field: &'static str,
    },
    /// A length that this field cannot have.
    #[error("{field} cannot have length {found}")]
    Length {
        /// The field.
        field: &'static str,
        /// As stated.
        found: u64,
    },
    /// A value that this field cannot have.
    #[error("{field} has a value it cannot have")]
    Value {
        /// The field.
        field: &'static str,
    },
    /// Something stands behind the end.
    #[error("{0} bytes stand behind the end")]
    Trailing(usize),
}
