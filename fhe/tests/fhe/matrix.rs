//! Every operation on every type the executor offers it for (fhevm-compat §1.3), encrypted and with a plaintext, against
//! plain arithmetic on edges and random values.
//!
//! A seeded sample runs by default: every operation on the narrow types and on one wide type. `TKMS_FHE_MATRIX=full` runs
//! all of it, `TKMS_FHE_SEED` repeats or changes the choice, `TKMS_FHE_FROM` goes on at the cell of this number.

use crate::fixture::{decrypt, encrypt, fixture, rng, settle, truncate, value};
use alloy_primitives::U256;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;
use tkms_fhe::{BinaryOp, Ciphertext, EvalError, Operand, UnaryOp};
use tkms_types::FheType::{self, Bool, Uint8, Uint16, Uint32, Uint64, Uint128, Uint160, Uint256};

const ARITHMETIC: &[FheType] = &[Uint8, Uint16, Uint32, Uint64, Uint128];
const INTEGERS: &[FheType] = &[Uint8, Uint16, Uint32, Uint64, Uint128, Uint256];
const BITS: &[FheType] = &[Bool, Uint8, Uint16, Uint32, Uint64, Uint128, Uint256];
const MEMBERS: &[FheType] = &[Uint8, Uint16, Uint32, Uint64, Uint128, Uint160, Uint256];
const ALL: &[FheType] = &[Bool, Uint8, Uint16, Uint32, Uint64, Uint128, Uint160, Uint256];

/// Types up to this width are never left out of the sample.
const NARROW: usize = 16;

fn types(op: BinaryOp) -> &'static [FheType] {
    use BinaryOp as B;
    match op {
        B::Add | B::Sub | B::Mul | B::Div | B::Rem | B::Min | B::Max | B::Ge | B::Gt | B::Le | B::Lt => ARITHMETIC,
        B::And | B::Or | B::Xor => BITS,
        B::Shl | B::Shr | B::Rotl | B::Rotr => INTEGERS,
        B::Eq | B::Ne => ALL,
    }
}

