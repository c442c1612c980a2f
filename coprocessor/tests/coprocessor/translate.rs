//! Every event of executor and ACL, and what it becomes.

use crate::insecure::{ACL, CHAIN, EXECUTOR, chain, handle};
use alloy::sol_types::SolEvent;
use alloy_primitives::{Address, B128, B256, FixedBytes, Log, U256};
use tkms_coprocessor::operation::{Expression, Operation, Right};
use tkms_coprocessor::store::Action;
use tkms_coprocessor::translate::{TranslateError, Translator};
use tkms_eth::bindings::{FHEEvents, IACL};
use tkms_fhe::{BinaryOp, UnaryOp};
use tkms_types::{FheType, Handle};

const CALLER: Address = Address::repeat_byte(0xca);
const U64: u8 = FheType::Uint64 as u8;

fn log(contract: Address, event: &impl SolEvent) -> Log {
    Log { address: contract, data: event.encode_log_data() }
}

fn translate(log: &Log) -> Result<Vec<Action>, TranslateError> {
    Translator::new(&chain()).translate(log)
}

/// The one action of an executor event.
fn action(event: &impl SolEvent) -> Action {
    let mut actions = translate(&log(EXECUTOR, event)).unwrap();
    assert_eq!(actions.len(), 1);
    actions.remove(0)
}

/// Its expression, for the result handle 9.
fn expression(event: &impl SolEvent) -> Expression {
    match action(event) {
        Action::Announce(Operation { result, kind: FheType::Uint64, expression }) if result == handle(9) => expression,
        other => panic!("{other:?}"),
    }
}

fn word(number: u8) -> B256 {
    handle(number).0
}

#[test]
fn every_binary_event_keeps_its_operation_operands_and_scalar_flag() {
    macro_rules! check {
        ($($event:ident => $op:ident),*) => {$(
            let event = |scalar: u8| FHEEvents::$event {
                caller: CALLER, lhs: word(1), rhs: word(2), scalarByte: FixedBytes([scalar]), result: word(9),
            };
            let expected = |right| Expression::Binary { code: BinaryOp::$op as u8, left: handle(1), right };
            assert_eq!(expression(&event(0)), expected(Right::Handle(handle(2))));
            assert_eq!(expression(&event(1)), expected(Right::Scalar(word(2).into())));
            assert!(matches!(action(&event(2)), Action::Refuse { handle: refused, .. } if refused == handle(9)));
        )*};
    }
    check!(
        FheAdd => Add, FheSub => Sub, FheMul => Mul, FheDiv => Div, FheRem => Rem, FheBitAnd => And, FheBitOr => Or,
        FheBitXor => Xor, FheShl => Shl, FheShr => Shr, FheRotl => Rotl, FheRotr => Rotr, FheEq => Eq, FheNe => Ne,
        FheGe => Ge, FheGt => Gt, FheLe => Le, FheLt => Lt, FheMin => Min, FheMax => Max
    );
}

#[test]
fn every_other_event_keeps_what_its_result_depends_on() {
    let (caller, result) = (CALLER, word(9));
    let unary = |op: UnaryOp| Expression::Unary { code: op as u8, value: handle(1) };
    assert_eq!(expression(&FHEEvents::FheNeg { caller, ct: word(1), result }), unary(UnaryOp::Neg));
    assert_eq!(expression(&FHEEvents::FheNot { caller, ct: word(1), result }), unary(UnaryOp::Not));
    let cast = FHEEvents::Cast { caller, ct: word(1), toType: U64, result };
    assert_eq!(expression(&cast), Expression::Cast(handle(1)));
    let trivial = FHEEvents::TrivialEncrypt { caller, pt: U256::from(5), toType: U64, result };
    assert_eq!(expression(&trivial), Expression::Trivial(U256::from(5)));
    let select = FHEEvents::FheIfThenElse { caller, control: word(1), ifTrue: word(2), ifFalse: word(3), result };
    let expected = Expression::Select { condition: handle(1), yes: handle(2), no: handle(3) };
    assert_eq!(expression(&select), expected);
    let seed = B128::repeat_byte(6);
    let random = FHEEvents::FheRand { caller, randType: U64, seed, result };
    assert_eq!(expression(&random), Expression::Random(seed));
    let bound = U256::from(16);
    let bounded = FHEEvents::FheRandBounded { caller, upperBound: bound, randType: U64, seed, result };
    assert_eq!(expression(&bounded), Expression::RandomBounded { seed, bound });
    let sum = FHEEvents::FheSum { caller, values: vec![word(1), word(2)], result };
    assert_eq!(expression(&sum), Expression::Sum(vec![handle(1), handle(2)]));
    let is_in = FHEEvents::FheIsIn { caller, value: word(1), values: vec![word(2)], result };
    assert_eq!(expression(&is_in), Expression::IsIn { value: handle(1), set: vec![handle(2)] });
    assert_eq!(expression(&verify_input(word(9))), Expression::Input);
}

