//! The cluster file: every field is bound by the hash, and every contradiction is named.

use alloy_primitives::{Address, B256};
use tkms_types::transcript::Protocol;
use tkms_types::{
    AttesterSet, Cluster, ClusterError, ContextId, Contracts, CoprocessorSet, EpochId, FheType, FormerAttesters,
    GatewayDomain, Handle, HeaderTrustKind, HostChain, Id, KeyId, KeyMaterial, MinFinality, Node, PartyId, Thresholds,
};

pub fn cluster(n: u8) -> Cluster {
    let node = |number: u8| Node {
        party_id: PartyId::new(number).unwrap(),
        signer: Address::repeat_byte(number),
        tls_certificate: format!("certificate {number}"),
        peer_address: format!("127.0.0.1:700{number}"),
        api_url: format!("http://127.0.0.1:800{number}"),
    };
    let faults = usize::from(n - 1) / 3;
    Cluster {
        version: 1,
        chains: vec![chain()],
        gateway: GatewayDomain {
            chain_id: 54321,
            decryption: Address::repeat_byte(0xa1),
            input_verification: Address::repeat_byte(0xa2),
        },
        committee: (1..=n).map(node).collect(),
        thresholds: Thresholds { faults, quorum: 2 * faults + 1 },
        context: ContextId::numbered(1),
        epoch: EpochId::numbered(1),
        key: KeyMaterial {
            id: KeyId::numbered(1),
            public_key_digest: B256::repeat_byte(1),
            server_key_digest: B256::repeat_byte(2),
            crs_digest: B256::repeat_byte(3),
            decryption: vec![Protocol::Flood],
        },
    }
}

fn chain() -> HostChain {
    HostChain {
        chain_id: 31337,
        contracts: Contracts {
            acl: Address::repeat_byte(0xb1),
            executor: Address::repeat_byte(0xb2),
            kms_verifier: Address::repeat_byte(0xb3),
            input_verifier: Address::repeat_byte(0xb4),
            decryption_oracle: Address::repeat_byte(0xb5),
        },
        acl_code_hash: B256::repeat_byte(4),
        executor_code_hash: B256::repeat_byte(5),
        checkpoint_number: 1,
        checkpoint_hash: B256::repeat_byte(6),
        trust: HeaderTrustKind::Attesters,
        attesters: AttesterSet {
            version: 1,
            quorum: 3,
            members: [0xe1, 0xe2, 0xe3, 0xe4].map(Address::repeat_byte).into(),
        },
        former_attesters: None,
        min_finality: MinFinality::Finalized,
        max_anchor_age: 600,
        max_anchor_lag: 300,
        clock_skew: 30,
        deny_blocks_user_decryption: true,
        coprocessors: CoprocessorSet {
            version: 1,
            quorum: 2,
            members: [1, 2, 3].map(Address::repeat_byte).into(),
            profiles: vec![B256::repeat_byte(7)],
        },
    }
}

/// The field a cluster is refused for.
fn refused(change: impl FnOnce(&mut Cluster)) -> String {
    let mut cluster = cluster(4);
    change(&mut cluster);
    match cluster.to_json().unwrap_err() {
        ClusterError::Field(field, _) => field.to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn a_cluster_is_read_back_from_its_file() {
    for n in [1, 4, 13] {
        let cluster = cluster(n);
        assert_eq!(Cluster::from_json(&cluster.to_json().unwrap()).unwrap(), cluster);
    }
}

/// Every value in a JSON document, as a path to it.
fn leaves(json: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match json {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found));
        }
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| leaves(value, &format!("{path}/{i}"), found));
        }
        _ => found.push(path.to_owned()),
    }
}

/// Another value of the same kind.
fn tampered(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Bool(value) => (!value).into(),
        serde_json::Value::Number(value) => (value.as_u64().unwrap() + 1).into(),
        serde_json::Value::String(text) => {
            let last = if text.ends_with('7') { '8' } else { '7' };
            format!("{}{last}", &text[..text.len() - 1]).into()
        }
        other => panic!("{other} is no leaf"),
    }
}

#[test]
fn a_change_of_any_field_is_noticed() {
    let json: serde_json::Value = serde_json::from_str(&cluster(4).to_json().unwrap()).unwrap();
    let mut paths = Vec::new();
    leaves(&json, "", &mut paths);
    assert!(paths.len() > 50);
    for path in paths {
        let mut changed = json.clone();
        let leaf = changed.pointer_mut(&path).unwrap();
        *leaf = tampered(leaf);
        let error = Cluster::from_json(&changed.to_string()).unwrap_err();
        // An id's last byte is free, its first is its kind: both are caught, by the hash or while reading
        assert!(matches!(error, ClusterError::Hash { .. } | ClusterError::Json(_)), "{path}: {error}");
    }
}

