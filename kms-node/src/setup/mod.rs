//! The mask keys of an epoch, without a dealer: made once by the nodes, in force once 2t + 1 hold those of one setup
//! (`docs/protocol/sessions.md`, "Setup").

pub mod rejoin;

use crate::keystore::{HeldMasks, Keystore, KeystoreError, MaskNames, NodeIdentity};
use crate::limits::STAND_IDLE;
use crate::masks::MaskKeys;
use crate::rounds::{Begun, Call, Driver, Ended, Kind, Needed, NotBegun, Stand};
use crate::stock::{Ledger, Status};
use crate::store::StoreError;
use rand::TryRngCore as _;
use rejoin::{Told, combine};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
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
    /// How long it waits for everyone.
    pub wait: Duration,
    /// Says where it stands.
    pub status: Status,
    /// For what is asynchronous.
    pub runtime: Handle,
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
            if self.driver.hub.is_stopped() {
                return Err(SetupError::Stopped);
            }
            self.masks.hold(held.clone());
            self.driver.hub.tell(|own| own.mask_keys = held.as_ref().map(|held| held.session));
            held = match held {
                Some(held) if self.confirmed(held.session) => {
                    self.keystore.activate_masks(&self.names)?;
                    let active = self.keystore.masks(&self.names, &self.identity)?;
                    let path = || KeystoreError::Missing(self.keystore.masks_path(&self.names));
                    return Ok(self.put_in_force(active.ok_or_else(path)?));
                }
                Some(held) => self.keep_or_drop(held),
                None => self.obtain()?.map(Arc::new),
            };
        }
    }

    fn put_in_force(&self, held: HeldMasks) -> Arc<HeldMasks> {
        let held = Arc::new(held);
        self.driver.hub.tell(|own| own.mask_keys = Some(held.session));
        self.masks.put_in_force(Arc::clone(&held));
        tracing::info!(session = %held.session, "mask keys in force");
        held
    }

    /// How many peers hold keys of which setup.
    fn holders(&self, peers: &BTreeMap<PartyId, Stand>) -> BTreeMap<SessionId, usize> {
        let mut holders = BTreeMap::new();
        for session in peers.values().filter_map(|stand| stand.mask_keys) {
            *holders.entry(session).or_insert(0) += 1;
        }
        holders
    }

    fn confirmed(&self, session: SessionId) -> bool {
        let others = self.holders(&self.driver.hub.peers()).get(&session).copied().unwrap_or(0);
        others + 1 >= self.names.committee.threshold().quorum()
    }

    /// Pending keys are kept until they are confirmed, or 2t + 1 others hold those of another setup.
    fn keep_or_drop(&self, held: Arc<HeldMasks>) -> Option<Arc<HeldMasks>> {
        let quorum = self.names.committee.threshold().quorum();
        let holders = self.holders(&self.driver.hub.peers());
        if holders.iter().any(|(session, count)| *session != held.session && *count >= quorum) {
            tracing::warn!(session = %held.session, "the committee has mask keys of another setup; ours are dropped");
            return None;
        }
        self.status.say("setup: mask keys are made; waiting until 2t + 1 nodes hold them");
        self.driver.hub.pause(STAND_IDLE);
        Some(held)
    }

    /// By a setup, or from peers if one has ended without us.
    fn obtain(&self) -> Result<Option<HeldMasks>, SetupError> {
        let faults = self.names.committee.threshold().faults();
        let over = |peers: &BTreeMap<PartyId, Stand>| {
            self.holders(peers).into_iter().find(|(_, count)| *count > faults).map(|(session, _)| session)
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