fn verify_input(result: B256) -> FHEEvents::VerifyInput {
    FHEEvents::VerifyInput {
        caller: CALLER,
        inputHandle: word(9),
        userAddress: CALLER,
        inputProof: vec![1, 2].into(),
        inputType: U64,
        result,
    }
}

#[test]
fn operands_are_listed_in_the_order_the_engine_takes_them() {
    let select = Expression::Select { condition: handle(3), yes: handle(1), no: handle(2) };
    let operation = |expression| Operation { result: handle(9), kind: FheType::Uint64, expression };
    assert_eq!(operation(select).operands(), [handle(3), handle(1), handle(2)]);
    let is_in = Expression::IsIn { value: handle(5), set: vec![handle(4), handle(5)] };
    assert_eq!(operation(is_in).operands(), [handle(5), handle(4), handle(5)]);
    let scalar = Expression::Binary { code: 0, left: handle(1), right: Right::Scalar(U256::ZERO) };
    assert_eq!(operation(scalar).operands(), [handle(1)]);
}

#[test]
fn an_event_that_contradicts_its_handle_is_refused() {
    let refused = |event: &FHEEvents::TrivialEncrypt| matches!(action(event), Action::Refuse { .. });
    let trivial =
        |result: B256, kind: u8| FHEEvents::TrivialEncrypt { caller: CALLER, pt: U256::ONE, toType: kind, result };
    assert!(!refused(&trivial(word(9), U64)));
    assert!(refused(&trivial(word(9), U64 - 1)));
    let other_chain = Handle::new(B256::ZERO, Handle::COMPUTED, CHAIN + 1, FheType::Uint64);
    assert!(refused(&trivial(other_chain.0, U64)));
    let (mut dead_type, mut version) = (word(9), word(9));
    dead_type.0[30] = 1;
    version.0[31] = 1;
    assert!(refused(&trivial(dead_type, 1)));
    assert!(refused(&trivial(version, U64)));
    assert!(matches!(action(&verify_input(word(8))), Action::Refuse { .. }));
}

#[test]
fn a_publication_asks_for_each_handle_of_this_chain() {
    let other = Handle::new(B256::ZERO, Handle::COMPUTED, CHAIN + 1, FheType::Uint64);
    let handles = vec![word(1), other.0, B256::repeat_byte(1), word(2)];
    let event = IACL::AllowedForDecryption { caller: CALLER, handlesList: handles };
    let expected = [Action::Decrypt(handle(1)), Action::Decrypt(handle(2))];
    assert_eq!(translate(&log(ACL, &event)).unwrap(), expected);
}

#[test]
fn being_allowed_is_no_reason_to_squash() {
    let event = IACL::Allowed { caller: CALLER, account: CALLER, handle: word(1) };
    assert_eq!(translate(&log(ACL, &event)).unwrap(), []);
}

#[test]
fn logs_of_others_and_broken_ones_are_errors() {
    let event = FHEEvents::FheNot { caller: CALLER, ct: word(1), result: word(9) };
    assert!(matches!(translate(&log(CALLER, &event)), Err(TranslateError::Stranger(CALLER))));
    assert!(matches!(translate(&log(ACL, &event)), Err(TranslateError::Malformed { contract: ACL, .. })));
    let mut cut = log(EXECUTOR, &event);
    cut.data.data = cut.data.data.slice(..32);
    assert!(matches!(translate(&cut), Err(TranslateError::Malformed { .. })));
    let none = Log { address: EXECUTOR, data: Default::default() };
    assert!(matches!(translate(&none), Err(TranslateError::Malformed { topic: None, .. })));
}

#[test]
fn all_thirty_operations_and_the_publication_are_subscribed_to() {
    let mut topics = Translator::topics();
    assert!(topics.contains(&FHEEvents::FheIsIn::SIGNATURE_HASH));
    assert!(topics.contains(&IACL::AllowedForDecryption::SIGNATURE_HASH));
    topics.sort();
    topics.dedup();
    assert_eq!(topics.len(), 31);
}
