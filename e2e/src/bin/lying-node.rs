//! A committee member that departs from the protocol: everything it tells its peers in an opening is random. For tests.

use rand::RngCore as _;
use std::process::ExitCode;
use std::sync::Arc;
use tkms_kms_node::rounds::Stand;
use tkms_kms_node::transport::{Inbound, PeerMessage, PeerState, RoundFrame, SharedKeys, Transport, TransportError};
use tkms_kms_node::{Config, Hooks};
use tkms_types::transcript::Protocol;
use tkms_types::{Cluster, PartyId, SessionId};
use tkms_wire::kms;
use tokio::io::AsyncReadExt as _;

/// The real transport, with every share that leaves replaced.
struct Liar(Arc<dyn Transport>, Protocol);

/// Random bytes in place of a protocol message, of the same length.
fn lie(protocol: Protocol, mut message: PeerMessage) -> PeerMessage {
    let mut body = message.body.to_vec();
    match protocol {
        Protocol::Flood => rand::rng().fill_bytes(&mut body),
        Protocol::Exact => lie_in_parts(&mut body),
    }
    message.body = body.into();
    message
}

/// Random elements in the parts of a frame of `exact`, of the right modulus: only the polynomial shows them. Votes stay.
fn lie_in_parts(mut rest: &mut [u8]) {
    while let [kind, head @ ..] = &*rest {
        let count = |at: usize| 8 * head.get(at - 1).copied().map_or(0, usize::from);
        let (from, elements) = match (kind, head) {
            (1, [_, low, high, ..]) => (4 + 52 * usize::from(u16::from_le_bytes([*low, *high])) + 64, 0),
            (4, _) => (34, count(33)),
            _ => (38, count(37)),
        };
        let low_bits = if *kind == 3 { 0 } else { 0xfe };
        let Some((part, after)) = std::mem::take(&mut rest).split_at_mut_checked(from + elements) else { return };
        if let Some(elements) = part.get_mut(from..) {
            rand::rng().fill_bytes(elements);
            elements.iter_mut().step_by(2).for_each(|low| *low &= low_bits);
        }
        rest = after;
    }
}

#[tonic::async_trait]
impl Transport for Liar {
    fn send(&self, to: PartyId, message: PeerMessage) -> Result<(), TransportError> {
        self.0.send(to, lie(self.1, message))
    }

    async fn recv(&self) -> Option<Inbound> {
        self.0.recv().await
    }

    async fn pull_request(
        &self,
        from: PartyId,
        session: SessionId,
    ) -> Result<Option<kms::PublicDecryptRequest>, TransportError> {
        self.0.pull_request(from, session).await
    }

    async fn pull_message(&self, from: PartyId, session: SessionId) -> Result<Option<PeerMessage>, TransportError> {
        self.0.pull_message(from, session).await
    }

    fn speak(&self, to: PartyId, frame: RoundFrame) -> Result<(), TransportError> {
        self.0.speak(to, frame)
    }

    async fn meet(&self, to: PartyId, stand: Stand) -> Result<Stand, TransportError> {
        self.0.meet(to, stand).await
    }

    async fn pull_mask_keys(&self, from: PartyId, setup: SessionId) -> Result<Option<SharedKeys>, TransportError> {
        self.0.pull_mask_keys(from, setup).await
    }

    fn peers(&self) -> Vec<PeerState> {
        self.0.peers()
    }
}

/// `lying-node node --config <file> --cluster <file> --until-stdin-closes`, as `tkms node`.
#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, _, _, config, _, cluster, _] = arguments.as_slice() else {
        tracing::error!("expected: node --config <file> --cluster <file> --until-stdin-closes");
        return ExitCode::FAILURE;
    };
    match run(config, cluster).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &str, cluster: &str) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(config.as_ref())?;
    let cluster = Cluster::from_json(&std::fs::read_to_string(cluster)?)?;
    let protocol = cluster.protocol();
    let hooks = Hooks { transport: Some(Box::new(move |real| Arc::new(Liar(real, protocol)))), ..Hooks::default() };
    let stop = async {
        let mut byte = [0];
        while tokio::io::stdin().read(&mut byte).await.is_ok_and(|read| read > 0) {}
    };
    Ok(tkms_kms_node::run(config, cluster, hooks, stop).await?)
}
