//! Field by field: what is wrong in a message, and where.

use bytes::Bytes;
use tkms_types::{CommitteeError, IdError};

/// A message field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {path}: {problem}")]
pub struct FieldError {
    /// Where, such as `materials[2].key_id`.
    pub path: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Another width.
    #[error("{found} bytes, expected {expected}")]
    Width {
        /// Bytes given.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// More bytes than can be meant.
    #[error("{found} bytes, at most {limit} are taken")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// More elements than can be meant.
    #[error("{found} elements, at most {limit} are taken")]
    TooMany {
        /// Elements given.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A number outside the field's range.
    #[error("the number is out of range")]
    Number,
    /// A 32-byte id of another kind.
    #[error(transparent)]
    Id(#[from] IdError),
    /// No party.
    #[error(transparent)]
    Party(#[from] CommitteeError),
    /// A field that must be there is not.
    #[error("it is missing")]
    Missing,
    /// The same twice.
    #[error("an element is there twice")]
    Repeated,
    /// Nothing refers to it.
    #[error("nothing refers to it")]
    Unused,
    /// Two fields that must agree do not.
    #[error("it does not agree with {0}")]
    Disagrees(&'static str),
}

impl FieldError {
    pub(crate) fn new(field: &'static str, problem: impl Into<Problem>) -> Self {
        Self { path: field.to_owned(), problem: problem.into() }
    }

    /// The same, one level up.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.path = if self.path.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.path) };
        self
    }
}

pub(crate) fn fixed<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], FieldError> {
    bytes.try_into().map_err(|_| FieldError::new(field, Problem::Width { found: bytes.len(), expected: N }))
}

pub(crate) fn bounded(field: &'static str, bytes: Bytes, limit: usize) -> Result<Bytes, FieldError> {
    if bytes.len() > limit {
        return Err(FieldError::new(field, Problem::TooLong { found: bytes.len(), limit }));
    }
    Ok(bytes)
}

/// Reads every element of a list of at most `limit`, naming the position of one at fault.
pub(crate) fn nested<T, U>(
    field: &'static str,
    list: &[T],
    limit: usize,
    read: impl Fn(&T) -> Result<U, FieldError>,
) -> Result<Vec<U>, FieldError> {
    if list.len() > limit {
        return Err(FieldError::new(field, Problem::TooMany { found: list.len(), limit }));
    }
    let element =
        |(position, element)| read(element).map_err(|error: FieldError| error.within(&format!("{field}[{position}]")));
    list.iter().enumerate().map(element).collect()
}
