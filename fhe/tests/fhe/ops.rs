//! What the matrix does not say of operations: seeds, lists, the stored form, and operands that are refused.

use crate::fixture::{decrypt, encrypt, fixture, settle, truncate};
use alloy_primitives::U256;
use tkms_fhe::{BinaryOp, Ciphertext, CiphertextError, EvalError, Operand, UnaryOp};
use tkms_types::FheType;

#[test]
fn trivial_values_of_every_type_are_truncated_to_it() {
    for kind in FheType::ALL {
        let trivial = fixture().evaluator.trivial(kind, U256::MAX);
        assert_eq!((trivial.kind(), settle(&trivial)), (kind, truncate(kind, U256::MAX)));
    }
}

#[test]
fn sums_and_membership_equal_clear_evaluation() {
    let evaluator = &fixture().evaluator;
    let set: Vec<_> = [200u8, 100, 7].into_iter().map(|v| encrypt(FheType::Uint8, U256::from(v))).collect();
    assert_eq!(settle(&evaluator.sum(FheType::Uint8, &set).unwrap()), U256::from(307 % 256));
    assert_eq!(settle(&evaluator.sum(FheType::Uint8, &[]).unwrap()), U256::ZERO);
    for (value, expected) in [(100u8, true), (8, false)] {
        let found = evaluator.is_in(&encrypt(FheType::Uint8, U256::from(value)), &set).unwrap();
        assert_eq!(settle(&found), U256::from(expected));
    }
    assert_eq!(settle(&evaluator.is_in(&set[0], &[]).unwrap()), U256::ZERO);
}

#[test]
fn the_bytes_of_a_sum_depend_on_the_number_of_threads_and_on_nothing_else() {
    let [x, y] = [[1; 16], [2; 16]].map(|seed| fixture().evaluator.random(FheType::Uint64, seed).unwrap());
    let add = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fixture().evaluator.binary(BinaryOp::Add, &x, Operand::Encrypted(&y)).unwrap())
    };
    let [few, again, many] = [2, 2, 8].map(add);
    assert_eq!(few.to_bytes(), again.to_bytes());
    assert_eq!(settle(&few), settle(&many));
    // The reason why the coprocessor's profile names the number: should this fail, it need not.
    assert_ne!(few.to_bytes(), many.to_bytes());
}

#[test]
fn random_values_follow_their_seed_and_bound() {
    let evaluator = &fixture().evaluator;
    for kind in [FheType::Bool, FheType::Uint8, FheType::Uint64] {
        let first = evaluator.random(kind, [1; 16]).unwrap();
        assert_eq!(first.to_bytes(), evaluator.random(kind, [1; 16]).unwrap().to_bytes());
        assert!(settle(&first) <= truncate(kind, U256::MAX));
    }
    let wide = [[1; 16], [2; 16]].map(|seed| decrypt(&evaluator.random(FheType::Uint64, seed).unwrap()));
    assert_ne!(wide[0], wide[1]);
    let bits: U256 = (0..32).map(|seed| decrypt(&evaluator.random(FheType::Bool, [seed; 16]).unwrap())).sum();
    assert!(bits > U256::ZERO && bits < U256::from(32));
    for bound in [1u64, 2, 8, 256] {
        let bounded = evaluator.random_bounded(FheType::Uint8, [3; 16], U256::from(bound)).unwrap();
        assert!(settle(&bounded) < U256::from(bound));
    }
}