/// What the executor's operation gives on plaintexts of up to 256 bits.
fn clear(op: BinaryOp, kind: FheType, a: U256, b: U256) -> U256 {
    let bits = kind.bits();
    let amount = || (b % U256::from(bits)).to::<usize>();
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

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
enum Cell {
    Encrypted(BinaryOp, FheType),
    Scalar(BinaryOp, FheType),
    Unary(UnaryOp, FheType),
    Select(FheType),
    Cast(FheType, FheType),
    Trivial(FheType),
    Sum(FheType),
    IsIn(FheType),
    Random(FheType),
    RandomBounded(FheType),
}

impl Cell {
    fn every() -> Vec<Self> {
        let mut cells = Vec::new();
        for op in BinaryOp::ALL {
            for kind in types(op) {
                cells.push(Self::Scalar(op, *kind));
                if !matches!(op, BinaryOp::Div | BinaryOp::Rem) {
                    cells.push(Self::Encrypted(op, *kind));
                }
            }
        }
        cells.extend(INTEGERS.iter().map(|kind| Self::Unary(UnaryOp::Neg, *kind)));
        cells.extend(BITS.iter().map(|kind| Self::Unary(UnaryOp::Not, *kind)));
        cells.extend(ALL.iter().flat_map(|kind| [Self::Select(*kind), Self::Trivial(*kind)]));
        for from in BITS {
            cells.extend(INTEGERS.iter().filter(|to| *to != from).map(|to| Self::Cast(*from, *to)));
        }
        cells.extend(ARITHMETIC.iter().map(|kind| Self::Sum(*kind)));
        cells.extend(MEMBERS.iter().map(|kind| Self::IsIn(*kind)));
        cells.extend(BITS.iter().map(|kind| Self::Random(*kind)));
        cells.extend(INTEGERS.iter().map(|kind| Self::RandomBounded(*kind)));
        cells
    }

    /// The operation without its types, and the width of the widest type.
    fn row(self) -> (String, usize) {
        match self {
            Self::Encrypted(op, kind) => (format!("{op:?}"), kind.bits()),
            Self::Scalar(op, kind) => (format!("{op:?} with a plaintext"), kind.bits()),
            Self::Unary(op, kind) => (format!("{op:?}"), kind.bits()),
            Self::Cast(from, to) => ("Cast".into(), from.bits().max(to.bits())),
            Self::Select(kind) => ("Select".into(), kind.bits()),
            Self::Trivial(kind) => ("Trivial".into(), kind.bits()),
            Self::Sum(kind) => ("Sum".into(), kind.bits()),
            Self::IsIn(kind) => ("IsIn".into(), kind.bits()),
            Self::Random(kind) => ("Random".into(), kind.bits()),
            Self::RandomBounded(kind) => ("RandomBounded".into(), kind.bits()),
        }
    }

    const fn kind(self) -> FheType {
        match self {
            Self::Encrypted(_, kind) | Self::Scalar(_, kind) | Self::Unary(_, kind) | Self::Cast(kind, _) => kind,
            Self::Select(kind) | Self::Trivial(kind) | Self::Sum(kind) | Self::IsIn(kind) => kind,
            Self::Random(kind) | Self::RandomBounded(kind) => kind,
        }
    }

    const fn divides(self) -> bool {
        matches!(self, Self::Scalar(BinaryOp::Div | BinaryOp::Rem, _))
    }

    const fn shifts(self) -> bool {
        use BinaryOp::{Rotl, Rotr, Shl, Shr};
        matches!(self, Self::Scalar(Shl | Shr | Rotl | Rotr, _) | Self::Encrypted(Shl | Shr | Rotl | Rotr, _))
    }

    /// Edges, then random values.
    fn operands(self, rng: &mut impl Rng) -> Vec<(U256, U256)> {
        let kind = self.kind();
        let (max, one) = (truncate(kind, U256::MAX), U256::ONE);
        let half = U256::from(1) << (kind.bits() - 1);
        let mut random = || value(kind, rng) ^ if rng.random() { half } else { U256::ZERO };
        let (a, b, same) = (random(), random(), random());
        let mut pairs = vec![(U256::ZERO, U256::ZERO), (max, max), (max, one), (U256::ZERO, max), (half, half - one)];
        pairs.extend([(a, b), (b, a), (same, same)]);
        if self.shifts() {
            let width = U256::from(kind.bits());
            pairs = vec![(a, U256::ZERO), (b, width - one), (a, width), (max, width + U256::from(3)), (same, max)];
            pairs.push((a, random()));
        }
        if self.divides() {
            let at_least_one = |(a, b): (U256, U256)| (a, b.max(one));
            pairs = pairs.into_iter().map(at_least_one).collect();
            pairs.push((max, truncate(kind, U256::from(10))));
        }
        pairs
    }

    fn check(self, a: U256, b: U256) {
        let evaluator = &fixture().evaluator;
        let kind = self.kind();
        let x = || encrypt(kind, a);
        let y = || encrypt(kind, b);
        let complement = truncate(kind, !a);
        let result = match self {
            Self::Encrypted(op, _) => evaluator.binary(op, &x(), Operand::Encrypted(&y())),
            Self::Scalar(op, _) => evaluator.binary(op, &x(), Operand::Clear(b)),
            Self::Unary(op, _) => evaluator.unary(op, &x()),
            Self::Select(_) => evaluator.select(&encrypt(Bool, b & U256::ONE), &x(), &y()),
            Self::Cast(_, to) => evaluator.cast(&x(), to),
            Self::Trivial(_) => Ok(evaluator.trivial(kind, (U256::MAX << 1) ^ a)),
            Self::Sum(_) => evaluator.sum(kind, &[x(), y(), x()]),
            Self::IsIn(_) => evaluator.is_in(&x(), &[y(), encrypt(kind, complement)]),
            Self::Random(_) => return check_random(kind, a, None),
            Self::RandomBounded(_) => return check_random(kind, a, Some((b % U256::from(kind.bits())).to())),
        };
        let (result_kind, expected) = match self {
            Self::Encrypted(op, _) | Self::Scalar(op, _) => {
                (if op.compares() { Bool } else { kind }, clear(op, kind, a, b))
            }
            Self::Unary(UnaryOp::Neg, _) => (kind, truncate(kind, U256::ZERO.wrapping_sub(a))),
            Self::Unary(UnaryOp::Not, _) => (kind, complement),
            Self::Select(_) => (kind, if b.bit(0) { a } else { b }),
            Self::Cast(_, to) => (to, truncate(to, a)),
            Self::Trivial(_) => (kind, truncate(kind, (U256::MAX << 1) ^ a)),
            Self::Sum(_) => (kind, truncate(kind, a.wrapping_add(b).wrapping_add(a))),
            Self::IsIn(_) => (Bool, U256::from(a == b)),
            Self::Random(_) | Self::RandomBounded(_) => return,
        };
        let result = result.unwrap_or_else(|error| panic!("{self:?} of {a} and {b}: {error}"));
        assert_eq!((result.kind(), settle(&result)), (result_kind, expected), "{self:?} of {a} and {b}");
    }
}

/// A random value has no plain counterpart: it must repeat with its seed and stay below its bound.
fn check_random(kind: FheType, seed: U256, bound_log: Option<usize>) {
    let seed: [u8; 16] = seed.to_le_bytes::<32>()[..16].try_into().unwrap();
    let draw = || -> Result<Ciphertext, EvalError> {
        match bound_log {
            None => fixture().evaluator.random(kind, seed),
            Some(log) => fixture().evaluator.random_bounded(kind, seed, U256::ONE << log),
        }
    };
    let (first, second) = (draw().unwrap(), draw().unwrap());
    assert_eq!(first.to_bytes(), second.to_bytes(), "random {kind:?}");
    let below = bound_log.map_or_else(|| truncate(kind, U256::MAX), |log| (U256::ONE << log) - U256::ONE);
    assert!(first.kind() == kind && settle(&first) <= below, "random {kind:?} below {bound_log:?}");
}

/// All narrow cells, and one wide one of each row.
fn sample(rng: &mut impl Rng) -> Vec<Cell> {
    let (mut cells, wide): (Vec<Cell>, Vec<Cell>) = Cell::every().into_iter().partition(|cell| cell.row().1 <= NARROW);
    let mut rows: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
    for cell in wide {
        rows.entry(cell.row().0).or_default().push(cell);
    }
    cells.extend(rows.values().filter_map(|row| row.choose(rng).copied()));
    cells
}

#[test]
fn every_operation_equals_plain_arithmetic() {
    let full = std::env::var("TKMS_FHE_MATRIX").is_ok_and(|what| what == "full");
    let seed = std::env::var("TKMS_FHE_SEED").map_or(20, |seed| seed.parse().expect("TKMS_FHE_SEED is a number"));
    let from = std::env::var("TKMS_FHE_FROM").map_or(1, |from| from.parse().expect("TKMS_FHE_FROM is a number"));
    let mut rng = rng(seed);
    let cells = if full { Cell::every() } else { sample(&mut rng) };
    let mut work = Vec::new();
    let mut left = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        let mut operands = cell.operands(&mut rng);
        if !full {
            operands = vec![*operands.choose(&mut rng).unwrap()];
        }
        left.push(operands.len());
        // Drawn all the same: what is left out changes no operand of the others.
        if number + 1 < from {
            continue;
        }
        work.extend(operands.into_iter().map(|(a, b)| (number, a, b)));
    }
    println!("{} evaluations in {} cells, TKMS_FHE_SEED={seed}", work.len(), cells.len());
    fixture();
    let start = Instant::now();
    let queue = Mutex::new((work.into_iter(), left));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().0.next();
                    let Some((number, a, b)) = next else { break };
                    cells[number].check(a, b);
                    let left = &mut queue.lock().unwrap().1;
                    left[number] -= 1;
                    if full && left[number] == 0 {
                        println!("{:>6.0?} {} of {}: {:?}", start.elapsed(), number + 1, cells.len(), cells[number]);
                    }
                }
            });
        }
    });
    println!("{:.1?} on {threads} threads", start.elapsed());
}

