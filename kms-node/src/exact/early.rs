//! Parts of ciphertexts that no request is known for yet: bounded per peer in number, bytes and time.

use super::codec::{Ballot, Vote, Word};
use crate::limits::{EXACT_EARLY, EXACT_EARLY_PARTS, EXACT_STRANGERS};
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
    /// Keeps a part; a peer that brings too many ciphertexts loses the oldest.
    pub fn keep(&mut self, from: PartyId, base: SessionId, heard: Heard, now: Instant) {
        let of = self.by_peer.entry(from).or_default();
        if !of.sessions.contains_key(&base) && of.sessions.len() >= EXACT_EARLY {
            let oldest = of.sessions.iter().min_by_key(|(_, kept)| kept.since).map(|(base, _)| *base);
            oldest.and_then(|base| of.remove(base));
        }
        let fresh = || Kept { since: now, noticed: false, bytes: 0, parts: Vec::new() };
        let kept = of.sessions.entry(base).or_insert_with(fresh);
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

    /// Takes what every peer said of a ciphertext.
    pub fn take(&mut self, base: SessionId) -> Vec<(PartyId, Heard)> {
        let of = |(party, of): (&PartyId, &mut OfPeer)| {
            let parts = of.remove(base).map(|kept| kept.parts).unwrap_or_default();
            let party = *party;
            parts.into_iter().map(move |part| (party, part))
        };
        self.by_peer.iter_mut().flat_map(of).collect()
    }

    /// Ciphertexts that have waited for a request for so long, each once and of each peer the oldest first, with the attempts
    /// that were heard of.
    pub fn strangers(&mut self, now: Instant, patience: Duration) -> Vec<(PartyId, SessionId, Vec<u32>)> {
        let mut strangers = Vec::new();
        for (party, of) in &mut self.by_peer {
            let OfPeer { sessions, bytes } = of;
            sessions.retain(|_, kept| {
                let keep = now.saturating_duration_since(kept.since) < EARLY_TIME;
                *bytes -= if keep { 0 } else { kept.bytes };
                keep
            });
            let due = |kept: &Kept| !kept.noticed && now.saturating_duration_since(kept.since) >= patience;
            let mut waiting: Vec<_> = sessions.iter_mut().filter(|(_, kept)| due(kept)).collect();
            waiting.sort_unstable_by_key(|(_, kept)| kept.since);
            for (base, kept) in waiting.into_iter().take(EXACT_STRANGERS) {
                kept.noticed = true;
                strangers.push((*party, *base, kept.parts.iter().map(Heard::attempt).collect()));
            }
        }
        strangers
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::What;
    use super::*;
    use crate::limits::BEFORE_PULLING;
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
    fn a_stranger_is_told_of_once_and_goes_in_the_end() {
        let (mut early, now) = (Early::default(), Instant::now());
        early.keep(party(1), base(1), word(1, 3), now);
        assert!(early.strangers(now, BEFORE_PULLING).is_empty(), "its request may be on the way");
        assert_eq!(early.strangers(now + BEFORE_PULLING, BEFORE_PULLING), [(party(1), base(1), vec![3])]);
        assert!(early.strangers(now + BEFORE_PULLING, BEFORE_PULLING).is_empty());
        assert!(early.strangers(now + EARLY_TIME, BEFORE_PULLING).is_empty());
        assert!(early.take(base(1)).is_empty());
    }
}
