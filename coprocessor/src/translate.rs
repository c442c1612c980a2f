//! Events of executor and ACL, translated into what the scheduler does. Pure: a log goes in, actions come out.

use crate::operation::{Expression, Operation, Right};
use crate::store::Action;
use alloy::sol_types::SolEventInterface;
use alloy_primitives::{Address, B256, FixedBytes, Log, U256};
use tkms_eth::bindings::{FHEEvents, IACL};
use tkms_fhe::{BinaryOp, UnaryOp};
use tkms_types::{Handle, HostChain};

/// The contracts whose logs are read and the chain they are on.
#[derive(Clone, Copy, Debug)]
pub struct Translator {
    executor: Address,
    acl: Address,
    chain_id: u64,
}

/// A log that is none of the events known here.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// Emitted by somebody else.
    #[error("log of {0}, which is neither executor nor ACL")]
    Stranger(Address),
    /// Topics or data do not decode.
    #[error("log of {contract} with first topic {topic:?} does not decode: {error}")]
    Malformed {
        /// Who emitted it.
        contract: Address,
        /// Its first topic.
        topic: Option<B256>,
        /// What is wrong.
        error: String,
    },
}

impl Translator {
    /// For one host chain.
    #[must_use]
    pub const fn new(chain: &HostChain) -> Self {
        Self { executor: chain.contracts.executor, acl: chain.contracts.acl, chain_id: chain.chain_id }
    }

    /// First topics of all events translated here.
    #[must_use]
    pub fn topics() -> Vec<B256> {
        let executor = FHEEvents::FHEEventsEvents::SELECTORS.iter().map(|topic| B256::new(*topic));
        executor.chain([<IACL::AllowedForDecryption as alloy::sol_types::SolEvent>::SIGNATURE_HASH]).collect()
    }

    /// What a log asks for; nothing for events of no interest.
    ///
    /// # Errors
    /// [`TranslateError`].
    pub fn translate(&self, log: &Log) -> Result<Vec<Action>, TranslateError> {
        let malformed = |error: alloy::sol_types::Error| TranslateError::Malformed {
            contract: log.address,
            topic: log.topics().first().copied(),
            error: error.to_string(),
        };
        if log.address == self.executor {
            let event = FHEEvents::FHEEventsEvents::decode_log(log).map_err(malformed)?;
            return Ok(vec![self.announce(event.data)]);
        }
        if log.address != self.acl {
            return Err(TranslateError::Stranger(log.address));
        }
        let IACL::IACLEvents::AllowedForDecryption(event) = IACL::IACLEvents::decode_log(log).map_err(malformed)?.data
        else {
            return Ok(Vec::new());
        };
        // The ACL lets nobody publish a handle of another chain or an unknown type; if it did, there would be nothing to do.
        let handles = event.handlesList.into_iter().map(Handle);
        let ours = handles.filter(|handle| handle.check().is_ok() && handle.chain_id() == self.chain_id);
        Ok(ours.map(Action::Decrypt).collect())
    }

    /// The operation of an event, if its handle can name a value of this chain.
    fn announce(&self, event: FHEEvents::FHEEventsEvents) -> Action {
        let (result, expression) = expression(event);
        let refuse = |reason: String| Action::Refuse { handle: result, reason };
        let kind = match result.check() {
            Ok(kind) => kind,
            Err(error) => return refuse(error.to_string()),
        };
        if result.chain_id() != self.chain_id {
            return refuse(format!("the handle names chain {}, the event is of {}", result.chain_id(), self.chain_id));
        }
        match expression {
            Ok(expression) => Action::Announce(Operation { result, kind, expression }),
            Err(reason) => refuse(reason),
        }
    }
}

