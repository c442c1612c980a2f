//! Whether a node shows the TLS certificate that the cluster file names for it: for operators who look from outside, without a
//! certificate of their own.

use crate::keystore::tls_name;
use std::error::Error;
use std::time::Duration;
use tkms_types::Node;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// Longest wait for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What a node's peer port shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The certificate of the cluster file.
    Certificate,
    /// Another one.
    Other(String),
    /// Nothing.
    Unreachable(String),
}

/// Looks at the peer port. The node refuses strangers, but shows who it is first.
pub async fn shown(node: &Node) -> Shown {
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&node.tls_certificate))
        .domain_name(tls_name(node.signer));
    let endpoint = Endpoint::from_shared(format!("https://{}", node.peer_address))
        .and_then(|endpoint| endpoint.connect_timeout(HANDSHAKE).timeout(HANDSHAKE).tls_config(tls));
    let connected = match endpoint {
        Ok(endpoint) => endpoint.connect().await.map(drop),
        Err(error) => Err(error),
    };
    let Err(error) = connected else { return Shown::Certificate };
    match handshake_error(&error) {
        // It wants ours, after its own was found good
        Some(rustls::Error::AlertReceived(_)) => Shown::Certificate,
        Some(rustls::Error::InvalidCertificate(reason)) => Shown::Other(format!("{reason:?}")),
        Some(other) => Shown::Other(other.to_string()),
        None => Shown::Unreachable(last(&error)),
    }
}

fn handshake_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error hides its cause from `source`
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(found) = error.downcast_ref::<rustls::Error>().or(inner) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn last(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
