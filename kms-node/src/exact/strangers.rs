//! Ciphertexts that peers speak of and no request here is for.

use super::{Inner, Target};
use crate::fetch::Wanted;
use crate::limits::{EXACT_MISSED, EXACT_STRANGERS};
use std::sync::Arc;
use std::time::Instant;
use tkms_types::{PartyId, SessionId};
use tkms_wire::material::Format;

impl Inner {
    /// One of a peer's that was waited for, if there is any. What ended here is taken up again for an attempt that it missed.
    pub(super) fn stranger(self: &Arc<Self>, peer: PartyId) -> Option<SessionId> {
        let now = Instant::now();
        if let Some(base) = self.lacking(peer, now) {
            return Some(base);
        }
        let patience = EXACT_MISSED + self.load();
        for _ in 0..EXACT_STRANGERS {
            let at_hand = |base: &SessionId| self.parts.at_hand.contains(base);
            let (base, attempts) = self.lock().early.stranger(peer, (now, patience), at_hand)?;
            let ended = self.ended(base);
            match ended.first() {
                // opened of messages that others shared: there is nothing more to say
                None if self.digits(base).is_some() => self.lock().early.forget(peer, base),
                None => return Some(base),
                Some(first) if attempts.iter().any(|attempt| ended.iter().all(|ended| ended.attempt != *attempt)) => {
                    let (digest, kind, key) = (first.digest, first.kind, self.parts.names.key);
                    let wanted = Wanted { digest, key, kind, format: Format::Exact };
                    self.parts.tasks.spawn(Arc::clone(self).rejoin(Target { base, wanted }));
                }
                Some(_) => self.lock().early.forget(peer, base),
            }
        }
        None
    }

    /// A ciphertext of a user's request here that the peer opens in public.
    fn lacking(&self, peer: PartyId, now: Instant) -> Option<SessionId> {
        let mut table = self.lock();
        let lacks = |(base, session): (&SessionId, &mut super::Session)| {
            (!self.parts.at_hand.contains(base) && session.lacks_request(peer, now)).then_some(*base)
        };
        table.sessions.iter_mut().find_map(lacks)
    }

    /// A ciphertext that a peer has a request for, and we have neither in the table nor on disk.
    pub(super) fn note_stranger(&self, peer: PartyId, base: SessionId) {
        let known = self.lock().sessions.contains_key(&base) || self.digits(base).is_some();
        if !known {
            self.lock().early.note(peer, base, Instant::now());
        }
    }
}
