//! The peer port over real TLS on loopback: members get through under their own name, nobody else does.

use crate::common::cluster::free_port;
use crate::common::{cluster_of, host};
use alloy_primitives::B256;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use std::sync::Arc;
use std::time::Duration;
use tkms_kms_node::keystore::{NodeIdentity, tls_name};
use tkms_kms_node::limits::{PEER_CALLS, PEER_QUEUE};
use tkms_kms_node::transport::{Event, Inbound, MtlsTransport, Names, PeerMessage, PeerTls, Transport, TransportError};
use tkms_types::{Cluster, Node, PartyId, SessionId, limits};
use tkms_wire::peer::peer_client::PeerClient;
use tkms_wire::peer::{Envelope, HelloRequest, RefusedMessage};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

struct Net {
    cluster: Cluster,
    identities: Vec<NodeIdentity>,
}

fn party(number: u8) -> PartyId {
    PartyId::new(number).unwrap()
}

fn message(fill: u8, bytes: usize) -> PeerMessage {
    PeerMessage { session: SessionId(B256::repeat_byte(fill)), body: vec![fill; bytes].into() }
}

impl Net {
    fn new() -> Self {
        let identities: Vec<_> = (0..4).map(|_| NodeIdentity::generate().unwrap()).collect();
        let node = |(number, identity): (u8, &NodeIdentity)| Node {
            party_id: party(number),
            signer: identity.signer(),
            tls_certificate: identity.record().tls_certificate,
            peer_address: format!("127.0.0.1:{}", free_port()),
            api_url: String::new(),
        };
        let cluster = cluster_of((1..).zip(&identities).map(node).collect(), host());
        Self { cluster, identities }
    }

    fn names(&self) -> Names {
        Names { context: self.cluster.context, epoch: self.cluster.epoch, key: self.cluster.key.id }
    }

    async fn start(&self, number: u8) -> Arc<MtlsTransport> {
        self.start_in(number, &self.cluster).await
    }

    async fn start_in(&self, number: u8, cluster: &Cluster) -> Arc<MtlsTransport> {
        let (certificate, key) = self.identities[usize::from(number) - 1].tls();
        let tls = PeerTls {
            party: party(number),
            listen: cluster.committee[usize::from(number) - 1].peer_address.parse().unwrap(),
            identity: Identity::from_pem(certificate, key),
        };
        MtlsTransport::start(tls, cluster, self.names()).await.unwrap()
    }

    /// A bare client to node 1, with some identity or none.
    async fn client(&self, identity: Option<&NodeIdentity>) -> Result<PeerClient<Channel>, tonic::transport::Error> {
        let node = &self.cluster.committee[0];
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&node.tls_certificate))
            .domain_name(tls_name(node.signer));
        if let Some(identity) = identity {
            let (certificate, key) = identity.tls();
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", node.peer_address)).unwrap().tls_config(tls)?;
        Ok(PeerClient::new(endpoint.connect().await?).max_encoding_message_size(64 << 20))
    }

    /// What node 1 says of messages that node 2 sends in one call, once it is done with all of them.
    async fn delivered(&self, envelopes: Vec<Envelope>) -> Result<Vec<RefusedMessage>, Status> {
        let mut two = self.client(Some(&self.identities[1])).await.unwrap();
        let mut open = envelopes.len() as u32;
        let call = stream::iter(envelopes).chain(stream::pending());
        let mut replies = two.deliver(call).await?.into_inner();
        let mut refused = Vec::new();
        while open > 0 {
            let reply = replies.message().await?.unwrap();
            open -= reply.done;
            refused.extend(reply.refused);
        }
        Ok(refused)
    }

    fn envelope(&self, sender: u32, bytes: usize) -> Envelope {
        let id = |id: B256| Bytes::copy_from_slice(id.as_slice());
        Envelope {
            context: id(self.cluster.context.bytes()),
            epoch: id(self.cluster.epoch.bytes()),
            key_id: id(self.cluster.key.id.bytes()),
            session: id(B256::repeat_byte(1)),
            sender,
            message: vec![0; bytes].into(),
        }
    }
}

