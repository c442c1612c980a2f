//! What the executor contract asks to be computed, as it is kept in the database.

use alloy_primitives::{B128, U256};
use serde::{Deserialize, Serialize};
use tkms_types::{FheType, Handle};

/// One operation of the executor: how the value of `result` follows from other handles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Names the value. It hashes everything the value depends on, so a reorganisation never gives it another one.
    pub result: Handle,
    /// Type of the result, as its handle says.
    pub kind: FheType,
    /// How the value is made.
    pub expression: Expression,
}

/// How a value is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expression {
    /// Sent by a user and verified off chain.
    Input,
    /// A public value.
    Trivial(U256),
    /// Operation codes 0 … 19 (`tkms_fhe::BinaryOp`).
    Binary {
        /// The code.
        code: u8,
        /// First operand.
        left: Handle,
        /// Second operand.
        right: Right,
    },
    /// Operation codes 20 and 21 (`tkms_fhe::UnaryOp`).
    Unary {
        /// The code.
        code: u8,
        /// The operand.
        value: Handle,
    },
    /// `condition ? yes : no`.
    Select {
        /// A bool.
        condition: Handle,
        /// Taken if true.
        yes: Handle,
        /// Taken if false.
        no: Handle,
    },
    /// Another integer type.
    Cast(Handle),
    /// A value nobody knows.
    Random(B128),
    /// A value nobody knows, below a bound.
    RandomBounded {
        /// From the event: all coprocessors draw the same value.
        seed: B128,
        /// A power of two.
        bound: U256,
    },
    /// Sum of a list.
    Sum(Vec<Handle>),
    /// Whether a value is in a list.
    IsIn {
        /// Looked for.
        value: Handle,
        /// Looked through.
        set: Vec<Handle>,
    },
}

/// Second operand of a binary operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Right {
    /// A ciphertext.
    Handle(Handle),
    /// A plaintext in the word of the event.
    Scalar(U256),
}

impl Operation {
    /// Handles it reads, in the order [`crate::engine::Engine::compute`] takes their values.
    #[must_use]
    pub fn operands(&self) -> Vec<Handle> {
        match &self.expression {
            Expression::Input | Expression::Trivial(_) | Expression::Random(_) | Expression::RandomBounded { .. } => {
                Vec::new()
            }
            Expression::Binary { left, right: Right::Handle(right), .. } => vec![*left, *right],
            Expression::Binary { left, right: Right::Scalar(_), .. } => vec![*left],
            Expression::Unary { value, .. } | Expression::Cast(value) => vec![*value],
            Expression::Select { condition, yes, no } => vec![*condition, *yes, *no],
            Expression::Sum(values) => values.clone(),
            Expression::IsIn { value, set } => std::iter::once(*value).chain(set.iter().copied()).collect(),
        }
    }
}
