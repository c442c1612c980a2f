//! The committee: n = 3t + 1 parties, their numbers and their quorums (DESIGN.md D1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Largest committee: the ring GR(2^k, 4) has 15 non-zero evaluation points and n must be 3t + 1.
pub const MAX_PARTIES: usize = 13;

/// A party's number, 1-based: its position in `KMSVerifier.getKmsSigners()` plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PartyId(u8);

impl PartyId {
    /// A party of any committee: 1 … 13.
    ///
    /// # Errors
    /// [`CommitteeError::NoSuchParty`] outside that range.
    pub const fn new(number: u8) -> Result<Self, CommitteeError> {
        if number >= 1 && number as usize <= MAX_PARTIES {
            Ok(Self(number))
        } else {
            Err(CommitteeError::NoSuchParty(number))
        }
    }

    /// The 1-based number. Its four low bits are the coefficients of the party's evaluation point
    /// in GR(2^k, 4); 0, the point of the secret, is never a party.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// 0-based position in lists that hold one entry per party.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl TryFrom<u8> for PartyId {
    type Error = CommitteeError;
    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<PartyId> for u8 {
    fn from(party: PartyId) -> Self {
        party.0
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "party {}", self.0)
    }
}

/// How many parties may be faulty, and the quorum that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Threshold(u8);

impl Threshold {
    /// t: the largest number of parties that may lie or be silent.
    #[must_use]
    pub const fn faults(self) -> usize {
        self.0 as usize
    }

    /// 2t + 1: signatures on chain, answers a user waits for, shares of an opening.
    #[must_use]
    pub const fn quorum(self) -> usize {
        2 * self.0 as usize + 1
    }
}

/// A committee of n = 3t + 1 parties, n ∈ {1, 4, 7, 10, 13}. n = 1 is the centralised mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Committee(u8);

impl Committee {
    /// A committee of `n` parties.
    ///
    /// # Errors
    /// [`CommitteeError::Size`] unless n ∈ {1, 4, 7, 10, 13}.
    pub const fn new(n: usize) -> Result<Self, CommitteeError> {
        match n {
            1 | 4 | 7 | 10 | 13 => Ok(Self(n as u8)),
            _ => Err(CommitteeError::Size(n)),
        }
    }

    /// n: the number of parties.
    #[must_use]
    pub const fn size(self) -> usize {
        self.0 as usize
    }

    /// t = (n − 1) / 3.
    #[must_use]
    pub const fn threshold(self) -> Threshold {
        Threshold((self.0 - 1) / 3)
    }

    /// All parties in order.
    pub fn parties(self) -> impl DoubleEndedIterator<Item = PartyId> + Clone {
        (1..=self.0).map(PartyId)
    }

    /// Whether the party belongs to this committee.
    #[must_use]
    pub const fn contains(self, party: PartyId) -> bool {
        party.0 <= self.0
    }

    /// The party with this number.
    ///
    /// # Errors
    /// [`CommitteeError::NotAMember`] if the number is not one of 1 … n.
    pub const fn party(self, number: u8) -> Result<PartyId, CommitteeError> {
        match PartyId::new(number) {
            Ok(party) if self.contains(party) => Ok(party),
            _ => Err(CommitteeError::NotAMember { number, size: self.0 }),
        }
    }
}

impl TryFrom<u8> for Committee {
    type Error = CommitteeError;
    fn try_from(n: u8) -> Result<Self, Self::Error> {
        Self::new(n as usize)
    }
}

impl From<Committee> for u8 {
    fn from(committee: Committee) -> Self {
        committee.0
    }
}

/// A number that names no committee or no member of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// n is not 3t + 1 or too large.
    #[error("a committee has 1, 4, 7, 10 or 13 members, not {0}")]
    Size(usize),
    /// No committee has a party with this number.
    #[error("party numbers run from 1 to 13, not {0}")]
    NoSuchParty(u8),
    /// This committee has no party with this number.
    #[error("party {number} is not a member of a committee of {size}")]
    NotAMember {
        /// The number given.
        number: u8,
        /// n.
        size: u8,
    },
}