#[test]
fn operands_of_wrong_types_are_refused() {
    let evaluator = &fixture().evaluator;
    let [bit, byte, word] =
        [FheType::Bool, FheType::Uint8, FheType::Uint16].map(|kind| evaluator.trivial(kind, U256::ONE));
    let address = evaluator.trivial(FheType::Uint160, U256::ONE);
    let binary = |op, a, b| evaluator.binary(op, a, b).expect_err("refused");
    let encrypted = Operand::Encrypted;
    assert!(matches!(binary(BinaryOp::Add, &byte, encrypted(&word)), EvalError::Mismatch { .. }));
    assert!(matches!(binary(BinaryOp::Add, &byte, encrypted(&bit)), EvalError::Mismatch { .. }));
    assert!(matches!(binary(BinaryOp::Eq, &bit, encrypted(&byte)), EvalError::Mismatch { .. }));
    assert!(matches!(binary(BinaryOp::Add, &bit, encrypted(&bit)), EvalError::Unsupported { .. }));
    assert!(matches!(binary(BinaryOp::Lt, &bit, Operand::Clear(U256::ONE)), EvalError::Unsupported { .. }));
    assert!(matches!(binary(BinaryOp::Div, &byte, encrypted(&byte)), EvalError::EncryptedDivisor(BinaryOp::Div)));
    assert!(matches!(binary(BinaryOp::Rem, &byte, Operand::Clear(U256::from(256))), EvalError::DivisionByZero(_)));
    assert!(matches!(binary(BinaryOp::Shl, &address, Operand::Clear(U256::ONE)), EvalError::Unsupported { .. }));
    assert!(matches!(binary(BinaryOp::Rotr, &address, encrypted(&byte)), EvalError::Unsupported { .. }));
    assert!(matches!(evaluator.unary(UnaryOp::Neg, &bit), Err(EvalError::Unsupported { .. })));
    assert!(matches!(evaluator.select(&byte, &byte, &byte), Err(EvalError::Mismatch { .. })));
    assert!(matches!(evaluator.select(&bit, &byte, &word), Err(EvalError::Mismatch { .. })));
    assert!(matches!(evaluator.select(&bit, &byte, &bit), Err(EvalError::Mismatch { .. })));
    assert!(matches!(evaluator.cast(&byte, FheType::Bool), Err(EvalError::Unsupported { .. })));
    assert!(matches!(evaluator.sum(FheType::Bool, &[]), Err(EvalError::Unsupported { .. })));
    assert!(matches!(evaluator.sum(FheType::Uint8, std::slice::from_ref(&word)), Err(EvalError::Mismatch { .. })));
    assert!(matches!(evaluator.is_in(&byte, &[word]), Err(EvalError::Mismatch { .. })));
}

#[test]
fn bounds_that_are_no_power_of_two_or_too_wide_are_refused() {
    let evaluator = &fixture().evaluator;
    for bound in [0u64, 3, 255, 512] {
        let result = evaluator.random_bounded(FheType::Uint8, [0; 16], U256::from(bound));
        assert!(matches!(result, Err(EvalError::Bound { .. })), "{bound}");
    }
    let result = evaluator.random_bounded(FheType::Bool, [0; 16], U256::ONE);
    assert!(matches!(result, Err(EvalError::Unsupported { .. })));
}

#[test]
fn stored_bytes_of_anything_else_are_refused() {
    let bytes = fixture().evaluator.trivial(FheType::Uint8, U256::from(7)).to_bytes();
    let parse = |kind, bytes: &[u8]| Ciphertext::parse(kind, bytes).expect_err("refused");
    let changed = |at: usize, byte| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        parse(FheType::Uint8, &bytes)
    };
    assert!(matches!(parse(FheType::Uint16, &bytes), CiphertextError::Length { .. }));
    assert!(matches!(parse(FheType::Uint8, &bytes[1..]), CiphertextError::Length { .. }));
    assert!(matches!(parse(FheType::Uint8, &[]), CiphertextError::Length { found: 0, .. }));
    assert_eq!(changed(0, 0), CiphertextError::Header);
    assert_eq!(changed(6, 1), CiphertextError::Header);
    assert_eq!(changed(6, 3), CiphertextError::Header);
    assert_eq!(changed(7, 3), CiphertextError::Type { expected: FheType::Uint8, found: 3 });
    assert!(matches!(changed(8, 4), CiphertextError::Block { block: 0, degree: 4, .. }));
    assert!(matches!(changed(9, 200), CiphertextError::Block { block: 0, noise: 200, .. }));
    let mut bool = fixture().evaluator.trivial(FheType::Bool, U256::ONE).to_bytes();
    bool[8] = 3;
    assert!(matches!(parse(FheType::Bool, &bool), CiphertextError::Block { block: 0, degree: 3, .. }));
}
