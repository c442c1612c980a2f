//! What peers send and want: messages to their sessions, and sessions this node missed.

use crate::background::Background;
use crate::engine::{Engine, Progress, Source};
use crate::limiter::RateLimiter;
use crate::limits::{BEFORE_PULLING, PULLS_PER_SECOND};
use crate::request::Request;
use crate::setup::rejoin::shared_with;
use crate::tasks::Tasks;
use crate::transport::{Event, Inbound, Transport};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tkms_types::transcript::session_id;
use tkms_types::{Cluster, PartyId, SessionId};

/// Answers peers until the transport stops.
pub(crate) struct PeerDesk {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) engine: Engine,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) background: Arc<Background>,
    rate: RateLimiter<PartyId>,
    /// Sessions whose request is being asked for.
    pulling: Mutex<BTreeSet<(PartyId, SessionId)>>,
}

impl PeerDesk {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        engine: Engine,
        transport: Arc<dyn Transport>,
        background: Arc<Background>,
        tasks: Arc<Tasks>,
    ) -> Arc<Self> {
        let rate = RateLimiter::new(PULLS_PER_SECOND);
        Arc::new(Self { cluster, engine, transport, background, tasks, rate, pulling: Mutex::default() })
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
                    if found.is_none() && !sessions.knows(session) {
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

    /// Looks for sessions of peers that no request is known for, until cancelled.
    pub(crate) async fn look_for_strangers(self: Arc<Self>) {
        loop {
            tokio::time::sleep(BEFORE_PULLING / 2).await;
            for (from, session) in self.engine.decryptor().strangers() {
                self.take_over(from, session);
            }
        }
    }

    /// Asks a peer for the request behind its session, and judges it by this node's whole policy.
    fn take_over(self: &Arc<Self>, from: PartyId, session: SessionId) {
        let fresh = self.pulling().insert((from, session));
        if !fresh {
            return;
        }
        if !self.rate.allow(&from, Instant::now()) {
            self.pulling().remove(&(from, session));
            tracing::warn!(peer = %from, "peer brings more sessions than allowed");
            return;
        }
        let desk = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(reason) = desk.pull(from, session).await {
                tracing::info!(peer = %from, %session, %reason, "session not taken over");
            }
            desk.pulling().remove(&(from, session));
        });
    }

    async fn pull(&self, from: PartyId, session: SessionId) -> Result<(), String> {
        let pulled = self.transport.pull_request(from, session).await.map_err(|error| error.to_string())?;
        let (request, _) =
            Request::public(pulled.ok_or("the peer has no request for it")?).map_err(|refusal| refusal.to_string())?;
        let Cluster { context, epoch, key, .. } = &*self.cluster;
        let protocol = self.cluster.protocol();
        let of = |digest| session_id(protocol, *context, *epoch, key.id, digest, 0);
        if !request.materials.iter().any(|material| of(material.digest) == session) {
            return Err("the peer's request does not contain this session".to_owned());
        }
        let ticket = self.engine.submit(request, Source::Peer(from)).await;
        let mut ticket = ticket.map_err(|refusal| refusal.to_string())?;
        let progress = ticket.progress.wait_for(Progress::is_final).await;
        match progress.as_deref() {
            Ok(Progress::Refused(refusal)) => Err(refusal.to_string()),
            _ => Ok(()),
        }
    }

    fn pulling(&self) -> std::sync::MutexGuard<'_, BTreeSet<(PartyId, SessionId)>> {
        self.pulling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
