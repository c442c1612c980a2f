//! A crowd of encrypted transfers while the coprocessor is killed again and again: no handle is lost, none is wrong.
//!
//! Ten transfers and two kills by default; `TKMS_E2E_TRANSFERS=full` makes it fifty and five, `TKMS_E2E_SEED` repeats or changes
//! who sends what to whom and when the coprocessor dies.

use crate::devnet;
use crate::people::{Network, Person};
use alloy::primitives::Log;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::{SolEventInterface as _, SolValue as _};
use alloy_primitives::{Address, B256};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tkms_e2e::actors::send;
use tkms_e2e::compile::creation_code;
use tkms_e2e::devnet::Devnet;
use tkms_e2e::wait_until;
use tkms_eth::bindings::FHEEvents;
use tkms_wire::coprocessor::MaterialReply;

const HOLDERS: usize = 5;
const MINTED: u64 = 1000;
/// Larger than what most have after a few transfers: some move nothing.
const LARGEST: u64 = 900;
/// Transfers sent together; the next ones when the chain has grown by a block.
const A_BLOCK: usize = 5;
/// From the first transfer sent to the last balance read.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(100);

alloy::sol! {
    #[sol(rpc)]
    contract ConfidentialToken {
        function mint(address to, uint64 amount) external;
        function transfer(address to, bytes32 amount, bytes calldata inputProof) external;
        function balanceOf(address owner) external view returns (bytes32);
    }
}

type Token = ConfidentialToken::ConfidentialTokenInstance<DynProvider>;

struct Transfer {
    from: usize,
    to: usize,
    amount: u64,
}

/// What happens, all of it drawn from the seed.
struct Plan {
    transfers: Vec<Transfer>,
    /// How many transfers are computed, and how long ago, when the coprocessor is killed.
    kills: Vec<(usize, Duration)>,
}

impl Plan {
    fn draw() -> Self {
        let full = std::env::var("TKMS_E2E_TRANSFERS").is_ok_and(|what| what == "full");
        let seed = std::env::var("TKMS_E2E_SEED").map_or(7, |seed| seed.parse().expect("TKMS_E2E_SEED is a number"));
        let (transfers, kills) = if full { (50, 5) } else { (10, 2) };
        println!("{transfers} transfers, {kills} kills, TKMS_E2E_SEED={seed}");
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut transfer = || {
            let from = rng.random_range(0..HOLDERS);
            let to = (from + rng.random_range(1..HOLDERS)) % HOLDERS;
            Transfer { from, to, amount: rng.random_range(1..=LARGEST) }
        };
        let transfers: Vec<Transfer> = (0..transfers).map(|_| transfer()).collect();
        // All of them while there is still something to compute.
        let mut moment = || (rng.random_range(0..transfers.len() * 2 / 3), rng.random_range(0..1500));
        let mut kills: Vec<(usize, u64)> = (0..kills).map(|_| moment()).collect();
        kills.sort_unstable();
        let kills = kills.into_iter().map(|(done, wait)| (done, Duration::from_millis(wait))).collect();
        Self { transfers, kills }
    }

    /// What everybody has in the end, by plain arithmetic.
    fn balances(&self) -> [u64; HOLDERS] {
        let mut balances = [MINTED; HOLDERS];
        for Transfer { from, to, amount } in &self.transfers {
            if balances[*from] >= *amount {
                balances[*from] -= amount;
                balances[*to] += amount;
            }
        }
        balances
    }
}

/// Handles that each transfer made, in the order of the chain.
type Made = Arc<Mutex<Vec<Vec<B256>>>>;

