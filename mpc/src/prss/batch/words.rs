//! Shares of uniform words beside every batch: under a context of their own, straight from r_A. They are never shown.

use super::{Scratch, Stream};
use crate::prss::PrssKeys;
use crate::ring::{Gr16, Ring};
use tkms_types::SessionId;
use zeroize::Zeroizing;

impl PrssKeys {
    /// PRSS.Next in the base ring of GR(2¹⁶, 4), from the start of the stream that `context` names: the same context
    /// gives the same words, so it has to name everything that the words will mask.
    pub(crate) fn word_shares(&self, context: &SessionId, count: usize) -> Zeroizing<Vec<Gr16>> {
        let mut sums = Zeroizing::new(vec![Gr16::ZERO; count]);
        let mut scratch = Scratch::new();
        for (key, weight) in self.keys.iter().zip(&self.weights) {
            let weight = Gr16::image(weight);
            let mut stream = Stream::new(key, &context.0.0);
            stream.words::<Gr16>(&mut sums, &mut scratch, |sums, words| Gr16::add_scaled(sums, weight, words));
        }
        sums
    }
}

#[cfg(test)]
mod tests;
