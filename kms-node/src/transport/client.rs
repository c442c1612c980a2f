//! The way to one peer: a bounded queue, one connection that comes back by itself, a hello before anything else. Messages go as
//! [`super::deliver`] says.

use super::codec::{self, CodecError};
use super::deliver::PeerSender;
use super::mtls::{Membership, WINDOW, name_of};
use super::{PeerMessage, PeerState, RoundFrame, SharedKeys, TransportError};
use crate::limits::{
    FIRST_BACKOFF, FRAME_BYTES, FRAME_QUEUE, FRAME_TIME, LONGEST_BACKOFF, PEER_CALL, PEER_CONNECT, PEER_QUEUE,
};
use crate::rounds::Stand;
use futures::Stream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tkms_types::{Node, PartyId, SessionId, limits};
use tkms_wire::kms;
use tkms_wire::peer::peer_client;
use tkms_wire::peer::{DeliverReply, Envelope, HelloRequest, MaskKeysRequest, SessionRequest, pulled_request};
use tokio::sync::mpsc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Response, Status, Streaming};

type Client = peer_client::PeerClient<Channel>;

/// Room for protobuf around a message of the largest size.
const FRAMING: usize = 64 * 1024;
/// HTTP/2 pings that show a dead peer while nothing is sent.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Shared handle to one peer.
pub(super) struct PeerClient {
    pub(super) party: PartyId,
    client: Client,
    queue: mpsc::Sender<PeerMessage>,
    frames: mpsc::Sender<(Instant, RoundFrame)>,
    state: Mutex<PeerState>,
    pub(super) membership: Arc<Membership>,
}

