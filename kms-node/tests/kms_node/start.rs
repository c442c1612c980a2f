//! A node that does not fit its cluster file, its key store or its chain does not start, and says which field.

use crate::common::cluster::World;
use alloy_primitives::{Address, B256, U256};
use tkms_kms_node::Node;
use tkms_types::{Cluster, EpochId, Id as _};

async fn refusal(world: &World, cluster: Cluster) -> String {
    match Node::start_with(world.config(1), cluster, world.hooks(None)).await {
        Ok(node) => {
            node.stop().await;
            panic!("it started");
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_differs_from_the_cluster_file_is_named() {
    let mut world = World::new(1);
    let good = world.cluster.clone();
    type Change = fn(&mut Cluster);
    let changes: [(&str, Change); 6] = [
        ("committee.signer", |cluster| cluster.committee[0].signer = Address::repeat_byte(1)),
        ("committee.tlsCertificate", |cluster| cluster.committee[0].tls_certificate.push('x')),
        ("does not exist", |cluster| cluster.epoch = EpochId::numbered(2)),
        ("chains.checkpointNumber", |cluster| cluster.chains[0].checkpoint_hash = B256::ZERO),
        ("chains.aclCodeHash", |cluster| cluster.chains[0].acl_code_hash = B256::ZERO),
        ("chains.executorCodeHash", |cluster| cluster.chains[0].executor_code_hash = B256::ZERO),
    ];
    for (field, change) in changes {
        let mut cluster = good.clone();
        change(&mut cluster);
        let message = refusal(&world, cluster).await;
        assert!(message.contains(field), "{field}: {message}");
    }

    let view = world.verifier();
    let mut views = [view.clone(), view.clone(), view.clone(), view.clone()];
    views[0].signers.push(Address::repeat_byte(7));
    views[1].threshold = U256::from(2);
    views[2].context = U256::from(9);
    views[3].domain.1 = Address::ZERO;
    for (field, other) in ["committee.signer", "thresholds.quorum", "context", "gateway"].into_iter().zip(views) {
        world.chain.set_verifier(other);
        let message = refusal(&world, good.clone()).await;
        assert!(message.contains(field), "{field}: {message}");
    }
    world.chain.set_verifier(view);

    world.chain.set_down(true);
    assert!(refusal(&world, good.clone()).await.contains("endpoint is down"));
    world.chain.set_down(false);
    world.start([1]).await;
    let second = refusal(&world, good).await;
    assert!(second.contains("two nodes must not share a data directory"), "{second}");
    world.stop(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_passphrase_stops_the_start() {
    let world = World::new(1);
    std::fs::write(&world.config(1).passphrase_file, "something else\n").unwrap();
    assert!(refusal(&world, world.cluster.clone()).await.contains("wrong passphrase"));
}
