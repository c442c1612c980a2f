//! What empties the queues of the table, and its clock.

use super::backlog::Backlog;
use super::codec::{self, MAX_VOTES, Part, Vote};
use super::{Inner, OpenedSession, Table, Target};
use crate::fetch::Wanted;
use crate::limits::{
    EXACT_BUSY, EXACT_BUSY_GATHER, EXACT_FINISHED, EXACT_GATHER, EXACT_PULL_ROUND, EXACT_PULLS, EXACT_ROWS, EXACT_TICK,
    LATE_SHARES,
};
use crate::stock::EndedSession;
use crate::store::{OpenedRows, StoreError};
use crate::transport::{PeerMessage, PeerState};
use alloy_primitives::B256;
use futures::future::{FutureExt as _, join_all};
use futures::stream::{self, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tkms_types::{PartyId, SessionId};
use tkms_wire::material::Format;
use tokio::sync::OwnedSemaphorePermit;

/// Frames belong to no session of their own.
pub(super) const FRAME: SessionId = SessionId(B256::ZERO);

/// Casts votes: bound in the books, on disk, then signed and sent, as many at once as came up while the last ones were
/// written.
pub(super) async fn vote(inner: Arc<Inner>) {
    loop {
        inner.votes.notified().await;
        inner.gather_if_busy().await;
        let claims = std::mem::take(&mut inner.lock().queues.claims);
        let Some(stock) = inner.parts.stock.get().filter(|_| !claims.is_empty()) else { continue };
        for claims in claims.chunks(MAX_VOTES) {
            let named: Vec<_> = {
                let table = inner.lock();
                let digest = |base| table.sessions.get(base).map(|session| session.digest);
                claims
                    .iter()
                    .filter_map(|(base, attempt, claim)| Some((*base, *attempt, digest(base)?, *claim)))
                    .collect()
            };
            let names = &inner.parts.names;
            let wanted =
                named.iter().map(|(_, attempt, digest, claim)| (names.session(*digest, *attempt), *claim)).collect();
            let cast = match stock.vote(wanted).await {
                Ok(cast) => cast,
                Err(error) => {
                    tracing::error!(%error, "votes are not on disk, so they are not cast");
                    continue;
                }
            };
            let mut votes = Vec::new();
            let mut refused = Vec::new();
            for ((base, attempt, digest, _), cast) in named.into_iter().zip(cast) {
                match cast {
                    Ok(range) => {
                        let (batch, from, to) = (range.batch.number, range.from, range.to);
                        votes.push(Vote { digest, attempt, batch, from, to });
                    }
                    Err(error) => {
                        tracing::info!(session = %base, attempt, %error, "vote refused");
                        crate::metrics::vote_refused();
                        refused.push((base, attempt, error));
                    }
                }
            }
            inner.cast(votes, refused);
        }
    }
}

impl Inner {
    /// Lets more come up where there is much to do.
    async fn gather_if_busy(&self) {
        if self.on_their_way.load(Ordering::Relaxed) >= EXACT_BUSY {
            tokio::time::sleep(EXACT_BUSY_GATHER).await;
        }
    }

    fn cast(&self, votes: Vec<Vote>, refused: Vec<(SessionId, u32, crate::stock::BindError)>) {
        let ballot = (!votes.is_empty()).then(|| Arc::new(self.ballot(votes)));
        self.work(|desk, Table { sessions, queues, .. }| {
            for (base, attempt, error) in refused {
                if let Some(session) = sessions.get_mut(&base) {
                    session.refused(desk, attempt, &error);
                }
            }
            let Some(ballot) = ballot else { return };
            queues.send.push(Part::Ballot(Arc::clone(&ballot)));
            for vote in &ballot.votes {
                if let Some(session) = sessions.get_mut(&desk.names.session(vote.digest, 0)) {
                    session.hear_vote(desk, (ballot.voter, Some(Arc::clone(&ballot))), vote, queues);
                }
            }
        });
    }

    async fn store_rows(&self, ended: Vec<EndedSession>, opened: Vec<OpenedSession>) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let opened = async {
            let mut rows = OpenedRows::default();
            for (base, asked, digits) in opened {
                rows.requests.entry(asked.name.0).or_insert_with(|| asked.encoded.clone());
                rows.sessions.push((base, asked.name.0, digits));
            }
            if rows.sessions.is_empty() { Ok(()) } else { self.parts.store.put_opened(now, rows).await }
        };
        let shares = async {
            match self.parts.stock.get().filter(|_| !ended.is_empty()) {
                Some(stock) => stock.end(&ended).await,
                None => Ok(()),
            }
        };
        let (shares, opened) = tokio::join!(shares, opened);
        shares.and(opened)
    }

    fn peers(&self) -> impl Iterator<Item = PartyId> {
        let me = self.parts.names.me;
        self.parts.names.committee.parties().filter(move |party| *party != me)
    }

    /// A later attempt of a ciphertext that our policy accepted, and that we had ended or run out of samples for.
    pub(super) async fn rejoin(self: Arc<Self>, target: Target) {
        let list = match self.parts.samples.get(target.wanted).await {
            Ok(list) => list,
            Err(refusal) => return tracing::warn!(session = %target.base, %refusal, "no part in a later attempt"),
        };
        let request = self.asked(target.base);
        let Some(list) = list.switched() else { return };
        if let Err(refusal) = self.accept(target, list, request, |_| ()).await {
            tracing::warn!(session = %target.base, %refusal, "no part in a later attempt");
        }
    }

    /// Asks every peer for what it said of some ciphertexts. A few at a time, and by one task at a time: whoever is slow for the work
    /// it has must not get more of it by being slow.
    async fn pull(self: Arc<Self>, bases: Vec<SessionId>, _turn: OwnedSemaphorePermit) {
        let pull = async |party, base| match self.parts.transport.pull_message(party, base).await {
            Ok(Some(message)) => self.deliver(party, &message),
            Ok(None) => {}
            Err(error) => tracing::debug!(session = %base, %error, "message not pulled"),
        };
        let all = |base| join_all(self.peers().map(move |party| pull(party, base)));
        stream::iter(bases).for_each_concurrent(EXACT_PULLS, |base| all(base).map(drop)).await;
    }
}

