//! One node's request API: a lazily reconnecting channel, a bound on calls in flight, a bound on every call.

use crate::record::Ask;
use std::time::Duration;
use tkms_types::{Cluster, Node, PartyId, limits::REQUEST_BYTES};
use tkms_wire::kms::{PublicDecryptRequest, Reply, UserDecryptRequest, kms_client::KmsClient};
use tkms_wire::{evidence::Evidence, material::Material, request::Call};
use tokio::sync::Semaphore;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// Longest time to open a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How much longer than the wait we ask for a call may take: transfer and a busy node.
const SLACK: Duration = Duration::from_secs(10);
/// Idle connections are probed this often, so that a dead node is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Calls to one node at once; further ones wait.
const CALLS_IN_FLIGHT: usize = 256;
/// Largest reply: a payload of a full user request and its envelope.
const REPLY_BYTES: usize = 4 * 1024 * 1024;

/// A node as seen from here.
pub struct NodeLink {
    party: PartyId,
    client: KmsClient<Channel>,
    calls: Semaphore,
}

/// A request in the form nodes take it.
#[derive(Clone, Debug)]
pub enum Question {
    /// See [`PublicDecryptRequest`].
    Public(PublicDecryptRequest),
    /// See [`UserDecryptRequest`].
    User(UserDecryptRequest),
}

impl Question {
    /// Puts a request, the evidence about its ciphertexts and that of its permission together.
    #[must_use]
    pub fn new(ask: &Ask, materials: Vec<Material>, evidence: Evidence, wait: Duration) -> Self {
        // The host's own rule of finality is the one the evidence was collected for.
        let (label, evidence, finality) = (String::new(), Some(evidence), None);
        match ask {
            Ask::Public(request) => {
                let request = request.clone();
                Self::Public((&Call { request, materials, evidence, finality, wait, label }).into())
            }
            Ask::User(request) => {
                let request = request.clone();
                Self::User((&Call { request, materials, evidence, finality, wait, label }).into())
            }
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_millis(match self {
            Self::Public(request) => request.wait_ms.into(),
            Self::User(request) => request.wait_ms.into(),
        })
    }
}

impl NodeLink {
    /// Prepares the channel; connects at the first call.
    ///
    /// # Errors
    /// [`NodeError::Address`].
    pub fn new(node: &Node) -> Result<Self, NodeError> {
        let bad = |error: tonic::transport::Error| NodeError::Address { party: node.party_id, reason: chain(&error) };
        let mut endpoint = Endpoint::from_shared(node.api_url.clone()).map_err(bad)?;
        if node.api_url.starts_with("https://") {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&node.tls_certificate));
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        let channel = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .connect_lazy();
        let client =
            KmsClient::new(channel).max_decoding_message_size(REPLY_BYTES).max_encoding_message_size(REQUEST_BYTES);
        Ok(Self { party: node.party_id, client, calls: Semaphore::new(CALLS_IN_FLIGHT) })
    }

    /// Links to all nodes, in party order.
    ///
    /// # Errors
    /// [`NodeError::Address`] naming the node.
    pub fn all(cluster: &Cluster) -> Result<Vec<Self>, NodeError> {
        cluster.committee.iter().map(Self::new).collect()
    }

    /// Which node.
    #[must_use]
    pub const fn party(&self) -> PartyId {
        self.party
    }

    /// Asks once. The reply is not judged here.
    ///
    /// # Errors
    /// [`NodeError::Call`], [`NodeError::Silent`].
    pub async fn ask(&self, question: Question) -> Result<Reply, NodeError> {
        let party = self.party;
        let _permit = self.calls.acquire().await.map_err(|_| NodeError::Closed)?;
        let bound = question.wait() + SLACK;
        let mut client = self.client.clone();
        let call = async move {
            match question {
                Question::Public(request) => client.public_decrypt(request).await,
                Question::User(request) => client.user_decrypt(request).await,
            }
        };
        match tokio::time::timeout(bound, call).await {
            Err(_) => Err(NodeError::Silent { party, bound }),
            Ok(Err(status)) => {
                Err(NodeError::Call { party, code: status.code(), reason: crate::record::foreign(status.message()) })
            }
            Ok(Ok(reply)) => Ok(reply.into_inner()),
        }
    }
}

/// tonic keeps the useful part of its errors in their sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// A node could not be asked. Nobody is blamed for it: the network may be at fault.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The cluster file's URL or certificate.
    #[error("{party}, apiUrl: {reason}")]
    Address {
        /// Whose.
        party: PartyId,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or the call was refused.
    #[error("{party}: {code:?}: {reason}")]
    Call {
        /// Which node.
        party: PartyId,
        /// gRPC status.
        code: tonic::Code,
        /// The node's words.
        reason: String,
    },
    /// No reply in time.
    #[error("{party} did not reply within {bound:?}")]
    Silent {
        /// Which node.
        party: PartyId,
        /// How long we waited.
        bound: Duration,
    },
    /// The oracle is shutting down.
    #[error("shutting down")]
    Closed,
}
