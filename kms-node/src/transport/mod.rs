//! How nodes reach each other, behind one trait.

mod client;
mod codec;
mod deliver;
mod mtls;
mod rounds;
mod server;

pub use codec::{CodecError, Names};
pub use mtls::{MtlsTransport, PeerTls};

use crate::rounds::Stand;
use bytes::Bytes;
use tkms_types::{PartyId, SessionId};
use tkms_wire::kms;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// A protocol message of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMessage {
    /// Which session.
    pub session: SessionId,
    /// Body of the protocol's message, unchecked.
    pub body: Bytes,
}

/// A frame of a run in rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundFrame {
    /// Which run.
    pub session: SessionId,
    /// The frame, unchecked.
    pub bytes: Bytes,
}

/// Keys of the subsets two nodes share, 32 bytes each, ascending.
pub type SharedKeys = Zeroizing<Vec<u8>>;

/// Something a peer sent or wants. Whoever takes it answers it; an unanswered one counts as refused.
#[derive(Debug)]
pub struct Inbound {
    /// Who; the transport vouches for it.
    pub from: PartyId,
    /// What.
    pub event: Event,
}

/// See [`Inbound`].
#[derive(Debug)]
pub enum Event {
    /// A protocol message. The answer says whether its session is known here.
    Message(PeerMessage, oneshot::Sender<bool>),
    /// The peer holds an early message and asks for the request it belongs to.
    WantsRequest(SessionId, oneshot::Sender<Option<kms::PublicDecryptRequest>>),
    /// The peer started late or restarted and asks for our message.
    WantsMessage(SessionId, oneshot::Sender<Option<PeerMessage>>),
    /// A frame of a run. The answer says whether it was kept.
    Frame(RoundFrame, oneshot::Sender<bool>),
    /// The peer tells how it stands; the answer is how we do.
    Meets(Box<Stand>, oneshot::Sender<Stand>),
    /// The peer was absent when this setup made the mask keys, and asks for those both are entitled to.
    WantsMaskKeys(SessionId, oneshot::Sender<Option<SharedKeys>>),
}

/// How a peer is, for `readyz` and `Info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// Who.
    pub party: PartyId,
    /// Whether the last call to it succeeded.
    pub connected: bool,
    /// Why not, in words.
    pub detail: String,
    /// Messages that wait to be sent to it.
    pub queued: usize,
}

/// Messages between the members of one committee.
///
/// Guarantee: a message comes from the party it names (authenticated) and nobody else reads it (private). Messages of
/// one sender may be lost, when a queue is full or a process ends; they are not altered. Nothing else is promised:
/// whoever misses a message asks for it with [`Self::pull_message`].
#[tonic::async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Queues a message for one peer and returns at once.
    ///
    /// # Errors
    /// [`TransportError::QueueFull`], [`TransportError::TooLarge`], [`TransportError::NoSuchPeer`].
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError>;

    /// The next thing a peer sent or wants; `None` after the transport was stopped.
    async fn recv(&self) -> Option<Inbound>;

    /// Asks a peer for the public request behind a session.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn pull_request(
        &self,
        from: PartyId,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError>;

    /// Asks a peer for its message of a session; `None` if it has not sent one yet.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn pull_message(&self, from: PartyId, session: SessionId) -> Result<Option<PeerMessage>, TransportError>;

    /// Queues a frame of a run for one peer and returns at once. Frames have a queue and a connection of their own.
    ///
    /// # Errors
    /// [`TransportError::QueueFull`], [`TransportError::NoSuchPeer`].
    fn speak(&self, to: PartyId, frame: RoundFrame) -> Result<(), TransportError>;

    /// Tells a peer how this node stands, and hears how it does.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn meet(&self, to: PartyId, stand: Stand) -> Result<Stand, TransportError>;

    /// Asks a peer for the mask keys both are entitled to; `None` if it holds none of this setup.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn pull_mask_keys(&self, from: PartyId, setup: SessionId) -> Result<Option<SharedKeys>, TransportError>;

    /// How every peer is.
    fn peers(&self) -> Vec<PeerState>;
}

/// A message that did not get through, and whose.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Too much is waiting for this peer.
    #[error("the queue for {0} is full")]
    QueueFull(PartyId),
    /// No peer would take it.
    #[error("a message of {bytes} bytes for {peer} is longer than any may be")]
    TooLarge {
        /// For whom.
        peer: PartyId,
        /// How long it is.
        bytes: usize,
    },
    /// Not in the committee, or ourselves.
    #[error("{0} is no peer of this node")]
    NoSuchPeer(PartyId),
    /// The peer cannot be reached or refused.
    #[error("{peer}: {reason}")]
    Call {
        /// Who.
        peer: PartyId,
        /// Why.
        reason: String,
    },
    /// The peer answered with something else than it was asked for.
    #[error("{peer}: {reason}")]
    Answer {
        /// Who.
        peer: PartyId,
        /// What is wrong.
        reason: CodecError,
    },
    /// The peer is a member of another cluster, or runs another cluster file.
    #[error("{peer} runs cluster file {theirs}, ours is {ours}")]
    Cluster {
        /// Who.
        peer: PartyId,
        /// Its hash.
        theirs: String,
        /// Our hash.
        ours: alloy_primitives::B256,
    },
    /// The port, the certificates or the TLS settings.
    #[error("peer port: {0}")]
    Setup(String),
}