#[tokio::test(flavor = "multi_thread")]
async fn transfers_survive_a_coprocessor_that_is_killed_again_and_again() {
    let mut devnet = devnet().await;
    let plan = Plan::draw();
    let network = Network::of(&devnet).await;
    let people: Arc<Vec<Person>> = Arc::new((0..HOLDERS).map(|account| Person::of(&devnet, account)).collect());
    let oracle = (devnet.deployment.contracts.decryption_oracle,).abi_encode_params();
    let token = people[0].deploy(&creation_code("ConfidentialToken"), oracle).await;
    let tokens: Vec<Token> = people.iter().map(|person| Token::new(token, person.provider.clone())).collect();
    for person in people.iter() {
        send(&people[0].provider, tokens[0].mint(person.address, MINTED).into_transaction_request()).await;
    }
    let calls = encrypted(&plan, &network, &people, &tokens).await;

    let (start, made) = (Instant::now(), Made::default());
    let submitted = tokio::spawn(submit(calls, devnet.deployment.contracts.executor, Arc::clone(&made)));
    let mut progress = Progress::new(&devnet, made);
    for (number, (done, wait)) in plan.kills.iter().enumerate() {
        progress.wait_for(*done, start).await;
        tokio::time::sleep(*wait).await;
        devnet.kill_service("coprocessor");
        println!("{:5.1?} kill {} with {} transfers computed", start.elapsed(), number + 1, progress.done);
        devnet.restart_service("coprocessor");
    }
    let blocks = submitted.await.unwrap();
    println!("{:5.1?} transfers were mined in {} blocks", start.elapsed(), blocks.len());
    progress.wait_for(plan.transfers.len(), start).await;
    println!("{:5.1?} all handles are computed; the queue was {} deep", start.elapsed(), progress.deepest);
    assert!(progress.deepest > 0.0, "no metric told of what was to do");
    progress.wait_until_idle().await;

    let mut balances = [0; HOLDERS];
    for (person, balance) in people.iter().zip(&mut balances) {
        let handle = tokens[0].balanceOf(person.address).call().await.unwrap();
        *balance = network.read(person, handle, token).await.unwrap();
    }
    println!("{:5.1?} all balances are read", start.elapsed());
    assert_eq!(balances, plan.balances());
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
}

/// A transfer ready to be sent.
type Ready = (DynProvider, alloy::rpc::types::TransactionRequest);

/// Encrypts everybody's amounts, in one list each.
async fn encrypted(plan: &Plan, network: &Network, people: &[Person], tokens: &[Token]) -> Vec<Ready> {
    let contract = *tokens[0].address();
    let mut inputs = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let own = plan.transfers.iter().filter(|transfer| transfer.from == number);
        let amounts: Vec<u64> = own.map(|transfer| transfer.amount).collect();
        inputs.push(match amounts.as_slice() {
            [] => None,
            amounts => {
                let input = network.encrypt(amounts, contract, person.address).await;
                Some((input.handles.into_iter(), input.proof))
            }
        });
    }
    let mut ready = Vec::new();
    for Transfer { from, to, .. } in &plan.transfers {
        let (handles, proof) = inputs[*from].as_mut().unwrap();
        let handle = handles.next().unwrap().0;
        let call = tokens[*from].transfer(people[*to].address, handle, proof.clone());
        ready.push((people[*from].provider.clone(), call.into_transaction_request()));
    }
    ready
}

/// Sends a few transfers a block; the blocks they are in.
async fn submit(calls: Vec<Ready>, executor: Address, made: Made) -> BTreeSet<u64> {
    let mut blocks = BTreeSet::new();
    for batch in calls.chunks(A_BLOCK) {
        let mut pending = Vec::new();
        for (provider, call) in batch {
            // An estimate would be for the state before the others of this block.
            let call = call.clone().gas_limit(3_000_000);
            pending.push(provider.send_transaction(call).await.unwrap());
        }
        for transaction in pending {
            let receipt = transaction.get_receipt().await.unwrap();
            assert!(receipt.status(), "transaction {} was reverted", receipt.transaction_hash);
            blocks.extend(receipt.block_number);
            made.lock().unwrap().push(results(&receipt, executor));
        }
    }
    blocks
}

