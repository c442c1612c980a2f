//! The port: who calls is what its certificate says; what it brings is checked for names, bounds and sender.

use super::codec::{self, CodecError};
use super::deliver::Deliveries;
use super::mtls::Membership;
use super::{Event, Inbound};
use crate::limits::PEER_CALL;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::BTreeMap;
use std::sync::Arc;
use tkms_types::{PartyId, SessionId};
use tkms_wire::peer::peer_server::Peer;
use tkms_wire::peer::{
    DeliverReply, Envelope, HelloReply, HelloRequest, MaskKeysReply, MaskKeysRequest, PulledMessage, PulledRequest,
    RoundMessage, SessionRequest, SpeakReply, Stand, pulled_request,
};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::{Request, Response, Status, Streaming};

pub(super) struct PeerServer {
    /// By the exact bytes of the certificate.
    callers: BTreeMap<Vec<u8>, PartyId>,
    membership: Arc<Membership>,
    queue: mpsc::Sender<Inbound>,
    /// Calls that stay open end with the port.
    stopped: watch::Receiver<bool>,
}

impl PeerServer {
    pub(super) const fn new(
        callers: BTreeMap<Vec<u8>, PartyId>,
        membership: Arc<Membership>,
        queue: mpsc::Sender<Inbound>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self { callers, membership, queue, stopped }
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<PartyId, Status> {
        let certificates = request.peer_certs().ok_or_else(|| Status::unauthenticated("no certificate"))?;
        let leaf = certificates.first().and_then(|leaf| self.callers.get(leaf.as_ref()));
        leaf.copied().ok_or_else(|| Status::unauthenticated("not the certificate of a member"))
    }

    /// Hands an event over and waits for its answer, both bounded.
    async fn ask<T>(&self, from: PartyId, event: Event, answer: oneshot::Receiver<T>) -> Result<T, Status> {
        let full = |_| Status::resource_exhausted("too many messages are waiting");
        self.queue.try_send(Inbound { from, event }).map_err(full)?;
        match tokio::time::timeout(PEER_CALL, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Status::unavailable("not served")),
            Err(_) => Err(Status::deadline_exceeded("not served in time")),
        }
    }
}

/// A refused message is logged with its culprit; the caller learns why.
pub(super) fn refused(caller: PartyId, error: &CodecError) -> Status {
    tracing::warn!(culprit = %caller, %error, "message refused");
    crate::metrics::peer_refused(caller);
    match error {
        CodecError::Sender { .. } => Status::permission_denied(error.to_string()),
        _ => Status::invalid_argument(error.to_string()),
    }
}

fn session_of(caller: PartyId, request: &SessionRequest) -> Result<SessionId, Status> {
    codec::word("session", &request.session).map(SessionId).map_err(|error| refused(caller, &error))
}

#[tonic::async_trait]
impl Peer for PeerServer {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let caller = self.caller(&request)?;
        let hello = request.into_inner();
        if hello.party != u32::from(caller.number()) {
            return Err(refused(caller, &CodecError::Sender { found: hello.party, caller }));
        }
        let ours = self.membership.cluster_hash;
        if hello.cluster_hash.as_ref() != ours.as_slice() {
            // Each side says so once, as a caller
            tracing::debug!(peer = %caller, version = %hello.version, "peer runs another cluster file");
            return Err(Status::failed_precondition(format!("this node runs cluster file {ours}")));
        }
        Ok(Response::new(HelloReply {
            party: self.membership.me.number().into(),
            cluster_hash: codec::bytes(ours),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    type DeliverStream = BoxStream<'static, Result<DeliverReply, Status>>;

    async fn deliver(&self, request: Request<Streaming<Envelope>>) -> Result<Response<Self::DeliverStream>, Status> {
        let caller = self.caller(&request)?;
        let taken = Deliveries::new(caller, Arc::clone(&self.membership), self.queue.clone(), request.into_inner());
        let stopped = crate::tasks::stopped(self.stopped.clone());
        Ok(Response::new(taken.replies().take_until(stopped).boxed()))
    }

    async fn pull_request(&self, request: Request<SessionRequest>) -> Result<Response<PulledRequest>, Status> {
        let caller = self.caller(&request)?;
        let session = session_of(caller, request.get_ref())?;
        let (answer, found) = oneshot::channel();
        let found = self.ask(caller, Event::WantsRequest(session, answer), found).await?;
        Ok(Response::new(PulledRequest { request: found.map(pulled_request::Request::PublicRequest) }))
    }

    async fn pull_message(&self, request: Request<SessionRequest>) -> Result<Response<PulledMessage>, Status> {
        let caller = self.caller(&request)?;
        let session = session_of(caller, request.get_ref())?;
        let (answer, found) = oneshot::channel();
        let found = self.ask(caller, Event::WantsMessage(session, answer), found).await?;
        let Membership { me, names, .. } = *self.membership;
        Ok(Response::new(PulledMessage { envelope: found.map(|message| names.seal(me, message)) }))
    }

    async fn speak(&self, request: Request<RoundMessage>) -> Result<Response<SpeakReply>, Status> {
        let caller = self.caller(&request)?;
        let opened = self.membership.names.open_frame(caller, request.into_inner());
        let frame = opened.map_err(|error| refused(caller, &error))?;
        let (answer, kept) = oneshot::channel();
        let kept = self.ask(caller, Event::Frame(frame, answer), kept).await?;
        Ok(Response::new(SpeakReply { kept }))
    }

    async fn meet(&self, request: Request<Stand>) -> Result<Response<Stand>, Status> {
        let caller = self.caller(&request)?;
        let Membership { me, names, committee, .. } = *self.membership;
        let opened = names.open_stand(caller, (me, committee), request.into_inner());
        let stand = opened.map_err(|error| refused(caller, &error))?;
        let (answer, ours) = oneshot::channel();
        let ours = self.ask(caller, Event::Meets(Box::new(stand), answer), ours).await?;
        Ok(Response::new(names.seal_stand(me, ours)))
    }

    async fn pull_mask_keys(&self, request: Request<MaskKeysRequest>) -> Result<Response<MaskKeysReply>, Status> {
        let caller = self.caller(&request)?;
        let setup = codec::word("session", &request.get_ref().session).map_err(|error| refused(caller, &error))?;
        let (answer, found) = oneshot::channel();
        let found = self.ask(caller, Event::WantsMaskKeys(SessionId(setup), answer), found).await?;
        let keys = found.map_or_else(Default::default, |keys| bytes::Bytes::copy_from_slice(&keys));
        Ok(Response::new(MaskKeysReply { keys }))
    }
}
