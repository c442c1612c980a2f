//! What the secrets shown of a rejected batch prove to a third party (step 6 of `docs/protocol/preprocessing.md`).

use super::agree::{Shown, check};
use super::{Batch, BatchId, Recipe, Standing};
use crate::broadcast::{Broadcast, BroadcastMsg};
use crate::codec::{Terms, Wire};
use crate::prss::BatchKeys;
use crate::ring::Ring;
use crate::statement::{Seal, SignedWords};
use tkms_types::{Committee, PartyId};

/// The parties that signed words of the check convict, in the eyes of one who knows the batch and the committee's keys.
///
/// `words` are what parties signed in the first round of the check, at most one each; what is unsigned, malformed or of
/// another round is passed over. Sound whatever is left out: only t + 1 equal secrets of a subset count, and only t + 1
/// parties that got another message, so that an honest party stands behind every conviction.
pub fn convicted<R: Ring, C: Recipe<R>>(
    (id, recipe, standing): (&BatchId, &C, &Standing),
    committee: Committee,
    words: &[SignedWords],
    seal: &impl Seal,
) -> Vec<PartyId> {
    let terms = Batch::<R, C>::terms_of((id, recipe, standing), committee);
    let read = |party: PartyId| {
        let mut of_party = words.iter().filter(|words| words.party == party && words.round == check_round(&terms));
        let signed = of_party.find(|words| words.verify(&terms, seal))?;
        let Ok(BroadcastMsg::Send(value)) = BroadcastMsg::parse(&signed.said, &terms) else { return None };
        Shown::read(committee, &value)
    };
    let shown: Vec<_> = committee.parties().map(read).collect();
    let right = |keys: &BatchKeys| recipe.prepare(&mut keys.draws()).1;
    check(terms.session, committee, standing, &shown, right).0.corrupt
}

/// The round in which the secrets of a rejected batch are shown.
fn check_round(terms: &Terms) -> u32 {
    let each = Broadcast::rounds(terms.committee);
    let shares = if terms.kind == (crate::codec::RunKind::Batch { careful: true }) { each } else { 1 };
    // shares, reports, votes
    shares + each + 2
}
