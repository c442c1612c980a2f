//! Where a node stands in what the committee does together: what it holds, what it is ready for, what it has used.
//! Peers tell each other whenever it changes (`docs/protocol/sessions.md`, "Stands").

use tkms_mpc::preprocessing::Standing;
use tkms_types::{Committee, PartyId, SessionId};

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Mask keys of an epoch.
    Setup = 0,
    /// Items of exact decryption, from bits over GR(2¹⁶, 4).
    Exact = 1,
    /// Bits over GR(2⁶⁴, 4), used at once.
    Bits64 = 2,
    /// Products over GR(2⁶⁴, 4), used at once.
    Products64 = 3,
    /// Bits over GR(2¹⁶, 4), in a number that whoever measures chooses.
    Bits16 = 4,
}

impl Kind {
    /// From its number on the wire.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Setup),
            1 => Some(Self::Exact),
            2 => Some(Self::Bits64),
            3 => Some(Self::Products64),
            4 => Some(Self::Bits16),
            _ => None,
        }
    }
}

/// The run a node is ready to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What for.
    pub kind: Kind,
    /// Of the attempt, or of the batch.
    pub number: u64,
    /// What the committee holds against its members, as this node knows it.
    pub standing: Standing,
}

/// What a node has begun and used in an epoch. Both only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Batches begun: the number of the next one.
    pub begun: u64,
    /// Items taken.
    pub taken: u64,
}

impl Counters {
    /// The larger of each.
    #[must_use]
    pub fn highest(self, other: Self) -> Self {
        Self { begun: self.begun.max(other.begun), taken: self.taken.max(other.taken) }
    }

    /// Whether one of them is below the other's.
    #[must_use]
    pub const fn behind(self, other: Self) -> bool {
        self.begun < other.begun || self.taken < other.taken
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// The setup whose mask keys the node holds.
    pub mask_keys: Option<SessionId>,
    /// What it is ready for.
    pub wish: Option<Wish>,
    /// The session it begins as soon as 2t + 1 do, or has begun.
    pub going: Option<SessionId>,
    /// Its own counters.
    pub own: Counters,
    /// The highest it has seen of the receiver's.
    pub yours: Counters,
}

/// Evicted parties as a bit mask: bit i is the party of index i.
#[must_use]
pub fn evicted_mask(standing: &Standing) -> u32 {
    standing.evicted.iter().fold(0, |mask, party| mask | 1 << party.index())
}

/// The parties of a mask, ascending; `None` if it names parties outside the committee.
#[must_use]
pub fn evicted_of(mask: u32, committee: Committee) -> Option<Vec<PartyId>> {
    let known = (1u32 << committee.size()) - 1;
    (mask & !known == 0).then(|| committee.parties().filter(|party| mask >> party.index() & 1 == 1).collect())
}
