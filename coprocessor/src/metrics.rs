//! Names of all metrics of this crate.

use crate::store::Counts;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Done,
    /// Never will have one.
    Failed,
    /// Is tried again later.
    Postponed,
}

/// The recorder of this process, or `None` if another one was installed before.
pub fn install() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok().map(|()| handle)
    };
    HANDLE.get_or_init(install).as_ref()
}

/// A task ended.
pub fn task(task: &'static str, outcome: Outcome, time: Duration) {
    let outcome = match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::Postponed => "postponed",
    };
    metrics::counter!("tkms_coprocessor_tasks_total", "task" => task, "outcome" => outcome).increment(1);
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    metrics::counter!("tkms_coprocessor_task_milliseconds_total", "task" => task).increment(milliseconds);
}

/// An input was accepted or refused.
pub fn input(outcome: &'static str) {
    metrics::counter!("tkms_coprocessor_inputs_total", "outcome" => outcome).increment(1);
}

/// The chain was read up to a block.
pub fn block(read: u64, head: u64) {
    metrics::gauge!("tkms_coprocessor_block").set(read as f64);
    metrics::gauge!("tkms_coprocessor_head_block").set(head as f64);
}

/// The chain left blocks that were read.
pub fn reorganised() {
    metrics::counter!("tkms_coprocessor_reorganisations_total").increment(1);
}

/// Whether the process is at the head of the chain with its keys loaded.
pub fn ready(ready: bool) {
    metrics::gauge!("tkms_coprocessor_ready").set(f64::from(u8::from(ready)));
}

/// Tasks under way.
pub fn running(tasks: usize) {
    metrics::gauge!("tkms_coprocessor_tasks_running").set(tasks as f64);
}

/// Inputs accepted and not yet verified.
pub fn inputs_waiting(inputs: usize) {
    metrics::gauge!("tkms_coprocessor_inputs_waiting").set(inputs as f64);
}

/// How full the database is.
pub fn counts(counts: Counts) {
    metrics::gauge!("tkms_coprocessor_handles").set(counts.handles as f64);
    metrics::gauge!("tkms_coprocessor_tasks_runnable").set(counts.runnable as f64);
    let computes = counts.runnable.saturating_sub(counts.squashes).saturating_sub(counts.postponed);
    for (task, queued) in [("compute", computes), ("squash", counts.squashes), ("postponed", counts.postponed)] {
        metrics::gauge!("tkms_coprocessor_queue", "task" => task).set(queued as f64);
    }
    metrics::gauge!("tkms_coprocessor_operand_waits").set(counts.waits as f64);
}
