//! Agreement on a batch and what follows from its rejection (steps 4 to 7 of `docs/protocol/preprocessing.md`).
//! Functions of broadcast values only, so every honest party finds the same.

use crate::bounds::subsets;
use crate::broadcast::Delivered;
use crate::codec::write_elements;
use crate::prss::check::majority;
use crate::prss::{BatchKeys, KEY_BYTES};
use crate::ring::Ring;
use crate::tags;
use tkms_types::transcript::Transcript;
use tkms_types::{Committee, PartyId, SessionId};

/// Digest of opened elements or of a message.
pub(super) type Digest = [u8; 32];
/// Elements encoded and hashed at once: enough for the widest vectors, few enough for the cache.
const HASHED_AT_ONCE: usize = 1024;
/// In the place of the digest of a message that did not come.
const NOTHING: Digest = [0; 32];

/// What the committee holds against its members from one batch to the next. Starts empty with the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Proven liars: their shares are left out. In ascending order.
    pub evicted: Vec<PartyId>,
    /// Whether the shares of the next batch go by reliable broadcast.
    pub careful: bool,
}

/// What the secrets of a rejected batch showed. The same at every honest party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// Parties that lied: proven, whatever the network did, to be evicted.
    pub corrupt: Vec<PartyId>,
    /// Parties whose right message t + 1 others did not get: as good as proven, if the network is synchronous.
    pub silent: Vec<PartyId>,
    /// (party, sender): the party says that it was sent, or not sent, something else. One of the two lies.
    pub disputes: Vec<(PartyId, PartyId)>,
}

impl Standing {
    /// Step 7: liars are evicted; where there are only disputes, the next batch is careful, and names a liar if it fails.
    pub fn note(&mut self, rejection: &Rejection) {
        for party in &rejection.corrupt {
            self.evict(*party);
        }
        self.careful = rejection.corrupt.is_empty();
    }

    /// Leaves a party's shares out from the next batch on. For silent ones: only where timeouts are far above delays,
    /// and at every honest party alike.
    pub fn evict(&mut self, party: PartyId) {
        if !self.evicted.contains(&party) {
            self.evicted.push(party);
            self.evicted.sort_unstable();
        }
        self.careful = false;
    }
}

/// The digest that t + 1 parties report.
pub(super) fn agreed_report(committee: Committee, evicted: &[PartyId], reports: &Delivered) -> Option<Digest> {
    let trusted = committee.parties().zip(reports).filter(|(party, _)| !evicted.contains(party));
    let digests: Vec<Digest> = trusted.filter_map(|(_, report)| Digest::try_from(report.as_deref()?).ok()).collect();
    let support = |digest: &Digest| digests.iter().filter(|other| *other == digest).count();
    digests.iter().find(|digest| support(digest) > committee.threshold().faults()).copied()
}

/// Digest of the opened elements of a batch.
pub(super) fn opened_digest<R: Ring>(session: SessionId, opened: &[R]) -> Digest {
    Transcript::new(tags::BATCH_MESSAGE).word(session.0).u8(0).word(hashed(opened)).finish().0
}

/// Digest of a message of step 2.
pub(super) fn message_digest<R: Ring>(session: SessionId, message: &[R]) -> Digest {
    Transcript::new(tags::BATCH_MESSAGE).word(session.0).u8(1).word(hashed(message)).finish().0
}

/// BLAKE3 of the encoded elements: of megabytes Keccak would take as long as all the arithmetic.
fn hashed<R: Ring>(list: &[R]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(HASHED_AT_ONCE * R::BYTES);
    for part in list.chunks(HASHED_AT_ONCE) {
        bytes.clear();
        write_elements(part, &mut bytes);
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

/// What a party shows of a rejected batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its secrets, in ascending order of its subsets.
    pub secrets: Vec<[u8; KEY_BYTES]>,
    /// Digest of the message it says it sent.
    pub own: Digest,
    /// Digests of the messages it says it got, in the order of parties.
    pub heard: Vec<Option<Digest>>,
}

impl Shown {
    /// Bytes of what a party shows.
    pub fn bytes(committee: Committee) -> usize {
        let (n, faults) = (committee.size(), committee.threshold().faults());
        // C(n − 1, t) secrets
        KEY_BYTES * (subsets(committee) as usize * (n - faults) / n + 1 + n)
    }

    pub fn write(&self) -> Vec<u8> {
        let heard = self.heard.iter().map(|digest| digest.unwrap_or(NOTHING));
        self.secrets.iter().copied().chain([self.own]).chain(heard).flatten().collect()
    }

    pub fn read(committee: Committee, bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<KEY_BYTES>();
        if !rest.is_empty() || bytes.len() != Self::bytes(committee) {
            return None;
        }
        let (secrets, digests) = words.split_at_checked(words.len() - committee.size() - 1)?;
        let (own, heard) = digests.split_first()?;
        let heard = heard.iter().map(|digest| (*digest != NOTHING).then_some(*digest)).collect();
        Some(Self { secrets: secrets.to_vec(), own: *own, heard })
    }
}

/// Step 6. `right` recomputes a party's message from its secrets. Also returns everyone's right message.
pub(super) fn check<R: Ring>(
    session: SessionId,
    committee: Committee,
    standing: &Standing,
    shown: &[Option<Shown>],
    right: impl Fn(&BatchKeys) -> Vec<R>,
) -> (Rejection, Vec<Option<Vec<R>>>) {
    let secrets: Vec<_> = shown.iter().map(|shown| Some(shown.as_ref()?.secrets.clone())).collect();
    let checked = majority(committee, &secrets);
    let messages: Vec<Option<Vec<R>>> =
        committee.parties().map(|party| checked.batch_of(party).map(|keys| right(&keys))).collect();
    let mut rejection = Rejection { corrupt: checked.dissenters, ..Rejection::default() };
    for (sender, message) in committee.parties().zip(&messages) {
        let Some(message) = message.as_ref().filter(|_| !standing.evicted.contains(&sender)) else { continue };
        let expected = message_digest(session, message);
        let own = shown.get(sender.index()).and_then(Option::as_ref).map(|shown| shown.own);
        let (mut without, mut otherwise) = (Vec::new(), Vec::new());
        for (party, shown) in committee.parties().zip(shown).filter(|(party, _)| *party != sender) {
            let Some(shown) = shown else { continue };
            match shown.heard.get(sender.index()).copied().flatten() {
                None => without.push(party),
                Some(digest) if digest != expected => otherwise.push(party),
                Some(_) => {}
            }
        }
        let faults = committee.threshold().faults();
        if own.is_some_and(|own| own != expected) || otherwise.len() > faults {
            rejection.corrupt.push(sender);
        } else if without.len() + otherwise.len() > faults {
            // one of them is honest and did not get the right message, but maybe the network is to blame
            rejection.silent.push(sender);
        }
        rejection.disputes.extend(without.into_iter().chain(otherwise).map(|party| (party, sender)));
    }
    rejection.corrupt.sort_unstable();
    rejection.corrupt.dedup();
    rejection.corrupt.retain(|party| !standing.evicted.contains(party));
    let settled = |party: &PartyId| {
        rejection.corrupt.contains(party) || rejection.silent.contains(party) || standing.evicted.contains(party)
    };
    let open = |(party, sender): &(PartyId, PartyId)| !settled(party) && !settled(sender);
    let disputes = rejection.disputes.iter().filter(|pair| open(pair)).copied().collect();
    (Rejection { disputes, ..rejection }, messages)
}

#[cfg(test)]
mod tests;
