//! Where a node stands in what the committee does together: what it holds, what it is ready for, what it has used.
//! Peers tell each other whenever it changes (`docs/protocol/sessions.md`, "Stands").

use tkms_mpc::preprocessing::{Mark, Standing};
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
    /// Who is left out of this run because 2t + 1 of us find it away. Ascending.
    pub away: Vec<PartyId>,
}

/// How far a node has come with its mask keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// It has them, and drops them if they do not come into force.
    #[default]
    Made = 0,
    /// It saw 2t + 1 nodes that have them: it never drops them again.
    Promised = 1,
    /// It saw 2t + 1 nodes that have promised.
    InForce = 2,
}

impl Stage {
    /// From its number on the wire.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Made),
            1 => Some(Self::Promised),
            2 => Some(Self::InForce),
            _ => None,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// The setup whose mask keys the node holds.
    pub mask_keys: Option<SessionId>,
    /// How far it has come with them.
    pub stage: Stage,
    /// What it is ready for.
    pub wish: Option<Wish>,
    /// The session it begins as soon as 2t + 1 do, or has begun.
    pub going: Option<SessionId>,
    /// Who was not ready for a long time although the sender was. Ascending.
    pub away: Vec<PartyId>,
    /// How far it has come, signed.
    pub own: Option<Mark>,
    /// The highest mark it has seen of the receiver.
    pub yours: Option<Mark>,
}

/// Parties as a bit mask: bit i is the party of index i.
#[must_use]
pub fn mask_of(parties: &[PartyId]) -> u32 {
    parties.iter().fold(0, |mask, party| mask | 1 << party.index())
}

/// The parties of a mask, ascending; `None` if it names parties outside the committee.
#[must_use]
pub fn parties_of(mask: u32, committee: Committee) -> Option<Vec<PartyId>> {
    let known = (1u32 << committee.size()) - 1;
    (mask & !known == 0).then(|| committee.parties().filter(|party| mask >> party.index() & 1 == 1).collect())
}
