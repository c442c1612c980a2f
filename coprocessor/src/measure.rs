//! What the coprocessor adds to the library: operations on 64 bits from the event seen to the ciphertext stored, and
//! inputs from the request to the signed answer, each beside the library's call alone in the same process on the same
//! threads.

use crate::attest::Attester;
use crate::engine::{Engine, EngineError, TfheEngine};
use crate::execute::Worker;
use crate::inputs::{InputRefusal, Inputs};
use crate::objects::{ObjectError, Objects};
use crate::operation::Operation;
use crate::store::{Action, HandleState, Identity, Store, StoreError};
use crate::translate::{TranslateError, Translator};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B128, Bytes, FixedBytes, Log, U256, keccak256};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_eth::DigestSigner;
use tkms_eth::bindings::FHEEvents;
use tkms_fhe::{Ciphertext, InputContext, InputError};
use tkms_types::{Cluster, FheType, Handle, HostChain, Plaintext};
use tkms_wire::coprocessor::InputRequest;
use tkms_wire::relayer::Hex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Pause between two looks whether a handle is computed; counts as the coprocessor's time.
const LOOK: Duration = Duration::from_millis(1);
/// Operations announced together when throughput is measured.
const BATCH: usize = 8;
/// Samples of throughput: each is many operations.
const BATCHES: usize = 2;
/// Values in a measured input.
const VALUES: usize = 4;

/// One measured quantity.
#[derive(Clone, Debug)]
pub struct Figure {
    /// As in `target/bench.json`.
    pub name: String,
    /// Of the samples.
    pub unit: &'static str,
    /// In the order measured.
    pub samples: Vec<f64>,
}

/// What is measured and how often.
pub struct Setup {
    /// With the keys loaded.
    pub engine: Arc<TfheEngine>,
    /// For database and ciphertexts; the disk it is on counts.
    pub directory: PathBuf,
    /// Its first chain is the one events are made for.
    pub cluster: Cluster,
    /// Signs inputs.
    pub signer: Arc<dyn DigestSigner>,
    /// Samples of each figure but throughput.
    pub rounds: usize,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the parts' own errors")]
pub enum MeasureError {
    #[error("the cluster has no host chain")]
    NoChain,
    #[error("{handle} failed: {reason}")]
    Failed { handle: Handle, reason: String },
    #[error("a thread panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Translate(#[from] TranslateError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Refused(#[from] InputRefusal),
}

/// The operations that overhead is the mean of.
#[derive(Clone, Copy)]
enum Op {
    Add,
    Mul,
    Gt,
    Select,
}

const OPS: [(Op, &str); 4] = [(Op::Add, "add"), (Op::Mul, "mul"), (Op::Gt, "gt"), (Op::Select, "select")];

/// Measures everything: `overhead_percent` is the mean over the operations of what is added to the library's time.
///
/// # Errors
/// [`MeasureError`].
pub async fn measure(setup: Setup) -> Result<Vec<Figure>, MeasureError> {
    let rounds = setup.rounds;
    let mut subject = Subject::new(setup)?;
    let running = tokio::spawn(subject.worker.clone().run());
    let measured = async {
        subject.draw_operands().await?;
        let mut figures = subject.operations(rounds).await?;
        figures.extend(subject.throughput().await?);
        figures.extend(subject.inputs(rounds).await?);
        Ok(figures)
    };
    let measured = measured.await;
    running.abort();
    measured
}

struct Subject {
    engine: Arc<TfheEngine>,
    worker: Worker,
    chain: HostChain,
    translator: Translator,
    handles: u64,
    operands: Vec<Handle>,
    /// The operands in memory, for the library alone.
    ciphertexts: Arc<BTreeMap<Handle, Ciphertext>>,
}

impl Subject {
    fn new(setup: Setup) -> Result<Self, MeasureError> {
        let Setup { engine, directory, cluster, signer, .. } = setup;
        let chain = cluster.chains.first().ok_or(MeasureError::NoChain)?.clone();
        let attester = Attester::new(signer, &cluster, &chain, "measured");
        let identity = Identity { host: chain.host_id(), key: cluster.key.id };
        let worker = Worker {
            store: Arc::new(Store::open(&directory, identity, attester.format, attester.profile)?),
            objects: Objects::open(None, None, &directory.join("objects"))?,
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            attester,
            wake: Arc::new(Notify::new()),
            workers: crate::config::Limits::default().workers,
        };
        let translator = Translator::new(&chain);
        let (operands, ciphertexts) = (Vec::new(), Arc::default());
        Ok(Self { engine, worker, chain, translator, handles: 0, operands, ciphertexts })
    }

