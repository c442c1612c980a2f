//! What waits for each peer while it takes our last frame: a peer that is slow gets few large frames, not many small ones.

use super::codec::FRAME_BYTES;
use crate::limits::EXACT_BACKLOG;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use tkms_types::PartyId;

/// What waits for one peer.
#[derive(Default)]
struct OfPeer {
    bodies: VecDeque<Bytes>,
    bytes: usize,
}

/// See the module.
pub(super) struct Backlog(BTreeMap<PartyId, OfPeer>);

impl Backlog {
    /// Nothing yet.
    pub fn new(peers: impl Iterator<Item = PartyId>) -> Self {
        Self(peers.map(|peer| (peer, OfPeer::default())).collect())
    }

    /// Whether nothing waits for anybody.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|of| of.bodies.is_empty())
    }

    /// Whether something waits for a peer.
    pub fn waits_for(&self, peer: PartyId) -> bool {
        self.0.get(&peer).is_some_and(|of| !of.bodies.is_empty())
    }

    /// A frame for everybody. A peer for which too much waits does not get it: it will ask.
    pub fn push(&mut self, body: &Bytes) {
        for (peer, of) in &mut self.0 {
            if of.bytes + body.len() > EXACT_BACKLOG {
                tracing::warn!(%peer, "own messages not queued: too much waits for this peer");
                continue;
            }
            of.bytes += body.len();
            of.bodies.push_back(body.clone());
        }
    }

    /// The next frame for a peer: all that waits, as far as it fits. Frames are parts one after the other, so two of them are one.
    pub fn next(&mut self, peer: PartyId) -> Option<Bytes> {
        let of = self.0.get_mut(&peer)?;
        let first = of.bodies.pop_front()?;
        of.bytes -= first.len();
        let fits = |body: &Bytes, length: usize| length + body.len() <= FRAME_BYTES;
        if !of.bodies.front().is_some_and(|body| fits(body, first.len())) {
            return Some(first);
        }
        let mut frame = first.to_vec();
        while let Some(body) = of.bodies.pop_front_if(|body| fits(body, frame.len())) {
            of.bytes -= body.len();
            frame.extend(body);
        }
        Some(frame.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    #[test]
    fn a_slow_peer_gets_everything_in_order_in_few_frames() {
        let mut backlog = Backlog::new([party(1), party(2)].into_iter());
        for number in 0..10u8 {
            backlog.push(&Bytes::from(vec![number; 100]));
            assert_eq!(backlog.next(party(1)).unwrap(), [number; 100].as_slice());
        }
        assert!(backlog.next(party(1)).is_none() && !backlog.is_empty());
        let all: Vec<u8> = (0..10).flat_map(|number| [number; 100]).collect();
        assert_eq!(backlog.next(party(2)).unwrap(), all);
        assert!(backlog.is_empty() && backlog.next(party(3)).is_none());
    }

    #[test]
    fn frames_stay_bounded_and_so_does_what_waits() {
        let mut backlog = Backlog::new([party(1)].into_iter());
        let body = Bytes::from(vec![1; FRAME_BYTES / 2 - 1]);
        for _ in 0..2 * EXACT_BACKLOG / body.len() {
            backlog.push(&body);
        }
        let frames: Vec<_> = std::iter::from_fn(|| backlog.next(party(1))).collect();
        assert!(frames.iter().all(|frame| frame.len() <= FRAME_BYTES));
        let waited: usize = frames.iter().map(Bytes::len).sum();
        assert!(waited <= EXACT_BACKLOG && waited > EXACT_BACKLOG - body.len(), "{waited}");
        assert!(backlog.is_empty());
    }
}
