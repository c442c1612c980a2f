//! Where `exact` is in force: what is stored, what is attested, and that nothing is squashed.

use crate::insecure::{
    ARITHMETIC, add, attester_for, chain, cluster_for, handle, key, signer, trivial, wait_for, worker, worker_for,
};
use alloy_primitives::{B128, U256};
use bytes::Bytes;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use tkms_coprocessor::Config;
use tkms_coprocessor::config::{CRS_FILE, PUBLIC_KEY_FILE, SERVER_KEY_FILE};
use tkms_coprocessor::engine::{Engine, EngineError, TfheEngine, profile_of};
use tkms_coprocessor::operation::{Expression, Operation};
use tkms_coprocessor::startup::{PublicFiles, StartError};
use tkms_coprocessor::store::{Action, HandleState};
use tkms_eth::DigestSigner;
use tkms_fhe::{Ciphertext, DealtKeys, Decryption, EvalError, Evaluator, InputContext, PublicKeys, deal_for};
use tkms_types::transcript::Protocol;
use tkms_types::{Cluster, FheType, Plaintext};
use tkms_wire::material::{Format, Material, material_digest};
use tkms_wire::samples::digest;
use tkms_wire::switched::{BLOCK_WORDS, SwitchedList};

const THREADS: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// Where a stored ciphertext keeps the noise level of its first block.
const FIRST_LEVEL: usize = 9;

/// A key set without squash key.
fn dealt() -> &'static DealtKeys {
    static DEALT: OnceLock<DealtKeys> = OnceLock::new();
    DEALT.get_or_init(|| deal_for(Decryption::Exact, &mut |_| ()).unwrap())
}

fn keys() -> PublicKeys {
    PublicKeys::parse_pinned(&dealt().public_key, &dealt().crs).unwrap()
}

fn engine(protocol: Protocol) -> &'static TfheEngine {
    static ENGINES: [OnceLock<TfheEngine>; 2] = [OnceLock::new(), OnceLock::new()];
    ENGINES[usize::from(protocol == Protocol::Exact)].get_or_init(|| {
        let evaluator = Evaluator::load(dealt().server_key.as_slice()).unwrap();
        TfheEngine::new(evaluator, keys(), THREADS).unwrap().for_protocol(protocol)
    })
}

/// Opens a list with the raw key.
fn open(list: &SwitchedList) -> Plaintext {
    let bits = dealt().stored_key.as_ref().unwrap().bits();
    let digit = |sample: &[u16]| {
        let (body, mask) = sample.split_last().unwrap();
        let inner = mask.iter().zip(bits).map(|(a, s)| u64::from(*a) * s).sum::<u64>();
        ((u64::from(*body).wrapping_sub(inner) % (1 << 15)) >> 10) as u8
    };
    let digits: Vec<u8> = list.words.chunks_exact(BLOCK_WORDS).map(digit).collect();
    Plaintext::from_digits(list.kind, &digits).unwrap()
}

/// What anybody makes of a stored ciphertext without a key.
fn recomputed(kind: FheType, stored: &[u8]) -> Vec<u8> {
    let switched = Ciphertext::parse(kind, stored).unwrap().switch().unwrap();
    SwitchedList::new(key(), kind, switched.words).unwrap().encode()
}

/// Stored inputs with these values.
fn inputs(values: &[Plaintext]) -> Vec<(FheType, Vec<u8>)> {
    let (contract, user) = (chain().contracts.executor, signer().address());
    let context = InputContext { contract, user, acl: chain().contracts.acl, chain_id: chain().chain_id };
    let list = engine(Protocol::Exact).keys().encrypt(values, &context).unwrap();
    engine(Protocol::Exact).verify_input(&list, &context).unwrap()
}