#[test]
fn missing_and_unknown_fields_are_refused() {
    let json: serde_json::Value = serde_json::from_str(&cluster(4).to_json().unwrap()).unwrap();
    let mut unknown = json.clone();
    unknown["cluster"]["gateway"]["more"] = 1.into();
    let mut missing = json.clone();
    missing["cluster"]["chains"][0].as_object_mut().unwrap().remove("clockSkew");
    let mut beside = json;
    beside["more"] = 1.into();
    for wrong in [unknown, missing, beside] {
        assert!(matches!(Cluster::from_json(&wrong.to_string()).unwrap_err(), ClusterError::Json(_)));
    }
}

#[test]
fn a_file_over_the_bound_is_not_read() {
    let json = cluster(4).to_json().unwrap() + &" ".repeat(1024 * 1024);
    assert!(matches!(Cluster::from_json(&json).unwrap_err(), ClusterError::TooLong(_)));
}

#[test]
fn contradictions_in_the_committee_are_named() {
    assert_eq!(refused(|c| c.thresholds.faults = 0), "thresholds");
    assert_eq!(refused(|c| c.thresholds.quorum = 2), "thresholds");
    assert_eq!(refused(|c| c.committee.swap(0, 1)), "committee.partyId");
    assert_eq!(refused(|c| c.committee[1].party_id = c.committee[0].party_id), "committee.partyId");
    assert_eq!(refused(|c| c.committee[1].signer = c.committee[0].signer), "committee.signer");
    assert_eq!(refused(|c| c.committee[2].signer = Address::ZERO), "committee.signer");
    assert!(refused(|c| drop(c.committee.pop())).contains("not 3"));
    assert!(refused(|c| c.committee.clear()).contains("not 0"));
}

#[test]
fn contradictions_between_chains_are_named() {
    assert_eq!(refused(|c| c.chains.clear()), "chains");
    assert_eq!(refused(|c| c.chains.push(c.chains[0].clone())), "chains");
    assert_eq!(refused(|c| c.gateway.chain_id = 31337), "gateway.chainId");
    assert_eq!(refused(|c| c.gateway.chain_id = 1 << 32), "gateway.chainId");
    assert_eq!(refused(|c| c.chains[0].checkpoint_number = 0), "chains.checkpointNumber");
    assert_eq!(refused(|c| c.key.decryption = vec![Protocol::Exact; 2]), "key.decryption");
    assert_eq!(
        refused(|c| c.key.decryption = vec![Protocol::Exact, Protocol::Flood, Protocol::Flood]),
        "key.decryption"
    );
    assert_eq!(refused(|c| c.key.decryption.clear()), "key.decryption");
    assert!(refused(|c| c.version = 2).contains("version 2"));
}

#[test]
fn contradictions_in_a_coprocessor_set_are_named() {
    let set = |change: fn(&mut CoprocessorSet)| refused(|c| change(&mut c.chains[0].coprocessors));
    assert_eq!(set(|s| s.quorum = 0), "chains.coprocessors.quorum");
    assert_eq!(set(|s| s.quorum = 1), "chains.coprocessors.quorum");
    assert_eq!(set(|s| s.quorum = 4), "chains.coprocessors.quorum");
    assert_eq!(set(|s| s.members.swap(0, 1)), "chains.coprocessors.members");
    assert_eq!(set(|s| s.members[1] = s.members[0]), "chains.coprocessors.members");
    assert_eq!(set(|s| s.members[0] = Address::ZERO), "chains.coprocessors.members");
    assert_eq!(set(|s| s.profiles.clear()), "chains.coprocessors.profiles");
    assert_eq!(set(|s| s.profiles = vec![B256::ZERO; 3]), "chains.coprocessors.profiles");
}

