//! The follower on a real Anvil whose history changes: what a dropped block announced stays computed and harms nobody, what
//! the branch that stays announces is computed, and nothing is computed twice.

use crate::insecure::{EXECUTOR, InsecureEngine, chain, handle, wait_for, worker};
use alloy::network::TransactionBuilder as _;
use alloy::providers::Provider as _;
use alloy::providers::ext::AnvilApi as _;
use alloy::rpc::types::TransactionRequest;
use alloy::rpc::types::anvil::ReorgOptions;
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, FixedBytes, U256, hex};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tkms_coprocessor::follow::Follower;
use tkms_coprocessor::progress::Progress;
use tkms_coprocessor::store::{HandleState, Store};
use tkms_eth::Rpc;
use tkms_eth::anvil::{AnvilConfig, AnvilInstance, find_anvil, spawn};
use tkms_eth::bindings::FHEEvents::{FheAdd, TrivialEncrypt};
use tkms_types::FheType;
use tokio::task::JoinHandle;

/// Emits its input as a log: two topics, then data.
const EMITTER: [u8; 17] = hex!("6020355f35604036038060405f375fa200");
const POLL: Duration = Duration::from_millis(20);
const QUEUE: NonZeroU64 = NonZeroU64::new(1000).unwrap();

/// A chain that mines when told, with an emitter in the executor's place.
struct Chain {
    rpc: Rpc,
    anvil: AnvilInstance,
}

impl Chain {
    async fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let anvil = spawn(&find_anvil(root).unwrap(), &AnvilConfig::default()).unwrap();
        let rpc = tkms_eth::connect(&anvil.endpoint_url()).unwrap();
        rpc.anvil_set_code(EXECUTOR, EMITTER.into()).await.unwrap();
        rpc.anvil_set_auto_mine(false).await.unwrap();
        rpc.anvil_mine(Some(1), None).await.unwrap();
        Self { rpc, anvil }
    }

    /// A block with this event.
    async fn announce(&self, event: &impl SolEvent) {
        let log = event.encode_log_data();
        let mut input = log.topics().concat();
        input.extend_from_slice(&log.data);
        let call = TransactionRequest::default()
            .with_from(self.anvil.addresses()[0])
            .with_to(EXECUTOR)
            .with_gas_limit(200_000)
            .with_input(input);
        let sent = *self.rpc.send_transaction(call).await.unwrap().tx_hash();
        self.rpc.anvil_mine(Some(1), None).await.unwrap();
        let receipt = self.rpc.get_transaction_receipt(sent).await.unwrap().unwrap();
        assert_eq!(receipt.logs().len(), 1);
    }

    /// Replaces the newest blocks by as many empty ones and one more.
    async fn drop_blocks(&self, depth: u64) {
        self.rpc.anvil_reorg(ReorgOptions { depth, tx_block_pairs: Vec::new() }).await.unwrap();
        self.rpc.anvil_mine(Some(1), None).await.unwrap();
    }
}

/// Follower and worker over one directory.
struct Running {
    store: Arc<Store>,
    engine: Arc<InsecureEngine>,
    tasks: [JoinHandle<()>; 2],
}

impl Running {
    fn start(rpc: &Rpc, directory: &Path) -> Self {
        let (worker, engine) = worker(directory);
        let store = Arc::clone(&worker.store);
        let parts = (Arc::clone(&store), Arc::clone(&worker.wake), Progress::default());
        let follower = Follower::new(rpc.clone(), &chain(), POLL, QUEUE, parts);
        let following = tokio::spawn(async move { follower.run().await.map(|_| ()).unwrap() });
        let working = tokio::spawn(async move { worker.run().await.map(|_| ()).unwrap() });
        Self { store, engine, tasks: [following, working] }
    }

    /// Ends both and waits until they hold the database no longer.
    async fn stop(self) {
        for task in self.tasks {
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()));
        }
        while Arc::strong_count(&self.store) > 1 {
            tokio::time::sleep(POLL).await;
        }
    }

    async fn computed(&self, number: u8) {
        wait_for(&self.store, handle(number), |state| *state == HandleState::Computed).await;
    }

    fn computations(&self) -> usize {
        self.engine.computed.load(Ordering::SeqCst)
    }
}

fn trivial(result: u8, value: u64) -> TrivialEncrypt {
    let result = handle(result).0;
    TrivialEncrypt { caller: Address::ZERO, pt: U256::from(value), toType: FheType::Uint64 as u8, result }
}

fn add(result: u8, left: u8, right: u8) -> FheAdd {
    let [result, lhs, rhs] = [result, left, right].map(|number| handle(number).0);
    FheAdd { caller: Address::ZERO, lhs, rhs, scalarByte: FixedBytes([0]), result }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_branches_are_computed_and_nothing_twice() {
    let (chain, directory) = (Chain::start().await, tempfile::tempdir().unwrap());
    let running = Running::start(&chain.rpc, directory.path());
    chain.announce(&trivial(1, 5)).await;
    chain.announce(&trivial(2, 7)).await;
    chain.announce(&add(3, 1, 2)).await;
    running.computed(3).await;

    chain.drop_blocks(2).await;
    chain.announce(&trivial(4, 9)).await;
    running.computed(4).await;
    // Announced again where it now stands, and something new computed from what only the dropped branch announced.
    chain.announce(&add(3, 1, 2)).await;
    chain.announce(&add(5, 3, 4)).await;
    running.computed(5).await;
    running.computed(2).await;
    assert_eq!(running.computations(), 5);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_on_a_dropped_branch_goes_on_with_the_operand_of_the_other() {
    let (chain, directory) = (Chain::start().await, tempfile::tempdir().unwrap());
    let running = Running::start(&chain.rpc, directory.path());
    chain.announce(&trivial(1, 5)).await;
    chain.announce(&add(3, 1, 2)).await;
    running.computed(1).await;
    let waits = |state: &HandleState| matches!(state, HandleState::Computing { .. });
    wait_for(&running.store, handle(3), waits).await;

    chain.drop_blocks(1).await;
    chain.announce(&trivial(2, 7)).await;
    running.computed(3).await;
    assert_eq!(running.computations(), 3);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_while_it_was_away_is_found_by_the_cursor() {
    let (chain, directory) = (Chain::start().await, tempfile::tempdir().unwrap());
    let running = Running::start(&chain.rpc, directory.path());
    for number in 1..=4 {
        chain.announce(&trivial(number, number.into())).await;
    }
    running.computed(4).await;
    running.stop().await;

    chain.drop_blocks(3).await;
    chain.announce(&trivial(5, 5)).await;
    chain.announce(&add(6, 5, 1)).await;
    let running = Running::start(&chain.rpc, directory.path());
    running.computed(6).await;
    // Of the branch that is gone: known, and not computed again.
    running.computed(4).await;
    assert_eq!(running.computations(), 2);
    running.stop().await;
}
