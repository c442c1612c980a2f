//! Nodes asked directly, with no oracle between: what a dishonest oracle could send them.

use crate::actors::Actor;
use crate::devnet::Devnet;
use crate::wait_until;
use alloy::providers::Provider as _;
use alloy_primitives::Bytes;
use tkms_types::{ExtraData, Handle, PublicRequest};
use tkms_wire::answer::PublicAnswer;
use tkms_wire::coprocessor::MaterialReply;
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::{InfoReply, InfoRequest, PublicDecryptRequest, Reply, UserDecryptRequest, reply::Outcome};
use tkms_wire::material::Material;
use tkms_wire::proof::decryption_proof;
use tkms_wire::request::Call;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// A connection to each node that runs.
pub async fn clients(devnet: &Devnet) -> Vec<KmsClient<Channel>> {
    let mut clients = Vec::new();
    for node in &devnet.deployment.nodes {
        clients.push(KmsClient::connect(node.api_url.to_string()).await.unwrap());
    }
    clients
}

/// Every node's account of itself.
pub async fn infos(devnet: &Devnet) -> Vec<InfoReply> {
    let mut infos = Vec::new();
    for mut client in clients(devnet).await {
        infos.push(client.info(InfoRequest {}).await.unwrap().into_inner());
    }
    infos
}

/// Waits until every node says it is ready, its peers included.
pub async fn all_ready(devnet: &Devnet) {
    wait_until("all nodes are ready", || async {
        for node in &devnet.deployment.nodes {
            let Ok(mut client) = KmsClient::connect(node.api_url.to_string()).await else { return false };
            let Ok(info) = client.info(InfoRequest {}).await else { return false };
            let info = info.into_inner();
            if !info.ready || info.peers.iter().any(|peer| !peer.connected) {
                return false;
            }
        }
        true
    })
    .await;
}

/// Sum over all nodes of decryptions computed since start.
pub async fn computed(devnet: &Devnet) -> u64 {
    infos(devnet).await.iter().map(|info| info.sessions_computed).sum()
}

/// Has a handle squashed, as an oracle would; its attested material.
pub async fn material(devnet: &Devnet, handle: Handle) -> Material {
    let coprocessor = devnet.deployment.services.iter().find(|service| service.name == "coprocessor").unwrap();
    let url = coprocessor.url.join(&format!("v1/materials/{handle}")).unwrap();
    let client = reqwest::Client::new();
    let start = std::time::Instant::now();
    loop {
        let reply = client.post(url.clone()).send().await.unwrap().json::<MaterialReply>().await.unwrap();
        if let MaterialReply::Ready { material } = reply {
            return material.to_material().unwrap();
        }
        assert!(start.elapsed().as_secs() < 60, "{handle} was not squashed: {reply:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// A public handle's plaintext word and the proof that a contract takes, made of the nodes' own answers.
pub async fn signed_plaintext(devnet: &Devnet, handle: Handle, extra_data: Bytes) -> (Bytes, Bytes) {
    let parsed = ExtraData::parse(&extra_data).unwrap();
    let mut call = Call {
        request: PublicRequest { handles: vec![handle], extra_data },
        materials: vec![material(devnet, handle).await],
        evidence: None,
        finality: None,
        wait: std::time::Duration::from_secs(10),
        label: String::new(),
    };
    crate::evidence::prove_public(devnet, &mut call).await;
    let replies = public_decrypt(devnet, &(&call).into()).await;
    let answers = replies.into_iter().map(|reply| match reply.outcome {
        Some(Outcome::PublicAnswer(answer)) => PublicAnswer::try_from(answer).unwrap(),
        other => panic!("no answer: {other:?}"),
    });
    let answers: Vec<PublicAnswer> = answers.take(devnet.cluster.thresholds.quorum).collect();
    assert!(answers.iter().all(|answer| answer.words == answers[0].words));
    let signatures: Vec<[u8; 65]> = answers.iter().map(|answer| answer.signature).collect();
    let proof = decryption_proof(&signatures, &parsed.normalised()).unwrap();
    (answers[0].words.concat().into(), proof.into())
}

/// Waits until everything mined so far is final and all attesters have signed a block that has it below.
pub async fn wait_until_attested(devnet: &Devnet, actor: &Actor) {
    let latest = actor.provider.get_block_number().await.unwrap();
    wait_until("the newest block is attested", || async {
        crate::evidence::attestations(devnet).await.iter().all(|signed| signed.number >= latest)
    })
    .await;
}

/// Asks every node for public plaintexts.
pub async fn public_decrypt(devnet: &Devnet, request: &PublicDecryptRequest) -> Vec<Reply> {
    let ask = |mut client: KmsClient<Channel>| {
        let request = request.clone();
        tokio::spawn(async move { client.public_decrypt(request).await.unwrap().into_inner() })
    };
    replies(clients(devnet).await.into_iter().map(ask)).await
}

/// Asks every node for a user's shares.
pub async fn user_decrypt(devnet: &Devnet, request: &UserDecryptRequest) -> Vec<Reply> {
    let ask = |mut client: KmsClient<Channel>| {
        let request = request.clone();
        tokio::spawn(async move { client.user_decrypt(request).await.unwrap().into_inner() })
    };
    replies(clients(devnet).await.into_iter().map(ask)).await
}

/// In the order of the nodes. All are asked at once: under `exact` none answers before the others were asked.
async fn replies(asked: impl Iterator<Item = JoinHandle<Reply>>) -> Vec<Reply> {
    let asked: Vec<_> = asked.collect();
    let mut replies = Vec::new();
    for reply in asked {
        replies.push(reply.await.unwrap());
    }
    replies
}

/// Asserts that every node refused, with this code.
pub fn assert_all_refused(replies: &[Reply], code: &str) {
    for (index, reply) in replies.iter().enumerate() {
        match &reply.outcome {
            Some(Outcome::Refusal(refusal)) => {
                assert_eq!(refusal.code, code, "node {} refused with: {}", index + 1, refusal.message);
            }
            other => panic!("node {} did not refuse with {code}: {other:?}", index + 1),
        }
    }
}