#[test]
fn contradictions_in_an_attester_set_are_named() {
    let set = |change: fn(&mut AttesterSet)| refused(|c| change(&mut c.chains[0].attesters));
    assert_eq!(set(|s| s.quorum = 0), "chains.attesters.quorum");
    assert_eq!(set(|s| s.quorum = 2), "chains.attesters.quorum");
    assert_eq!(set(|s| s.quorum = 4), "chains.attesters.quorum");
    assert_eq!(set(|s| s.members.swap(0, 1)), "chains.attesters.members");
    assert_eq!(set(|s| s.members[1] = s.members[0]), "chains.attesters.members");
    assert_eq!(set(|s| s.members[0] = Address::ZERO), "chains.attesters.members");
    assert_eq!(set(|s| s.members.clear()), "chains.attesters.quorum");
    let many = |s: &mut AttesterSet| {
        s.members = (1..=65).map(Address::with_last_byte).collect();
        s.quorum = 44;
    };
    assert_eq!(refused(|c| many(&mut c.chains[0].attesters)), "chains.attesters.members");
    assert_eq!(refused(|c| many_coprocessors(&mut c.chains[0].coprocessors)), "chains.coprocessors.members");
}

fn former(version: u32) -> FormerAttesters {
    let members = [0xd1, 0xd2, 0xd3, 0xd4].map(Address::repeat_byte).into();
    FormerAttesters { set: AttesterSet { version, quorum: 3, members }, until: 1_800_000_000 }
}

#[test]
fn a_former_attester_set_is_read_back_and_has_an_id_of_its_own() {
    let mut rotated = cluster(4);
    rotated.chains[0].attesters.version = 2;
    let without = rotated.to_json().unwrap();
    assert!(!without.contains("formerAttesters"), "a file without one is what it always was");
    rotated.chains[0].former_attesters = Some(former(1));
    let read = Cluster::from_json(&rotated.to_json().unwrap()).unwrap();
    assert_eq!(read, rotated);
    let mut before = cluster(4);
    before.chains[0].attesters = former(1).set;
    let chain = &read.chains[0];
    assert_eq!(chain.set_id_of(&former(1).set), before.chains[0].attester_set_id(), "the id it always had");
    assert_ne!(chain.set_id_of(&former(1).set), chain.attester_set_id());
    assert_ne!(read.hash().unwrap(), Cluster::from_json(&without).unwrap().hash().unwrap());
}

#[test]
fn contradictions_in_a_former_attester_set_are_named() {
    let with = |change: &dyn Fn(&mut HostChain, &mut FormerAttesters)| {
        refused(|c| {
            c.chains[0].attesters.version = 2;
            let mut former = former(1);
            change(&mut c.chains[0], &mut former);
            c.chains[0].former_attesters = Some(former);
        })
    };
    assert_eq!(with(&|_, former| former.set.version = 2), "chains.formerAttesters.set.version");
    assert_eq!(with(&|chain, _| chain.attesters.version = 1), "chains.formerAttesters.set.version");
    assert_eq!(with(&|_, former| former.until = 0), "chains.formerAttesters.until");
    assert_eq!(with(&|_, former| former.set.quorum = 2), "chains.formerAttesters.set.quorum");
    assert_eq!(with(&|_, former| former.set.members.swap(0, 1)), "chains.formerAttesters.set.members");
    assert_eq!(with(&|_, former| former.set.members.clear()), "chains.formerAttesters.set.quorum");
    for trust in [HeaderTrustKind::Qbft, HeaderTrustKind::Ibft2] {
        assert_eq!(with(&|chain, _| chain.trust = trust), "chains.formerAttesters");
    }
}

fn many_coprocessors(set: &mut CoprocessorSet) {
    set.members = (1..=65).map(Address::with_last_byte).collect();
    set.quorum = 44;
}

#[test]
fn each_kind_of_trust_has_its_own_rule_for_the_set() {
    let with = |trust: HeaderTrustKind, quorum: u16, members: usize| {
        refused(|c| {
            c.chains[0].trust = trust;
            c.chains[0].attesters.quorum = quorum;
            c.chains[0].attesters.members.truncate(members);
        })
    };
    // Three validators: 2q > m leaves 2 and 3 as quorums, the protocol's is 2
    assert_eq!(with(HeaderTrustKind::Qbft, 3, 3), "chains.attesters.quorum");
    assert_eq!(with(HeaderTrustKind::Ibft2, 3, 3), "chains.attesters.quorum");
    assert_eq!(with(HeaderTrustKind::Rpc, 0, 4), "chains.attesters.members");
    assert_eq!(with(HeaderTrustKind::Rpc, 33, 0), "chains.attesters.quorum");
    let good = [
        (HeaderTrustKind::Attesters, 3, 4, false),
        (HeaderTrustKind::Attesters, 3, 3, false),
        (HeaderTrustKind::Attesters, 1, 1, true),
        (HeaderTrustKind::Qbft, 3, 4, false),
        (HeaderTrustKind::Ibft2, 2, 3, false),
        (HeaderTrustKind::Rpc, 0, 0, true),
        (HeaderTrustKind::Rpc, 2, 0, false),
    ];
    for (trust, quorum, members, one) in good {
        let mut cluster = cluster(4);
        cluster.chains[0].trust = trust;
        cluster.chains[0].attesters.quorum = quorum;
        cluster.chains[0].attesters.members.truncate(members);
        assert_eq!(Cluster::from_json(&cluster.to_json().unwrap()).unwrap(), cluster);
        assert_eq!(cluster.chains[0].trusts_one(), one, "{trust:?} {quorum} of {members}");
    }
}

