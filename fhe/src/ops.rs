//! The executor's operation codes (byte of the handle pre-image, order of `FHEVMExecutor.Operators`) and the types they
//! take.

use tkms_types::FheType;

/// An operation on two values of which the second may be a plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add = 0,
    Sub = 1,
    Mul = 2,
    /// By a plaintext only.
    Div = 3,
    /// By a plaintext only.
    Rem = 4,
    And = 5,
    Or = 6,
    Xor = 7,
    /// Shifts and rotations take their amount modulo the width of the value, as the library for contracts documents it:
    /// a euint64 shifted by 70 is shifted by 6. The FHE library alone would give zero.
    Shl = 8,
    Shr = 9,
    Rotl = 10,
    Rotr = 11,
    Eq = 12,
    Ne = 13,
    Ge = 14,
    Gt = 15,
    Le = 16,
    Lt = 17,
    Min = 18,
    Max = 19,
}

impl BinaryOp {
    /// Every operation, in the order of its code.
    pub const ALL: [Self; 20] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Rem,
        Self::And,
        Self::Or,
        Self::Xor,
        Self::Shl,
        Self::Shr,
        Self::Rotl,
        Self::Rotr,
        Self::Eq,
        Self::Ne,
        Self::Ge,
        Self::Gt,
        Self::Le,
        Self::Lt,
        Self::Min,
        Self::Max,
    ];

    /// The operation with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u8 == code)
    }

    /// Whether the result is a bool whatever the operands are.
    #[must_use]
    pub const fn compares(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Ge | Self::Gt | Self::Le | Self::Lt)
    }

    /// Whether the executor offers it on values of this type (fhevm-compat §1.3). All are unsigned.
    #[must_use]
    pub const fn takes(self, kind: FheType) -> bool {
        match self {
            Self::Eq | Self::Ne => true,
            Self::And | Self::Or | Self::Xor => !matches!(kind, FheType::Uint160),
            Self::Shl | Self::Shr | Self::Rotl | Self::Rotr => is_integer(kind),
            _ => is_arithmetic(kind),
        }
    }

    pub(crate) const fn shifts(self) -> bool {
        matches!(self, Self::Shl | Self::Shr | Self::Rotl | Self::Rotr)
    }
}

/// Whether there is arithmetic and order on a type: 8 to 128 bits.
pub(crate) const fn is_arithmetic(kind: FheType) -> bool {
    !matches!(kind, FheType::Bool | FheType::Uint160 | FheType::Uint256)
}

/// Whether a type is an integer that can be negated, shifted, cast and drawn at random: 8 to 256 bits, no address.
pub(crate) const fn is_integer(kind: FheType) -> bool {
    !matches!(kind, FheType::Bool | FheType::Uint160)
}

/// An operation on one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum UnaryOp {
    Neg = 20,
    Not = 21,
}

impl UnaryOp {
    /// Whether the executor offers it on values of this type.
    #[must_use]
    pub const fn takes(self, kind: FheType) -> bool {
        is_integer(kind) || matches!((self, kind), (Self::Not, FheType::Bool))
    }

    /// The operation with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Neg, Self::Not].into_iter().find(|op| *op as u8 == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_one_operation() {
        for code in 0..=u8::MAX {
            assert_eq!(BinaryOp::from_code(code).map(|op| op as u8), (code < 20).then_some(code));
            assert_eq!(UnaryOp::from_code(code).map(|op| op as u8), (20..22).contains(&code).then_some(code));
        }
    }
}
