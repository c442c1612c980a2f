//! Bytes of the messages of protocols in rounds. One canonical form: what is parsed, written again, is the same bytes.
//!
//! A tag byte and what follows it; integers and ring elements little-endian; a list with one entry per party is a bit
//! mask of two bytes and the entries that are there. The last part of a message reaches to its end, so that nothing
//! is allocated by a number that a peer chose: a parsed message is at most as long as its bytes.

use crate::broadcast::{BroadcastMsg, Digest};
use crate::preprocessing::BatchMsg;
use crate::prss_setup::SetupMsg;
use crate::ring::Ring;
use crate::vss::VssMsg;
use tkms_types::{Committee, SessionId};

/// Most parties of a committee, as bits of a mask.
type Mask = u16;

pub(crate) const SEND: u8 = 0;
pub(crate) const ECHO: u8 = 1;
pub(crate) const VOTE: u8 = 2;
pub(crate) const BITS: u8 = 3;
pub(crate) const MARKS: u8 = 4;
pub(crate) const KING: u8 = 5;
pub(crate) const NO_KING: u8 = 6;
const DEAL: u8 = 7;
const CROSS: u8 = 8;
const OPEN: u8 = 9;
const SHARES: u8 = 10;
pub(crate) const BATCH_VOTE: u8 = 11;
const NO_SUPPLY: u8 = 12;
const SUPPLY: u8 = 13;

/// What everyone knows about a run before it begins, and what bounds its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Names the run: no other run has this session.
    pub session: SessionId,
    /// Who takes part.
    pub committee: Committee,
    /// What is run.
    pub kind: RunKind,
    /// Longest broadcast value, in bytes.
    pub value: usize,
    /// Longest private list of ring elements, in bytes.
    pub list: usize,
}

/// The protocols in rounds, as far as they differ in the order of their public messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// [`crate::broadcast`] alone.
    Broadcast,
    /// [`crate::vss`], alone or inside [`crate::prss_setup`].
    Dealing,
    /// [`crate::preprocessing`].
    Batch {
        /// Whether the shares go by broadcast.
        careful: bool,
    },
}

impl Terms {
    /// Bytes of the longest message of the run.
    #[must_use]
    pub fn longest(&self) -> usize {
        let supplied = self.committee.size() * (size_of::<u32>() + self.value);
        1 + (3 * size_of::<Mask>() + supplied).max(self.list).max(size_of::<Mask>() + self.committee.size() * 32)
    }
}

/// Bytes that are no message of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The end comes too early.
    #[error("cut short")]
    Cut,
    /// Bytes after the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// No such message in this protocol.
    #[error("no message has the tag {0}")]
    Tag(u8),
    /// A mask with bits of parties that do not exist, or that contradicts another.
    #[error("a mask is out of range")]
    Mask,
    /// A value longer than the run has.
    #[error("{found} bytes where at most {limit} are allowed")]
    TooLong {
        /// Most bytes.
        limit: usize,
        /// Bytes given.
        found: usize,
    },
    /// A list that is no whole number of elements.
    #[error("{found} bytes are no list of elements of {size} bytes")]
    Elements {
        /// Bytes of an element.
        size: usize,
        /// Bytes given.
        found: usize,
    },
}

/// A message that has a byte form.
pub trait Wire: Sized {
    /// Appends the form of a well-shaped message: one entry per party where a list has one.
    fn write(&self, bytes: &mut Vec<u8>);

    /// Reads exactly one message.
    ///
    /// # Errors
    /// [`Malformed`] for every other byte string than those [`Self::write`] makes.
    fn parse(bytes: &[u8], terms: &Terms) -> Result<Self, Malformed>;

    /// What the sender has to tell everyone alike, in the same form; `None` if the message is private.
    fn statement(&self) -> Option<Vec<u8>>;

    /// [`Self::write`] into a new string.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

/// What is left of a message.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed::Cut)?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed::Cut)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A mask with one bit per party.
    pub(crate) fn mask(&mut self, committee: Committee) -> Result<Mask, Malformed> {
        let mask = Mask::from_le_bytes(self.array()?);
        if u32::from(mask) >> committee.size() == 0 { Ok(mask) } else { Err(Malformed::Mask) }
    }

    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing(self.0.len())) }
    }
}

pub(crate) fn mask_of(bits: impl Iterator<Item = bool>) -> Mask {
    bits.zip(0..Mask::BITS).fold(0, |mask, (bit, place)| mask | Mask::from(bit) << place)
}

