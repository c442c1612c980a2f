//! What peers send and want: messages to their sessions, and sessions this node missed.
//!
//! A session that this node missed is *taken over*: a peer is asked for the request behind it, which is then judged like a
//! caller's. That has bounds of its own, apart from those of callers and in equal parts for all peers: whoever invents sessions
//! uses up its own part.

use crate::at_hand::{AtHand, Held};
use crate::background::Background;
use crate::engine::{Engine, Progress, Source, Ticket};
use crate::limiter::RateLimiter;
use crate::limits::{PULL_HOLD, PULLS_PER_SECOND, STRANGERS_LOOK, TAKEN_OVER};
use crate::request::Request;
use crate::setup::rejoin::shared_with;
use crate::tasks::Tasks;
use crate::transport::{Event, Inbound, Transport};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tkms_types::{Cluster, PartyId, SessionId};

/// Between two requests that one peer is asked for.
const PULL_PAUSE: Duration = Duration::from_micros(1_000_000 / PULLS_PER_SECOND as u64);

/// Answers peers until the transport stops.
pub(crate) struct PeerDesk {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) engine: Engine,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) background: Arc<Background>,
    at_hand: AtHand,
    rate: RateLimiter<PartyId>,
    /// Sessions that are being taken over, and whose they are.
    taken: Mutex<BTreeSet<(PartyId, SessionId)>>,
}

/// One session being taken over. It is at hand meanwhile, so that no other peer is asked for it; for [`PULL_HOLD`] at most while its
/// peer says nothing.
struct Slot {
    desk: Arc<PeerDesk>,
    from: PartyId,
    session: SessionId,
    held: Mutex<Option<Held>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.desk.taken().remove(&(self.from, self.session));
    }
}

impl PeerDesk {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        engine: Engine,
        transport: Arc<dyn Transport>,
        background: Arc<Background>,
        tasks: Arc<Tasks>,
    ) -> Arc<Self> {
        let (at_hand, rate) = (engine.at_hand().clone(), RateLimiter::new(PULLS_PER_SECOND));
        Arc::new(Self { cluster, engine, transport, background, tasks, at_hand, rate, taken: Mutex::default() })
    }

    pub(crate) async fn run(self: Arc<Self>) {
        while let Some(Inbound { from, event }) = self.transport.recv().await {
            let sessions = self.engine.decryptor();
            // A peer that no longer waits for the answer has lost nothing
            match event {
                Event::Message(message, answer) => {
                    let session = message.session;
                    let known = sessions.deliver(from, message);
                    if answer.send(known).is_err() {
                        tracing::debug!(peer = %from, "the peer no longer waits");
                    }
                    if !known {
                        self.take_over(from, session);
                    }
                }
                Event::WantsRequest(session, answer) => drop(answer.send(sessions.request_of(session))),
                Event::WantsMessage(session, answer) => {
                    let found = sessions.message_of(session);
                    // A peer that asks for a message has the request behind it
                    if found.is_none() && sessions.misses(from, session) {
                        self.take_over(from, session);
                    }
                    drop(answer.send(found));
                }
                Event::Frame(frame, answer) => drop(answer.send(self.background.hub().deliver(from, frame))),
                Event::Meets(stand, answer) => {
                    drop(answer.send(self.background.hub().stand_for(from)));
                    self.background.hub().note(from, *stand);
                }
                Event::WantsMaskKeys(setup, answer) => {
                    let held = self.background.masks().of(setup);
                    drop(answer.send(held.map(|held| shared_with(&held.keys, from))));
                }
            }
        }
    }

    /// Looks for sessions of a peer that no request is known for, until cancelled. One after the other: the request behind the
    /// first may be that of the next ones too.
    pub(crate) async fn look_for_strangers(self: Arc<Self>, peer: PartyId) {
        loop {
            tokio::time::sleep(STRANGERS_LOOK).await;
            while self.has_room(peer) {
                let Some(session) = self.engine.decryptor().stranger(peer) else { break };
                let Some(slot) = self.slot(peer, session) else { continue };
                let ticket = self.ask(&slot).await;
                self.tasks.spawn(Arc::clone(&self).attend(slot, ticket));
                tokio::time::sleep(PULL_PAUSE).await;
            }
        }
    }

    /// Takes over a session of a peer at once.
    fn take_over(self: &Arc<Self>, from: PartyId, session: SessionId) {
        let Some(slot) = self.slot(from, session) else { return };
        if !self.rate.allow(&from, Instant::now()) {
            tracing::warn!(peer = %from, "peer brings more sessions than allowed");
            return;
        }
        let desk = Arc::clone(self);
        self.tasks.spawn(async move {
            let ticket = desk.ask(&slot).await;
            desk.attend(slot, ticket).await;
        });
    }

    /// Waits for the end of a request that was taken over, and says why there is none.
    async fn attend(self: Arc<Self>, slot: Slot, ticket: Result<Ticket, String>) {
        let ended = match ticket {
            Ok(mut ticket) => match ticket.progress.wait_for(Progress::is_final).await.as_deref() {
                Ok(Progress::Refused(refusal)) => Err(refusal.to_string()),
                _ => Ok(()),
            },
            Err(reason) => Err(reason),
        };
        if let Err(reason) = ended {
            tracing::info!(peer = %slot.from, session = %slot.session, %reason, "session not taken over");
        }
    }

    /// Asks a peer for the request behind its session, and judges it by this node's whole policy.
    async fn ask(&self, slot: &Slot) -> Result<Ticket, String> {
        let mut pull = self.transport.pull_request(slot.from, slot.session);
        let pulled = match tokio::time::timeout(PULL_HOLD, &mut pull).await {
            Ok(pulled) => pulled,
            Err(_) => {
                drop(slot.held.lock().unwrap_or_else(PoisonError::into_inner).take());
                pull.await
            }
        };
        let pulled = pulled.map_err(|error| error.to_string())?.ok_or("the peer has no request for it")?;
        let (request, _) = Request::public(pulled).map_err(|refusal| refusal.to_string())?;
        if !self.engine.sessions(&request).contains(&slot.session) {
            return Err("the peer's request does not contain this session".to_owned());
        }
        let ticket = self.engine.submit(request, Source::Peer(slot.from)).await;
        ticket.map_err(|refusal| refusal.to_string())
    }

    /// A peer's part of what is taken over at once.
    fn part(&self) -> usize {
        (TAKEN_OVER / self.cluster.committee.len().max(2).saturating_sub(1)).max(1)
    }

    fn has_room(&self, peer: PartyId) -> bool {
        self.taken().iter().filter(|(from, _)| *from == peer).count() < self.part()
    }

    /// Room for one session more of a peer, unless it is being taken over already.
    fn slot(self: &Arc<Self>, from: PartyId, session: SessionId) -> Option<Slot> {
        if !self.has_room(from) {
            tracing::debug!(peer = %from, %session, "too much is being taken over from this peer");
            return None;
        }
        let held = self.at_hand.hold(vec![session]);
        let fresh = self.taken().insert((from, session));
        fresh.then(|| Slot { desk: Arc::clone(self), from, session, held: Mutex::new(Some(held)) })
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<(PartyId, SessionId)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
