//! Messages to one peer go in one call that stays open, so that what is ready at once shares a write, and acknowledgements share a
//! reply. What a broken call did not acknowledge is sent again in the next one, in its order: a message may come twice.

use super::client::{KEEP_ALIVE, PeerClient, describe};
use super::mtls::Membership;
use super::server::refused;
use super::{Event, Inbound, PeerMessage};
use crate::limits::{FIRST_BACKOFF, LONGEST_BACKOFF, PEER_ACK, PEER_ACK_TIME, PEER_CALL, PEER_UNDER_WAY};
use futures::{Stream, StreamExt as _, stream};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tkms_types::PartyId;
use tkms_wire::peer::{DeliverReply, Envelope, RefusedMessage};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tonic::{Status, Streaming};

/// The task that empties the queue of one peer.
pub(super) struct PeerSender {
    peer: Arc<PeerClient>,
    line: Arc<Line>,
}

/// What is between the queue and the peer, whatever becomes of a call.
struct Line {
    membership: Arc<Membership>,
    /// Held by the call that sends.
    queue: tokio::sync::Mutex<mpsc::Receiver<PeerMessage>>,
    /// For [`PEER_UNDER_WAY`] messages.
    room: Semaphore,
    state: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    /// The call in force: one before it has nothing more to say.
    call: u64,
    /// Not acknowledged, in order.
    messages: VecDeque<Envelope>,
    /// So many of them were sent in this call.
    sent: usize,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_idle(&self) -> bool {
        self.lock().messages.is_empty()
    }

    /// A new call; it begins with what the one before did not bring home.
    fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.sent = 0;
        state.call += 1;
        state.call
    }

    /// The next message of a call. Dropped at any time it loses nothing: what left the queue is under way.
    async fn next(&self, call: u64) -> Option<Envelope> {
        let Membership { me, names, .. } = *self.membership;
        let mut queue = self.queue.lock().await;
        loop {
            {
                let mut state = self.lock();
                if state.call != call {
                    return None;
                }
                if let Some(next) = state.messages.get(state.sent).cloned() {
                    state.sent += 1;
                    return Some(next);
                }
            }
            let room = self.room.acquire().await.ok()?;
            let message = queue.recv().await?;
            self.lock().messages.push_back(names.seal(me, message));
            room.forget();
        }
    }

    /// So many messages need not be sent again; no more than were sent.
    fn done(&self, count: u32) {
        let mut state = self.lock();
        let count = state.sent.min(count as usize);
        state.sent -= count;
        state.messages.drain(..count);
        self.room.add_permits(count);
    }
}

impl PeerSender {
    pub(super) fn new(peer: Arc<PeerClient>, queue: mpsc::Receiver<PeerMessage>) -> Self {
        let membership = Arc::clone(&peer.membership);
        let (room, state) = (Semaphore::new(PEER_UNDER_WAY), Mutex::default());
        Self { peer, line: Arc::new(Line { membership, queue: tokio::sync::Mutex::new(queue), room, state }) }
    }