/// The bits of a mask, one per party.
pub(crate) fn bits_of(mask: Mask, committee: Committee) -> impl Iterator<Item = bool> {
    (0..committee.size()).map(move |place| mask >> place & 1 == 1)
}

pub(crate) fn write_elements<R: Ring>(list: &[R], bytes: &mut Vec<u8>) {
    bytes.reserve(list.len() * R::BYTES);
    for element in list {
        element.write_le(bytes);
    }
}

pub(crate) fn read_elements<R: Ring>(bytes: &[u8]) -> Vec<R> {
    bytes.chunks_exact(R::BYTES).map(R::read_le).collect()
}

fn parse_elements<R: Ring>(bytes: &[u8], terms: &Terms) -> Result<Vec<R>, Malformed> {
    let found = bytes.len();
    if found > terms.list {
        return Err(Malformed::TooLong { limit: terms.list, found });
    }
    if !found.is_multiple_of(R::BYTES) {
        return Err(Malformed::Elements { size: R::BYTES, found });
    }
    Ok(read_elements(bytes))
}

fn tagged_elements<R: Ring>(tag: u8, list: &[R], bytes: &mut Vec<u8>) {
    bytes.push(tag);
    write_elements(list, bytes);
}

fn write_mask(bits: impl Iterator<Item = bool>, bytes: &mut Vec<u8>) {
    bytes.extend(mask_of(bits).to_le_bytes());
}

fn write_hashes(tag: u8, list: &[Option<Digest>], bytes: &mut Vec<u8>) {
    bytes.push(tag);
    write_mask(list.iter().map(Option::is_some), bytes);
    bytes.extend(list.iter().flatten().flatten());
}

fn read_hashes(reader: &mut Reader<'_>, terms: &Terms) -> Result<Vec<Option<Digest>>, Malformed> {
    let present = reader.mask(terms.committee)?;
    bits_of(present, terms.committee).map(|there| there.then(|| reader.array()).transpose()).collect()
}

fn read_value(bytes: &[u8], terms: &Terms) -> Result<Vec<u8>, Malformed> {
    let (limit, found) = (terms.value, bytes.len());
    if found > limit { Err(Malformed::TooLong { limit, found }) } else { Ok(bytes.to_vec()) }
}

fn read_supply(reader: &mut Reader<'_>, terms: &Terms) -> Result<Vec<Option<Vec<u8>>>, Malformed> {
    let present = reader.mask(terms.committee)?;
    let mut value = |there: bool| {
        if !there {
            return Ok(None);
        }
        let len = u32::from_le_bytes(reader.array()?) as usize;
        read_value(reader.take(len)?, terms).map(Some)
    };
    bits_of(present, terms.committee).map(&mut value).collect()
}

fn write_marks(marks: &[Option<bool>], supply: &[Option<Vec<u8>>], bytes: &mut Vec<u8>) {
    bytes.push(MARKS);
    write_mask(marks.iter().map(Option::is_some), bytes);
    write_mask(marks.iter().map(|mark| *mark == Some(true)), bytes);
    write_mask(supply.iter().map(Option::is_some), bytes);
    for value in supply.iter().flatten() {
        // values are at most a message long, far below 2³²
        bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(value);
    }
}

fn read_marks(reader: &mut Reader<'_>, terms: &Terms) -> Result<BroadcastMsg, Malformed> {
    let (present, set) = (reader.mask(terms.committee)?, reader.mask(terms.committee)?);
    if set & !present != 0 {
        return Err(Malformed::Mask);
    }
    let both = bits_of(present, terms.committee).zip(bits_of(set, terms.committee));
    let marks = both.map(|(there, mark)| there.then_some(mark)).collect();
    Ok(BroadcastMsg::Marks { marks, supply: read_supply(reader, terms)? })
}

