//! The worker: from announced operations to attested samples, through failures.

use crate::insecure::{WORKERS, add, attester, binary, chain, handle, trivial, wait_for, worker};
use std::sync::atomic::Ordering;
use tkms_coprocessor::objects::ObjectError;
use tkms_coprocessor::store::{Action, HandleState};
use tkms_fhe::BinaryOp;
use tkms_types::{FheType, Plaintext};
use tkms_wire::material::{Format, Material, material_digest};
use tkms_wire::samples::SampleList;

fn ready(state: &HandleState) -> bool {
    matches!(state, HandleState::Ready(_))
}

#[tokio::test]
async fn a_published_sum_is_computed_squashed_and_attested() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, _) = worker(directory.path());
    let (store, objects) = (worker.store.clone(), worker.objects.clone());
    let actions = [trivial(1, 1000), trivial(2, 234), add(3, 1, 2)].map(Action::Announce);
    store.apply(&actions, b"").unwrap();
    store.apply(&[Action::Decrypt(handle(3))], b"").unwrap();
    let running = tokio::spawn(worker.run());
    let HandleState::Ready(material) = wait_for(&store, handle(3), ready).await else { unreachable!() };
    running.abort();

    let bytes = objects.get(material.object).await.unwrap();
    let samples = SampleList::parse(&bytes).unwrap();
    let digits: Vec<u8> = (0..samples.blocks()).map(|i| (samples.block(i).last().unwrap() >> 123) as u8).collect();
    let value = Plaintext::from_digits(FheType::Uint64, &digits).unwrap();
    assert_eq!(value.value().to::<u64>(), 1234);
    let statement = Material {
        handle: handle(3),
        key_id: crate::insecure::key(),
        format: Format::Flood,
        profile: attester().profile,
        digest: material.object.digest,
        size: SampleList::encoded_len(FheType::Uint64) as u64,
        signatures: Vec::new(),
    };
    let digest = material_digest(&statement, &chain());
    assert_eq!(tkms_types::typed_data::recover(digest, &material.signature), Some(attester().address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_operations_run_side_by_side_within_the_bound() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, engine) = worker(directory.path());
    let store = worker.store.clone();
    engine.gate.store(WORKERS.get(), Ordering::SeqCst);
    let actions = (1..=8).map(|number| trivial(number, 1)).chain([add(9, 1, 2), add(10, 9, 8)]);
    store.apply(&actions.map(Action::Announce).collect::<Vec<_>>(), b"").unwrap();
    let running = tokio::spawn(worker.run());
    wait_for(&store, handle(10), |state| *state == HandleState::Computed).await;
    running.abort();
    assert_eq!((engine.most.load(Ordering::SeqCst), engine.computed.load(Ordering::SeqCst)), (WORKERS.get(), 10));
}

#[tokio::test]
async fn an_operation_that_cannot_be_computed_stops_only_what_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, _) = worker(directory.path());
    let store = worker.store.clone();
    let actions = [
        trivial(1, 1),
        binary(BinaryOp::Mul, 2, 1, 1),
        binary(BinaryOp::Max, 3, 1, 1),
        add(4, 2, 1),
        add(5, 3, 1),
        add(6, 1, 1),
    ];
    store.apply(&actions.map(Action::Announce), b"").unwrap();
    let running = tokio::spawn(worker.run());
    wait_for(&store, handle(6), |state| *state == HandleState::Computed).await;
    for (number, root) in [(2, 2), (3, 3), (4, 2), (5, 3)] {
        let failed = wait_for(&store, handle(number), |state| matches!(state, HandleState::Failed(_))).await;
        assert!(matches!(failed, HandleState::Failed(failure) if failure.root == handle(root)), "{number}");
    }
    running.abort();
}

#[tokio::test]
async fn a_restarted_worker_squashes_once_and_repeats_nothing_that_was_done() {
    let directory = tempfile::tempdir().unwrap();
    {
        let (worker, engine) = worker(directory.path());
        let store = worker.store.clone();
        store.apply(&[trivial(1, 1), add(2, 1, 1)].map(Action::Announce), b"").unwrap();
        let running = tokio::spawn(worker.run());
        wait_for(&store, handle(2), |state| *state == HandleState::Computed).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        // A look at the queue may still be under way on another thread.
        while std::sync::Arc::strong_count(&store) > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(engine.computed.load(Ordering::SeqCst), 2);
    }
    let (worker, engine) = worker(directory.path());
    let store = worker.store.clone();
    let actions = [Action::Announce(add(2, 1, 1)), Action::Decrypt(handle(2)), Action::Decrypt(handle(2))];
    store.apply(&actions, b"").unwrap();
    let running = tokio::spawn(worker.run());
    wait_for(&store, handle(2), ready).await;
    store.apply(&actions, b"").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    running.abort();
    assert_eq!((engine.computed.load(Ordering::SeqCst), engine.squashed.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_tampered_ciphertext_is_not_used_and_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, engine) = worker(directory.path());
    let (store, objects) = (worker.store.clone(), worker.objects.clone());
    let object = objects.put(vec![5; 32]).await.unwrap();
    let file = directory.path().join("objects").join(format!("{:x}", object.digest));
    std::fs::write(&file, [6; 32]).unwrap();
    assert!(matches!(objects.get(object).await, Err(ObjectError::Corrupt { .. })));

    store.apply(&[trivial(1, 1), add(2, 1, 1), trivial(3, 1)].map(Action::Announce), b"").unwrap();
    store.computed(handle(1), object).unwrap();
    store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
    let running = tokio::spawn(worker.run());
    wait_for(&store, handle(3), |state| *state == HandleState::Computed).await;
    assert_eq!(engine.squashed.load(Ordering::SeqCst), 0);
    // The right bytes are back: the postponed squash is made up for.
    objects.put(vec![5; 32]).await.unwrap();
    wait_for(&store, handle(1), ready).await;
    running.abort();
}

#[tokio::test]
async fn missing_and_cut_objects_are_told_apart_from_right_ones() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, _) = worker(directory.path());
    let object = worker.objects.put(vec![1; 100]).await.unwrap();
    let file = directory.path().join("objects").join(format!("{:x}", object.digest));
    std::fs::write(&file, [1; 99]).unwrap();
    assert!(matches!(worker.objects.get(object).await, Err(ObjectError::Corrupt { .. })));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(worker.objects.get(object).await, Err(ObjectError::Missing(digest)) if digest == object.digest));
}
