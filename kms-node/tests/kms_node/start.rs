//! A node that does not fit its cluster file, its key store or its settings does not start, and says which field.

use crate::common::cluster::World;
use alloy_primitives::Address;
use tkms_kms_node::Node;
use tkms_kms_node::config::{Config, RpcUrls};
use tkms_types::{AttesterSet, Cluster, EpochId, HeaderTrustKind, Id as _};

async fn refusal(world: &World, config: Config, cluster: Cluster) -> String {
    match Node::start_with(config, cluster, world.hooks(None)).await {
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
    let changes: [(&str, Change); 3] = [
        ("committee.signer", |cluster| cluster.committee[0].signer = Address::repeat_byte(1)),
        ("committee.tlsCertificate", |cluster| cluster.committee[0].tls_certificate.push('x')),
        ("does not exist", |cluster| cluster.epoch = EpochId::numbered(2)),
    ];
    for (field, change) in changes {
        let mut cluster = good.clone();
        change(&mut cluster);
        let message = refusal(&world, world.config(1), cluster).await;
        assert!(message.contains(field), "{field}: {message}");
    }
    world.start([1]).await;
    let second = refusal(&world, world.config(1), good).await;
    assert!(second.contains("two nodes must not share a data directory"), "{second}");
    world.stop(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn endpoints_are_given_where_they_are_believed_and_nowhere_else() {
    let world = World::new(1);
    let url = || "http://127.0.0.1:1".parse().unwrap();
    let with = |chain_id: u64, others: usize| {
        let mut config = world.config(1);
        config.rpc.insert(chain_id, RpcUrls { own: url(), others: (0..others).map(|_| url()).collect() });
        config
    };
    let mut rpc = world.cluster.clone();
    rpc.chains[0].trust = HeaderTrustKind::Rpc;
    rpc.chains[0].attesters = AttesterSet { version: 1, quorum: 2, members: Vec::new() };
    let cases = [
        (with(31337, 0), world.cluster.clone(), "rpc.31337: this chain is trusted by attesters"),
        (with(1, 0), world.cluster.clone(), "rpc.1: the cluster file names no such chain"),
        (world.config(1), rpc.clone(), "rpc.31337: no endpoint is given"),
        (with(31337, 1), rpc.clone(), "rpc.31337.others: 2 must agree, 1 are given"),
    ];
    for (config, cluster, expected) in cases {
        let message = refusal(&world, config, cluster).await;
        assert!(message.contains(expected), "{message}");
    }
    let node = Node::start_with(with(31337, 2), rpc, world.hooks(None)).await.unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_passphrase_stops_the_start() {
    let world = World::new(1);
    std::fs::write(&world.config(1).passphrase_file, "something else\n").unwrap();
    assert!(refusal(&world, world.config(1), world.cluster.clone()).await.contains("wrong passphrase"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_without_a_share_for_the_protocol_in_force_does_not_start() {
    use tkms_kms_node::keygen::{DealNames, KeyBits, deal};
    use tkms_kms_node::keystore::{Keystore, read_passphrase};
    use tkms_types::transcript::Protocol;
    let world = World::new(1);
    let (config, epoch) = (world.config(1), EpochId::numbered(7));
    let keystore = Keystore::new(&config.data_dir);
    let identity = keystore.identity(&read_passphrase(&config.passphrase_file).unwrap()).unwrap();
    let mut cluster = world.cluster.clone();
    (cluster.epoch, cluster.key.decryption) = (epoch, vec![Protocol::Exact]);
    let names = DealNames { key: cluster.key.id, epoch, context: cluster.context };
    let bits = KeyBits { flood: Some(world.lwe_key.clone()), exact: None };
    let mut rng = <rand_chacha::ChaCha20Rng as rand::SeedableRng>::seed_from_u64(6);
    let dealt = deal(&bits, &[identity.record()], names, &mut rng).unwrap();
    keystore.store_share(&dealt[0].names, &dealt[0].package).unwrap();
    let message = refusal(&world, config, cluster).await;
    assert!(message.contains("Exact is in force") && message.contains("no share"), "{message}");
}
