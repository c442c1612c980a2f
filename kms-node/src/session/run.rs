//! The life of one session: local work, own message to disk and to all, peers' messages, result to disk, late shares.

use super::{Inner, Opened, Outcome, Running, Table};
use crate::decrypt;
use crate::limits::{BEFORE_PULLING, LATE_SHARES, LONGEST_BACKOFF, SESSION_TIME};
use crate::refusal::Refusal;
use crate::store::StoredSession;
use crate::transport::PeerMessage;
use futures::future::{BoxFuture, join_all};
use prost::Message as _;
use std::sync::Arc;
use std::time::Instant;
use tkms_mpc::decrypt::{MaskedShares, Opening, PartialDecryption};
use tkms_mpc::machine::{Machine as _, Step};
use tkms_types::{PartyId, SessionId};
use tkms_wire::answer::Blame;

/// Does the local work of a session when its turn comes.
pub type Make = Box<dyn FnOnce() -> BoxFuture<'static, Result<MaskedShares, Refusal>> + Send>;

type OpeningStep = Step<PartialDecryption, tkms_mpc::decrypt::Opened>;

/// Runs a session to its end, then for a while longer for the sake of late shares.
pub(super) async fn drive(inner: Arc<Inner>, session: SessionId, make: Make) {
    let outcome = {
        // In the order of acceptance: the semaphore is fair
        let Ok(_slot) = inner.slots.acquire().await else { return };
        let started = Instant::now();
        let masked = match make().await {
            Ok(masked) => masked,
            Err(refusal) => return inner.forget(session, Err(refusal)),
        };
        if let Err(refusal) = inner.start(session, masked).await {
            return inner.forget(session, Err(refusal));
        }
        let outcome = inner.await_outcome(session, started).await;
        crate::metrics::session_seconds(started.elapsed().as_secs_f64());
        outcome
    };
    let Some(Ok(opened)) = outcome else {
        return inner.forget(session, Err(Refusal::Internal("the session ended without outcome")));
    };
    inner.keep(session, Some(opened.digits.clone())).await;
    inner.await_late_shares(session).await;
    inner.lock().running.remove(&session);
}

impl Inner {
    /// Starts the machine: own message to disk first, then to every peer.
    async fn start(&self, session: SessionId, masked: MaskedShares) -> Result<(), Refusal> {
        let (opening, mut step) = Opening::start(&masked);
        let own = step.send.pop().map(|outgoing| decrypt::encode(&outgoing.msg)).unwrap_or_default();
        let own = PeerMessage { session, body: own };
        if let Some(running) = self.lock().running.get_mut(&session) {
            running.own = Some(own.clone());
        }
        self.keep(session, None).await;
        for party in self.peers() {
            if let Err(error) = self.parts.transport.send(party, own.clone()) {
                // Not lost: the peer will ask for it
                tracing::warn!(%session, %error, "own message not queued");
            }
        }
        let mut table = self.lock();
        let running = table.running.get_mut(&session).ok_or(Refusal::Internal("a session is gone"))?;
        running.opening = Some(opening);
        self.apply(session, running, step);
        let before = std::mem::take(&mut running.before);
        for (from, body) in before {
            self.receive(&mut table, from, &PeerMessage { session, body });
        }
        Ok(())
    }

    fn peers(&self) -> impl Iterator<Item = PartyId> {
        let me = self.parts.me;
        self.parts.committee.parties().filter(move |party| *party != me)
    }

    /// Feeds a message to its machine, or keeps the first of each peer until there is one.
    pub(super) fn receive(&self, table: &mut Table, from: PartyId, message: &PeerMessage) {
        let Some(running) = table.running.get_mut(&message.session) else { return };
        running.heard.insert(from);
        let Some(opening) = &mut running.opening else {
            running.before.entry(from).or_insert_with(|| message.body.clone());
            return;
        };
        let step = opening.receive(from, decrypt::decode(&message.body));
        self.apply(message.session, running, step);
    }

    fn apply(&self, session: SessionId, running: &mut Running, step: OpeningStep) {
        for fault in step.faults {
            let blame = Blame { party: fault.culprit, step: format!("{:?}", fault.step), session };
            running.blamed.push(blame.clone());
            self.blames.note(blame, &fault);
        }
        let Some(opened) = step.output else { return };
        let ended = match opened.digits() {
            Ok(digits) => Ok(Arc::new(Opened { digits, blamed: running.blamed.clone() })),
            Err(error) => {
                tracing::error!(%session, %error, "opened value is no message");
                Err(Refusal::Internal("the samples are no message under this key"))
            }
        };
        running.outcome.send_replace(Some(ended));
    }

    /// Waits for the outcome; while it does not come, asks silent peers for their messages.
    async fn await_outcome(&self, session: SessionId, started: Instant) -> Outcome {
        let mut outcome = self.lock().running.get(&session)?.outcome.subscribe();
        let mut pause = BEFORE_PULLING;
        while started.elapsed() < SESSION_TIME {
            tokio::select! {
                ended = outcome.wait_for(Option::is_some) => return ended.ok()?.clone(),
                () = tokio::time::sleep(pause) => {}
            }
            self.pull_missing(session).await;
            pause = (pause * 2).min(LONGEST_BACKOFF);
        }
        None
    }

    async fn pull_missing(&self, session: SessionId) {
        let heard = self.lock().running.get(&session).map(|running| running.heard.clone()).unwrap_or_default();
        let silent = self.peers().filter(|party| !heard.contains(party));
        let pull = async |party| match self.parts.transport.pull_message(party, session).await {
            Ok(Some(message)) => self.receive(&mut self.lock(), party, &message),
            Ok(None) => {}
            Err(error) => tracing::debug!(%session, %error, "message not pulled"),
        };
        join_all(silent.map(pull)).await;
    }

    /// Keeps the machine until every peer was heard or the time is over, so that a late liar is named as well.
    async fn await_late_shares(&self, session: SessionId) {
        let started = Instant::now();
        let all = self.parts.committee.size() - 1;
        while started.elapsed() < LATE_SHARES {
            if self.lock().running.get(&session).is_none_or(|running| running.heard.len() >= all) {
                return;
            }
            tokio::time::sleep(BEFORE_PULLING).await;
        }
    }

    /// Own message, request and, at the end, the digits to disk: a restarted node answers late peers with them.
    async fn keep(&self, session: SessionId, digits: Option<Vec<u8>>) {
        let stored = self.lock().running.get(&session).map(|running| StoredSession {
            message: running.own.as_ref().map(|own| own.body.to_vec()).unwrap_or_default(),
            request: running.request.encode_to_vec(),
            digits,
        });
        let Some(stored) = stored else { return };
        if let Err(error) = self.parts.store.put_session(session, self.parts.clock.now(), stored).await {
            // The session is a pure function of the ciphertext: a lost record costs a computation, nothing else
            tracing::error!(%session, %error, "session not stored");
        }
    }

    /// Ends a session without result. It may be asked for again.
    fn forget(&self, session: SessionId, outcome: Result<Arc<Opened>, Refusal>) {
        let Some(running) = self.lock().running.remove(&session) else { return };
        if let Some(opening) = running.opening.filter(|opening| !opening.is_done()) {
            tracing::warn!(%session, abort = %opening.give_up(), "session given up");
        }
        running.outcome.send_if_modified(|known| {
            let empty = known.is_none();
            if empty {
                *known = Some(outcome);
            }
            empty
        });
    }
}
