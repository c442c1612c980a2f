//! Evaluates the operations of the executor on typed ciphertexts.

use crate::ciphertext::{Ciphertext, Value, block_count};
use crate::keys::{KeyError, SERVER_KEY_BYTES};
use crate::ops::{BinaryOp, UnaryOp, is_arithmetic, is_integer};
use crate::params;
use alloy_primitives::U256;
use std::io::Read;
use tfhe::conformance::ParameterSetConformant;
use tfhe::integer::oprf::OprfServerKey;
use tfhe::integer::prelude::{IntegerRadixCiphertext, ServerKeyDefaultCMux};
use tfhe::integer::{BooleanBlock, RadixCiphertext, U256 as Scalar};
use tfhe::safe_serialization::safe_deserialize;
use tfhe::{CompressedServerKey, Config, ServerKey};
use tkms_types::FheType;

/// What a server key is checked against.
type Shape = <CompressedServerKey as ParameterSetConformant>::ParameterSet;

/// The second operand of a binary operation.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A ciphertext.
    Encrypted(&'a Ciphertext),
    /// A plaintext; truncated to the type of the first operand.
    Clear(U256),
}

/// Operands that an operation does not take. The executor contract lets none of these happen, so they mean that
/// events and ciphertexts do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The operation does not exist for this type.
    #[error("{op} does not exist for {kind:?}")]
    Unsupported {
        /// The operation.
        op: String,
        /// Type of the first operand.
        kind: FheType,
    },
    /// Operands that must be of one type are not.
    #[error("{op} of {left:?} and {right:?}")]
    Mismatch {
        /// The operation.
        op: String,
        /// Type of the first operand.
        left: FheType,
        /// Type of the second operand.
        right: FheType,
    },
    /// Division by a ciphertext.
    #[error("{0:?} takes a plaintext divisor only")]
    EncryptedDivisor(BinaryOp),
    /// Division by zero, after truncation.
    #[error("division of {0:?} by zero")]
    DivisionByZero(FheType),
    /// A bound of a random value that is no power of two or exceeds the type.
    #[error("a random {kind:?} cannot be bounded by {bound}")]
    Bound {
        /// The type.
        kind: FheType,
        /// The bound.
        bound: U256,
    },
    /// The key set has no squash key.
    #[error("the server key cannot squash noise")]
    NoSquashKey,
    /// The library returned another number of blocks than the type has.
    #[error("{kind:?} came back as {blocks} blocks of {words} words")]
    Shape {
        /// The type.
        kind: FheType,
        /// Blocks found.
        blocks: usize,
        /// Words found in all.
        words: usize,
    },
    /// tfhe failed.
    #[error("the FHE library failed: {0}")]
    Library(#[from] tfhe::Error),
}

/// The evaluation keys, ready for use: about 1.1 GB, 0.3 GB without squash key. Cheap to clone; all methods may run on any thread and spread
/// their work over rayon's pool, so asynchronous callers put them on a blocking thread.
#[derive(Clone)]
pub struct Evaluator {
    pub(crate) key: ServerKey,
    random: std::sync::Arc<OprfServerKey>,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Evaluator")
    }
}

impl Evaluator {
    /// Reads a server key as `deal` or `deal_exact` made it, checks it against the parameters and expands it: some 5 s
    /// on two cores, 1 s without squash key. The caller checks the digest of the bytes.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are too long, malformed, of other parameters or lack a part.
    pub fn load(reader: impl Read) -> Result<Self, KeyError> {
        let what = "server key";
        let compressed: CompressedServerKey =
            safe_deserialize(reader, SERVER_KEY_BYTES).map_err(|reason| KeyError::Malformed { what, reason })?;
        let fits = |config: Config| compressed.is_conformant(&Shape::from(config));
        if !fits(params::config()) && !fits(params::exact_config()) {
            return Err(KeyError::Parameters { what });
        }
        // Part by part, the largest first, each compressed form dropped at once: halves the peak of memory.
        let (compute, casting, _, _, squash, _, _, random, _, tag) = compressed.into_raw_parts();
        let (Some(casting), Some(random)) = (casting, random) else { return Err(KeyError::Parameters { what }) };
        let expanded_squash = squash.map(|squash| squash.decompress());
        let expanded_compute = compute.decompress();
        drop(compute);
        let key = ServerKey::from_raw_parts(
            expanded_compute,
            Some(casting.decompress()),
            None,
            None,
            expanded_squash,
            None,
            None,
            None,
            None,
            tag,
        );
        Ok(Self { key, random: std::sync::Arc::new(random.expand().to_fourier()) })
    }

