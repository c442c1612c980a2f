//! The mask keys of an epoch, without a dealer: made once by the nodes, in force once 2t + 1 hold those of one setup
//! (`docs/protocol/sessions.md`, "Setup").

pub mod rejoin;

use crate::keystore::{HeldMasks, Keystore, KeystoreError, MaskNames, NodeIdentity};
use crate::limits::STAND_IDLE;
use crate::masks::MaskKeys;
use crate::rounds::{Begun, Call, Driver, Ended, Kind, Needed, NotBegun, Stage, Stand};
use crate::stock::{Ledger, Status};
use crate::store::StoreError;
use rand::TryRngCore as _;
use rejoin::{Told, combine};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_mpc::exhibit::RunName;
use tkms_mpc::fault::{Misuse, Owner};
use tkms_mpc::preprocessing::Standing;
use tkms_mpc::prss_setup::PrssSetup;
use tkms_types::transcript::setup_session;
use tkms_types::{PartyId, SessionId};
use tokio::runtime::Handle;

/// What a setup works with.
pub struct Setup {
    /// Runs it.
    pub driver: Arc<Driver>,
    /// Where the keys are sealed.
    pub keystore: Keystore,
    /// To whom.
    pub identity: Arc<NodeIdentity>,
    /// Under which names.
    pub names: MaskNames,
    /// Counts attempts.
    pub ledger: Ledger,
    /// Who waits for the keys.
    pub masks: MaskKeys,
    /// How long it waits for everyone, and for others that have the keys it made.
    pub wait: Duration,
    /// Says where it stands.
    pub status: Status,
    /// For what is asynchronous.
    pub runtime: Handle,
}

/// What becomes of keys that a setup left.
enum Settled {
    /// Another setup takes their place.
    Drop,
    /// The committee has them.
    InForce,
}

