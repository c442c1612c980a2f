//! The one place where ciphertexts are computed on. Everything else moves stored bytes.

use crate::operation::{Expression, Operation, Right};
use alloy_primitives::B256;
use bytes::Bytes;
use tkms_fhe::{
    BinaryOp, Ciphertext, CiphertextError, EvalError, Evaluator, InputContext, InputError, Operand, PublicKeys,
    UnaryOp, params,
};
use tkms_types::transcript::{Transcript, tags};
use tkms_types::{FheType, Handle, HandleError, KeyId};
use tkms_wire::samples::{SampleList, SamplesError};

/// Computes on stored ciphertexts. Calls block for milliseconds to minutes and use every core. Equal arguments give
/// equal bytes, so a call that a crash lost can be repeated.
pub trait Engine: Send + Sync + 'static {
    /// Stored form of the operation's result; `operands` as [`Operation::operands`] lists them.
    ///
    /// # Errors
    /// [`EngineError`]; repeating the call gives the same one.
    fn compute(&self, operation: &Operation, operands: &[Bytes]) -> Result<Vec<u8>, EngineError>;

    /// Encoded sample list of a stored ciphertext.
    ///
    /// # Errors
    /// [`EngineError`]; repeating the call gives the same one.
    fn squash(&self, key: KeyId, kind: FheType, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError>;

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
    /// The ciphertext to squash is stored in another form than its handle says.
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

/// The engine of production: tfhe with the parameters of [`params::NAME`].
pub struct TfheEngine {
    evaluator: Evaluator,
    keys: PublicKeys,
}

impl TfheEngine {
    /// From loaded keys.
    #[must_use]
    pub fn new(evaluator: Evaluator, keys: PublicKeys) -> Self {
        Self { evaluator, keys }
    }

    fn evaluate(&self, operation: &Operation, operands: &[Ciphertext]) -> Result<Ciphertext, EngineError> {
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
            Ok(result.to_bytes())
        } else {
            Err(EngineError::Kind { expected: operation.kind, found: result.kind() })
        }
    }

    fn squash(&self, key: KeyId, kind: FheType, ciphertext: &[u8]) -> Result<Vec<u8>, EngineError> {
        let ciphertext = Ciphertext::parse(kind, ciphertext).map_err(EngineError::Stored)?;
        let samples = self.evaluator.squash(&ciphertext)?;
        Ok(SampleList::new(key, kind, samples.words)?.encode())
    }

    fn verify_input(&self, list: &[u8], context: &InputContext) -> Result<Vec<(FheType, Vec<u8>)>, InputError> {
        let values = self.evaluator.verify_input(&self.keys, list, context)?;
        Ok(values.into_iter().map(|value| (value.kind(), value.to_bytes())).collect())
    }
}

/// The profile under which digests are attested: coprocessors with equal profiles make equal bytes.
#[must_use]
pub fn profile_of(arithmetic: &str) -> B256 {
    Transcript::new(tags::PROFILE)
        .bytes(arithmetic.as_bytes())
        .bytes(params::LIBRARY.as_bytes())
        .bytes(params::NAME.as_bytes())
        .finish()
}

/// Profile of this machine, for the cluster file.
#[must_use]
pub fn local_profile() -> B256 {
    profile_of(tkms_fhe::arithmetic())
}
