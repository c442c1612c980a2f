//! Preprocessing in the background: batch after batch until the stock is full, one at a time, giving way to decryptions.

use super::{ExactItems, Ledger, Preprocessing, Status, Stock, Trust};
use crate::keystore::{HeldMasks, MaskNames};
use crate::limits::{DECRYPTION_PAUSE, MOST_STOCK, STAND_IDLE};
use crate::rounds::{Begun, Call, Driver, Ended, Kind, Needed, NotBegun, Stand};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tkms_mpc::codec::Wire;
use tkms_mpc::exhibit::RunName;
use tkms_mpc::fault::Misuse;
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, Bits, Outcome, Recipe};
use tkms_mpc::ring::{Gr16, Ring};
use tkms_types::PartyId;
use tokio::runtime::Handle;

/// What preprocessing works with.
pub struct Preprocessor {
    /// Runs the batches.
    pub driver: Arc<Driver>,
    /// Counts them.
    pub ledger: Ledger,
    /// Where items go.
    pub stock: Stock,
    /// Mask keys in force.
    pub masks: Arc<HeldMasks>,
    /// Names of everything that is made.
    pub names: MaskNames,
    /// How much.
    pub plan: Preprocessing,
    /// Whether a decryption is being computed.
    pub busy: Box<dyn Fn() -> bool + Send>,
    /// Says where it stands.
    pub status: Status,
    /// For what is asynchronous.
    pub runtime: Handle,
}

/// A batch that was begun, and how it ended.
pub type Finished<I> = (Begun, Outcome<I>);

/// Why preprocessing ends.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessingError {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// The node's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch that cannot be.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl From<Ended> for PreprocessingError {
    fn from(_: Ended) -> Self {
        Self::Stopped
    }
}

impl Preprocessor {
    /// Keeps the stock full until the node stops.
    ///
    /// # Errors
    /// [`PreprocessingError`], always.
    pub fn run(&self) -> Result<(), PreprocessingError> {
        loop {
            self.driver.hub.count(self.ledger.own());
            if self.driver.hub.is_stopped() {
                return Err(PreprocessingError::Stopped);
            }
            if !self.may_begin()? {
                self.driver.hub.pause(STAND_IDLE / 4);
                continue;
            }
            self.give_way();
            let Some((begun, outcome)) = self.batch::<Gr16, _>(Kind::Exact, Bits { count: self.plan.bits() })? else {
                continue;
            };
            if let Outcome::Accepted(bits) = outcome {
                let items = ExactItems::from_bits(&bits);
                self.keep(&begun, &items)?;
                crate::metrics::stock_batch("accepted");
            }
        }
    }

    /// One batch of any kind, from the meeting to its outcome; `None` if nothing began.
    ///
    /// # Errors
    /// [`PreprocessingError`].
    pub fn batch<R: Ring, C: Recipe<R> + Copy>(
        &self,
        kind: Kind,
        recipe: C,
    ) -> Result<Option<Finished<C::Items>>, PreprocessingError>
    where
        BatchMsg<R>: Wire,
    {
        let MaskNames { context, epoch, committee, .. } = self.names;
        let id = |number| BatchId { context, epoch, number };
        let call = Call {
            kind,
            number: self.ledger.own().begun,
            standing: self.ledger.standing(committee)?,
            needed: Needed::Present(self.plan.patience()),
            session: &|number, standing| id(number).session::<R, C>(&recipe, standing),
            burn: &|number| {
                self.runtime.block_on(self.ledger.begin(number))?;
                self.driver.hub.count(self.ledger.own());
                Ok(())
            },
            abandon: &|peers| kind == Kind::Exact && !self.wanted(peers).unwrap_or(false),
        };
        let begun = match self.driver.hub.gather(&call) {
            Ok(begun) => begun,
            Err(NotBegun::Abandoned) => return Ok(None),
            Err(NotBegun::Stopped) => return Err(PreprocessingError::Stopped),
            Err(NotBegun::Store(error)) => return Err(error.into()),
        };
        let protocol = Batch::new(&id(begun.number), &self.masks.keys, recipe, &begun.standing)?;
        let outcome = self.driver.run(begun.session, protocol, begun.absent.clone())?;
        self.driver.hub.ended(matches!(outcome, Outcome::Accepted(_)));
        let run = RunName::batch::<R, C>(id(begun.number), &recipe, begun.standing.clone());
        self.runtime.block_on(self.ledger.exhibits().keep(&self.driver.hub, &run, &self.driver.seal))?;
        self.note(&begun, &outcome)?;
        Ok(Some((begun, outcome)))
    }

