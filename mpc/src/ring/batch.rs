//! Kernels over batches, vectorised by layout: coefficients of [`LANES`] elements side by side. Each has a plain twin
//! in the tests.

use super::{DEGREE, Ring};

/// Elements worked on together.
pub(crate) const LANES: usize = 16;

/// Σ weights · columns, place by place: Lagrange combination of whole batches. A short column counts as 0 at its end.
#[must_use]
pub fn combine<R: Ring>(weights: &[R], columns: &[&[R]], len: usize) -> Vec<R> {
    let mut sums = vec![R::ZERO; len];
    for (weight, column) in weights.iter().zip(columns) {
        R::add_products(&mut sums, *weight, column);
    }
    sums
}

/// Σ scalar · share over two lists of one length: the linear part of every protocol, public words against shares.
#[must_use]
pub fn dot<R: Ring>(scalars: &[R::Word], shares: &[R]) -> R {
    // independent sums: each addition need not wait for the one before
    let mut sums = [R::ZERO; DEGREE];
    for (scalars, shares) in scalars.chunks(DEGREE).zip(shares.chunks(DEGREE)) {
        for ((sum, scalar), share) in sums.iter_mut().zip(scalars).zip(shares) {
            *sum += share.scale(*scalar);
        }
    }
    sums.into_iter().fold(R::ZERO, |total, sum| total + sum)
}
