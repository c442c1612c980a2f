//! The scheduler: what runs when, what waits for what, and what a restart remembers.

use crate::insecure::{add, attester, binary, handle, identity, open, operation, trivial};
use alloy_primitives::{B256, Bytes};
use tkms_coprocessor::objects::Object;
use tkms_coprocessor::operation::Expression;
use tkms_coprocessor::store::{Action, Asked, HandleState, Identity, Material, Store, StoreError, Task};
use tkms_fhe::BinaryOp;
use tkms_types::Id;
use tkms_wire::material::Format;

fn object(number: u8) -> Object {
    Object { digest: B256::repeat_byte(number), size: 32 }
}

fn announce(store: &Store, operations: &[tkms_coprocessor::operation::Operation]) {
    let actions: Vec<Action> = operations.iter().cloned().map(Action::Announce).collect();
    store.apply(&actions, b"cursor").unwrap();
}

fn next(store: &Store) -> Option<u8> {
    store.next(&[]).unwrap().map(|task| task.handle().0[0])
}

fn material(number: u8) -> Material {
    Material { object: object(number), signature: Bytes::from(vec![number; 65]) }
}

#[test]
fn operations_run_in_the_order_of_the_chain_once_their_operands_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[add(3, 1, 2), trivial(1, 5), trivial(2, 6), add(4, 3, 3)]);
    assert_eq!(next(&store), Some(1));
    store.computed(handle(1), object(1)).unwrap();
    assert_eq!(next(&store), Some(2));
    assert_eq!(store.state(handle(3)).unwrap(), HandleState::Computing { missing: 1 });
    store.computed(handle(2), object(2)).unwrap();
    let Some(Task::Compute { operands, .. }) = store.next(&[]).unwrap() else { panic!("no computation") };
    assert_eq!(operands, [object(1), object(2)]);
    store.computed(handle(3), object(3)).unwrap();
    let Some(Task::Compute { operands, .. }) = store.next(&[]).unwrap() else { panic!("no computation") };
    assert_eq!(operands, [object(3), object(3)]);
    store.computed(handle(4), object(4)).unwrap();
    assert_eq!(next(&store), None);
    assert_eq!(store.counts().unwrap().waits, 0);
}

#[test]
fn tasks_under_way_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 5), trivial(2, 6), add(3, 1, 2)]);
    let next = |busy: &[u8]| {
        let busy: Vec<_> = busy.iter().copied().map(handle).collect();
        store.next(&busy).unwrap().map(|task| task.handle().0[0])
    };
    assert_eq!((next(&[]), next(&[1]), next(&[2]), next(&[1, 2])), (Some(1), Some(2), Some(1), None));
    store.computed(handle(2), object(2)).unwrap();
    assert_eq!(next(&[1]), None);
    store.computed(handle(1), object(1)).unwrap();
    store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
    assert_eq!((next(&[]), next(&[1])), (Some(1), Some(3)));
}

#[test]
fn the_queue_is_counted_by_what_waits_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1), trivial(2, 1), trivial(3, 1), add(4, 9, 9)]);
    store.computed(handle(1), object(1)).unwrap();
    store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
    store.postpone(&store.next(&[handle(1)]).unwrap().unwrap()).unwrap();
    let counts = store.counts().unwrap();
    assert_eq!((counts.handles, counts.runnable, counts.squashes, counts.postponed), (4, 3, 1, 1));
    assert_eq!(counts.waits, 1);
}

#[test]
fn an_unknown_operand_parks_its_operation_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[add(2, 99, 99), trivial(3, 1)]);
    assert_eq!(store.state(handle(2)).unwrap(), HandleState::Computing { missing: 1 });
    assert_eq!(next(&store), Some(3));
    store.computed(handle(3), object(3)).unwrap();
    assert_eq!(next(&store), None);
    announce(&store, &[trivial(99, 1)]);
    store.computed(handle(99), object(9)).unwrap();
    assert_eq!(next(&store), Some(2));
}

