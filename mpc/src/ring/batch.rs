//! Kernels over batches: plain loops over elements, which the compiler turns into vector code. Each has a plain twin in the
//! tests.

use super::{DEGREE, Ring};

/// Elements of a step through a batch: few enough to stay in the fastest cache.
pub(crate) const TILE: usize = 512;

/// A loop over batches, compiled a second time for processors with AVX-512: products of 64-bit words have no vector form
/// below it. Both are one text.
macro_rules! vectorised {
    (|$($arg:ident: $type:ty),*| $body:block) => {{
        #[inline(always)]
        fn plain($($arg: $type),*) $body

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn wide($($arg: $type),*) {
            plain($($arg),*);
        }

        #[cfg(target_arch = "x86_64")]
        if batch::has_wide_vectors() {
            #[expect(unsafe_code, reason = "the call of a function that not every processor can run")]
            // SAFETY: the processor has every feature that `wide` is compiled for, as was just asked
            unsafe {
                wide($($arg),*);
            }
            return;
        }
        plain($($arg),*);
    }};
}
pub(super) use vectorised;

/// Whether the processor has the vectors that [`vectorised`] compiles for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn has_wide_vectors() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// Σ weights · columns, place by place: Lagrange combination of whole batches. A short column counts as 0 at its end.
#[must_use]
pub fn combine<R: Ring>(weights: &[R], columns: &[&[R]], len: usize) -> Vec<R> {
    let mut sums = Vec::with_capacity(len);
    let mut tile = vec![R::ZERO; len.min(TILE)];
    for start in (0..len).step_by(TILE) {
        let tile = tile.get_mut(..TILE.min(len - start)).unwrap_or_default();
        combine_tile(weights, columns, start, tile);
        sums.extend_from_slice(tile);
    }
    sums
}

/// A tile of [`combine`], from this place on.
pub(crate) fn combine_tile<R: Ring>(weights: &[R], columns: &[&[R]], start: usize, tile: &mut [R]) {
    tile.fill(R::ZERO);
    for (weight, column) in weights.iter().zip(columns) {
        R::add_products(tile, *weight, column.get(start..).unwrap_or_default());
    }
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