/// Handles that a transaction made.
fn results(receipt: &TransactionReceipt, executor: Address) -> Vec<B256> {
    use FHEEvents::FHEEventsEvents as E;
    let of_executor = receipt.logs().iter().filter(|log| log.address() == executor);
    let result = |log: &Log| match E::decode_log(log).unwrap().data {
        E::VerifyInput(event) => event.result,
        E::TrivialEncrypt(event) => event.result,
        E::FheLe(event) => event.result,
        E::FheIfThenElse(event) => event.result,
        E::FheSub(event) => event.result,
        E::FheAdd(event) => event.result,
        _ => panic!("a transfer has no other operations"),
    };
    let results: Vec<B256> = of_executor.map(|log| result(&log.inner)).collect();
    assert_eq!(results.len(), 6, "a transfer has six operations");
    results
}

/// How far the coprocessor is.
struct Progress {
    url: reqwest::Url,
    made: Made,
    metrics: reqwest::Url,
    /// Transfers of which all handles are computed, in the order of the chain.
    done: usize,
    /// The most that its metrics called queued.
    deepest: f64,
}

impl Progress {
    fn new(devnet: &Devnet, made: Made) -> Self {
        let coprocessor = devnet.deployment.services.iter().find(|service| service.name == "coprocessor").unwrap();
        let [url, metrics] = ["v1/materials/", "metrics"].map(|path| coprocessor.url.join(path).unwrap());
        Self { url, made, metrics, done: 0, deepest: 0.0 }
    }

    async fn wait_for(&mut self, transfers: usize, start: Instant) {
        while self.done < transfers {
            let next = self.made.lock().unwrap().get(self.done).cloned();
            if let Some(handles) = next
                && self.all_computed(&handles).await
            {
                self.done += 1;
                continue;
            }
            let queued = self.metrics([r#"tkms_coprocessor_queue{task="compute"}"#]).await;
            self.deepest = queued.map_or(self.deepest, |[queued]| self.deepest.max(queued));
            assert!(start.elapsed() < LIMIT, "{} of {transfers} transfers are computed", self.done);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until its metrics say that it is at the head of the chain and has nothing to compute.
    async fn wait_until_idle(&self) {
        wait_until("the metrics show an idle coprocessor", || async {
            let [compute, waits, block, head] = [
                r#"tkms_coprocessor_queue{task="compute"}"#,
                "tkms_coprocessor_operand_waits",
                "tkms_coprocessor_block",
                "tkms_coprocessor_head_block",
            ];
            let found = self.metrics([compute, waits, block, head]).await;
            found.is_some_and(|[compute, waits, block, head]| {
                (compute, waits) == (0.0, 0.0) && block > 0.0 && block == head
            })
        })
        .await;
    }

    /// Values of its metrics, if it answers.
    async fn metrics<const N: usize>(&self, names: [&str; N]) -> Option<[f64; N]> {
        let text = reqwest::get(self.metrics.clone()).await.ok()?.text().await.ok()?;
        let value = |name: &str| {
            let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
            text.lines().find_map(of)
        };
        let values: Option<Vec<f64>> = names.into_iter().map(value).collect();
        values?.try_into().ok()
    }

    async fn all_computed(&self, handles: &[B256]) -> bool {
        for handle in handles {
            // Nobody answers while it is dead, and with an error while it loads its keys.
            let Ok(answer) = reqwest::get(self.url.join(&handle.to_string()).unwrap()).await else { return false };
            assert_ne!(answer.status(), 422, "{handle} failed: {}", answer.text().await.unwrap());
            match answer.json::<MaterialReply>().await {
                Ok(MaterialReply::Squashing | MaterialReply::Ready { .. }) => {}
                Ok(MaterialReply::Unknown | MaterialReply::Computing) | Err(_) => return false,
            }
        }
        true
    }
}