#[test]
fn what_depends_on_a_failure_fails_and_names_its_root() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1), binary(BinaryOp::Mul, 2, 1, 1), add(3, 2, 1), add(4, 3, 3)]);
    store.computed(handle(1), object(1)).unwrap();
    store.failed(handle(2), "not in use").unwrap();
    announce(&store, &[add(5, 4, 1)]);
    for number in 2..=5 {
        let HandleState::Failed(failure) = store.state(handle(number)).unwrap() else { panic!("{number} lives") };
        assert_eq!((failure.root, failure.reason.as_str()), (handle(2), "not in use"));
    }
    assert_eq!(next(&store), None);
    store.apply(&[Action::Decrypt(handle(5))], b"").unwrap();
    assert!(matches!(store.state(handle(5)).unwrap(), HandleState::Failed(_)));
}

#[test]
fn a_refused_handle_fails_what_waited_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[add(2, 1, 1)]);
    store.apply(&[Action::Refuse { handle: handle(1), reason: "x".repeat(5000) }], b"").unwrap();
    let HandleState::Failed(failure) = store.state(handle(2)).unwrap() else { panic!("it lives") };
    assert_eq!(failure.reason.len(), 512);
}

#[test]
fn a_squash_goes_before_computations_and_hurries_what_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1), trivial(2, 1), trivial(3, 1), add(4, 3, 3)]);
    store.apply(&[Action::Decrypt(handle(4))], b"").unwrap();
    assert_eq!(next(&store), Some(3));
    store.computed(handle(3), object(3)).unwrap();
    assert_eq!(next(&store), Some(4));
    store.computed(handle(4), object(4)).unwrap();
    assert_eq!(store.next(&[]).unwrap(), Some(Task::Squash { handle: handle(4), ciphertext: object(4) }));
    assert_eq!(store.state(handle(4)).unwrap(), HandleState::Squashing);
    store.squashed(handle(4), &material(4)).unwrap();
    assert_eq!(store.state(handle(4)).unwrap(), HandleState::Ready(material(4)));
    assert_eq!(next(&store), Some(1));
}

#[test]
fn a_handle_published_before_it_is_announced_is_squashed_once_it_has_a_value() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.apply(&[Action::Decrypt(handle(1)), Action::Announce(trivial(1, 1))], b"").unwrap();
    store.computed(handle(1), object(1)).unwrap();
    assert!(matches!(store.next(&[]).unwrap(), Some(Task::Squash { .. })));
}

#[test]
fn events_seen_twice_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let actions = [Action::Announce(trivial(1, 1)), Action::Announce(add(2, 1, 1)), Action::Decrypt(handle(2))];
    store.apply(&actions, b"a").unwrap();
    store.apply(&actions, b"b").unwrap();
    assert_eq!(store.counts().unwrap().runnable, 1);
    store.computed(handle(1), object(1)).unwrap();
    store.computed(handle(2), object(2)).unwrap();
    store.squashed(handle(2), &material(2)).unwrap();
    store.apply(&actions, b"c").unwrap();
    assert_eq!(next(&store), None);
    assert_eq!(store.state(handle(2)).unwrap(), HandleState::Ready(material(2)));
}

#[test]
fn a_restart_finds_cursor_and_the_interrupted_task() {
    let directory = tempfile::tempdir().unwrap();
    let before = {
        let store = open(directory.path());
        announce(&store, &[trivial(1, 1), add(2, 1, 1)]);
        store.apply(&[Action::Decrypt(handle(2))], b"further").unwrap();
        store.computed(handle(1), object(1)).unwrap();
        store.next(&[]).unwrap().unwrap()
    };
    let store = open(directory.path());
    assert_eq!(store.cursor().unwrap().unwrap(), b"further");
    assert_eq!(store.next(&[]).unwrap().unwrap(), before);
}

#[test]
fn one_name_is_never_signed_with_two_digests() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1)]);
    store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
    store.computed(handle(1), object(1)).unwrap();
    store.squashed(handle(1), &material(1)).unwrap();
    store.squashed(handle(1), &material(1)).unwrap();
    assert!(matches!(store.squashed(handle(1), &material(2)), Err(StoreError::Conflict { .. })));
    assert_eq!(store.state(handle(1)).unwrap(), HandleState::Ready(material(1)));
}

