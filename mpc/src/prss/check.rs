//! PRSS.Check and PRZS.Check (step 6 of `docs/protocol/preprocessing.md`): of a batch that was rejected, and will never be
//! used, every party shows its secrets; the majority in each subset is right, and everyone's messages can be recomputed.

use super::{BatchKeys, KEY_BYTES, Subset, all_subsets, held_subsets};
use crate::fault::Owner;
use std::collections::BTreeMap;
use tkms_types::{Committee, PartyId};

/// What the shown secrets tell.
#[derive(Clone, PartialEq, Eq)]
pub struct Checked {
    committee: Committee,
    secrets: BTreeMap<Subset, [u8; KEY_BYTES]>,
    /// Parties that showed another secret than the majority of a subset, or not one for each of theirs.
    pub dissenters: Vec<PartyId>,
}

/// Takes the majority of every subset. `shown` is in the order of parties; who shows nothing is no dissenter.
///
/// A subset has n − t = 2t + 1 parties, t + 1 of them honest: with all honest ones showing theirs, a secret shown t + 1
/// times is the right one.
#[must_use]
pub fn majority(committee: Committee, shown: &[Option<Vec<[u8; KEY_BYTES]>>]) -> Checked {
    let mut votes: BTreeMap<Subset, Vec<(PartyId, [u8; KEY_BYTES])>> = BTreeMap::new();
    let mut dissenters = Vec::new();
    for (party, secrets) in committee.parties().zip(shown) {
        let Some(secrets) = secrets else { continue };
        let subsets = held_subsets(Owner { party, committee });
        if secrets.len() != subsets.len() {
            dissenters.push(party);
            continue;
        }
        for (subset, secret) in subsets.into_iter().zip(secrets) {
            votes.entry(subset).or_default().push((party, *secret));
        }
    }
    let mut right = BTreeMap::new();
    for subset in all_subsets(committee) {
        let votes = votes.get(&subset).map(Vec::as_slice).unwrap_or_default();
        let support = |secret: &[u8; KEY_BYTES]| votes.iter().filter(|(_, other)| other == secret).count();
        let winner = votes.iter().find(|(_, secret)| support(secret) > committee.threshold().faults());
        if let Some((_, winner)) = winner {
            right.insert(subset, *winner);
            dissenters.extend(votes.iter().filter(|(_, secret)| secret != winner).map(|(party, _)| *party));
        }
    }
    dissenters.sort_unstable();
    dissenters.dedup();
    Checked { committee, secrets: right, dissenters }
}

impl Checked {
    /// The secrets a party should have had; `None` if a subset of it has no majority.
    #[must_use]
    pub fn batch_of(&self, party: PartyId) -> Option<BatchKeys> {
        BatchKeys::shown(Owner { party, committee: self.committee }, &self.secrets)
    }
}

#[cfg(test)]
mod tests;