impl Wire for BroadcastMsg {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Send(value) => {
                bytes.push(SEND);
                bytes.extend(value);
            }
            Self::Echo(list) => write_hashes(ECHO, list, bytes),
            Self::Vote(list) => write_hashes(VOTE, list, bytes),
            Self::Bits { bits, wanted } => {
                bytes.push(BITS);
                write_mask(bits.iter().copied(), bytes);
                write_mask(wanted.iter().copied(), bytes);
            }
            Self::Marks { marks, supply } => write_marks(marks, supply, bytes),
            Self::King(Some(bits)) => {
                bytes.push(KING);
                write_mask(bits.iter().copied(), bytes);
            }
            Self::King(None) => bytes.push(NO_KING),
        }
    }

    fn parse(bytes: &[u8], terms: &Terms) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let bools = |mask| bits_of(mask, terms.committee).collect();
        let msg = match reader.byte()? {
            SEND => return Ok(Self::Send(read_value(reader.0, terms)?)),
            ECHO => Self::Echo(read_hashes(&mut reader, terms)?),
            VOTE => Self::Vote(read_hashes(&mut reader, terms)?),
            BITS => {
                let (bits, wanted) = (reader.mask(terms.committee)?, reader.mask(terms.committee)?);
                Self::Bits { bits: bools(bits), wanted: bools(wanted) }
            }
            MARKS => read_marks(&mut reader, terms)?,
            KING => Self::King(Some(bools(reader.mask(terms.committee)?))),
            NO_KING => Self::King(None),
            tag => return Err(Malformed::Tag(tag)),
        };
        reader.finish()?;
        Ok(msg)
    }

    /// All but the values supplied to one receiver: their hashes speak for themselves.
    fn statement(&self) -> Option<Vec<u8>> {
        let Self::Marks { marks, .. } = self else { return Some(self.to_bytes()) };
        let mut bytes = Vec::new();
        write_marks(marks, &[], &mut bytes);
        Some(bytes)
    }
}

impl<R: Ring> Wire for VssMsg<R> {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Deal(list) => tagged_elements(DEAL, list, bytes),
            Self::Cross(list) => tagged_elements(CROSS, list, bytes),
            Self::Broadcast(msg) => msg.write(bytes),
        }
    }

    fn parse(bytes: &[u8], terms: &Terms) -> Result<Self, Malformed> {
        match bytes {
            [DEAL, rest @ ..] => Ok(Self::Deal(parse_elements(rest, terms)?)),
            [CROSS, rest @ ..] => Ok(Self::Cross(parse_elements(rest, terms)?)),
            _ => Ok(Self::Broadcast(BroadcastMsg::parse(bytes, terms)?)),
        }
    }

    fn statement(&self) -> Option<Vec<u8>> {
        match self {
            Self::Deal(_) | Self::Cross(_) => None,
            Self::Broadcast(msg) => msg.statement(),
        }
    }
}

impl Wire for SetupMsg {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Vss(msg) => msg.write(bytes),
            Self::Open(list) => tagged_elements(OPEN, list, bytes),
        }
    }

    fn parse(bytes: &[u8], terms: &Terms) -> Result<Self, Malformed> {
        match bytes {
            [OPEN, rest @ ..] => Ok(Self::Open(parse_elements(rest, terms)?)),
            _ => Ok(Self::Vss(VssMsg::parse(bytes, terms)?)),
        }
    }

    fn statement(&self) -> Option<Vec<u8>> {
        match self {
            Self::Vss(msg) => msg.statement(),
            Self::Open(_) => None,
        }
    }
}

impl<R: Ring> Wire for BatchMsg<R> {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Shares(list) => tagged_elements(SHARES, list, bytes),
            Self::Broadcast(msg) => msg.write(bytes),
            Self::Vote { accept, want } => bytes.extend([BATCH_VOTE, u8::from(*accept) | u8::from(*want) << 1]),
            Self::Supply(None) => bytes.push(NO_SUPPLY),
            Self::Supply(Some(list)) => tagged_elements(SUPPLY, list, bytes),
        }
    }

    fn parse(bytes: &[u8], terms: &Terms) -> Result<Self, Malformed> {
        match bytes {
            [SHARES, rest @ ..] => Ok(Self::Shares(parse_elements(rest, terms)?)),
            [SUPPLY, rest @ ..] => Ok(Self::Supply(Some(parse_elements(rest, terms)?))),
            [NO_SUPPLY] => Ok(Self::Supply(None)),
            [BATCH_VOTE, vote @ 0..4] => Ok(Self::Vote { accept: vote & 1 == 1, want: vote >> 1 == 1 }),
            [BATCH_VOTE] => Err(Malformed::Cut),
            [BATCH_VOTE, _] => Err(Malformed::Mask),
            [NO_SUPPLY, rest @ ..] | [BATCH_VOTE, _, rest @ ..] => Err(Malformed::Trailing(rest.len())),
            _ => Ok(Self::Broadcast(BroadcastMsg::parse(bytes, terms)?)),
        }
    }

    /// The shares are the same for all too; but a signature on an opening would cost as much as the opening.
    fn statement(&self) -> Option<Vec<u8>> {
        match self {
            Self::Broadcast(msg) => msg.statement(),
            Self::Vote { .. } => Some(self.to_bytes()),
            Self::Shares(_) | Self::Supply(_) => None,
        }
    }
}
