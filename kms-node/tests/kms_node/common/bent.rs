//! A transport between a node and its peers that looks at what the node says, alters it, or loses it.

use std::sync::Arc;
use std::time::Duration;
use tkms_kms_node::node::WrapTransport;
use tkms_kms_node::rounds::Stand;
use tkms_kms_node::transport::{
    Event, Inbound, PeerMessage, PeerState, RoundFrame, SharedKeys, Transport, TransportError,
};
use tkms_types::{PartyId, SessionId};
use tkms_wire::kms;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Bend = dyn Fn(PeerMessage) -> Option<PeerMessage> + Send + Sync;
/// What a frame becomes on its way to a peer; nothing is silence.
type BendFrame = fn(PartyId, RoundFrame) -> Option<RoundFrame>;
/// What is said again and again beside a frame; nothing: the frame is said once.
type Flood = fn(RoundFrame, u32) -> Option<RoundFrame>;
/// How the node says it stands.
type BendStand = fn(Stand) -> Stand;
/// Told of every peer that asks for the request behind a session; `true`: it waits for ever.
type Holds = dyn Fn() -> bool + Send + Sync;
/// How often.
const FLOOD: u32 = 400;

struct Bent {
    real: Arc<dyn Transport>,
    bend: Arc<Bend>,
    bend_frame: BendFrame,
    flood: Flood,
    bend_stand: BendStand,
    holds: Arc<Holds>,
    runtime: Handle,
}

impl Bent {
    /// Bends nothing yet.
    fn new(real: Arc<dyn Transport>) -> Self {
        let (bend_frame, flood): (BendFrame, Flood) = (|_, frame| Some(frame), |_, _| None);
        let (bend_stand, runtime): (BendStand, _) = (|stand| stand, Handle::current());
        Self { real, bend: Arc::new(Some), bend_frame, flood, bend_stand, holds: Arc::new(|| false), runtime }
    }
}

/// Everything the node sends, unasked or asked for, goes through `bend`.
pub fn bent(bend: impl Fn(PeerMessage) -> Option<PeerMessage> + Send + Sync + 'static) -> WrapTransport {
    let bend: Arc<Bend> = Arc::new(bend);
    Box::new(|real| Arc::new(Bent { bend, ..Bent::new(real) }))
}

/// The same, and `holds` is told of every peer that asks for the request behind a session: whether it gets no answer.
pub fn bent_and_asked(
    bend: impl Fn(PeerMessage) -> Option<PeerMessage> + Send + Sync + 'static,
    holds: impl Fn() -> bool + Send + Sync + 'static,
) -> WrapTransport {
    let (bend, holds): (Arc<Bend>, Arc<Holds>) = (Arc::new(bend), Arc::new(holds));
    Box::new(|real| Arc::new(Bent { bend, holds, ..Bent::new(real) }))
}

/// What the node says in rounds goes through `bend_frame`; everything else is honest.
pub fn bent_frames(bend_frame: BendFrame) -> WrapTransport {
    Box::new(move |real| Arc::new(Bent { bend_frame, ..Bent::new(real) }))
}

/// How the node says it stands goes through `bend_stand`; everything else is honest.
pub fn bent_stands(bend_stand: BendStand) -> WrapTransport {
    Box::new(move |real| Arc::new(Bent { bend_stand, ..Bent::new(real) }))
}

/// The node says what it has to, and then goes on talking as fast as its peers listen.
pub fn flooding(flood: Flood) -> WrapTransport {
    Box::new(move |real| Arc::new(Bent { flood, ..Bent::new(real) }))
}

#[tonic::async_trait]
impl Transport for Bent {
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError> {
        match (self.bend)(message) {
            Some(message) => self.real.send(to, message),
            None => Ok(()),
        }
    }

    async fn recv(&self) -> Option<Inbound> {
        let Inbound { from, event } = self.real.recv().await?;
        let (session, answer) = match event {
            Event::WantsMessage(session, answer) => (session, answer),
            Event::WantsRequest(session, answer) if (self.holds)() => {
                let (nobody, found) = oneshot::channel();
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop((answer, found));
                });
                return Some(Inbound { from, event: Event::WantsRequest(session, nobody) });
            }
            Event::Meets(stand, answer) => {
                let (ours, found) = oneshot::channel::<Stand>();
                let bend = self.bend_stand;
                tokio::spawn(async move { found.await.is_ok_and(|stand| answer.send(bend(stand)).is_ok()) });
                return Some(Inbound { from, event: Event::Meets(stand, ours) });
            }
            event => return Some(Inbound { from, event }),
        };
        let (ours, found) = oneshot::channel::<Option<PeerMessage>>();
        let bend = Arc::clone(&self.bend);
        tokio::spawn(async move { answer.send(found.await.unwrap_or_default().and_then(|message| bend(message))) });
        Some(Inbound { from, event: Event::WantsMessage(session, ours) })
    }

    async fn pull_request(
        &self,
        from: PartyId,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError> {
        self.real.pull_request(from, session).await
    }

    async fn pull_message(&self, from: PartyId, session: SessionId) -> Result<Option<PeerMessage>, TransportError> {
        self.real.pull_message(from, session).await
    }

    fn speak(&self, to: PartyId, frame: RoundFrame) -> Result<(), TransportError> {
        let flood = self.flood;
        if let Some(first) = flood(frame.clone(), 0) {
            drop(self.real.speak(to, first));
            let (real, frame) = (Arc::clone(&self.real), frame.clone());
            self.runtime.spawn(async move {
                for number in 1..FLOOD {
                    // a full queue is a flood as well
                    while flood(frame.clone(), number).is_some_and(|frame| real.speak(to, frame).is_err()) {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            });
        }
        match (self.bend_frame)(to, frame) {
            Some(frame) => self.real.speak(to, frame),
            None => Ok(()),
        }
    }

    async fn meet(&self, to: PartyId, stand: Stand) -> Result<Stand, TransportError> {
        self.real.meet(to, (self.bend_stand)(stand)).await
    }

    async fn pull_mask_keys(&self, from: PartyId, setup: SessionId) -> Result<Option<SharedKeys>, TransportError> {
        self.real.pull_mask_keys(from, setup).await
    }

    fn peers(&self) -> Vec<PeerState> {
        self.real.peers()
    }
}
