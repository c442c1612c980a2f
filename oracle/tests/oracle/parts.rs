//! What can be told without any process: the fold over logs, the store, rates, configuration.

use crate::common::{cluster, handle};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use tkms_eth::bindings::IACL::AllowedForDecryption;
use tkms_eth::bindings::IDecryptionOracle::{DecryptionFulfilled, DecryptionRequested};
use tkms_eth::events::{BlockRef, ChainLog};
use tkms_oracle::Config;
use tkms_oracle::quota::Quota;
use tkms_oracle::record::{Ask, Delivery, PublicAnswer, Record, Refused, State};
use tkms_oracle::store::{ChainStep, Need, Store, StoreError};
use tkms_oracle::watch::fold;
use tkms_types::{Cluster, FheType, Handle, PartyId, PublicRequest, RequestId};

fn four() -> Cluster {
    cluster(&[1, 2, 3, 4])
}

fn log(address: Address, event: &impl SolEvent, block: u64, index: u64) -> ChainLog {
    let content = Log { address, data: event.encode_log_data() };
    let block = BlockRef { number: block, hash: B256::repeat_byte(1) };
    ChainLog { block, index, transaction: B256::repeat_byte(2), content }
}

fn requested(id: u64, handles: &[Handle], extra_data: Vec<u8>) -> DecryptionRequested {
    DecryptionRequested {
        requestId: U256::from(id),
        requester: Address::repeat_byte(9),
        handles: handles.iter().map(|handle| handle.0).collect(),
        extraData: extra_data.into(),
        callbackSelector: [1, 2, 3, 4].into(),
        callbackGas: 100_000,
    }
}

/// A step that brings one request in block `block`.
fn step(cluster: &Cluster, id: u64, block: u64) -> ChainStep {
    let chain = &cluster.chains[0];
    let event = requested(id, &[handle(1, FheType::Bool)], vec![]);
    let mut step = fold(cluster, chain, &[log(chain.contracts.decryption_oracle, &event, block, 0)], 5).step;
    step.cursor = block.to_be_bytes().to_vec();
    step
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("db")).unwrap();
    (dir, store)
}

fn request_of(step: &ChainStep) -> RequestId {
    step.added[0].0.request.unwrap()
}

#[test]
fn fold_reads_requests_fulfilments_and_published_handles_in_order() {
    let cluster = four();
    let chain = &cluster.chains[0];
    let (acl, oracle) = (chain.contracts.acl, chain.contracts.decryption_oracle);
    let handles = [handle(1, FheType::Bool), handle(2, FheType::Uint64)];
    let published = AllowedForDecryption { caller: oracle, handlesList: handles.iter().map(|h| h.0).collect() };
    let fulfilled = DecryptionFulfilled {
        requestId: U256::from(1),
        cleartexts: Bytes::new(),
        decryptionProof: Bytes::new(),
        callbackOk: false,
    };
    let logs =
        [log(acl, &published, 5, 0), log(oracle, &requested(1, &handles, vec![]), 5, 1), log(oracle, &fulfilled, 6, 0)];
    let seen = fold(&cluster, chain, &logs, 77);
    assert_eq!(seen.published, handles);
    let (onchain, record) = &seen.step.added[0];
    assert_eq!((onchain.id, onchain.block, &onchain.delivery), (U256::from(1), 5, &Delivery::Pending));
    let expected = Ask::Public(PublicRequest { handles: handles.to_vec(), extra_data: Bytes::new() });
    assert_eq!(record.as_ref().unwrap().ask, expected);
    assert_eq!(onchain.request, Some(expected.id(&cluster).unwrap()));
    assert_eq!((seen.step.fulfilled[0].id, seen.step.fulfilled[0].callback_ok), (U256::from(1), false));
}

#[test]
fn events_of_other_contracts_are_nobodys_requests() {
    let cluster = four();
    let chain = &cluster.chains[0];
    let event = requested(1, &[handle(1, FheType::Bool)], vec![]);
    let mut truncated = log(chain.contracts.decryption_oracle, &event, 1, 0);
    truncated.content.data.data = Bytes::from_static(&[1, 2, 3]);
    let logs = [log(Address::repeat_byte(0xee), &event, 1, 0), log(chain.contracts.acl, &event, 1, 1), truncated];
    let seen = fold(&cluster, chain, &logs, 0);
    assert_eq!((seen.step, seen.published), (ChainStep::default(), vec![]));
}

#[test]
fn request_nodes_cannot_be_asked_is_kept_with_its_reason() {
    let cluster = four();
    let chain = &cluster.chains[0];
    let other = [&[1, 7], [0; 31].as_slice()].concat();
    for event in [
        requested(1, &[], vec![]),
        requested(1, &[handle(1, FheType::Bool)], vec![2]),
        requested(1, &[handle(1, FheType::Bool)], other),
    ] {
        let seen = fold(&cluster, chain, &[log(chain.contracts.decryption_oracle, &event, 1, 0)], 0);
        let (onchain, record) = &seen.step.added[0];
        assert!(matches!(&onchain.delivery, Delivery::Impossible { reason } if !reason.is_empty()));
        assert!(record.is_none() && onchain.request.is_none());
    }
}