/// Result handle and meaning of an event, or why it has none.
fn expression(event: FHEEvents::FHEEventsEvents) -> (Handle, Result<Expression, String>) {
    use FHEEvents::FHEEventsEvents as E;
    /// All binary events have the same fields but are different types.
    macro_rules! binary {
        ($event:ident, $op:ident) => {
            (Handle($event.result), binary(BinaryOp::$op, $event.lhs, $event.rhs, $event.scalarByte))
        };
    }
    macro_rules! unary {
        ($event:ident, $op:ident) => {
            (Handle($event.result), Ok(Expression::Unary { code: UnaryOp::$op as u8, value: Handle($event.ct) }))
        };
    }
    match event {
        E::FheAdd(e) => binary!(e, Add),
        E::FheSub(e) => binary!(e, Sub),
        E::FheMul(e) => binary!(e, Mul),
        E::FheDiv(e) => binary!(e, Div),
        E::FheRem(e) => binary!(e, Rem),
        E::FheBitAnd(e) => binary!(e, And),
        E::FheBitOr(e) => binary!(e, Or),
        E::FheBitXor(e) => binary!(e, Xor),
        E::FheShl(e) => binary!(e, Shl),
        E::FheShr(e) => binary!(e, Shr),
        E::FheRotl(e) => binary!(e, Rotl),
        E::FheRotr(e) => binary!(e, Rotr),
        E::FheEq(e) => binary!(e, Eq),
        E::FheNe(e) => binary!(e, Ne),
        E::FheGe(e) => binary!(e, Ge),
        E::FheGt(e) => binary!(e, Gt),
        E::FheLe(e) => binary!(e, Le),
        E::FheLt(e) => binary!(e, Lt),
        E::FheMin(e) => binary!(e, Min),
        E::FheMax(e) => binary!(e, Max),
        E::FheNeg(e) => unary!(e, Neg),
        E::FheNot(e) => unary!(e, Not),
        E::VerifyInput(e) => (Handle(e.result), input(e.inputHandle, e.result)),
        E::Cast(e) => (Handle(e.result), typed(e.toType, e.result, Expression::Cast(Handle(e.ct)))),
        E::TrivialEncrypt(e) => (Handle(e.result), typed(e.toType, e.result, Expression::Trivial(e.pt))),
        E::FheIfThenElse(e) => {
            let (condition, yes, no) = (Handle(e.control), Handle(e.ifTrue), Handle(e.ifFalse));
            (Handle(e.result), Ok(Expression::Select { condition, yes, no }))
        }
        E::FheRand(e) => (Handle(e.result), typed(e.randType, e.result, Expression::Random(e.seed))),
        E::FheRandBounded(e) => {
            let expression = Expression::RandomBounded { seed: e.seed, bound: e.upperBound };
            (Handle(e.result), typed(e.randType, e.result, expression))
        }
        E::FheSum(e) => (Handle(e.result), Ok(Expression::Sum(e.values.into_iter().map(Handle).collect()))),
        E::FheIsIn(e) => {
            let set = e.values.into_iter().map(Handle).collect();
            (Handle(e.result), Ok(Expression::IsIn { value: Handle(e.value), set }))
        }
    }
}

fn binary(op: BinaryOp, left: B256, right: B256, scalar: FixedBytes<1>) -> Result<Expression, String> {
    let right = match scalar.0 {
        [0] => Right::Handle(Handle(right)),
        [1] => Right::Scalar(U256::from_be_bytes(right.0)),
        [other] => return Err(format!("scalar byte {other:#04x} is neither 0 nor 1")),
    };
    Ok(Expression::Binary { code: op as u8, left: Handle(left), right })
}

fn input(announced: B256, result: B256) -> Result<Expression, String> {
    if announced == result {
        Ok(Expression::Input)
    } else {
        Err(format!("the event turns input {announced} into another handle"))
    }
}

/// The type an event states must be the one its handle states.
fn typed(kind: u8, result: B256, expression: Expression) -> Result<Expression, String> {
    match result.0 {
        [.., stated, _] if stated == kind => Ok(expression),
        _ => Err(format!("the event states type {kind}, the handle another")),
    }
}
