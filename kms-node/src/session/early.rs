//! Messages of sessions that no request is known for yet: bounded per peer in number, bytes and time.

use crate::transport::PeerMessage;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;
use tkms_types::limits::{EARLY_BYTES_PER_PEER, EARLY_SESSIONS_PER_PEER, EARLY_TIME};
use tkms_types::{PartyId, SessionId};

#[derive(Default)]
pub(super) struct EarlyMessages {
    by_peer: BTreeMap<PartyId, VecDeque<(Instant, PeerMessage)>>,
}

impl EarlyMessages {
    /// Keeps a message; a peer that sends too many loses its oldest.
    pub(super) fn keep(&mut self, from: PartyId, message: PeerMessage, now: Instant) {
        if message.body.len() > EARLY_BYTES_PER_PEER {
            return;
        }
        let queue = self.by_peer.entry(from).or_default();
        queue.retain(|(at, kept)| now.saturating_duration_since(*at) < EARLY_TIME && kept.session != message.session);
        queue.push_back((now, message));
        let bytes = |queue: &VecDeque<(Instant, PeerMessage)>| {
            queue.iter().map(|(_, message)| message.body.len()).sum::<usize>()
        };
        while queue.len() > EARLY_SESSIONS_PER_PEER || bytes(queue) > EARLY_BYTES_PER_PEER {
            queue.pop_front();
        }
    }

    /// Takes every peer's message of a session.
    pub(super) fn take(&mut self, session: SessionId) -> BTreeMap<PartyId, Bytes> {
        let mut taken = BTreeMap::new();
        for (party, queue) in &mut self.by_peer {
            if let Some(position) = queue.iter().position(|(_, message)| message.session == session)
                && let Some((_, message)) = queue.remove(position)
            {
                taken.insert(*party, message.body);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use std::time::Duration;

    fn message(session: u64, bytes: usize) -> PeerMessage {
        let session = SessionId(B256::left_padding_from(&session.to_be_bytes()));
        PeerMessage { session, body: vec![0; bytes].into() }
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    #[test]
    fn a_peer_can_fill_only_its_own_part() {
        let (mut early, now) = (EarlyMessages::default(), Instant::now());
        early.keep(party(2), message(0, 10), now);
        for session in 0..1000 {
            early.keep(party(1), message(session, 10), now);
        }
        assert_eq!(early.by_peer[&party(1)].len(), EARLY_SESSIONS_PER_PEER);
        assert_eq!(early.take(message(0, 0).session).keys().collect::<Vec<_>>(), [&party(2)]);
        assert_eq!(early.take(message(999, 0).session).len(), 1, "the newest are kept");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (mut early, now) = (EarlyMessages::default(), Instant::now());
        for session in 0..10 {
            early.keep(party(1), message(session, EARLY_BYTES_PER_PEER / 2), now);
        }
        assert_eq!(early.by_peer[&party(1)].len(), 2);
        early.keep(party(2), message(1, EARLY_BYTES_PER_PEER + 1), now);
        assert!(!early.by_peer.contains_key(&party(2)));
    }

    #[test]
    fn old_messages_go_and_a_repeated_one_replaces() {
        let (mut early, now) = (EarlyMessages::default(), Instant::now());
        early.keep(party(1), message(1, 1), now);
        early.keep(party(1), message(2, 1), now + EARLY_TIME + Duration::from_secs(1));
        early.keep(party(1), message(2, 3), now + EARLY_TIME + Duration::from_secs(1));
        assert!(early.take(message(1, 0).session).is_empty());
        assert_eq!(early.take(message(2, 0).session)[&party(1)].len(), 3);
    }
}
