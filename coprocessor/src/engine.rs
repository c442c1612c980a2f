//! The one place where ciphertexts are computed on. Everything else moves stored bytes.

use crate::config::cores;
use crate::operation::{Expression, Operation, Right};
use alloy_primitives::B256;
use bytes::Bytes;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use tkms_fhe::{
    BinaryOp, Ciphertext, CiphertextError, EvalError, Evaluator, InputContext, InputError, Operand, PublicKeys,
    SwitchError, UnaryOp, params,
};
use tkms_types::transcript::{Protocol, Transcript, tags};
use tkms_types::{FheType, Handle, HandleError, KeyId};
use tkms_wire::samples::{SampleList, SamplesError};
use tkms_wire::switched::SwitchedList;

/// Computes on stored ciphertexts. Calls block for milliseconds to minutes, may use every core and may run side by side.
/// Equal arguments give equal bytes, so a call that a crash lost can be repeated.
pub trait Engine: Send + Sync + 'static {
    /// Stored form of the operation's result; `operands` as [`Operation::operands`] lists them.
    ///
    /// # Errors
    /// [`EngineError`]; repeating the call gives the same one.
    fn compute(&self, operation: &Operation, operands: &[Bytes]) -> Result<Vec<u8>, EngineError>;

    /// Encoded sample list of a stored ciphertext, as the protocol in force decrypts it.
    ///
    /// # Errors
    /// [`EngineError`]; repeating the call gives the same one.
    fn samples(&self, key: KeyId, kind: FheType, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError>;

    /// Checks the proof of an encrypted input and gives type and stored form of each value.
    ///
    /// # Errors
    /// [`InputError`]: the sender's fault, but for [`InputError::Expand`].
    fn verify_input(&self, list: &[u8], context: &InputContext) -> Result<Vec<(FheType, Vec<u8>)>, InputError>;
}

/// A value that cannot be computed, now or ever.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Operation and operands do not fit.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// An operand is stored in another form than its handle says.
    #[error("operand {handle}: {error}")]
    Operand {
        /// The operand.
        handle: Handle,
        /// What is wrong with its bytes.
        error: CiphertextError,
    },
    /// An operand whose handle names no type.
    #[error(transparent)]
    Handle(#[from] HandleError),
    /// The library returned another number of samples than the type has.
    #[error(transparent)]
    Samples(#[from] SamplesError),
    /// A ciphertext that cleaning does not make fit for `exact`.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// The ciphertext to be decrypted is stored in another form than its handle says.
    #[error("the stored ciphertext cannot be read: {0}")]
    Stored(CiphertextError),
    /// The result has another type than its handle.
    #[error("the result is a {found:?}, its handle says {expected:?}")]
    Kind {
        /// By the handle.
        expected: FheType,
        /// By the operation.
        found: FheType,
    },
    /// No such operation, or another number of operands than it takes.
    #[error("operation code {0} is not in use with these operands")]
    Unsupported(u8),
    /// Inputs are received, not computed.
    #[error("an input cannot be computed")]
    Input,
}

/// The engine of production: tfhe with the parameters of [`params::NAME`], on threads of its own.
pub struct TfheEngine {
    evaluator: Evaluator,
    keys: PublicKeys,
    pool: ThreadPool,
    /// Held while an input is verified, and taken outside of the pool: the library borrows a thread's key for that long, and a
    /// thread of the pool that waits for others would take up the next input and borrow it again.
    verifying: Mutex<()>,
    protocol: Protocol,
}

impl TfheEngine {
    /// From loaded keys, for `flood`. `threads` is part of the profile, see [`arithmetic`].
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(evaluator: Evaluator, keys: PublicKeys, threads: NonZeroUsize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads.get()).build()?;
        Ok(Self { evaluator, keys, pool, verifying: Mutex::new(()), protocol: Protocol::Flood })
    }

    /// The same where this protocol is in force.
    #[must_use]
    pub fn for_protocol(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// What clients encrypt with.
    #[must_use]
    pub const fn keys(&self) -> &PublicKeys {
        &self.keys
    }

    /// The operation's result on ciphertexts in memory: one call of the library.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn evaluate(&self, operation: &Operation, operands: &[Ciphertext]) -> Result<Ciphertext, EngineError> {
        self.pool.install(|| self.evaluate_here(operation, operands))
    }

    /// The bytes that are kept. Under `exact` they are clean, so that whoever has them gets the samples by integer arithmetic.
    fn stored(&self, value: &Ciphertext) -> Vec<u8> {
        match self.protocol {
            Protocol::Flood => value.to_bytes(),
            Protocol::Exact => self.clean(value).to_bytes(),
        }
    }

    fn clean(&self, value: &Ciphertext) -> Ciphertext {
        self.pool.install(|| self.evaluator.clean(value))
    }

    fn evaluate_here(&self, operation: &Operation, operands: &[Ciphertext]) -> Result<Ciphertext, EngineError> {
        let evaluator = &self.evaluator;
        let kind = operation.kind;
        Ok(match (&operation.expression, operands) {
            (Expression::Input, _) => return Err(EngineError::Input),
            (Expression::Trivial(value), _) => evaluator.trivial(kind, *value),
            (Expression::Random(seed), _) => evaluator.random(kind, seed.0)?,
            (Expression::RandomBounded { seed, bound }, _) => evaluator.random_bounded(kind, seed.0, *bound)?,
            (Expression::Binary { code, right, .. }, [left, others @ ..]) => {
                let op = BinaryOp::from_code(*code).ok_or(EngineError::Unsupported(*code))?;
                let right = match (right, others) {
                    (Right::Scalar(value), []) => Operand::Clear(*value),
                    (Right::Handle(_), [right]) => Operand::Encrypted(right),
                    _ => return Err(EngineError::Unsupported(*code)),
                };
                evaluator.binary(op, left, right)?
            }
            (Expression::Unary { code, .. }, [value]) => {
                let op = UnaryOp::from_code(*code).ok_or(EngineError::Unsupported(*code))?;
                evaluator.unary(op, value)?
            }
            (Expression::Select { .. }, [condition, yes, no]) => evaluator.select(condition, yes, no)?,
            (Expression::Cast(_), [value]) => evaluator.cast(value, kind)?,
            (Expression::Sum(_), values) => evaluator.sum(kind, values)?,
            (Expression::IsIn { .. }, [value, set @ ..]) => evaluator.is_in(value, set)?,
            _ => return Err(EngineError::Unsupported(u8::MAX)),
        })
    }
}