#[test]
fn cursor_moves_with_its_requests_and_a_replayed_event_changes_nothing() {
    let (_dir, store) = store();
    let cluster = four();
    let step = step(&cluster, 1, 10);
    let id = request_of(&step);
    store.apply(31337, &step).unwrap();
    assert_eq!(store.cursor(31337).unwrap().unwrap(), step.cursor);
    assert_eq!(store.unfinished().unwrap(), [id]);
    store.update_request(id, Need::Durable, |record| record.state = State::Done).unwrap();
    let done = Delivery::Fulfilled { transaction: None, callback_ok: Some(true), block: Some(11) };
    store.set_delivery(31337, U256::from(1), &done).unwrap();
    store.apply(31337, &step).unwrap();
    assert_eq!(store.request(id).unwrap().unwrap().state, State::Done);
    assert_eq!(store.onchain(31337, U256::from(1)).unwrap().unwrap().delivery, done);
    assert!(store.undelivered(31337, 9).unwrap().is_empty());
    assert_eq!(store.cursor(1).unwrap(), None);
}

#[test]
fn reorganisation_takes_back_requests_and_fulfilments_above_it_only() {
    let (_dir, store) = store();
    let cluster = four();
    store.apply(31337, &step(&cluster, 1, 10)).unwrap();
    let above = step(&cluster, 2, 12);
    store.apply(31337, &above).unwrap();
    let fulfilled = |block| Delivery::Fulfilled { transaction: None, callback_ok: Some(true), block: Some(block) };
    store.set_delivery(31337, U256::from(1), &fulfilled(12)).unwrap();
    let undo = ChainStep { undone_from: Some(11), cursor: vec![1], ..ChainStep::default() };
    assert_eq!(store.apply(31337, &undo).unwrap(), [request_of(&above)]);
    assert_eq!(store.onchain(31337, U256::from(2)).unwrap(), None);
    assert_eq!(store.onchain(31337, U256::from(1)).unwrap().unwrap().delivery, Delivery::Pending);
    assert_eq!(store.undelivered(31337, 9).unwrap().len(), 1);
    // Both asked the same thing: one still waits for it.
    assert!(!store.drop_orphan(request_of(&above)).unwrap());
    let undo = ChainStep { undone_from: Some(0), ..undo };
    store.apply(31337, &undo).unwrap();
    assert!(store.drop_orphan(request_of(&above)).unwrap());
    assert!(store.unfinished().unwrap().is_empty());
}

#[test]
fn refusal_given_over_http_does_not_bind_a_contract() {
    let (_dir, store) = store();
    let step = step(&four(), 1, 10);
    let id = request_of(&step);
    let mut record = step.added[0].1.clone().unwrap();
    record.state = State::Refused(Refused { code: "GrantMissing".into(), message: String::new() });
    store.put_request(id, &record).unwrap();
    store.apply(31337, &step).unwrap();
    assert_eq!(store.unfinished().unwrap(), [id]);
}

#[test]
fn expired_requests_go_unless_renewed_or_waited_for() {
    let (_dir, store) = store();
    let cluster = four();
    let record = |number| {
        let ask = Ask::Public(PublicRequest { handles: vec![handle(number, FheType::Bool)], extra_data: Bytes::new() });
        let id = ask.id(&cluster).unwrap();
        (id, Record { expires: Some(100), ..Record::new(ask, true, 1) })
    };
    let [(gone, a), (renewed, b), (waited, c)] = [record(5), record(6), record(1)];
    for (id, record) in [(gone, a), (renewed, b), (waited, c)] {
        store.put_request(id, &record).unwrap();
    }
    store.update_request(renewed, Need::Eventual, |record| record.expires = Some(500)).unwrap();
    store.apply(31337, &step(&cluster, 1, 10)).unwrap();
    assert!(store.sweep(100, 9).unwrap().is_empty());
    assert_eq!(store.sweep(101, 9).unwrap(), [gone]);
    assert!(store.request(renewed).unwrap().is_some() && store.request(waited).unwrap().is_some());
    assert_eq!(store.sweep(501, 9).unwrap(), [renewed]);
    // Fulfilled long ago: now the last one who waited is gone too.
    let done = Delivery::Fulfilled { transaction: None, callback_ok: None, block: None };
    store.set_delivery(31337, U256::from(1), &done).unwrap();
    assert_eq!(store.sweep(u64::MAX, 9).unwrap(), [waited]);
    assert_eq!(store.request_count().unwrap(), 0);
}

