//! Parts of ciphertexts that no request is known for yet: bounded per peer in number, bytes and time.

use super::codec::{Ballot, Vote, Word};
use crate::limits::{AT_HAND_TIME, EXACT_EARLY, EXACT_EARLY_PARTS};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::limits::{EARLY_BYTES_PER_PEER, EARLY_TIME};
use tkms_types::{PartyId, SessionId};

/// What a peer said. The votes' signatures were checked.
pub(super) enum Heard {
    Vote(PartyId, Option<Arc<Ballot>>, Vote),
    Word(Word),
}

impl Heard {
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Vote(_, _, vote) => vote.attempt,
            Self::Word(word) => word.attempt,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Vote(..) => size_of::<Vote>(),
            Self::Word(word) => size_of::<Word>() + word.elements.len() * ELEMENT,
        }
    }
}

/// Bytes of an element.
const ELEMENT: usize = 8;

struct Kept {
    since: Instant,
    /// Whether somebody has been told about it.
    noticed: bool,
    bytes: usize,
    parts: Vec<Heard>,
}

/// What one peer said.
#[derive(Default)]
struct OfPeer {
    sessions: BTreeMap<SessionId, Kept>,
    bytes: usize,
}

impl OfPeer {
    fn remove(&mut self, base: SessionId) -> Option<Kept> {
        let kept = self.sessions.remove(&base)?;
        self.bytes -= kept.bytes;
        Some(kept)
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Early {
    by_peer: BTreeMap<PartyId, OfPeer>,
}

impl Early {
    /// Keeps a part.
    pub fn keep(&mut self, from: PartyId, base: SessionId, heard: Heard, now: Instant) {
        self.note(from, base, now);
        let Some(of) = self.by_peer.get_mut(&from) else { return };
        let Some(kept) = of.sessions.get_mut(&base) else { return };
        if kept.parts.len() < EXACT_EARLY_PARTS && of.bytes + heard.bytes() <= EARLY_BYTES_PER_PEER {
            kept.bytes += heard.bytes();
            of.bytes += heard.bytes();
            // a ballot is of many ciphertexts: it is not held for the sake of one vote
            kept.parts.push(match heard {
                Heard::Vote(voter, _, vote) => Heard::Vote(voter, None, vote),
                word @ Heard::Word(_) => word,
            });
        }
    }

    /// A peer has a request for a ciphertext; one that brings too many of them loses the oldest.
    pub fn note(&mut self, from: PartyId, base: SessionId, now: Instant) {
        let of = self.by_peer.entry(from).or_default();
        if !of.sessions.contains_key(&base) && of.sessions.len() >= EXACT_EARLY {
            let oldest = of.sessions.iter().min_by_key(|(_, kept)| kept.since).map(|(base, _)| *base);
            oldest.and_then(|base| of.remove(base));
        }
        let fresh = || Kept { since: now, noticed: false, bytes: 0, parts: Vec::new() };
        of.sessions.entry(base).or_insert_with(fresh);
    }

    /// Drops what a peer said of a ciphertext.
    pub fn forget(&mut self, from: PartyId, base: SessionId) {
        self.by_peer.get_mut(&from).and_then(|of| of.remove(base));
    }

    /// Takes what every peer said of a ciphertext.
    pub fn take(&mut self, base: SessionId) -> Vec<(PartyId, Heard)> {
        let of = |(party, of): (&PartyId, &mut OfPeer)| {
            let parts = of.remove(base).map(|kept| kept.parts).unwrap_or_default();
            let party = *party;
            parts.into_iter().map(move |part| (party, part))
        };
        self.by_peer.iter_mut().flat_map(of).collect()
    }

    /// The ciphertext of a peer that has waited longest, if one has for so long, with the attempts that were heard of; each is told
    /// of once. What is at hand waits on, for some time.
    pub fn stranger(
        &mut self,
        peer: PartyId,
        (now, patience): (Instant, Duration),
        at_hand: impl Fn(&SessionId) -> bool,
    ) -> Option<(SessionId, Vec<u32>)> {
        let OfPeer { sessions, bytes } = self.by_peer.get_mut(&peer)?;
        let age = |kept: &Kept| now.saturating_duration_since(kept.since);
        sessions.retain(|_, kept| {
            let keep = age(kept) < EARLY_TIME;
            *bytes -= if keep { 0 } else { kept.bytes };
            keep
        });
        let due = |(base, kept): &(&SessionId, &mut Kept)| {
            let waits = if at_hand(base) { patience + AT_HAND_TIME } else { patience };
            !kept.noticed && age(kept) >= waits
        };
        let (base, kept) = sessions.iter_mut().filter(due).min_by_key(|(_, kept)| kept.since)?;
        kept.noticed = true;
        Some((*base, kept.parts.iter().map(Heard::attempt).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::What;
    use super::*;
    use alloy_primitives::B256;

    fn base(number: u64) -> SessionId {
        SessionId(B256::left_padding_from(&number.to_be_bytes()))
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    fn word(number: u64, attempt: u32) -> Heard {
        Heard::Word(Word { base: base(number), attempt, what: What::Masked, elements: Vec::new() })
    }

    #[test]
    fn a_peer_can_fill_only_its_own_part_and_the_newest_stay() {
        let (mut early, now) = (Early::default(), Instant::now());
        early.keep(party(2), base(0), word(0, 1), now);
        for number in 0..2 * EXACT_EARLY as u64 {
            early.keep(party(1), base(number), word(number, 1), now + Duration::from_micros(number));
        }
        assert_eq!(early.by_peer[&party(1)].sessions.len(), EXACT_EARLY);
        assert_eq!(early.take(base(0)).len(), 1, "of party 2 only");
        assert_eq!(early.take(base(2 * EXACT_EARLY as u64 - 1)).len(), 1);
        for _ in 0..2 * EXACT_EARLY_PARTS {
            early.keep(party(3), base(5), word(5, 1), now);
        }
        assert_eq!(early.by_peer[&party(3)].sessions[&base(5)].parts.len(), EXACT_EARLY_PARTS);
    }

    #[test]
    fn bytes_are_bounded_too_and_no_ballot_is_held() {
        let (mut early, now) = (Early::default(), Instant::now());
        for number in 0..EXACT_EARLY as u64 {
            for _ in 0..EXACT_EARLY_PARTS {
                let elements = vec![tkms_mpc::ring::Gr16::default(); 160];
                let word = Word { base: base(number), attempt: 0, what: What::Bits, elements };
                early.keep(party(1), base(number), Heard::Word(word), now);
            }
        }
        let of = &early.by_peer[&party(1)];
        let bytes: usize = of.sessions.values().map(|kept| kept.bytes).sum();
        assert_eq!(bytes, of.bytes);
        assert!(bytes > EARLY_BYTES_PER_PEER / 2 && bytes <= EARLY_BYTES_PER_PEER, "{bytes}");
        let vote = Vote { digest: B256::ZERO, attempt: 1, batch: 1, from: 0, to: 1 };
        let ballot = Ballot { voter: party(2), votes: vec![vote], signature: [0; 64] };
        early.keep(party(2), base(1), Heard::Vote(party(2), Some(Arc::new(ballot)), vote), now);
        let kept = early.take(base(1)).into_iter().find(|(from, _)| *from == party(2)).unwrap();
        assert!(matches!(kept.1, Heard::Vote(voter, None, _) if voter == party(2)));
    }

    #[test]
    fn a_stranger_is_told_of_once_the_oldest_first_and_goes_in_the_end() {
        let (mut early, now, second) = (Early::default(), Instant::now(), Duration::from_secs(1));
        early.keep(party(1), base(2), word(2, 3), now);
        early.note(party(1), base(1), now + second);
        let mut stranger = |peer, after| early.stranger(party(peer), (now + after, 4 * second), |_| false);
        assert_eq!(stranger(1, 3 * second), None, "its request may be on the way");
        assert_eq!(stranger(2, 9 * second), None, "of another peer");
        assert_eq!(stranger(1, 5 * second), Some((base(2), vec![3])));
        assert_eq!(stranger(1, 5 * second), Some((base(1), vec![])));
        assert_eq!(stranger(1, 5 * second), None);
        assert_eq!(stranger(1, EARLY_TIME), None);
        assert!(early.take(base(2)).is_empty());
    }

    #[test]
    fn what_is_at_hand_waits_longer_but_not_for_ever() {
        let (mut early, now, second) = (Early::default(), Instant::now(), Duration::from_secs(1));
        early.note(party(1), base(1), now);
        early.note(party(1), base(2), now + second);
        let mut stranger = |after| early.stranger(party(1), (now + after, second), |at_hand| *at_hand == base(1));
        assert_eq!(stranger(second), None);
        assert_eq!(stranger(2 * second), Some((base(2), vec![])), "what is at hand stands in nobody's way");
        assert_eq!(stranger(AT_HAND_TIME), None);
        assert_eq!(stranger(AT_HAND_TIME + second), Some((base(1), vec![])), "anybody may name anything");
    }
}