#[test]
fn material_is_what_anyone_switches_from_the_stored_ciphertext_and_opens_to_the_value() {
    let engine = engine(Protocol::Exact);
    let values =
        [(FheType::Uint64, 0xfedc_ba98_u64), (FheType::Uint64, 0x1234), (FheType::Bool, 1), (FheType::Uint8, 0xa7)]
            .map(|(kind, value)| Plaintext::new(kind, U256::from(value)).unwrap());
    let stored = inputs(&values);
    for ((kind, bytes), value) in stored.iter().zip(&values) {
        let material = engine.samples(key(), *kind, bytes).unwrap();
        assert_eq!(material, recomputed(*kind, bytes), "{kind:?}");
        assert!(open(&SwitchedList::parse(&material).unwrap()) == *value, "{kind:?}");
    }
    let operands: Vec<Bytes> = stored[..2].iter().map(|(_, bytes)| bytes.clone().into()).collect();
    let random = Operation { result: handle(4), kind: FheType::Uint64, expression: Expression::Random(B128::ZERO) };
    for (operation, operands) in [(add(3, 1, 2), operands.as_slice()), (random, &[]), (trivial(5, 77), &[])] {
        let bytes = engine.compute(&operation, operands).unwrap();
        let material = engine.samples(key(), FheType::Uint64, &bytes).unwrap();
        assert_eq!(material, recomputed(FheType::Uint64, &bytes));
        assert_eq!(material.len(), SwitchedList::encoded_len(FheType::Uint64));
        if operation.result == handle(3) {
            let sum = U256::from(0xfedc_ba98_u64 + 0x1234);
            assert!(open(&SwitchedList::parse(&material).unwrap()) == Plaintext::new(FheType::Uint64, sum).unwrap());
        }
    }
}

/// The library borrows a thread's key while it waits for the pool; a second input on that thread found it borrowed.
#[test]
fn inputs_of_many_users_are_verified_at_the_same_time() {
    let value = |number: u64| Plaintext::new(FheType::Uint64, U256::from(number)).unwrap();
    let read = std::thread::scope(|scope| {
        let one = |number| scope.spawn(move || (number, inputs(&[value(number)]).remove(0)));
        let all: Vec<_> = (0..6).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (number, (kind, stored)) in read {
        let list = SwitchedList::parse(&engine(Protocol::Exact).samples(key(), kind, &stored).unwrap()).unwrap();
        assert!(open(&list) == value(number));
    }
}

/// Stored by `flood` and by hand: more noise than one bootstrap leaves is claimed.
#[test]
fn what_another_protocol_stored_unclean_is_cleaned_before_it_is_switched() {
    let value = Plaintext::new(FheType::Uint8, U256::from(0x5b)).unwrap();
    let (kind, mut bytes) = inputs(std::slice::from_ref(&value)).remove(0);
    bytes[FIRST_LEVEL] = 2;
    assert!(Ciphertext::parse(kind, &bytes).unwrap().switch().is_err());
    let material = engine(Protocol::Exact).samples(key(), kind, &bytes).unwrap();
    assert!(open(&SwitchedList::parse(&material).unwrap()) == value);
    let again = engine(Protocol::Exact).samples(key(), kind, &bytes).unwrap();
    assert_eq!(material, again, "all coprocessors of a profile sign the same digest");
}

#[test]
fn a_key_set_for_exact_alone_is_never_squashed_with() {
    let bytes = engine(Protocol::Flood).compute(&trivial(1, 5), &[]).unwrap();
    let refused = engine(Protocol::Flood).samples(key(), FheType::Uint64, &bytes).unwrap_err();
    assert!(matches!(refused, EngineError::Eval(EvalError::NoSquashKey)), "{refused}");
    let cut = engine(Protocol::Exact).samples(key(), FheType::Uint64, &bytes[1..]).unwrap_err();
    assert!(matches!(cut, EngineError::Stored(_)), "{cut}");
    let other = engine(Protocol::Exact).samples(key(), FheType::Uint32, &bytes).unwrap_err();
    assert!(matches!(other, EngineError::Stored(_)), "{other}");
}

#[tokio::test]
async fn a_coprocessor_does_not_start_with_flood_in_force_and_no_squash_key() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [(SERVER_KEY_FILE, &dealt().server_key), (PUBLIC_KEY_FILE, &dealt().public_key), (CRS_FILE, &dealt().crs)]
    {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let config = Config { key_dir: directory.path().into(), ..Config::parse(crate::startup::MINIMAL).unwrap() };
    let with_digests = |protocol| {
        let mut cluster: Cluster = cluster_for(protocol);
        cluster.key.server_key_digest = digest(&dealt().server_key);
        cluster.key.public_key_digest = digest(&dealt().public_key);
        cluster.key.crs_digest = digest(&dealt().crs);
        cluster
    };
    let start = async |cluster: Cluster| {
        let files = PublicFiles::load(directory.path(), &cluster.key).unwrap();
        tkms_coprocessor::startup::engine(&config, &files, &cluster).await
    };
    let refused = start(with_digests(Protocol::Flood)).await.err().unwrap();
    assert!(matches!(&refused, StartError::NoSquashKey { path } if path.ends_with(SERVER_KEY_FILE)), "{refused}");
    start(with_digests(Protocol::Exact)).await.unwrap();
}

#[tokio::test]
async fn under_exact_the_worker_attests_switched_lists_in_their_format() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, engine) = worker_for(Protocol::Exact, directory.path());
    let (store, objects) = (worker.store.clone(), worker.objects.clone());
    store.apply(&[trivial(1, 1000), trivial(2, 234), add(3, 1, 2)].map(Action::Announce), b"").unwrap();
    store.apply(&[Action::Decrypt(handle(3))], b"").unwrap();
    let running = tokio::spawn(worker.run());
    let ready = wait_for(&store, handle(3), |state| matches!(state, HandleState::Ready(_))).await;
    let HandleState::Ready(material) = ready else { unreachable!() };
    running.abort();
    assert_eq!(engine.squashed.load(Ordering::SeqCst), 1);
    let list = SwitchedList::parse(&objects.get(material.object).await.unwrap()).unwrap();
    let digits: Vec<u8> =
        list.words.chunks_exact(BLOCK_WORDS).map(|sample| (sample.last().unwrap() >> 10) as u8).collect();
    assert_eq!(Plaintext::from_digits(list.kind, &digits).unwrap().value().to::<u64>(), 1234);
    let attester = attester_for(Protocol::Exact);
    let statement = |format| Material {
        handle: handle(3),
        key_id: key(),
        format,
        profile: attester.profile,
        digest: material.object.digest,
        size: SwitchedList::encoded_len(FheType::Uint64) as u64,
        signatures: Vec::new(),
    };
    let signer = |format| {
        let digest = material_digest(&statement(format), &chain());
        tkms_types::typed_data::recover(digest, &material.signature)
    };
    assert_eq!(signer(Format::Exact), Some(attester.address()));
    assert_ne!(signer(Format::Flood), Some(attester.address()), "as samples of `flood` nobody signed it");
}