    fn handle(&mut self, kind: FheType) -> Handle {
        self.handles += 1;
        Handle::new(keccak256(self.handles.to_be_bytes()), Handle::COMPUTED, self.chain.chain_id, kind)
    }

    fn log(&self, event: &impl SolEvent) -> Log {
        Log { address: self.chain.contracts.executor, data: event.encode_log_data() }
    }

    /// From the events seen to the last ciphertext stored.
    async fn compute(&self, logs: &[Log], results: &[Handle]) -> Result<Duration, MeasureError> {
        let start = Instant::now();
        let mut actions = Vec::new();
        for log in logs {
            actions.extend(self.translator.translate(log)?);
        }
        let store = &self.worker.store;
        store.run(move |store| store.apply(&actions, b"")).await?;
        self.worker.wake.notify_one();
        for handle in results.iter().copied() {
            loop {
                match store.run(move |store| store.state(handle)).await? {
                    HandleState::Computed => break,
                    HandleState::Failed(failure) => {
                        return Err(MeasureError::Failed { handle, reason: failure.reason });
                    }
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
        }
        Ok(start.elapsed())
    }

    /// The same operations one after the other by the library alone.
    async fn plain(&self, logs: &[Log]) -> Result<Duration, MeasureError> {
        let mut operations = Vec::new();
        for log in logs {
            operations.extend(self.operations_of(log)?);
        }
        let (engine, ciphertexts) = (Arc::clone(&self.engine), Arc::clone(&self.ciphertexts));
        let run = move || {
            let operands = |operation: &Operation| -> Vec<Ciphertext> {
                operation.operands().iter().filter_map(|handle| ciphertexts.get(handle).cloned()).collect()
            };
            let work: Vec<_> = operations.iter().map(|operation| (operation, operands(operation))).collect();
            let start = Instant::now();
            for (operation, operands) in work {
                engine.evaluate(operation, &operands)?;
            }
            Ok::<_, EngineError>(start.elapsed())
        };
        self.beside_looks(tokio::task::spawn_blocking(run)).await
    }

    /// Looks at the store beside the library's work as [`Subject::compute`] does: on a busy machine a process that wakes
    /// up every millisecond was seen to get up to twice the time of one that does not.
    async fn beside_looks<T>(&self, mut work: JoinHandle<Result<T, EngineError>>) -> Result<T, MeasureError> {
        loop {
            tokio::select! {
                done = &mut work => return Ok(done??),
                () = tokio::time::sleep(LOOK) => {
                    self.worker.store.run(Store::counts).await?;
                }
            }
        }
    }

    fn operations_of(&self, log: &Log) -> Result<Vec<Operation>, MeasureError> {
        let actions = self.translator.translate(log)?.into_iter();
        Ok(actions.filter_map(|action| if let Action::Announce(op) = action { Some(op) } else { None }).collect())
    }

    /// Two random euint64 and an ebool: the library would compute on trivial ciphertexts in the clear.
    async fn draw_operands(&mut self) -> Result<(), MeasureError> {
        let mut ciphertexts = BTreeMap::new();
        for kind in [FheType::Uint64, FheType::Uint64, FheType::Bool] {
            let result = self.handle(kind);
            let seed = B128::left_padding_from(&self.handles.to_be_bytes());
            let log =
                self.log(&FHEEvents::FheRand { caller: Address::ZERO, randType: kind as u8, seed, result: result.0 });
            self.compute(std::slice::from_ref(&log), &[result]).await?;
            for operation in self.operations_of(&log)? {
                ciphertexts.insert(result, self.engine.evaluate(&operation, &[])?);
            }
            self.operands.push(result);
        }
        self.ciphertexts = Arc::new(ciphertexts);
        Ok(())
    }

    fn event(&mut self, op: Op) -> (Log, Handle) {
        let result = self.handle(if matches!(op, Op::Gt) { FheType::Bool } else { FheType::Uint64 });
        let [a, b, c] = [0, 1, 2].map(|i| self.operands.get(i).map(|handle| handle.0).unwrap_or_default());
        let (caller, scalar, out) = (Address::ZERO, FixedBytes([0]), result.0);
        let log = match op {
            Op::Add => self.log(&FHEEvents::FheAdd { caller, lhs: a, rhs: b, scalarByte: scalar, result: out }),
            Op::Mul => self.log(&FHEEvents::FheMul { caller, lhs: a, rhs: b, scalarByte: scalar, result: out }),
            Op::Gt => self.log(&FHEEvents::FheGt { caller, lhs: a, rhs: b, scalarByte: scalar, result: out }),
            Op::Select => {
                self.log(&FHEEvents::FheIfThenElse { caller, control: c, ifTrue: a, ifFalse: b, result: out })
            }
        };
        (log, result)
    }

    async fn operations(&mut self, rounds: usize) -> Result<Vec<Figure>, MeasureError> {
        let mut overhead = Vec::new();
        let mut times = [(); OPS.len()].map(|()| (Vec::new(), Vec::new()));
        for round in 0..rounds {
            let mut sum = 0.0;
            for ((op, _), (ours, plain)) in OPS.iter().zip(&mut times) {
                let (log, result) = self.event(*op);
                let log = std::slice::from_ref(&log);
                // In turns, so that a load that comes or goes meanwhile favours neither.
                let (alone, whole) = if round.is_multiple_of(2) {
                    let alone = self.plain(log).await?;
                    (alone, self.compute(log, &[result]).await?)
                } else {
                    let whole = self.compute(log, &[result]).await?;
                    (self.plain(log).await?, whole)
                };
                sum += 100.0 * (whole.as_secs_f64() / alone.as_secs_f64() - 1.0);
                ours.push(milliseconds(whole));
                plain.push(milliseconds(alone));
            }
            overhead.push(sum / OPS.len() as f64);
        }
        let mut figures = vec![figure("coprocessor.overhead_percent", "%", overhead)];
        for ((_, name), (ours, plain)) in OPS.iter().zip(times) {
            figures.push(figure(&format!("coprocessor.{name}_ms"), "ms", ours));
            figures.push(figure(&format!("coprocessor.{name}_plain_ms"), "ms", plain));
        }
        Ok(figures)
    }

    async fn throughput(&mut self) -> Result<[Figure; 2], MeasureError> {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..BATCHES {
            let (logs, results): (Vec<Log>, Vec<Handle>) = (0..BATCH).map(|_| self.event(Op::Add)).unzip();
            plain.push(BATCH as f64 / self.plain(&logs).await?.as_secs_f64());
            ours.push(BATCH as f64 / self.compute(&logs, &results).await?.as_secs_f64());
        }
        let ours = figure("coprocessor.adds_per_second", "1/s", ours);
        Ok([ours, figure("coprocessor.adds_plain_per_second", "1/s", plain)])
    }

    async fn inputs(&mut self, rounds: usize) -> Result<[Figure; 2], MeasureError> {
        let (acl, chain_id) = (self.chain.contracts.acl, self.chain.chain_id);
        let inputs = Inputs::new(&self.worker, acl, chain_id, 1);
        let (contract, user) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let context = InputContext { contract, user, acl, chain_id };
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let engine = Arc::clone(&self.engine);
            let prove = move || {
                let values = [(); VALUES].map(|()| Plaintext::new(FheType::Uint64, U256::from(42)));
                let list = engine.keys().encrypt(&values.into_iter().flatten().collect::<Vec<_>>(), &context)?;
                let start = Instant::now();
                engine.verify_input(&list, &context)?;
                Ok::<_, InputError>((Bytes::from(list), start.elapsed()))
            };
            let (list, alone) = tokio::task::spawn_blocking(prove).await??;
            let request = InputRequest {
                contract_chain_id: chain_id,
                contract_address: contract,
                user_address: user,
                ciphertext: Hex(list),
                extra_data: Hex(Bytes::from_static(&[0])),
            };
            let start = Instant::now();
            inputs.accept(request).await?;
            ours.push(milliseconds(start.elapsed()));
            plain.push(milliseconds(alone));
        }
        Ok([figure("coprocessor.input_ms", "ms", ours), figure("coprocessor.input_plain_ms", "ms", plain)])
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn figure(name: &str, unit: &'static str, samples: Vec<f64>) -> Figure {
    Figure { name: name.to_owned(), unit, samples }
}
