//! Products of shared words that were not drawn in a batch, with a triple each and one robust opening ("Products of given
//! values" in `docs/protocol/preprocessing.md`; Beaver, CRYPTO 1991).
//!
//! The opening has degree t, so liars are corrected, not only detected: nothing has to be shown, whatever they do.

use super::TripleItem;
use crate::fault::Misuse;
use crate::phase::pack;
use crate::ring::{DEGREE, Gr64, Ring};
use zeroize::Zeroizing;

/// Our shares of what is opened for x·y with triples (a, b, ab): the words x − a, then the words y − b, four to an element.
///
/// # Errors
/// [`Misuse::Items`] unless there are as many x as y as triples, and at least one.
pub fn masked_factors(x: &[Gr64], y: &[Gr64], triples: &[TripleItem]) -> Result<Zeroizing<Vec<Gr64>>, Misuse> {
    if x.is_empty() || x.len() != y.len() || x.len() != triples.len() {
        return Err(Misuse::Items { items: triples.len(), max: x.len() });
    }
    let less = |value: &[Gr64], mask: fn(&TripleItem) -> Gr64| -> Zeroizing<Vec<Gr64>> {
        Zeroizing::new(value.iter().zip(triples).map(|(value, triple)| *value - mask(triple)).collect())
    };
    let (e, f) = (less(x, |triple| triple.x), less(y, |triple| triple.y));
    Ok(Zeroizing::new([pack(&e), pack(&f)].concat()))
}

/// Our shares of the products: z + e·b + f·a + e·f, e = x − a and f = y − b as opened.
///
/// # Errors
/// [`Misuse::Items`] unless the opened elements are as many as [`masked_factors`] gives for these triples.
pub fn products(opened: &[Gr64], triples: &[TripleItem]) -> Result<Zeroizing<Vec<Gr64>>, Misuse> {
    let each = triples.len().div_ceil(DEGREE);
    let halves = opened.split_at_checked(each).filter(|(_, f)| f.len() == each);
    let Some((e, f)) = halves else { return Err(Misuse::Items { items: opened.len(), max: 2 * each }) };
    let words = |list: &[Gr64]| list.iter().flat_map(|element| *element.words()).collect::<Vec<_>>();
    let factors = words(e).into_iter().zip(words(f)).zip(triples);
    let product = |((e, f), triple): ((u64, u64), &TripleItem)| {
        triple.z + triple.y.scale(e) + triple.x.scale(f) + Gr64::constant(e.wrapping_mul(f))
    };
    Ok(Zeroizing::new(factors.map(product).collect()))
}