#[test]
fn samples_of_another_profile_or_format_do_not_count() {
    let directory = tempfile::tempdir().unwrap();
    {
        let store = open(directory.path());
        announce(&store, &[trivial(1, 1)]);
        store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
        store.computed(handle(1), object(1)).unwrap();
        store.squashed(handle(1), &material(1)).unwrap();
    }
    let store = Store::open(directory.path(), identity(), Format::Flood, B256::repeat_byte(9)).unwrap();
    assert_eq!(store.state(handle(1)).unwrap(), HandleState::Computed);
    drop(store);
    let store = Store::open(directory.path(), identity(), Format::Exact, attester().profile).unwrap();
    assert_eq!(store.state(handle(1)).unwrap(), HandleState::Computed);
    drop(store);
    assert_eq!(open(directory.path()).state(handle(1)).unwrap(), HandleState::Ready(material(1)), "and none is lost");
}

#[test]
fn a_database_of_another_deployment_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    for other in [Identity { host: B256::ZERO, ..identity() }, Identity { key: Id::numbered(2), ..identity() }] {
        let refused = Store::open(directory.path(), other, Format::Flood, attester().profile);
        assert!(matches!(refused, Err(StoreError::OtherDeployment { .. })), "{refused:?}");
    }
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let database = redb::Database::create(directory.path().join("coprocessor.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("schema", b"2".as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = Store::open(directory.path(), identity(), Format::Flood, attester().profile);
    assert!(matches!(refused, Err(StoreError::Newer { .. })), "{refused:?}");
}

#[test]
fn callers_cannot_fill_the_queue_or_ask_for_what_the_chain_never_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1), trivial(2, 1), trivial(3, 1)]);
    for number in 1..=3 {
        store.computed(handle(number), object(number)).unwrap();
    }
    assert_eq!(store.ask(handle(77), 2).unwrap(), Asked::State(HandleState::Unknown));
    assert_eq!(store.ask(handle(1), 2).unwrap(), Asked::State(HandleState::Squashing));
    assert_eq!(store.ask(handle(2), 2).unwrap(), Asked::State(HandleState::Squashing));
    assert_eq!(store.ask(handle(3), 2).unwrap(), Asked::Busy);
    assert_eq!(store.ask(handle(2), 2).unwrap(), Asked::State(HandleState::Squashing));
    store.apply(&[Action::Decrypt(handle(3)), Action::Decrypt(handle(2))], b"").unwrap();
    for published_or_asked in [3, 2, 1] {
        assert_eq!(next(&store), Some(published_or_asked));
        store.squashed(handle(published_or_asked), &material(1)).unwrap();
    }
    assert_eq!(next(&store), None);
}

#[test]
fn a_postponed_task_comes_back_after_all_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    announce(&store, &[trivial(1, 1), trivial(2, 1)]);
    store.apply(&[Action::Decrypt(handle(1))], b"").unwrap();
    store.computed(handle(1), object(1)).unwrap();
    store.postpone(&store.next(&[]).unwrap().unwrap()).unwrap();
    assert_eq!(next(&store), Some(2));
    store.postpone(&store.next(&[]).unwrap().unwrap()).unwrap();
    assert_eq!(next(&store), Some(1));
    store.squash_failed(handle(1), "no").unwrap();
    assert!(matches!(store.state(handle(1)).unwrap(), HandleState::Failed(_)));
    assert_eq!(next(&store), Some(2));
}

#[test]
fn an_input_counts_once_it_is_both_received_and_announced() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let input = |number| operation(number, Expression::Input);
    announce(&store, &[input(1), add(3, 1, 2)]);
    assert_eq!(store.state(handle(1)).unwrap(), HandleState::WaitingInput);
    assert_eq!(next(&store), None);
    store.input(B256::repeat_byte(1), &[(handle(1), object(1)), (handle(2), object(2))]).unwrap();
    assert_eq!(store.state(handle(1)).unwrap(), HandleState::Computed);
    assert_eq!(store.state(handle(2)).unwrap(), HandleState::Unknown);
    assert_eq!(next(&store), None);
    announce(&store, &[input(2)]);
    assert_eq!(next(&store), Some(3));
    assert_eq!(store.input_list(B256::repeat_byte(1)).unwrap().unwrap(), [handle(1), handle(2)]);
    assert_eq!(store.input_list(B256::repeat_byte(2)).unwrap(), None);
}