#[test]
fn finality_is_written_as_it_is_said() {
    for (finality, text) in [
        (MinFinality::Finalized, "\"finalized\""),
        (MinFinality::Safe, "\"safe\""),
        (MinFinality::Depth(64), "{\"depth\":64}"),
    ] {
        assert_eq!(serde_json::to_string(&finality).unwrap(), text);
        assert_eq!(serde_json::from_str::<MinFinality>(text).unwrap(), finality);
        let (class, depth) = finality.signed();
        assert_eq!(MinFinality::from_signed(class, depth), Some(finality));
    }
    for (class, depth) in [(0, 0), (1, 1), (2, 1), (3, 0), (4, 0)] {
        assert_eq!(MinFinality::from_signed(class, depth), None);
    }
    for wrong in ["\"latest\"", "{\"depth\":-1}", "{\"depth\":4294967296}", "\"depth\"", "1"] {
        assert!(serde_json::from_str::<MinFinality>(wrong).is_err(), "{wrong}");
    }
    assert_eq!(refused(|c| c.chains[0].min_finality = MinFinality::Depth(0)), "chains.minFinality");
    assert_eq!(refused(|c| c.chains[0].max_anchor_lag = 0), "chains.maxAnchorLag");
}

#[test]
fn a_single_attester_is_for_the_local_chain_only() {
    let single = |chain_id| {
        let mut cluster = cluster(4);
        let chain = &mut cluster.chains[0];
        chain.chain_id = chain_id;
        chain.attesters.members.truncate(1);
        chain.attesters.quorum = 1;
        cluster.to_json()
    };
    single(31337).unwrap();
    assert!(matches!(single(1).unwrap_err(), ClusterError::Field("chains.attesters", _)));
}

#[test]
fn a_single_coprocessor_is_for_the_local_chain_only() {
    let single = |chain_id| {
        let mut cluster = cluster(4);
        let chain = &mut cluster.chains[0];
        chain.chain_id = chain_id;
        chain.coprocessors.members.truncate(1);
        chain.coprocessors.quorum = 1;
        cluster.to_json()
    };
    single(31337).unwrap();
    assert!(matches!(single(1).unwrap_err(), ClusterError::Field("chains.coprocessors", _)));
}

#[test]
fn a_handle_finds_its_chain_and_a_party_its_node() {
    let cluster = cluster(4);
    let of = |chain| Handle::new(B256::ZERO, 0, chain, FheType::Bool);
    assert_eq!(cluster.chain_of(of(31337)), Some(&cluster.chains[0]));
    assert_eq!(cluster.chain_of(of(1)), None);
    assert_eq!(cluster.node(PartyId::new(4).unwrap()), Some(&cluster.committee[3]));
    assert_eq!(cluster.node(PartyId::new(5).unwrap()), None);
    assert_eq!(cluster.size().unwrap().size(), 4);
}

#[test]
fn the_host_id_survives_a_change_of_sets_and_limits() {
    let host = chain();
    let mut changed = chain();
    changed.coprocessors.version = 2;
    changed.max_anchor_age += 1;
    assert_eq!(host.host_id(), changed.host_id());
    assert_ne!(host.coprocessor_set_id(), changed.coprocessor_set_id());
    changed.attesters.members.pop();
    assert_eq!(host.host_id(), changed.host_id());
    assert_ne!(host.attester_set_id(), changed.attester_set_id());
    // The same addresses in another role are another set
    changed.coprocessors.members.clone_from(&changed.attesters.members);
    changed.coprocessors.version = changed.attesters.version;
    changed.coprocessors.quorum = changed.attesters.quorum;
    assert_ne!(changed.attester_set_id(), changed.coprocessor_set_id());
    changed.acl_code_hash = B256::ZERO;
    assert_ne!(host.host_id(), changed.host_id());
}