/// Shares and digits to disk; used items are erased in the same transaction.
pub(super) async fn write(inner: Arc<Inner>) {
    loop {
        inner.rows.notified().await;
        // Where something was opened the answer is about to be written: its commit is shared
        let more = async {
            while inner.lock().queues.opened.is_empty() {
                inner.rows.notified().await;
            }
        };
        drop(tokio::time::timeout(EXACT_ROWS, more).await);
        inner.gather_if_busy().await;
        let (ended, opened) = {
            let queues = &mut inner.lock().queues;
            queues.stored = queues.unstored();
            (std::mem::take(&mut queues.ended), std::mem::take(&mut queues.opened))
        };
        if let Err(error) = inner.store_rows(ended, opened).await {
            // Both are functions of the ciphertext and the votes on disk: a lost row costs a computation
            tracing::error!(%error, "ended sessions are not stored");
        }
        inner.lock().queues.stored.clear();
    }
}

/// Frames to all peers, each with whatever came up since the peer took the last one.
pub(super) async fn send(inner: Arc<Inner>) {
    let mut backlog = Backlog::new(inner.peers());
    let mut last = Instant::now();
    loop {
        let of_reached = |peer: &PeerState| peer.connected && backlog.waits_for(peer.party);
        if backlog.is_empty() {
            inner.frames.notified().await;
        } else if !inner.parts.transport.peers().iter().any(of_reached) {
            // for peers that are away something waits all the time
            drop(tokio::time::timeout(EXACT_TICK, inner.frames.notified()).await);
        }
        // a node that is not busy does not wait
        if last.elapsed() < EXACT_GATHER {
            tokio::time::sleep(EXACT_GATHER).await;
        }
        last = Instant::now();
        let parts = std::mem::take(&mut inner.lock().queues.send);
        codec::frames(&parts).iter().for_each(|body| backlog.push(body));
        for peer in inner.parts.transport.peers().into_iter().filter(|peer| peer.queued == 0) {
            let Some(body) = backlog.next(peer.party) else { continue };
            if let Err(error) = inner.parts.transport.send(peer.party, PeerMessage { session: FRAME, body }) {
                // Not lost: the peer will ask for it
                tracing::warn!(%error, "own messages not queued");
            }
        }
    }
}

/// The clock of all ciphertexts.
pub(super) async fn tick(inner: Arc<Inner>) {
    loop {
        tokio::time::sleep(EXACT_TICK).await;
        let connected = inner.connected();
        let turn = Arc::clone(&inner.pulling).try_acquire_owned().ok();
        let due = inner.work(|desk, Table { sessions, queues, .. }| {
            let mut pulls = Vec::new();
            let mut rejoin = Vec::new();
            let mut finished = Vec::new();
            let mut on_their_way = 0;
            // frames for what neither table nor disk knew would bring its request here again
            let unstored = queues.unstored();
            for (base, session) in sessions.iter_mut() {
                session.tick(desk, &|party| connected.contains(&party), queues);
                on_their_way += u32::from(!session.is_done());
                if turn.is_some() && pulls.len() < EXACT_PULL_ROUND && session.wants_pull(desk) {
                    pulls.push(*base);
                }
                if session.lacks_list(desk) {
                    let (digest, kind, key) = (session.digest, session.kind, desk.names.key);
                    let wanted = Wanted { digest, key, kind, format: Format::Exact };
                    rejoin.push(Target { base: *base, wanted });
                } else if !session.is_watched() && !unstored.contains(base) {
                    let since = *session.finished.get_or_insert(desk.now);
                    let complete = session.is_done() && session.is_complete(desk) || since + LATE_SHARES < desk.now;
                    finished.push((!complete, since, *base));
                }
            }
            // whoever is complete goes, and the oldest where there are too many
            finished.sort_unstable();
            let complete = finished.iter().take_while(|(keep, ..)| !keep).count();
            let gone = complete.max(finished.len().saturating_sub(EXACT_FINISHED));
            for (_, _, base) in finished.iter().take(gone) {
                sessions.remove(base);
            }
            inner.on_their_way.store(on_their_way, Ordering::Relaxed);
            (pulls, rejoin)
        });
        let Some((pulls, rejoin)) = due else { continue };
        if let Some(turn) = turn.filter(|_| !pulls.is_empty()) {
            inner.parts.tasks.spawn(Arc::clone(&inner).pull(pulls, turn));
        }
        for target in rejoin {
            inner.parts.tasks.spawn(Arc::clone(&inner).rejoin(target));
        }
    }
}
