//! The real transport: gRPC over mutual TLS, one port in, one connection out to each peer.
//!
//! The roots of the port are the peers' self-signed leaf certificates, so a stranger does not get past the handshake;
//! the certificate of a call names its caller. A connection out trusts the one certificate of its peer.

use super::client::PeerClient;
use super::codec::Names;
use super::server::PeerServer;
use super::{Inbound, PeerMessage, PeerState, RoundFrame, SharedKeys, Transport, TransportError};
use crate::keystore::tls_name;
use crate::limits::{FRAME_BYTES, INBOUND_QUEUE, PEER_CALL, PEER_CALLS};
use crate::rounds::Stand;
use alloy_primitives::B256;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tkms_types::{Cluster, Committee, PartyId, SessionId, limits};
use tkms_wire::kms;
use tkms_wire::peer::peer_server;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Room for protobuf around a message of the largest size.
const FRAMING: usize = 64 * 1024;

/// This node's side of the peer port.
pub struct PeerTls {
    /// This node.
    pub party: PartyId,
    /// Where to listen.
    pub listen: SocketAddr,
    /// PEM of certificate and key.
    pub identity: Identity,
}

/// See the module.
pub struct MtlsTransport {
    peers: BTreeMap<PartyId, Arc<PeerClient>>,
    inbound: Mutex<mpsc::Receiver<Inbound>>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    listening: SocketAddr,
}

/// Bytes of an HTTP/2 data frame.
const HTTP_FRAME: u32 = 1024 * 1024;
/// Bytes a peer may have under way on one connection: a frame does not wait for the window to open again.
pub(super) const WINDOW: u32 = 16 * 1024 * 1024;

/// What both sides of the port know.
pub(super) struct Membership {
    pub(super) me: PartyId,
    pub(super) committee: Committee,
    pub(super) names: Names,
    pub(super) cluster_hash: B256,
}

impl MtlsTransport {
    /// Opens the port and starts one sender per peer.
    ///
    /// # Errors
    /// [`TransportError::Setup`] if the port is taken or a certificate cannot be read.
    pub async fn start(tls: PeerTls, cluster: &Cluster, names: Names) -> Result<Arc<Self>, TransportError> {
        name_tls_provider();
        let cluster_hash = cluster.hash().map_err(|error| TransportError::Setup(error.to_string()))?;
        let committee = cluster.size().map_err(|error| TransportError::Setup(error.to_string()))?;
        let membership = Arc::new(Membership { me: tls.party, committee, names, cluster_hash });
        let (stop, stopped) = watch::channel(false);
        let (queue, inbound) = mpsc::channel(INBOUND_QUEUE);
        let mut tasks = JoinSet::new();
        let listening = serve(&tls, cluster, &membership, queue, (&mut tasks, stopped.clone()))?;

        let mut peers = BTreeMap::new();
        for node in cluster.committee.iter().filter(|node| node.party_id != tls.party) {
            let (client, sender, speaker) = PeerClient::new(node, &tls.identity, Arc::clone(&membership))?;
            tasks.spawn(sender.run());
            tasks.spawn(speaker.run());
            peers.insert(node.party_id, client);
        }
        Ok(Arc::new(Self { peers, inbound: Mutex::new(inbound), stop, tasks: Mutex::new(tasks), listening }))
    }

    /// The address of the port, for a configuration that let the system choose.
    #[must_use]
    pub const fn listening(&self) -> SocketAddr {
        self.listening
    }

    /// Closes the port and every connection.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        tasks.shutdown().await;
    }

    fn peer(&self, party: PartyId) -> Result<&Arc<PeerClient>, TransportError> {
        self.peers.get(&party).ok_or(TransportError::NoSuchPeer(party))
    }
}

#[tonic::async_trait]
impl Transport for MtlsTransport {
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError> {
        self.peer(to)?.queue(message)
    }