    /// Puts the items of an agreed batch on disk.
    ///
    /// # Errors
    /// [`PreprocessingError::Store`]; they must not be used then.
    pub fn keep(&self, begun: &Begun, items: &ExactItems) -> Result<(), PreprocessingError> {
        Ok(self.runtime.block_on(self.stock.put(begun, items))?)
    }

    /// What follows from an outcome for the batches after it.
    fn note<I>(&self, begun: &Begun, outcome: &Outcome<I>) -> Result<(), PreprocessingError> {
        let mut standing = begun.standing.clone();
        // Who was away is evicted from that batch and from no other
        let lasting = |party: &PartyId| !begun.away.contains(party);
        standing.evicted.retain(lasting);
        match outcome {
            Outcome::Accepted(_) => standing.careful = false,
            Outcome::Rejected(rejection) => {
                tracing::warn!(batch = begun.number, ?rejection, "batch rejected, its secrets are shown");
                crate::metrics::stock_batch("rejected");
                standing.note(rejection);
                if self.plan.evict_silent {
                    rejection.silent.iter().filter(|party| lasting(party)).for_each(|party| standing.evict(*party));
                }
            }
            Outcome::Dropped => {
                tracing::warn!(
                    batch = begun.number,
                    "batch dropped: it did not find 2t + 1 votes, or its values did not come"
                );
                crate::metrics::stock_batch("dropped");
            }
        }
        self.runtime.block_on(self.ledger.set_standing(&standing))?;
        Ok(())
    }

    /// Whether this store may begin a batch and somebody needs one. An old store is given up first.
    fn may_begin(&self) -> Result<bool, PreprocessingError> {
        match self.stock.trust() {
            Trust::Confirmed => {}
            trust @ Trust::Unconfirmed { .. } => {
                self.status.say(&trust.to_string());
                return Ok(false);
            }
            trust @ Trust::RolledBack { seen, .. } => {
                tracing::error!(%trust, "this store is an old copy: its items are given up");
                self.status.say(&trust.to_string());
                crate::metrics::store_rolled_back();
                self.runtime.block_on(self.stock.resynchronise(seen))?;
                return Ok(false);
            }
        }
        self.wanted(&self.driver.hub.peers())
    }

    /// Below the target ourselves, or a peer is and we have room: nobody can fill its stock alone. Items that can be
    /// proposed count, those that a party which is away or lies leaves in its lane do not.
    fn wanted(&self, peers: &BTreeMap<PartyId, Stand>) -> Result<bool, PreprocessingError> {
        let stock: u64 = self.stock.batches()?.iter().map(|(_, left)| u64::from(*left)).sum();
        crate::metrics::stock_items(stock);
        let (target, free) = (u64::from(self.plan.items), self.stock.free());
        let asks = |stand: &Stand| stand.wish.as_ref().is_some_and(|wish| wish.kind == Kind::Exact);
        // by the shortest lane: items of a proposer that is away are no use to the others
        let asked = free < 2 * target && peers.values().any(asks);
        let wanted = stock < MOST_STOCK * target && (free < target || asked);
        let hub = &self.driver.hub;
        let (missing, away) = (hub.committee().size() - 1 - peers.len(), hub.away());
        let absent = |party: &PartyId| *party != hub.me() && !peers.contains_key(party);
        let waits = hub.committee().parties().any(|party| absent(&party) && !away.contains(&party));
        self.status.say(match (wanted, missing) {
            (false, _) => "ready",
            (true, 0) => "ready; preprocessing",
            (true, _) if waits => "ready; preprocessing waits for every node",
            (true, _) => "ready; preprocessing without those that are away",
        });
        Ok(wanted)
    }

    /// Waits while a decryption is being computed, but not for ever: stock is needed for decryptions too.
    fn give_way(&self) {
        let since = Instant::now();
        while (self.busy)() && since.elapsed() < DECRYPTION_PAUSE {
            std::thread::sleep(DECRYPTION_PAUSE / 100);
        }
    }
}
