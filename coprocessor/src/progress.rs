//! How far this process is, for `readyz`.

use std::sync::Arc;
use tokio::sync::watch;

/// What the process is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading and expanding the evaluation keys.
    LoadingKeys(&'static str),
    /// The endpoint does not answer, or the chain is not there yet.
    WaitingForChain(String),
    /// Reading blocks that others have read long ago.
    CatchingUp {
        /// Last block read.
        block: u64,
        /// The chain's last.
        head: u64,
    },
    /// At the head of the chain.
    Ready,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LoadingKeys(what) => write!(f, "loading the {what}"),
            Self::WaitingForChain(why) => write!(f, "waiting for the chain: {why}"),
            Self::CatchingUp { block, head } => write!(f, "reading the chain, at block {block} of {head}"),
            Self::Ready => f.write_str("ready"),
        }
    }
}

/// Shared between those who work and those who are asked.
#[derive(Clone, Debug)]
pub struct Progress(Arc<watch::Sender<Phase>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::LoadingKeys("public keys"))))
    }
}

impl Progress {
    /// Enters a phase; logs it if it is another one.
    pub fn enter(&self, phase: Phase) {
        let steps = matches!((&*self.0.borrow(), &phase), (Phase::CatchingUp { .. }, Phase::CatchingUp { .. }));
        crate::metrics::ready(phase == Phase::Ready);
        let before = self.0.send_replace(phase.clone());
        if before != phase && !steps {
            tracing::info!("{phase}");
        }
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.borrow().clone()
    }
}
