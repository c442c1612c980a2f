//! The variant with stock: one asynchronous opening, whatever t parties do.

use super::ExactError;
use super::key::{ExactKey, Switched};
use super::masks::{Items, MaskShares};
use super::message::MessageShares;
use super::rounding::{Phases, Rounding};
use crate::fault::{Abort, Misuse};
use crate::machine::{Machine, Outgoing, Step, To};
use crate::prss::PrssKeys;
use crate::ring::Gr16;
use std::fmt;
use tkms_types::PartyId;

/// Step 5: a party's shares of the masked values, four blocks to an element, as multiples of 2^(16−L). Unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked(pub Vec<Gr16>);

/// Steps 3 to 6 of one session, with masks from stock. It goes on after its output: late shares are checked.
pub struct FromStock(Rounding);

type MaskedStep = Step<Masked, MessageShares>;

impl FromStock {
    /// Phases and masks, and the party's own shares to all. With n = 1 it is also the end.
    ///
    /// # Errors
    /// [`ExactError`] if key, masks, items and samples do not belong together.
    pub fn start(
        key: &ExactKey,
        samples: &Switched<'_>,
        items: Items,
        prss: &PrssKeys,
    ) -> Result<(Self, MaskedStep), ExactError> {
        let phases = Phases::new(key, samples, prss)?;
        if items.owner != phases.owner {
            return Err(Misuse::OwnersDiffer { key: phases.owner, masks: items.owner }.into());
        }
        if items.width != phases.width {
            let (expected, found) = (phases.width.log_modulus(), items.width.log_modulus());
            return Err(ExactError::Width { expected, found });
        }
        let (found, blocks) = (items.parts.low.len(), phases.blocks());
        if found != blocks {
            return Err(ExactError::Items { items: found, blocks });
        }
        let tops = prss.word_shares(&items.range.mask_context(&items.session), blocks);
        let masks = MaskShares::new(items.parts, tops, items.width);
        let me = phases.owner.party;
        let (rounding, own) = phases.mask(masks);
        let mut machine = Self(rounding);
        let mut step = machine.receive(me, Masked(own.clone()));
        step.send = vec![Outgoing { to: To::All, msg: Masked(own) }];
        Ok((machine, step))
    }

    /// Whether the output has been given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.0.is_done()
    }
}

impl Machine for FromStock {
    type Msg = Masked;
    type Output = MessageShares;

    fn receive(&mut self, from: PartyId, msg: Masked) -> MaskedStep {
        let (faults, output) = self.0.receive(from, msg.0);
        Step { send: Vec::new(), faults, output }
    }

    fn round_over(&mut self) -> MaskedStep {
        Step::nothing()
    }

    fn give_up(self) -> Abort {
        self.0.give_up()
    }
}

impl fmt::Debug for FromStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromStock({}, {} heard, done: {})", self.0.owner, self.0.count(), self.is_done())
    }
}