#[tokio::test]
async fn what_was_attested_for_one_protocol_is_made_anew_for_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for protocol in [Protocol::Flood, Protocol::Exact, Protocol::Flood] {
        let (worker, engine) =
            if protocol == Protocol::Flood { worker(directory.path()) } else { worker_for(protocol, directory.path()) };
        let store = worker.store.clone();
        store.apply(&[Action::Announce(trivial(1, 9)), Action::Decrypt(handle(1))], b"").unwrap();
        let running = tokio::spawn(worker.run());
        let ready = wait_for(&store, handle(1), |state| matches!(state, HandleState::Ready(_))).await;
        let HandleState::Ready(material) = ready else { unreachable!() };
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        while std::sync::Arc::strong_count(&store) > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        digests.push((material.object.digest, engine.squashed.load(Ordering::SeqCst)));
    }
    assert_eq!((digests[0].0, digests[2].1), (digests[2].0, 0), "what was signed stays");
    assert!(digests[1].0 != digests[0].0 && digests[1].1 == 1);
}

#[test]
fn the_profile_names_protocol_and_arithmetic() {
    let all = [
        profile_of(Protocol::Flood, ARITHMETIC),
        profile_of(Protocol::Exact, ARITHMETIC),
        profile_of(Protocol::Flood, "other"),
        profile_of(Protocol::Exact, "other"),
    ];
    for (i, profile) in all.iter().enumerate() {
        assert!(!all[..i].contains(profile), "{i}");
    }
    let other = cluster_for(Protocol::Flood);
    let mut exact = cluster_for(Protocol::Exact);
    exact.chains[0].coprocessors.profiles = other.chains[0].coprocessors.profiles.clone();
    let config = Config::parse(crate::startup::MINIMAL).unwrap();
    let refused = tkms_coprocessor::startup::chain(&config, &exact, signer().address()).unwrap_err();
    assert!(refused.to_string().starts_with("chains.coprocessors.profiles"), "{refused}");
    let exact = cluster_for(Protocol::Exact);
    assert!(tkms_coprocessor::startup::chain(&config, &exact, signer().address()).is_ok());
}
