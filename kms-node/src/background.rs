//! What a node does with its peers besides decrypting: it stays in touch, makes the epoch's mask keys, fills its stock.
//!
//! One thread of low priority does the computing, so that a decryption finds the cores free.

use crate::decryptor::Decryptor;
use crate::exhibits::Exhibits;
use crate::keystore::{Keystore, MaskNames, NodeIdentity};
use crate::masks::MaskKeys;
use crate::rounds::{CommitteeSeal, Driver, Hub, Notary};
use crate::setup::{Setup, SetupError};
use crate::stock::{Ledger, Preprocessing, PreprocessingError, Preprocessor, Status, Stock};
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::transport::Transport;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tkms_types::Cluster;
use tokio::runtime::Handle;

/// The thread yields to everything else on the machine.
const NICENESS: i32 = 19;

/// What background work needs of the node.
pub(crate) struct Parts {
    pub(crate) names: MaskNames,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) identity: Arc<NodeIdentity>,
    pub(crate) keystore: Keystore,
    pub(crate) store: Store,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) masks: MaskKeys,
    pub(crate) plan: Preprocessing,
}

impl Parts {
    /// Our key among those of the committee.
    fn seal(&self) -> CommitteeSeal {
        CommitteeSeal::new(self.identity.signing_key().clone(), &self.cluster)
    }
}

/// Background work under way.
pub struct Background {
    hub: Arc<Hub>,
    masks: MaskKeys,
    status: Status,
    stock: Arc<OnceLock<Stock>>,
    plan: Preprocessing,
    parts: Parts,
    ledger: Ledger,
}

impl Background {
    /// Opens the books of the epoch. Peers can be heard from now on.
    pub(crate) async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let MaskNames { context, epoch, committee, party } = parts.names;
        let ledger = Ledger::open(parts.store.clone(), context, epoch).await?;
        let notary = Notary::new((context, epoch), parts.seal());
        let hub = Hub::new(party, committee, notary, ledger.seen(committee)?);
        hub.count(ledger.own());
        let (masks, plan) = (parts.masks.clone(), parts.plan);
        Ok(Arc::new(Self { hub, masks, status: Status::default(), stock: Arc::default(), plan, parts, ledger }))
    }

    /// Starts the tasks that stay in touch, and the thread; it ends after [`Self::stop`].
    pub(crate) fn start(self: &Arc<Self>, sessions: Decryptor, tasks: &Tasks) -> std::io::Result<JoinHandle<()>> {
        let me = self.hub.me();
        for peer in self.hub.committee().parties().filter(|party| *party != me) {
            let (hub, transport) = (Arc::clone(&self.hub), Arc::clone(&self.parts.transport));
            tasks.spawn(hub.keep_in_touch(transport, peer));
        }
        tasks.spawn(Arc::clone(&self.hub).keep_marks(self.ledger.clone()));
        let (this, runtime) = (Arc::clone(self), Handle::current());
        std::thread::Builder::new().name("background".to_owned()).spawn(move || this.work(sessions, runtime))
    }

    fn work(&self, sessions: Decryptor, runtime: Handle) {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::warn!(%error, "background work keeps the priority of the process");
        }
        let driver = Arc::new(Driver {
            hub: Arc::clone(&self.hub),
            transport: Arc::clone(&self.parts.transport),
            seal: self.parts.seal(),
            round_time: self.plan.round_time(),
            sent: AtomicU64::new(0),
        });
        let setup = Setup {
            driver: Arc::clone(&driver),
            keystore: self.parts.keystore.clone(),
            identity: Arc::clone(&self.parts.identity),
            names: self.parts.names,
            ledger: self.ledger.clone(),
            masks: self.masks.clone(),
            wait: self.plan.setup_wait(),
            status: self.status.clone(),
            runtime: runtime.clone(),
        };
        let masks = match setup.complete() {
            Ok(masks) => masks,
            Err(SetupError::Stopped) => return,
            Err(error) => return self.failed(&error),
        };
        let names = self.parts.names;
        let (store, hub) = (self.parts.store.clone(), Arc::clone(&self.hub));
        let opened = Stock::open(store, self.ledger.clone(), hub, (names.context, names.epoch), &masks.keys);
        let stock = match opened {
            Ok(stock) => stock,
            Err(error) => return self.failed(&error),
        };
        let stock = self.stock.get_or_init(|| stock).clone();
        let (ledger, status, plan) = (self.ledger.clone(), self.status.clone(), self.plan);
        let busy = Box::new(move || sessions.computing());
        let preprocessor = Preprocessor { driver, ledger, stock, masks, names, plan, busy, status, runtime };
        match preprocessor.run() {
            Ok(()) | Err(PreprocessingError::Stopped) => {}
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &dyn std::error::Error) {
        tracing::error!(%error, "background work ended");
        self.status.say(&format!("background work ended: {error}"));
    }

    /// Ends the thread's waits, for good.
    pub(crate) fn stop(&self) {
        self.hub.stop();
    }

    /// Mailboxes and stands of peers.
    #[must_use]
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The mask keys, when there are.
    #[must_use]
    pub const fn masks(&self) -> &MaskKeys {
        &self.masks
    }

    /// The stock, once mask keys are in force.
    #[must_use]
    pub fn stock(&self) -> Option<&Stock> {
        self.stock.get()
    }

    /// Where the stock will be.
    pub(crate) fn stock_cell(&self) -> Arc<OnceLock<Stock>> {
        Arc::clone(&self.stock)
    }

    /// Items in stock and the target.
    #[must_use]
    pub fn level(&self) -> (u64, u64) {
        let batches = self.stock().map(Stock::batches);
        let items = match batches {
            Some(Ok(batches)) => batches.iter().map(|(_, left)| u64::from(*left)).sum(),
            Some(Err(error)) => {
                tracing::error!(%error, "the stock cannot be read");
                0
            }
            None => 0,
        };
        (items, self.plan.items.into())
    }

    /// Evidence against peers, to be handed over.
    #[must_use]
    pub fn exhibits(&self) -> Exhibits {
        self.ledger.exhibits()
    }

    /// What it is at, in words.
    #[must_use]
    pub fn phase(&self) -> String {
        self.status.phase()
    }

    /// Why the node cannot decrypt, as far as mask keys go.
    #[must_use]
    pub fn not_ready(&self) -> Option<String> {
        self.masks.in_force().is_none().then(|| format!("no mask keys yet; {}", self.phase()))
    }
}