impl PeerClient {
    pub(super) fn new(
        node: &Node,
        identity: &Identity,
        membership: Arc<Membership>,
    ) -> Result<(Arc<Self>, PeerSender, PeerSpeaker), TransportError> {
        let party = node.party_id;
        let setup = |error: tonic::transport::Error| TransportError::Setup(format!("{party}: {error:?}"));
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&node.tls_certificate))
            .domain_name(name_of(node))
            .identity(identity.clone())
            .timeout(PEER_CONNECT);
        let endpoint = Endpoint::from_shared(format!("https://{}", node.peer_address))
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(setup)?
            .connect_timeout(PEER_CONNECT)
            .timeout(PEER_CALL)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        let client = Client::new(endpoint.connect_lazy())
            .max_decoding_message_size(limits::PEER_MESSAGE_BYTES.max(limits::REQUEST_BYTES) + FRAMING)
            .max_encoding_message_size(limits::PEER_MESSAGE_BYTES + FRAMING);
        // A connection of its own: a decryption's message does not stand in line behind megabytes
        let bulk = Client::new(endpoint.connect_lazy()).max_encoding_message_size(FRAME_BYTES + FRAMING);
        let (queue, waiting) = mpsc::channel(PEER_QUEUE);
        let (frames, spoken) = mpsc::channel(FRAME_QUEUE);
        let state = PeerState { party, connected: false, detail: "not called yet".to_owned(), queued: 0 };
        let speaker = PeerSpeaker { party, client: bulk, frames: spoken, membership: Arc::clone(&membership) };
        let peer = Arc::new(Self { party, client, queue, frames, state: Mutex::new(state), membership });
        Ok((Arc::clone(&peer), PeerSender::new(peer, waiting), speaker))
    }

    pub(super) fn speak(&self, frame: RoundFrame) -> Result<(), TransportError> {
        self.frames.try_send((Instant::now(), frame)).map_err(|_| TransportError::QueueFull(self.party))
    }

    pub(super) async fn meet(&self, stand: Stand) -> Result<Stand, TransportError> {
        let Membership { me, names, committee, .. } = *self.membership;
        let reply =
            self.client.clone().meet(names.seal_stand(me, stand)).await.map_err(|status| self.called(&status))?;
        let opened = names.open_stand(self.party, (me, committee), reply.into_inner());
        opened.map_err(|reason| TransportError::Answer { peer: self.party, reason })
    }

    pub(super) async fn pull_mask_keys(&self, setup: SessionId) -> Result<Option<SharedKeys>, TransportError> {
        let request = MaskKeysRequest { session: codec::bytes(setup.0) };
        let reply = self.client.clone().pull_mask_keys(request).await.map_err(|status| self.called(&status))?;
        let keys = SharedKeys::new(reply.into_inner().keys.into());
        Ok((!keys.is_empty()).then_some(keys))
    }

    /// A call beside the queue went wrong: how the peer is, its queue finds out.
    fn called(&self, status: &Status) -> TransportError {
        TransportError::Call { peer: self.party, reason: describe(status) }
    }

    pub(super) fn queue(&self, message: PeerMessage) -> Result<(), TransportError> {
        if message.body.len() > limits::PEER_MESSAGE_BYTES {
            return Err(TransportError::TooLarge { peer: self.party, bytes: message.body.len() });
        }
        self.queue.try_send(message).map_err(|_| TransportError::QueueFull(self.party))
    }

    pub(super) fn state(&self) -> PeerState {
        let known = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        PeerState { queued: PEER_QUEUE.saturating_sub(self.queue.capacity()), ..known }
    }

    /// One call with all messages of a stream.
    pub(super) async fn deliver(
        &self,
        messages: impl Stream<Item = Envelope> + Send + 'static,
    ) -> Result<Streaming<DeliverReply>, Status> {
        self.client.clone().deliver(messages).await.map(Response::into_inner)
    }

    /// Remembers how the last call went; says so once when that changes.
    pub(super) fn note(&self, outcome: Result<(), String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = outcome.is_ok();
        let detail = outcome.err().unwrap_or_default();
        if connected && !state.connected {
            tracing::info!(peer = %self.party, "peer reached");
        } else if !connected && (state.connected || state.detail != detail) {
            tracing::warn!(peer = %self.party, reason = %detail, "peer not reached");
        }
        crate::metrics::peer_connected(self.party, connected);
        state.connected = connected;
        state.detail = detail;
    }

    fn failed(&self, status: &Status) -> TransportError {
        let reason = describe(status);
        self.note(Err(reason.clone()));
        TransportError::Call { peer: self.party, reason }
    }

    pub(super) async fn hello(&self) -> Result<(), TransportError> {
        let Membership { me, cluster_hash, .. } = *self.membership;
        let hello = HelloRequest {
            party: me.number().into(),
            cluster_hash: codec::bytes(cluster_hash),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let reply = self.client.clone().hello(hello).await.map_err(|status| self.failed(&status))?.into_inner();
        if reply.cluster_hash.as_ref() != cluster_hash.as_slice() || reply.party != u32::from(self.party.number()) {
            let theirs = alloy_primitives::hex::encode(&reply.cluster_hash);
            let error = TransportError::Cluster { peer: self.party, theirs, ours: cluster_hash };
            self.note(Err(error.to_string()));
            return Err(error);
        }
        self.note(Ok(()));
        Ok(())
    }

    /// A peer that does not answer is not asked for messages: its own start, or the queue, brings them.
    pub(super) async fn pull_request(
        &self,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError> {
        let request = SessionRequest { session: codec::bytes(session.0) };
        let reply = self.client.clone().pull_request(request).await.map_err(|status| self.called(&status))?;
        match reply.into_inner().request {
            None => Ok(None),
            Some(pulled_request::Request::PublicRequest(request)) => Ok(Some(request)),
            Some(pulled_request::Request::UserRequest(_)) => {
                let reason = CodecError::Missing("it answers with a user's request, which has no session of nodes");
                Err(TransportError::Answer { peer: self.party, reason })
            }
        }
    }

    pub(super) async fn pull_message(&self, session: SessionId) -> Result<Option<PeerMessage>, TransportError> {
        let request = SessionRequest { session: codec::bytes(session.0) };
        let reply = self.client.clone().pull_message(request).await.map_err(|status| self.called(&status))?;
        let Some(envelope) = reply.into_inner().envelope else { return Ok(None) };
        let wrong = |reason| TransportError::Answer { peer: self.party, reason };
        let message = self.membership.names.open(self.party, envelope).map_err(wrong)?;
        if message.session != session {
            return Err(wrong(CodecError::Session { found: message.session, asked: session }));
        }
        Ok(Some(message))
    }
}

/// The task that sends frames.
pub(super) struct PeerSpeaker {
    party: PartyId,
    client: Client,
    frames: mpsc::Receiver<(Instant, RoundFrame)>,
    membership: Arc<Membership>,
}

impl PeerSpeaker {
    /// Sends frames in order, each until it is taken or too old to be of use.
    pub(super) async fn run(mut self) {
        let Membership { me, names, .. } = *self.membership;
        while let Some((since, frame)) = self.frames.recv().await {
            let message = names.seal_frame(me, frame);
            let mut backoff = FIRST_BACKOFF;
            while since.elapsed() < FRAME_TIME {
                match self.client.clone().speak(message.clone()).await {
                    Ok(reply) => {
                        if !reply.into_inner().kept {
                            tracing::debug!(peer = %self.party, "the peer has no use for our frame");
                        }
                        break;
                    }
                    Err(status) if matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied) => {
                        tracing::warn!(peer = %self.party, reason = %describe(&status), "peer refuses our frame");
                        break;
                    }
                    Err(_) => {
                        tokio::time::sleep(backoff).await;
                        backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    }
                }
            }
        }
    }
}

/// What a status says; tonic hides the cause of a failed connection one level down.
pub(super) fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
