//! Names of all metrics of this crate.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The recorder of this process, or `None` if another one was installed before.
pub fn install() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().map(|()| handle)
}

/// A block was signed.
pub fn signed(number: u64, time: u64) {
    metrics::counter!("tkms_attester_signed_total").increment(1);
    metrics::gauge!("tkms_attester_block").set(number as f64);
    metrics::gauge!("tkms_attester_block_time").set(time as f64);
}

/// The chain contradicts what was signed.
pub fn halted() {
    metrics::gauge!("tkms_attester_halted").set(1.0);
}
