//! Operations on two values, the second of which may be a plaintext.

use crate::ciphertext::{Ciphertext, Value};
use crate::eval::{EvalError, Evaluator, Operand, scalar, truncate, unsupported};
use crate::ops::BinaryOp;
use crate::params::BLOCK_BITS;
use alloy_primitives::U256;
use tfhe::integer::{BooleanBlock, RadixCiphertext};
use tkms_types::FheType;

impl Evaluator {
    /// An operation on two values of one type; shifts take an amount of any integer type.
    ///
    /// # Errors
    /// [`EvalError`] if the operation does not take such operands.
    pub fn binary(&self, op: BinaryOp, left: &Ciphertext, right: Operand<'_>) -> Result<Ciphertext, EvalError> {
        let kind = left.kind();
        if !op.takes(kind) {
            return Err(unsupported(&op, kind));
        }
        match (&left.value, right) {
            (Value::Uint(a), Operand::Clear(value)) => self.with_scalar(op, kind, a, truncate(kind, value)),
            (Value::Bool(a), Operand::Clear(value)) => {
                let b = self.compute().create_trivial_boolean_block(!truncate(kind, value).is_zero());
                self.on_bools(op, a, &b)
            }
            (_, Operand::Encrypted(right)) => match (&left.value, &right.value) {
                (Value::Bool(a), Value::Bool(b)) => self.on_bools(op, a, b),
                (Value::Uint(a), Value::Uint(b)) if kind == right.kind() || op.shifts() => {
                    self.on_uints(op, kind, a, b)
                }
                _ => Err(EvalError::Mismatch { op: format!("{op:?}"), left: kind, right: right.kind() }),
            },
        }
    }

    fn on_bools(&self, op: BinaryOp, a: &BooleanBlock, b: &BooleanBlock) -> Result<Ciphertext, EvalError> {
        let key = self.compute();
        Ok(Ciphertext::bool(match op {
            BinaryOp::And => key.boolean_bitand(a, b),
            BinaryOp::Or => key.boolean_bitor(a, b),
            BinaryOp::Xor | BinaryOp::Ne => key.boolean_bitxor(a, b),
            BinaryOp::Eq => key.boolean_bitnot(&key.boolean_bitxor(a, b)),
            _ => return Err(unsupported(&op, FheType::Bool)),
        }))
    }

    fn on_uints(
        &self,
        op: BinaryOp,
        kind: FheType,
        a: &RadixCiphertext,
        b: &RadixCiphertext,
    ) -> Result<Ciphertext, EvalError> {
        let key = self.compute();
        let bool = |block| Ok(Ciphertext::bool(block));
        let radix = match op {
            BinaryOp::Eq => return bool(key.eq_parallelized(a, b)),
            BinaryOp::Ne => return bool(key.ne_parallelized(a, b)),
            BinaryOp::Ge => return bool(key.ge_parallelized(a, b)),
            BinaryOp::Gt => return bool(key.gt_parallelized(a, b)),
            BinaryOp::Le => return bool(key.le_parallelized(a, b)),
            BinaryOp::Lt => return bool(key.lt_parallelized(a, b)),
            BinaryOp::Div | BinaryOp::Rem => return Err(EvalError::EncryptedDivisor(op)),
            BinaryOp::Add => key.add_parallelized(a, b),
            BinaryOp::Sub => key.sub_parallelized(a, b),
            BinaryOp::Mul => key.mul_parallelized(a, b),
            BinaryOp::And => key.bitand_parallelized(a, b),
            BinaryOp::Or => key.bitor_parallelized(a, b),
            BinaryOp::Xor => key.bitxor_parallelized(a, b),
            BinaryOp::Min => key.min_parallelized(a, b),
            BinaryOp::Max => key.max_parallelized(a, b),
            BinaryOp::Shl => key.left_shift_parallelized(a, &self.amount(kind, b)),
            BinaryOp::Shr => key.right_shift_parallelized(a, &self.amount(kind, b)),
            BinaryOp::Rotl => key.rotate_left_parallelized(a, &self.amount(kind, b)),
            BinaryOp::Rotr => key.rotate_right_parallelized(a, &self.amount(kind, b)),
        };
        Ok(Ciphertext::uint(kind, radix))
    }

    fn with_scalar(
        &self,
        op: BinaryOp,
        kind: FheType,
        a: &RadixCiphertext,
        value: U256,
    ) -> Result<Ciphertext, EvalError> {
        let key = self.compute();
        let b = scalar(value);
        let bool = |block| Ok(Ciphertext::bool(block));
        if value.is_zero() && matches!(op, BinaryOp::Div | BinaryOp::Rem) {
            return Err(EvalError::DivisionByZero(kind));
        }
        let amount = || value.as_limbs()[0] & ((1 << shift_bits(kind)) - 1);
        let radix = match op {
            BinaryOp::Eq => return bool(key.scalar_eq_parallelized(a, b)),
            BinaryOp::Ne => return bool(key.scalar_ne_parallelized(a, b)),
            BinaryOp::Ge => return bool(key.scalar_ge_parallelized(a, b)),
            BinaryOp::Gt => return bool(key.scalar_gt_parallelized(a, b)),
            BinaryOp::Le => return bool(key.scalar_le_parallelized(a, b)),
            BinaryOp::Lt => return bool(key.scalar_lt_parallelized(a, b)),
            BinaryOp::Add => key.scalar_add_parallelized(a, b),
            BinaryOp::Sub => key.scalar_sub_parallelized(a, b),
            BinaryOp::Mul => key.scalar_mul_parallelized(a, b),
            BinaryOp::Div => key.scalar_div_parallelized(a, b),
            BinaryOp::Rem => key.scalar_rem_parallelized(a, b),
            BinaryOp::And => key.scalar_bitand_parallelized(a, b),
            BinaryOp::Or => key.scalar_bitor_parallelized(a, b),
            BinaryOp::Xor => key.scalar_bitxor_parallelized(a, b),
            BinaryOp::Min => key.scalar_min_parallelized(a, b),
            BinaryOp::Max => key.scalar_max_parallelized(a, b),
            BinaryOp::Shl => key.scalar_left_shift_parallelized(a, amount()),
            BinaryOp::Shr => key.scalar_right_shift_parallelized(a, amount()),
            BinaryOp::Rotl => key.scalar_rotate_left_parallelized(a, amount()),
            BinaryOp::Rotr => key.scalar_rotate_right_parallelized(a, amount()),
        };
        Ok(Ciphertext::uint(kind, radix))
    }

    /// An encrypted shift amount modulo the width of the shifted type: its low bits. tfhe alone would give zero for
    /// an amount that exceeds the width.
    fn amount(&self, kind: FheType, amount: &RadixCiphertext) -> RadixCiphertext {
        let bits = shift_bits(kind);
        let blocks = bits.div_ceil(BLOCK_BITS as u32) as usize;
        let low = self.compute().cast_to_unsigned(amount.clone(), blocks);
        if bits.is_multiple_of(BLOCK_BITS as u32) {
            return low;
        }
        self.compute().scalar_bitand_parallelized(&low, (1u64 << bits) - 1)
    }
}

/// Bits of a shift amount: every type that is shifted has a power of two as its width.
const fn shift_bits(kind: FheType) -> u32 {
    kind.bits().ilog2()
}
