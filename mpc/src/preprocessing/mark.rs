//! A store that was restored from an older copy would use numbers and items a second time. So a party signs, with every
//! batch it begins, how far it has come; its peers keep the highest such mark and show it when the party comes back
//! ("Rollback" in `docs/protocol/preprocessing.md`).

use crate::statement::{SIGNATURE_BYTES, Seal};
use crate::tags;
use tkms_types::transcript::Transcript;
use tkms_types::{ContextId, EpochId, PartyId};

/// "In this epoch I have begun no batch from this number on."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose.
    pub party: PartyId,
    /// The context.
    pub context: ContextId,
    /// The epoch.
    pub epoch: EpochId,
    /// The next number.
    pub next: u64,
    /// The party's signature.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// The own store is older than what this party has signed since: it is refused until it has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store counts {stored} batches; peers show our signature on {signed}: it was rolled back")]
pub struct RolledBack {
    /// The next number in the store.
    pub stored: u64,
    /// The next number to use, and none of the stored items before it.
    pub signed: u64,
}

impl Mark {
    fn hash(party: PartyId, context: ContextId, epoch: EpochId, next: u64) -> [u8; 32] {
        Transcript::new(tags::MARK).word(context).word(epoch).u8(party.number()).u64(next).finish().0
    }

    /// Signs our mark; to be stored first.
    #[must_use]
    pub fn sign(party: PartyId, (context, epoch): (ContextId, EpochId), next: u64, seal: &impl Seal) -> Self {
        let signature = seal.sign(&Self::hash(party, context, epoch, next));
        Self { party, context, epoch, next, signature }
    }

    /// Whether the party signed it.
    #[must_use]
    pub fn verify(&self, seal: &impl Seal) -> bool {
        let hash = Self::hash(self.party, self.context, self.epoch, self.next);
        seal.verify(self.party, &hash, &self.signature)
    }

    /// Compares our store with what peers show of ours. Marks of other parties or epochs, or that we did not sign, say
    /// nothing: liars can hide a mark and invent none, so one honest peer that answers is enough.
    ///
    /// # Errors
    /// [`RolledBack`] if the store is older than a mark of ours.
    pub fn check(
        me: PartyId,
        (context, epoch): (ContextId, EpochId),
        stored: u64,
        shown: &[Self],
        seal: &impl Seal,
    ) -> Result<(), RolledBack> {
        let ours = shown.iter().filter(|mark| (mark.party, mark.context, mark.epoch) == (me, context, epoch));
        let newer = ours.filter(|mark| mark.next > stored && mark.verify(seal));
        match newer.map(|mark| mark.next).max() {
            Some(signed) => Err(RolledBack { stored, signed }),
            None => Ok(()),
        }
    }
}