/// Why there are no mask keys.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
    /// The key store.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The node's store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The committee cannot have such keys.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Setup {
    /// Has mask keys in force when it returns.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn complete(&self) -> Result<Arc<HeldMasks>, SetupError> {
        if let Some(held) = self.keystore.masks(&self.names, &self.identity)? {
            return Ok(self.put_in_force(held));
        }
        let mut held = self.keystore.pending_masks(&self.names, &self.identity)?.map(Arc::new);
        loop {
            held = match held {
                Some(held) => match self.settle(&held)? {
                    Settled::Drop => None,
                    Settled::InForce => {
                        self.keystore.activate_masks(&self.names)?;
                        let active = self.keystore.masks(&self.names, &self.identity)?;
                        let path = || KeystoreError::Missing(self.keystore.masks_path(&self.names));
                        return Ok(self.put_in_force(active.ok_or_else(path)?));
                    }
                },
                None => {
                    self.say(None, Stage::Made);
                    self.obtain()?.map(Arc::new)
                }
            };
            if self.driver.hub.is_stopped() {
                return Err(SetupError::Stopped);
            }
        }
    }

    /// Tells what we hold.
    fn say(&self, held: Option<&Arc<HeldMasks>>, stage: Stage) {
        self.masks.hold(held.cloned());
        let session = held.map(|held| held.session);
        self.driver.hub.tell(|own| (own.mask_keys, own.stage) = (session, stage));
    }

    fn put_in_force(&self, held: HeldMasks) -> Arc<HeldMasks> {
        let held = Arc::new(held);
        self.say(Some(&held), Stage::InForce);
        self.masks.put_in_force(Arc::clone(&held));
        tracing::info!(session = %held.session, "mask keys in force");
        held
    }

    /// Waits with keys until they are in force, or have to go. They are promised, on disk, once 2t + 1 of us hold them: from
    /// then on this node never gives them up for want of others. They are in force once 2t + 1 have promised: then t + 1
    /// honest nodes never take part in another setup, and none can be without them.
    fn settle(&self, held: &Arc<HeldMasks>) -> Result<Settled, SetupError> {
        let hub = &self.driver.hub;
        let threshold = self.names.committee.threshold();
        let mut promised = self.ledger.promised()? == Some(held.session);
        let mut alone = Instant::now();
        loop {
            if hub.is_stopped() {
                return Err(SetupError::Stopped);
            }
            self.say(Some(held), if promised { Stage::Promised } else { Stage::Made });
            let peers = hub.peers();
            let same = |stand: &&Stand| stand.mask_keys == Some(held.session);
            let holding = 1 + peers.values().filter(same).count();
            let promises = peers.values().filter(same).filter(|stand| stand.stage >= Stage::Promised).count();
            // A promise is given up for promises only: so no two setups can come into force
            let least = if promised { Stage::Promised } else { Stage::Made };
            let elsewhere =
                |(session, count): (SessionId, usize)| session != held.session && count >= threshold.quorum();
            if holders(&peers, least).into_iter().any(elsewhere) {
                tracing::warn!(session = %held.session, "the committee has mask keys of another setup; ours are dropped");
                return Ok(Settled::Drop);
            }
            if promised && promises + 1 >= threshold.quorum() {
                return Ok(Settled::InForce);
            }
            if !promised && holding >= threshold.quorum() {
                self.runtime.block_on(self.ledger.promise(held.session))?;
                promised = true;
                continue;
            }
            // Not while too few of us are here to make others, nor if somebody honest has promised
            if promised || peers.len() + 1 < threshold.quorum() || promises > threshold.faults() {
                alone = Instant::now();
            }
            if alone.elapsed() >= self.wait + 2 * self.driver.round_time {
                tracing::warn!(session = %held.session, holding, "too few nodes have mask keys of this setup; ours are dropped");
                return Ok(Settled::Drop);
            }
            self.status.say("setup: mask keys are made; waiting until 2t + 1 nodes hold them");
            hub.pause(STAND_IDLE.min(self.wait));
        }
    }

    /// By a setup, or from peers if one has ended without us.
    fn obtain(&self) -> Result<Option<HeldMasks>, SetupError> {
        let faults = self.names.committee.threshold().faults();
        let over = |peers: &BTreeMap<PartyId, Stand>| {
            holders(peers, Stage::Made).into_iter().find(|(_, count)| *count > faults).map(|(session, _)| session)
        };
        let held = match over(&self.driver.hub.peers()) {
            Some(session) => self.rejoin(session),
            None => self.attempt(&|peers| over(peers).is_some())?,
        };
        if let Some(held) = &held {
            self.keystore.store_pending_masks(&self.names, held, &self.identity)?;
        }
        Ok(held)
    }

    fn attempt(&self, over: &dyn Fn(&BTreeMap<PartyId, Stand>) -> bool) -> Result<Option<HeldMasks>, SetupError> {
        let MaskNames { context, epoch, committee, party } = self.names;
        self.status.say("setup: waiting for the other nodes, to make the mask keys of this epoch");
        let call = Call {
            kind: Kind::Setup,
            number: self.ledger.next_attempt()?,
            standing: Standing::default(),
            needed: Needed::QuorumAfter(self.wait),
            session: &|attempt, _| setup_session(context, epoch, attempt),
            burn: &|attempt| self.runtime.block_on(self.ledger.attempt(attempt)),
            abandon: over,
        };
        let Begun { number, session, absent, .. } = match self.driver.hub.gather(&call) {
            Ok(begun) => begun,
            Err(NotBegun::Abandoned) => return Ok(None),
            Err(NotBegun::Stopped) => return Err(SetupError::Stopped),
            Err(NotBegun::Store(error)) => return Err(error.into()),
        };
        tracing::info!(attempt = number, %session, ?absent, "setup of mask keys begins");
        self.status.say(&format!("setup: making mask keys, attempt {number}"));
        let mut rng = rand::rngs::OsRng.unwrap_err();
        let protocol = PrssSetup::new(session, Owner { party, committee }, &mut rng)?;
        let ended = self.driver.run(session, protocol, absent);
        self.driver.hub.ended(matches!(ended, Ok(Ok(_))));
        let run = RunName::Setup { context, epoch, attempt: number };
        self.runtime.block_on(self.ledger.exhibits().keep(&self.driver.hub, &run, &self.driver.seal))?;
        match ended {
            Ok(Ok(keys)) => Ok(Some(HeldMasks { session, keys })),
            Ok(Err(abort)) => {
                tracing::warn!(attempt = number, %abort, "setup of mask keys failed; another attempt follows");
                Ok(None)
            }
            Err(Ended::Stopped) => Err(SetupError::Stopped),
        }
    }

    /// Asks every peer for the keys both are entitled to.
    fn rejoin(&self, session: SessionId) -> Option<HeldMasks> {
        let MaskNames { committee, party, .. } = self.names;
        let holders = self.driver.hub.peers().into_iter().filter(|(_, stand)| stand.mask_keys == Some(session));
        let mut told: Vec<Told> = Vec::with_capacity(committee.size());
        for (peer, _) in holders {
            match self.runtime.block_on(self.driver.transport.pull_mask_keys(peer, session)) {
                Ok(Some(keys)) => told.push((peer, keys)),
                Ok(None) => tracing::debug!(%peer, "the peer gives no mask keys"),
                Err(error) => tracing::debug!(%peer, %error, "mask keys not pulled"),
            }
        }
        match combine(Owner { party, committee }, &told) {
            Ok(keys) => {
                tracing::info!(%session, "mask keys of a setup without this node, from its peers");
                Some(HeldMasks { session, keys })
            }
            Err(lacking) => {
                let needed = committee.threshold().faults() + 1;
                self.status.say(&format!(
                    "setup: it ended without this node; {lacking} of its mask keys lack {needed} peers that say the same"
                ));
                self.driver.hub.pause(STAND_IDLE);
                None
            }
        }
    }
}

/// How many peers hold keys of which setup, and have come so far with them.
fn holders(peers: &BTreeMap<PartyId, Stand>, least: Stage) -> BTreeMap<SessionId, usize> {
    let mut holders = BTreeMap::new();
    for session in peers.values().filter(|stand| stand.stage >= least).filter_map(|stand| stand.mask_keys) {
        *holders.entry(session).or_insert(0) += 1;
    }
    holders
}
