//! Operations against clear evaluation, the stored form, and operands that are refused.

use crate::fixture::{decrypt, encrypt, fixture, rng, truncate, value};
use alloy_primitives::U256;
use rand::Rng;
use tkms_fhe::{BinaryOp, Ciphertext, CiphertextError, EvalError, Operand, UnaryOp};
use tkms_types::FheType;

/// What the executor's operation gives on plaintexts of up to 256 bits.
fn clear(op: BinaryOp, kind: FheType, a: U256, b: U256) -> U256 {
    let bits = kind.bits();
    let amount = || b.wrapping_to::<usize>() % bits;
    let rotate = |left: usize| truncate(kind, a << left) | if left == 0 { U256::ZERO } else { a >> (bits - left) };
    let result = match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::Div => a / b,
        BinaryOp::Rem => a % b,
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << amount(),
        BinaryOp::Shr => a >> amount(),
        BinaryOp::Rotl => rotate(amount()),
        BinaryOp::Rotr => rotate((bits - amount()) % bits),
        BinaryOp::Eq => U256::from(a == b),
        BinaryOp::Ne => U256::from(a != b),
        BinaryOp::Ge => U256::from(a >= b),
        BinaryOp::Gt => U256::from(a > b),
        BinaryOp::Le => U256::from(a <= b),
        BinaryOp::Lt => U256::from(a < b),
        BinaryOp::Min => a.min(b),
        BinaryOp::Max => a.max(b),
    };
    truncate(kind, result)
}

/// Decrypts a result and checks that its stored form is readable and the same again.
fn settle(ciphertext: &Ciphertext) -> U256 {
    let bytes = ciphertext.to_bytes();
    let parsed = Ciphertext::parse(ciphertext.kind(), &bytes).unwrap();
    assert_eq!(parsed.to_bytes(), bytes);
    decrypt(ciphertext)
}

fn check_binary(op: BinaryOp, kind: FheType, a: U256, b: U256) {
    let evaluator = &fixture().evaluator;
    let (x, y) = (encrypt(kind, a), encrypt(kind, b));
    let expected = clear(op, kind, a, b);
    let result_kind = if op.compares() { FheType::Bool } else { kind };
    if !matches!(op, BinaryOp::Div | BinaryOp::Rem) {
        let result = evaluator.binary(op, &x, Operand::Encrypted(&y)).unwrap();
        assert_eq!((result.kind(), settle(&result)), (result_kind, expected), "{op:?} {kind:?} of ciphertexts");
    }
    let result = evaluator.binary(op, &x, Operand::Clear(b)).unwrap();
    assert_eq!((result.kind(), settle(&result)), (result_kind, expected), "{op:?} {kind:?} with a plaintext");
}

#[test]
fn every_operation_on_uint8_equals_clear_evaluation() {
    let mut rng = rng(20);
    for op in BinaryOp::ALL {
        let (a, b) = (value(FheType::Uint8, &mut rng), U256::from(rng.random_range(1..=255u8)));
        check_binary(op, FheType::Uint8, a, b);
    }
}

#[test]
fn comparisons_of_equal_values_and_shifts_beyond_the_width_equal_clear_evaluation() {
    let a = U256::from(0x9c);
    for op in [BinaryOp::Eq, BinaryOp::Ge, BinaryOp::Lt, BinaryOp::Max] {
        check_binary(op, FheType::Uint8, a, a);
    }
    for op in [BinaryOp::Shl, BinaryOp::Shr, BinaryOp::Rotl, BinaryOp::Rotr] {
        check_binary(op, FheType::Uint8, a, U256::from(8 + 3));
        check_binary(op, FheType::Uint16, a, U256::from(16));
    }
}

#[test]
fn wider_types_equal_clear_evaluation() {
    let mut rng = rng(21);
    for (op, kind) in [
        (BinaryOp::Add, FheType::Uint64),
        (BinaryOp::Sub, FheType::Uint128),
        (BinaryOp::Mul, FheType::Uint16),
        (BinaryOp::Rem, FheType::Uint16),
        (BinaryOp::Eq, FheType::Uint160),
        (BinaryOp::Ne, FheType::Uint256),
        (BinaryOp::Xor, FheType::Uint256),
        (BinaryOp::Shr, FheType::Uint32),
    ] {
        let (a, b) = (value(kind, &mut rng), value(kind, &mut rng));
        check_binary(op, kind, a, b);
    }
}

#[test]
fn operations_on_bools_equal_clear_evaluation() {
    for op in [BinaryOp::And, BinaryOp::Or, BinaryOp::Xor, BinaryOp::Eq, BinaryOp::Ne] {
        for (a, b) in [(0u8, 0u8), (0, 1), (1, 0), (1, 1)] {
            check_binary(op, FheType::Bool, U256::from(a), U256::from(b));
        }
    }
    let not = fixture().evaluator.unary(UnaryOp::Not, &encrypt(FheType::Bool, U256::ONE)).unwrap();
    assert_eq!(settle(&not), U256::ZERO);
}

#[test]
fn negation_complement_selection_and_casts_equal_clear_evaluation() {
    let evaluator = &fixture().evaluator;
    let (a, b) = (U256::from(0xa5c3u32), U256::from(0x1234u32));
    let (x, y) = (encrypt(FheType::Uint16, a), encrypt(FheType::Uint16, b));
    assert_eq!(settle(&evaluator.unary(UnaryOp::Neg, &x).unwrap()), U256::from(0x1_0000u32 - 0xa5c3));
    assert_eq!(settle(&evaluator.unary(UnaryOp::Not, &x).unwrap()), U256::from(!0xa5c3u16));
    for condition in [0u8, 1] {
        let condition = encrypt(FheType::Bool, U256::from(condition));
        let chosen = evaluator.select(&condition, &x, &y).unwrap();
        assert_eq!(settle(&chosen), if decrypt(&condition).is_zero() { b } else { a });
        let [yes, no] = [U256::ONE, U256::ZERO].map(|value| encrypt(FheType::Bool, value));
        assert_eq!(settle(&evaluator.select(&condition, &yes, &no).unwrap()), decrypt(&condition));
    }
    assert_eq!(settle(&evaluator.cast(&x, FheType::Uint64).unwrap()), a);
    assert_eq!(settle(&evaluator.cast(&x, FheType::Uint8).unwrap()), U256::from(0xc3));
    let bit = encrypt(FheType::Bool, U256::ONE);
    assert_eq!(settle(&evaluator.cast(&bit, FheType::Uint32).unwrap()), U256::ONE);
}

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
    assert_eq!(changed(6, 2), CiphertextError::Header);
    assert_eq!(changed(7, 3), CiphertextError::Type { expected: FheType::Uint8, found: 3 });
    assert!(matches!(changed(8, 4), CiphertextError::Block { block: 0, degree: 4, .. }));
    assert!(matches!(changed(9, 200), CiphertextError::Block { block: 0, noise: 200, .. }));
    let mut bool = fixture().evaluator.trivial(FheType::Bool, U256::ONE).to_bytes();
    bool[8] = 3;
    assert!(matches!(parse(FheType::Bool, &bool), CiphertextError::Block { block: 0, degree: 3, .. }));
}
