//! A store that was restored from an older copy would use numbers and items a second time. So a party signs how far it
//! has come, whenever it has come further; its peers keep the highest such mark and show it when the party comes back
//! ("Rollback" in `docs/protocol/preprocessing.md`).

use crate::statement::{SIGNATURE_BYTES, Seal};
use crate::tags;
use tkms_types::transcript::Transcript;
use tkms_types::{ContextId, EpochId, PartyId};

/// What a party has begun and used in an epoch. Both only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Batches begun: the number of the next one.
    pub begun: u64,
    /// Items taken, or bound to a session by a vote.
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

/// "In this epoch I have come so far": on the party's disk before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub party: PartyId,
    /// The context.
    pub context: ContextId,
    /// The epoch.
    pub epoch: EpochId,
    /// How far.
    pub counters: Counters,
    /// The party's signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Mark {
    fn hash(&self) -> [u8; 32] {
        let Self { party, context, epoch, counters, .. } = self;
        let names = Transcript::new(tags::MARK).word(*context).word(*epoch).u8(party.number());
        names.u64(counters.begun).u64(counters.taken).finish().0
    }

    /// Signs our mark; what it counts has to be on disk.
    #[must_use]
    pub fn sign(party: PartyId, (context, epoch): (ContextId, EpochId), counters: Counters, seal: &impl Seal) -> Self {
        let unsigned = Self { party, context, epoch, counters, signature: [0; SIGNATURE_BYTES] };
        Self { signature: seal.sign(&unsigned.hash()), ..unsigned }
    }

    /// Whether the party signed it. Nobody else can: a store that is behind a mark of its own was rolled back, whoever
    /// shows the mark. Liars can hide one and invent none, so one honest peer that answers is enough.
    #[must_use]
    pub fn verify(&self, seal: &impl Seal) -> bool {
        seal.verify(self.party, &self.hash(), &self.signature)
    }
}