    /// Sends what is queued; a message is kept until it is delivered or refused.
    pub(super) async fn run(self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            if self.peer.hello().await.is_err() {
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
                continue;
            }
            backoff = FIRST_BACKOFF;
            if let Err(reason) = self.call().await {
                self.peer.note(Err(reason));
                tokio::time::sleep(FIRST_BACKOFF).await;
            }
        }
    }

    /// One call, until the peer fails, or nothing was to be sent for so long that its health is of interest.
    async fn call(&self) -> Result<(), String> {
        let call = self.line.begin();
        let next = move |line: Arc<Line>| async move { line.next(call).await.map(|envelope| (envelope, line)) };
        let messages = stream::unfold(Arc::clone(&self.line), next);
        // Whoever polls the messages learns by it that the call is over
        let (_open, over) = oneshot::channel::<()>();
        let mut replies = self.peer.deliver(messages.take_until(over)).await.map_err(|status| describe(&status))?;
        loop {
            let idle = self.line.is_idle();
            match timeout(if idle { KEEP_ALIVE } else { PEER_CALL }, replies.message()).await {
                Ok(Ok(Some(reply))) => self.acknowledged(reply),
                Ok(Ok(None)) => return Err("it ended the call".to_owned()),
                Ok(Err(status)) => return Err(describe(&status)),
                Err(_) if !idle => return Err("it does not acknowledge messages".to_owned()),
                Err(_) if self.line.is_idle() => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn acknowledged(&self, reply: DeliverReply) {
        self.peer.note(Ok(()));
        // For what they are: sending them again changes nothing
        for RefusedMessage { code, reason } in reply.refused {
            let code = tonic::Code::from_i32(code as i32);
            tracing::warn!(peer = %self.peer.party, ?code, %reason, "peer refuses our message");
        }
        self.line.done(reply.done);
    }
}

/// What one call of a peer brings.
pub(super) struct Deliveries {
    caller: PartyId,
    membership: Arc<Membership>,
    queue: mpsc::Sender<Inbound>,
    envelopes: Streaming<Envelope>,
    /// In the order of the messages.
    taken: VecDeque<Taken>,
    failed: Option<Status>,
}

/// A message that is not acknowledged yet.
enum Taken {
    /// Handed over; answered until then.
    Waits(oneshot::Receiver<bool>, Instant),
    Refused(RefusedMessage),
}

impl Deliveries {
    pub(super) const fn new(
        caller: PartyId,
        membership: Arc<Membership>,
        queue: mpsc::Sender<Inbound>,
        envelopes: Streaming<Envelope>,
    ) -> Self {
        Self { caller, membership, queue, envelopes, taken: VecDeque::new(), failed: None }
    }

    /// The replies, as long as the peer asks for them; the last one may say why there are no more.
    pub(super) fn replies(self) -> impl Stream<Item = Result<DeliverReply, Status>> + Send + 'static {
        stream::unfold(Some(self), |call| async move {
            let mut call = call?;
            match call.reply().await {
                Ok(reply) => Some((Ok(reply?), Some(call))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    /// The next reply: when enough messages are done, or the first of them has waited long enough. `None`: the peer ended the call.
    async fn reply(&mut self) -> Result<Option<DeliverReply>, Status> {
        if let Some(status) = self.failed.take() {
            return Err(status);
        }
        let mut reply = DeliverReply::default();
        let mut due = None;
        while reply.done < PEER_ACK {
            let room = self.taken.len() < PEER_UNDER_WAY;
            tokio::select! {
                biased;
                first = first(&mut self.taken), if !self.taken.is_empty() => {
                    self.taken.pop_front();
                    match first {
                        Ok(refused) => reply.refused.extend(refused),
                        // What is done is acknowledged before that
                        Err(status) if reply.done > 0 => {
                            self.failed = Some(status);
                            break;
                        }
                        Err(status) => return Err(status),
                    }
                    reply.done += 1;
                    due.get_or_insert_with(|| Instant::now() + PEER_ACK_TIME);
                }
                next = self.envelopes.message(), if room => match next? {
                    Some(envelope) => self.take(envelope).await?,
                    None => return Ok(None),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => break,
            }
        }
        Ok(Some(reply))
    }

    /// Hands a message over. Its sender has a bounded number under way, so that it can wait for its turn: told to come again it would
    /// take us for broken.
    async fn take(&mut self, envelope: Envelope) -> Result<(), Status> {
        let message = match self.membership.names.open(self.caller, envelope) {
            Ok(message) => message,
            Err(error) => {
                let status = refused(self.caller, &error);
                let refused = RefusedMessage { code: status.code() as u32, reason: status.message().to_owned() };
                self.taken.push_back(Taken::Refused(refused));
                return Ok(());
            }
        };
        let (answer, known) = oneshot::channel();
        let inbound = Inbound { from: self.caller, event: Event::Message(message, answer) };
        let sent = timeout(PEER_CALL, self.queue.send(inbound)).await;
        sent.map_err(|_| late())?.map_err(|_| Status::unavailable("not served"))?;
        self.taken.push_back(Taken::Waits(known, Instant::now() + PEER_CALL));
        Ok(())
    }
}

/// Waits until the first message is done: refused, or taken. May be dropped and asked again.
async fn first(taken: &mut VecDeque<Taken>) -> Result<Option<RefusedMessage>, Status> {
    match taken.front_mut() {
        Some(Taken::Refused(refused)) => Ok(Some(std::mem::take(refused))),
        Some(Taken::Waits(known, until)) => match timeout_at(*until, known).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(_)) => Err(Status::unavailable("not served")),
            Err(_) => Err(late()),
        },
        None => std::future::pending().await,
    }
}

fn late() -> Status {
    Status::deadline_exceeded("not served in time")
}