#[test]
fn store_survives_being_closed_and_is_not_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let store = Store::open(&path).unwrap();
    store.apply(31337, &step(&four(), 1, 10)).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Db(_))));
    drop(store);
    assert_eq!(Store::open(&path).unwrap().unfinished().unwrap().len(), 1);
}

#[test]
fn proof_is_count_signatures_and_extra_data() {
    let signature = |byte| Bytes::from(vec![byte; 65]);
    let party = |number| PartyId::new(number).unwrap();
    let answer = PublicAnswer {
        words: Bytes::new(),
        extra_data: Bytes::from_static(&[1, 2]),
        signatures: vec![(party(1), signature(7)), (party(3), signature(8))],
    };
    let proof = answer.proof();
    assert_eq!((proof.len(), proof[0], proof[1], proof[66]), (1 + 130 + 2, 2, 7, 8));
    assert_eq!(proof[131..], [1, 2]);
}

#[test]
fn rates_refill_with_time_and_bind_each_caller_and_all() {
    let rate = |count| NonZeroU32::new(count).unwrap();
    let (quota, each, now) = (Quota::new(rate(3)), rate(2), Instant::now());
    quota.charge(&1, each, now).unwrap();
    quota.charge(&1, each, now).unwrap();
    quota.charge(&1, each, now).expect_err("its own rate");
    quota.charge(&2, each, now).unwrap();
    quota.charge(&3, each, now).expect_err("the common rate");
    let later = now + Duration::from_secs(31);
    quota.charge(&1, each, later).unwrap();
    let wait = quota.charge(&1, each, later).unwrap_err();
    assert!(wait > Duration::from_secs(28) && wait < Duration::from_secs(30), "{wait:?}");
}

#[test]
fn configuration_names_the_field_at_fault() {
    let good = "listen = '127.0.0.1:1'\npublic_url = 'http://h'\ndata_dir = 'd'\nsubmitter_key_file = 'k'\n\
                [[host]]\nchain_id = 1\nrpc_url = 'http://h'\ncoprocessor_urls = ['http://h']\n";
    let key = format!("[[api_key]]\nname = 'a'\ndigest = '{}'\nper_minute = 5\n", B256::ZERO);
    assert!(Config::from_toml(good).is_ok());
    let origins = "cors_origins = ['https://dapp.example', 'http://localhost:5173']";
    assert!(Config::from_toml(&format!("{origins}\n{good}")).is_ok());
    assert!(Config::from_toml(&format!("keys_only = true\nproxies = ['::1']\n{good}{key}")).is_ok());
    for (bad, field) in [
        (good.replace("listen = '127.0.0.1:1'", "listen = 'nowhere'"), "listen"),
        (good.replace("http://h'\ndata", "mailto:a'\ndata"), "public_url"),
        (good.replace("['http://h']", "[]"), "coprocessor_urls"),
        (format!("{good}[[host]]\nchain_id = 1\nrpc_url = 'http://h'\ncoprocessor_urls = ['http://h']\n"), "chain_id"),
        (format!("{good}[limits]\nactive = 0\n"), "active"),
        (format!("{good}[limits]\nspeed = 1\n"), "speed"),
        (format!("proxies = ['localhost']\n{good}"), "proxies"),
        (format!("cors_origins = ['https://dapp.example/']\n{good}"), "cors_origins"),
        (format!("cors_origins = ['dapp.example']\n{good}"), "cors_origins"),
        (format!("keys_only = true\n{good}"), "keys_only"),
        (format!("{good}{key}{key}"), "api_key.digest"),
        (format!("{good}{}", key.replace("= 5", "= 0")), "per_minute"),
        (format!("{good}{}", key.replace("0x", "0xzz")), "digest"),
        (format!("{good}poll_ms = 0\n"), "poll_ms"),
        (good.replace("data_dir = 'd'\n", ""), "data_dir"),
    ] {
        let error = Config::from_toml(&bad).unwrap_err().to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}

#[test]
fn submitter_key_file_is_read_strictly_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let text = format!(
        "listen = '127.0.0.1:1'\npublic_url = 'http://h'\ndata_dir = 'd'\nsubmitter_key_file = '{}'\n\
         [[host]]\nchain_id = 1\nrpc_url = 'http://h'\ncoprocessor_urls = ['http://h']\n",
        path.display()
    );
    let config = Config::from_toml(&text).unwrap();
    let secret = "ab".repeat(32);
    for bad in [String::new(), "zz".repeat(32), "ab".repeat(31), "00".repeat(32), "ff".repeat(32), "ab".repeat(100)] {
        std::fs::write(&path, &bad).unwrap();
        let error = config.submitter_key().unwrap_err().to_string();
        assert!(bad.is_empty() || !error.contains(&bad), "{error}");
    }
    for good in [secret.clone(), format!("0x{secret}\n")] {
        std::fs::write(&path, good).unwrap();
        let key = config.submitter_key().unwrap();
        assert!(!format!("{key:?}").contains(&secret));
    }
}