#[test]
fn operations_are_refused_on_every_other_type() {
    let evaluator = &fixture().evaluator;
    let unsupported = |result: Result<Ciphertext, EvalError>| matches!(result, Err(EvalError::Unsupported { .. }));
    for kind in FheType::ALL {
        let one = evaluator.trivial(kind, U256::ONE);
        for op in BinaryOp::ALL {
            assert_eq!(op.takes(kind), types(op).contains(&kind), "{op:?} {kind:?}");
            if !op.takes(kind) {
                assert!(unsupported(evaluator.binary(op, &one, Operand::Encrypted(&one))), "{op:?} {kind:?}");
                assert!(unsupported(evaluator.binary(op, &one, Operand::Clear(U256::ONE))), "{op:?} {kind:?}");
            }
        }
        for (op, takes) in [(UnaryOp::Neg, INTEGERS), (UnaryOp::Not, BITS)] {
            assert_eq!(op.takes(kind), takes.contains(&kind), "{op:?} {kind:?}");
            assert_eq!(unsupported(evaluator.unary(op, &one)), !op.takes(kind), "{op:?} {kind:?}");
        }
        for to in FheType::ALL {
            let takes = BITS.contains(&kind) && INTEGERS.contains(&to) && kind != to;
            assert_eq!(unsupported(evaluator.cast(&one, to)), !takes, "cast {kind:?} to {to:?}");
        }
        let list = std::slice::from_ref(&one);
        assert_eq!(unsupported(evaluator.sum(kind, list)), !ARITHMETIC.contains(&kind), "sum {kind:?}");
        assert_eq!(unsupported(evaluator.is_in(&one, list)), !MEMBERS.contains(&kind), "is in {kind:?}");
        let bounded = evaluator.random_bounded(kind, [0; 16], U256::ONE);
        assert_eq!(unsupported(bounded), !INTEGERS.contains(&kind), "bounded random {kind:?}");
    }
    assert!(unsupported(evaluator.random(Uint160, [0; 16])));
}

#[test]
fn a_shift_beyond_the_width_is_taken_modulo_the_width() {
    let a = U256::from(0x9c);
    let x = encrypt(Uint8, a);
    let shifted = |operand: Operand<'_>| decrypt(&fixture().evaluator.binary(BinaryOp::Shr, &x, operand).unwrap());
    assert_eq!(shifted(Operand::Clear(U256::from(8 + 3))), a >> 3);
    for (kind, amount) in [(Uint8, 8 + 3), (Uint16, 256 + 3)] {
        assert_eq!(shifted(Operand::Encrypted(&encrypt(kind, U256::from(amount)))), a >> 3);
    }
    // A plaintext is first cut to the type of the value.
    assert_eq!(shifted(Operand::Clear(U256::from(256 + 3))), a >> 3);
}
