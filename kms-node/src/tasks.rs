//! Background tasks that end with the node.

use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A bag of tasks; those that ended are dropped as new ones come.
#[derive(Default)]
pub(crate) struct Tasks {
    set: Mutex<JoinSet<()>>,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(task);
    }

    /// Cancels all and waits until they are gone.
    pub(crate) async fn stop(&self) {
        let mut set = std::mem::take(&mut *self.set.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }
}

/// Returns when the signal says stop. A signal whose sender is gone says so as well.
pub(crate) async fn stopped(mut signal: watch::Receiver<bool>) {
    if signal.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("stopped without a word");
    }
}