#[tokio::test]
async fn a_message_arrives_under_its_senders_name_also_if_the_peer_comes_late() {
    let net = Net::new();
    let one = net.start(1).await;
    one.send(party(2), message(7, 100)).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let two = net.start(2).await;
    let Inbound { from, event: Event::Message(got, known) } = two.recv().await.unwrap() else { panic!() };
    assert_eq!((from, got), (party(1), message(7, 100)));
    known.send(true).unwrap();
    // And an answer to a question
    let asked = tokio::spawn({
        let two = Arc::clone(&two);
        async move { two.pull_message(party(1), message(7, 0).session).await }
    });
    let Inbound { from, event: Event::WantsMessage(session, answer) } = one.recv().await.unwrap() else { panic!() };
    assert_eq!((from, session), (party(2), message(7, 0).session));
    answer.send(Some(message(7, 3))).unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), Some(message(7, 3)));
    assert!(two.peers().iter().any(|peer| peer.party == party(1) && peer.connected));
    one.stop().await;
    assert!(one.recv().await.is_none());
}

#[tokio::test]
async fn messages_do_not_wait_for_the_answers_to_those_before_them_up_to_a_bound() {
    let net = Net::new();
    let (one, two) = (net.start(1).await, net.start(2).await);
    for fill in 0..=PEER_CALLS as u8 {
        one.send(party(2), message(fill, 10)).unwrap();
    }
    let next = async || tokio::time::timeout(Duration::from_secs(5), two.recv()).await.ok().flatten();
    let mut held = Vec::new();
    while held.len() < PEER_CALLS / 2 {
        let Inbound { event: Event::Message(message, known), .. } = next().await.unwrap() else { panic!() };
        held.push((message, known));
    }
    let more = tokio::time::timeout(Duration::from_millis(300), two.recv()).await;
    assert!(more.is_err(), "a peer that answers nothing gets no more");
    let mut got: Vec<u8> = held.iter().map(|(message, _)| message.body[0]).collect();
    // an answer that does not come counts as refused for now: the message comes again
    drop(held.pop());
    held.into_iter().for_each(|(_, known)| known.send(true).unwrap());
    while got.len() < PEER_CALLS + 2 {
        let Inbound { event: Event::Message(message, known), .. } = next().await.unwrap() else { panic!() };
        got.push(message.body[0]);
        known.send(true).unwrap();
    }
    got.sort_unstable();
    got.dedup();
    assert_eq!(got, (0..=PEER_CALLS as u8).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_of_another_session_than_asked_is_refused() {
    let net = Net::new();
    let (one, two) = (net.start(1).await, net.start(2).await);
    let asked = tokio::spawn(async move { two.pull_message(party(1), message(7, 0).session).await });
    let Inbound { event: Event::WantsMessage(_, answer), .. } = one.recv().await.unwrap() else { panic!() };
    answer.send(Some(message(8, 3))).unwrap();
    assert!(matches!(asked.await.unwrap(), Err(TransportError::Answer { peer, .. }) if peer == party(1)));
}

#[tokio::test]
async fn strangers_do_not_get_past_the_handshake() {
    let net = Net::new();
    let one = net.start(1).await;
    let stranger = NodeIdentity::generate().unwrap();
    let hello = HelloRequest { party: 2, cluster_hash: Bytes::new(), version: String::new() };
    for identity in [None, Some(&stranger)] {
        let refused = match net.client(identity).await {
            Err(_) => true,
            // TLS 1.3: the refusal may show only with the first call
            Ok(mut client) => client.hello(hello.clone()).await.is_err(),
        };
        assert!(refused);
    }
    assert!(net.client(Some(&net.identities[1])).await.is_ok());
    assert!(one.peers().iter().all(|peer| !peer.connected));
}

#[tokio::test]
async fn a_node_does_not_talk_to_a_port_with_another_certificate() {
    let mut net = Net::new();
    let one = net.start(1).await;
    // Node 3 stands where node 2 should
    net.cluster.committee[2].peer_address = net.cluster.committee[1].peer_address.clone();
    let _three = net.start(3).await;
    one.send(party(2), message(1, 1)).unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    let state = one.peers().into_iter().find(|peer| peer.party == party(2)).unwrap();
    assert!(!state.connected && state.detail.contains("certificate"), "{}", state.detail);
}

#[tokio::test]
async fn a_member_cannot_speak_for_another() {
    let net = Net::new();
    let _one = net.start(1).await;
    let refused = net.delivered(vec![net.envelope(3, 10)]).await.unwrap().remove(0);
    assert_eq!(Code::from_i32(refused.code as i32), Code::PermissionDenied);
    assert!(refused.reason.contains("party 3") && refused.reason.contains("party 2"), "{}", refused.reason);
    let mut two = net.client(Some(&net.identities[1])).await.unwrap();
    let hello = HelloRequest { party: 3, cluster_hash: Bytes::new(), version: String::new() };
    assert_eq!(two.hello(hello).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn other_names_and_oversize_messages_are_refused_and_end_nothing_for_those_beside_them() {
    let net = Net::new();
    let one = net.start(1).await;
    let mut other_epoch = net.envelope(2, 10);
    other_epoch.epoch = net.envelope(2, 0).context;
    let long = net.envelope(2, limits::PEER_MESSAGE_BYTES + 1);
    let taken = tokio::spawn(async move {
        let mut taken = Vec::new();
        while taken.len() < 2 {
            let Inbound { event: Event::Message(message, known), .. } = one.recv().await.unwrap() else { panic!() };
            taken.push(message.body.len());
            known.send(true).unwrap();
        }
        (taken, one)
    });
    let refused = net.delivered(vec![other_epoch, net.envelope(2, 7), long, net.envelope(2, 8)]).await.unwrap();
    let (taken, _one) = taken.await.unwrap();
    assert_eq!(taken, [7, 8]);
    assert!(refused.len() == 2 && refused[0].reason.contains("epoch"), "{refused:?}");
    assert!(refused.iter().all(|refused| refused.code == Code::InvalidArgument as u32), "{refused:?}");
    // one that is not even read costs its sender the call
    let refused = net.delivered(vec![net.envelope(2, 3 * limits::PEER_MESSAGE_BYTES)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_message_that_no_peer_would_take_is_not_queued() {
    let net = Net::new();
    let one = net.start(1).await;
    let long = one.send(party(2), message(1, limits::PEER_MESSAGE_BYTES + 1));
    assert!(matches!(long, Err(TransportError::TooLarge { peer, .. }) if peer == party(2)));
    one.send(party(2), message(1, limits::PEER_MESSAGE_BYTES)).unwrap();
}

#[tokio::test]
async fn what_a_stopped_peer_did_not_answer_reaches_it_when_it_is_back() {
    let net = Net::new();
    let (one, two) = (net.start(1).await, net.start(2).await);
    for fill in 0..5 {
        one.send(party(2), message(fill, 10)).unwrap();
    }
    let Inbound { event: Event::Message(first, known), .. } = two.recv().await.unwrap() else { panic!() };
    assert_eq!(first, message(0, 10));
    let unanswered = two.recv().await.unwrap();
    two.stop().await;
    drop((known, unanswered, two));
    let two = net.start(2).await;
    let mut got = Vec::new();
    while got.len() < 5 {
        let Inbound { event: Event::Message(message, known), .. } = two.recv().await.unwrap() else { panic!() };
        got.push(message.body[0]);
        known.send(true).unwrap();
    }
    assert_eq!(got, [0, 1, 2, 3, 4], "all of them, in their order");
}

#[tokio::test]
async fn a_peer_with_another_cluster_file_is_not_spoken_to() {
    let net = Net::new();
    let one = net.start(1).await;
    let mut other = net.cluster.clone();
    other.chains[0].max_anchor_age += 1;
    let two = net.start_in(2, &other).await;
    two.send(party(1), message(1, 1)).unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(600), one.recv()).await;
    assert!(nothing.is_err());
    let state = two.peers().into_iter().find(|peer| peer.party == party(1)).unwrap();
    assert!(!state.connected && state.detail.contains("cluster file"), "{}", state.detail);
}

#[tokio::test]
async fn queues_are_bounded_and_unknown_peers_named() {
    let net = Net::new();
    let one = net.start(1).await;
    let full = (0..2 * PEER_QUEUE).find_map(|_| one.send(party(2), message(1, 1)).err());
    assert!(matches!(full, Some(TransportError::QueueFull(peer)) if peer == party(2)));
    for nobody in [1, 5] {
        assert!(matches!(one.send(party(nobody), message(1, 1)), Err(TransportError::NoSuchPeer(_))));
    }
}