    pub(crate) fn compute(&self) -> &tfhe::integer::ServerKey {
        self.key.as_ref()
    }

    /// A plaintext in the form of a ciphertext (`trivialEncrypt`); the value is truncated to the type.
    #[must_use]
    pub fn trivial(&self, kind: FheType, value: U256) -> Ciphertext {
        let value = truncate(kind, value);
        if kind == FheType::Bool {
            Ciphertext::bool(self.compute().create_trivial_boolean_block(!value.is_zero()))
        } else {
            Ciphertext::uint(kind, self.compute().create_trivial_radix(scalar(value), block_count(kind)))
        }
    }

    /// Negation (two's complement) or bitwise complement.
    ///
    /// # Errors
    /// [`EvalError::Unsupported`] for an address, and for the negation of a bool.
    pub fn unary(&self, op: UnaryOp, value: &Ciphertext) -> Result<Ciphertext, EvalError> {
        let kind = value.kind();
        if !op.takes(kind) {
            return Err(unsupported(&op, kind));
        }
        match (op, &value.value) {
            (UnaryOp::Not, Value::Bool(a)) => Ok(Ciphertext::bool(self.compute().boolean_bitnot(a))),
            (UnaryOp::Not, Value::Uint(a)) => Ok(Ciphertext::uint(kind, self.compute().bitnot(a))),
            (UnaryOp::Neg, Value::Uint(a)) => Ok(Ciphertext::uint(kind, self.compute().neg_parallelized(a))),
            (UnaryOp::Neg, Value::Bool(_)) => Err(unsupported(&op, kind)),
        }
    }