impl Engine for TfheEngine {
    fn compute(&self, operation: &Operation, operands: &[Bytes]) -> Result<Vec<u8>, EngineError> {
        let operands = operation.operands().into_iter().zip(operands).map(|(handle, bytes)| {
            Ciphertext::parse(handle.check()?, bytes).map_err(|error| EngineError::Operand { handle, error })
        });
        let result = self.evaluate(operation, &operands.collect::<Result<Vec<_>, _>>()?)?;
        if result.kind() == operation.kind {
            Ok(self.stored(&result))
        } else {
            Err(EngineError::Kind { expected: operation.kind, found: result.kind() })
        }
    }

    fn samples(&self, key: KeyId, kind: FheType, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
        let ciphertext = Ciphertext::parse(kind, ciphertext).map_err(EngineError::Stored)?;
        match self.protocol {
            Protocol::Flood => {
                let samples = self.pool.install(|| self.evaluator.squash(&ciphertext))?;
                Ok(SampleList::new(key, kind, samples.words)?.encode())
            }
            Protocol::Exact => {
                let samples = match ciphertext.switch() {
                    // stored while another protocol was in force
                    Err(SwitchError::Unclean { .. }) => self.clean(&ciphertext).switch()?,
                    Ok(samples) => samples,
                };
                Ok(SwitchedList::new(key, kind, samples.words)?.encode())
            }
        }
    }

    fn verify_input(&self, list: &[u8], context: &InputContext) -> Result<Vec<(FheType, Vec<u8>)>, InputError> {
        let _one = self.verifying.lock().unwrap_or_else(PoisonError::into_inner);
        let values = self.pool.install(|| self.evaluator.verify_input(&self.keys, list, context))?;
        Ok(values.into_iter().map(|value| (value.kind(), self.stored(&value))).collect())
    }
}

/// Names what decides about the bytes of a result on this machine: its floating-point arithmetic, and the number of
/// threads, by which the library chooses how carries are propagated.
#[must_use]
pub fn arithmetic(threads: NonZeroUsize) -> String {
    format!("{}, {threads} threads", tkms_fhe::arithmetic())
}

/// The profile under which digests are attested: coprocessors with equal profiles make equal bytes. Switching is the same on
/// every machine, but what is switched is not, so the profile for `exact` names both.
#[must_use]
pub fn profile_of(protocol: Protocol, arithmetic: &str) -> B256 {
    let stored = Transcript::new(tags::PROFILE)
        .bytes(arithmetic.as_bytes())
        .bytes(params::LIBRARY.as_bytes())
        .bytes(params::NAME.as_bytes())
        .bytes(params::FORM.as_bytes());
    match protocol {
        Protocol::Flood => stored.finish(),
        Protocol::Exact => stored.bytes(params::SWITCH_ARITHMETIC.as_bytes()).finish(),
    }
}

/// Profile of this machine with a thread for each core, for the cluster file.
#[must_use]
pub fn local_profile(protocol: Protocol) -> B256 {
    profile_of(protocol, &arithmetic(cores()))
}
