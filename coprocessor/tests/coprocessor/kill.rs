//! A coprocessor killed at random moments: the test starts its own binary again, lets only
//! [`work_in_this_process`] run there, and kills it.

use crate::insecure::{handle, open, trivial, wait_for, worker};
use alloy_primitives::B256;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tkms_coprocessor::operation::{Expression, Operation, Right};
use tkms_coprocessor::store::{Action, HandleState};
use tkms_fhe::BinaryOp;
use tkms_types::{FheType, Handle, Plaintext};
use tkms_wire::samples::SampleList;

const DIRECTORY: &str = "TKMS_COPROCESSOR_KILL_TEST";
const KILLS: usize = 5;
/// Longest wait for a child to get somewhere.
const PROGRESS: Duration = Duration::from_secs(60);
/// Handles in the chain of sums.
const SUMS: u64 = 300;

/// The n-th value of the Fibonacci sequence is the sum of the two before it: every handle depends on all earlier ones.
fn sum(number: u64) -> Handle {
    let mut hash = B256::repeat_byte(0xee);
    hash.0[..8].copy_from_slice(&number.to_be_bytes());
    Handle::new(hash, Handle::COMPUTED, crate::insecure::CHAIN, FheType::Uint64)
}

fn actions() -> Vec<Action> {
    let add = |result: Handle, left: Handle, right: Handle| {
        let expression = Expression::Binary { code: BinaryOp::Add as u8, left, right: Right::Handle(right) };
        Action::Announce(Operation { result, kind: FheType::Uint64, expression })
    };
    let mut actions = vec![Action::Announce(trivial(1, 1)), Action::Announce(trivial(2, 0))];
    actions.push(add(sum(0), handle(1), handle(2)));
    actions.push(add(sum(1), handle(1), handle(2)));
    actions.extend((2..SUMS).map(|number| add(sum(number), sum(number - 1), sum(number - 2))));
    actions.extend((0..SUMS).step_by(10).map(|number| Action::Decrypt(sum(number))));
    actions
}

fn value(samples: &[u8]) -> u64 {
    let samples = SampleList::parse(samples).unwrap();
    let digits: Vec<u8> = (0..samples.blocks()).map(|i| (samples.block(i).last().unwrap() >> 123) as u8).collect();
    Plaintext::from_digits(FheType::Uint64, &digits).unwrap().value().to()
}

/// What can not change any more, by number.
fn settled(directory: &Path) -> Vec<Option<HandleState>> {
    let store = open(directory);
    let state = |number| match store.state(sum(number)).unwrap() {
        HandleState::Computing { .. } | HandleState::Squashing => None,
        state => Some(state),
    };
    (0..SUMS).map(state).collect()
}

fn objects_in(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("objects")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_five_times_it_loses_and_repeats_no_result() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).apply(&actions(), b"as far as here").unwrap();
    let mut before = settled(directory.path());
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "kill::work_in_this_process"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // As soon as some objects more are there: in another place of another task each time.
        let (objects, deadline) = (objects_in(directory.path()), Instant::now() + PROGRESS);
        while objects_in(directory.path()) < objects + 5 + 7 * round {
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "no progress in round {round}");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let after = settled(directory.path());
        let changed = before.iter().zip(&after).filter(|(before, after)| before.is_some() && before != after).count();
        assert_eq!(changed, 0);
        println!("{} of {SUMS} after kill {}", after.iter().flatten().count(), round + 1);
        before = after;
    }
    assert!(before.iter().any(Option::is_none), "the kills came too late to matter");

    let (worker, _) = worker(directory.path());
    let (store, objects) = (worker.store.clone(), worker.objects.clone());
    assert_eq!(store.cursor().unwrap().unwrap(), b"as far as here");
    let running = tokio::spawn(worker.run());
    let (mut a, mut b) = (1u64, 1u64);
    for number in 0..SUMS {
        if number % 10 == 0 {
            let ready = wait_for(&store, sum(number), |state| matches!(state, HandleState::Ready(_))).await;
            let HandleState::Ready(material) = ready else { unreachable!() };
            assert_eq!(value(&objects.get(material.object).await.unwrap()), a, "sum {number}");
        } else {
            wait_for(&store, sum(number), |state| *state == HandleState::Computed).await;
        }
        (a, b) = (b, a.wrapping_add(b));
    }
    running.abort();
}

/// Does nothing unless started by the test above.
#[tokio::test(flavor = "multi_thread")]
async fn work_in_this_process() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let (worker, _) = worker(Path::new(&directory));
    worker.run().await.unwrap();
}