    /// `condition ? yes : no` (`fheIfThenElse`).
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] unless the condition is a bool and the two values are of one type.
    pub fn select(&self, condition: &Ciphertext, yes: &Ciphertext, no: &Ciphertext) -> Result<Ciphertext, EvalError> {
        let mismatch = |left, right| EvalError::Mismatch { op: "select".into(), left, right };
        let Value::Bool(condition) = &condition.value else {
            return Err(mismatch(condition.kind(), FheType::Bool));
        };
        match (&yes.value, &no.value) {
            (Value::Bool(a), Value::Bool(b)) => {
                Ok(Ciphertext::bool(self.compute().if_then_else_parallelized(condition, a, b)))
            }
            (Value::Uint(a), Value::Uint(b)) if yes.kind() == no.kind() => {
                Ok(Ciphertext::uint(yes.kind(), self.compute().if_then_else_parallelized(condition, a, b)))
            }
            _ => Err(mismatch(yes.kind(), no.kind())),
        }
    }

    /// Extends with zeros or truncates to another integer type.
    ///
    /// # Errors
    /// [`EvalError::Unsupported`] for a cast to bool, to the value's own type, and from or to an address.
    pub fn cast(&self, value: &Ciphertext, to: FheType) -> Result<Ciphertext, EvalError> {
        let from = value.kind();
        if !is_integer(to) || from == to || from == FheType::Uint160 {
            return Err(unsupported(&format_args!("cast to {to:?}"), from));
        }
        let blocks = block_count(to);
        let radix = match &value.value {
            Value::Bool(block) => block.clone().into_radix(blocks, self.compute()),
            Value::Uint(radix) => self.compute().cast_to_unsigned(radix.clone(), blocks),
        };
        Ok(Ciphertext::uint(to, radix))
    }

    /// A value nobody knows, the same for everybody who uses the same seed and key.
    ///
    /// # Errors
    /// [`EvalError::Unsupported`] for an address; [`EvalError::Shape`] if the library returns no block.
    pub fn random(&self, kind: FheType, seed: [u8; 16]) -> Result<Ciphertext, EvalError> {
        if kind == FheType::Uint160 {
            return Err(unsupported(&"random", kind));
        }
        self.random_bits(kind, seed, kind.bits())
    }

    /// As [`Evaluator::random`], below a power of two.
    ///
    /// # Errors
    /// [`EvalError::Bound`] unless the bound is a power of two of at most the type's width;
    /// [`EvalError::Unsupported`] for bools and addresses.
    pub fn random_bounded(&self, kind: FheType, seed: [u8; 16], bound: U256) -> Result<Ciphertext, EvalError> {
        if !is_integer(kind) {
            return Err(unsupported(&"bounded random", kind));
        }
        if !bound.is_power_of_two() || bound.trailing_zeros() > kind.bits() {
            return Err(EvalError::Bound { kind, bound });
        }
        self.random_bits(kind, seed, bound.trailing_zeros())
    }

    fn random_bits(&self, kind: FheType, seed: [u8; 16], bits: usize) -> Result<Ciphertext, EvalError> {
        let radix = self.random.as_view().par_generate_oblivious_pseudo_random_unsigned_integer_bounded(
            seed.as_slice(),
            bits as u64,
            block_count(kind) as u64,
            self.compute(),
        );
        if kind != FheType::Bool {
            return Ok(Ciphertext::uint(kind, radix));
        }
        let block = radix.into_blocks().into_iter().next();
        let block = block.ok_or(EvalError::Shape { kind, blocks: 0, words: 0 })?;
        Ok(Ciphertext::bool(BooleanBlock::new_unchecked(block)))
    }

    /// The sum of values of one type of 8 to 128 bits (`fheSum`), wrapping; zero for none.
    ///
    /// # Errors
    /// [`EvalError`] if a value is of another type, or there is no sum of the type.
    pub fn sum(&self, kind: FheType, values: &[Ciphertext]) -> Result<Ciphertext, EvalError> {
        if !is_arithmetic(kind) {
            return Err(unsupported(&"sum", kind));
        }
        let sum = self.compute().sum_ciphertexts_parallelized(radixes("sum", kind, values)?);
        Ok(sum.map_or_else(|| self.trivial(kind, U256::ZERO), |radix| Ciphertext::uint(kind, radix)))
    }

    /// Whether an integer or address is among others of its type (`fheIsIn`); false if there are none.
    ///
    /// # Errors
    /// [`EvalError::Mismatch`] if one is of another type, [`EvalError::Unsupported`] for bools.
    pub fn is_in(&self, value: &Ciphertext, set: &[Ciphertext]) -> Result<Ciphertext, EvalError> {
        let kind = value.kind();
        let Value::Uint(wanted) = &value.value else { return Err(unsupported(&"is in", kind)) };
        let set: Vec<RadixCiphertext> = radixes("is in", kind, set)?.into_iter().cloned().collect();
        Ok(Ciphertext::bool(self.compute().contains_parallelized(&set, wanted)))
    }
}

/// The values of a list, all of one type.
fn radixes<'c>(op: &str, kind: FheType, values: &'c [Ciphertext]) -> Result<Vec<&'c RadixCiphertext>, EvalError> {
    let radix = |value: &'c Ciphertext| match &value.value {
        Value::Uint(radix) if value.kind() == kind => Ok(radix),
        _ => Err(EvalError::Mismatch { op: op.into(), left: kind, right: value.kind() }),
    };
    values.iter().map(radix).collect()
}

pub(crate) fn unsupported(op: &dyn std::fmt::Debug, kind: FheType) -> EvalError {
    EvalError::Unsupported { op: format!("{op:?}"), kind }
}

pub(crate) fn truncate(kind: FheType, value: U256) -> U256 {
    value & (U256::MAX >> (256 - kind.bits()))
}

/// The library's 256-bit integer.
pub(crate) fn scalar(value: U256) -> Scalar {
    Scalar::from(value.into_limbs())
}