    async fn recv(&self) -> Option<Inbound> {
        let mut inbound = self.inbound.lock().await;
        tokio::select! {
            next = inbound.recv() => next,
            () = crate::tasks::stopped(self.stop.subscribe()) => None,
        }
    }

    async fn pull_request(
        &self,
        from: PartyId,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError> {
        self.peer(from)?.pull_request(session).await
    }

    async fn pull_message(&self, from: PartyId, session: SessionId) -> Result<Option<PeerMessage>, TransportError> {
        self.peer(from)?.pull_message(session).await
    }

    fn speak(&self, to: PartyId, frame: RoundFrame) -> Result<(), TransportError> {
        self.peer(to)?.speak(frame)
    }

    async fn meet(&self, to: PartyId, stand: Stand) -> Result<Stand, TransportError> {
        self.peer(to)?.meet(stand).await
    }

    async fn pull_mask_keys(&self, from: PartyId, setup: SessionId) -> Result<Option<SharedKeys>, TransportError> {
        self.peer(from)?.pull_mask_keys(setup).await
    }

    fn peers(&self) -> Vec<PeerState> {
        self.peers.values().map(|peer| peer.state()).collect()
    }
}

fn serve(
    tls: &PeerTls,
    cluster: &Cluster,
    membership: &Arc<Membership>,
    queue: mpsc::Sender<Inbound>,
    (tasks, stopped): (&mut JoinSet<()>, watch::Receiver<bool>),
) -> Result<SocketAddr, TransportError> {
    let setup = |error: &dyn std::fmt::Display| TransportError::Setup(error.to_string());
    let mut callers = BTreeMap::new();
    let mut roots = String::new();
    for node in cluster.committee.iter().filter(|node| node.party_id != tls.party) {
        let der = CertificateDer::from_pem_slice(node.tls_certificate.as_bytes())
            .map_err(|error| TransportError::Setup(format!("certificate of {}: {error}", node.party_id)))?;
        callers.insert(der.to_vec(), node.party_id);
        roots.push_str(&node.tls_certificate);
        roots.push('\n');
    }
    let incoming = TcpIncoming::bind(tls.listen).map_err(|error| setup(&format!("{}: {error}", tls.listen)))?;
    let incoming = incoming.with_nodelay(Some(true));
    let listening = incoming.local_addr().map_err(|error| setup(&error))?;
    if callers.is_empty() {
        // A committee of one has no peers: nothing may connect, so nothing listens
        return Ok(listening);
    }
    let config = ServerTlsConfig::new()
        .identity(tls.identity.clone())
        .client_ca_root(Certificate::from_pem(roots))
        .timeout(HANDSHAKE);
    let server = PeerServer::new(callers, Arc::clone(membership), queue, stopped.clone());
    let service = peer_server::PeerServer::new(server)
        .max_decoding_message_size(limits::PEER_MESSAGE_BYTES.max(FRAME_BYTES) + FRAMING)
        .max_encoding_message_size(limits::REQUEST_BYTES + FRAMING);
    let router = Server::builder()
        .tls_config(config)
        .map_err(|error| setup(&error))?
        .timeout(PEER_CALL)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(HTTP_FRAME)
        .concurrency_limit_per_connection(PEER_CALLS)
        .max_concurrent_streams(PEER_CALLS as u32)
        .add_service(service);
    tasks.spawn(async move {
        if let Err(error) = router.serve_with_incoming_shutdown(incoming, crate::tasks::stopped(stopped)).await {
            tracing::error!(%error, "peer port closed");
        }
    });
    Ok(listening)
}

/// tonic's server asks rustls for the provider of the process; with two linked in there is none unless one is named.
/// Whoever named one before is left alone.
fn name_tls_provider() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("the process has a TLS provider already");
    }
}

/// Name in the certificate of a cluster's node.
pub(super) fn name_of(node: &tkms_types::Node) -> String {
    tls_name(node.signer)
}
