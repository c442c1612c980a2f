//! Every metric the oracle exports, by name, in one place.

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;
use tkms_types::PartyId;

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process-wide recorder. `None` if the process has another one.
pub fn install() -> Option<&'static PrometheusHandle> {
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}

/// A request reached its end. `outcome`: `done`, `refused`.
pub fn finished(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!("tkms_oracle_requests_total", "kind" => kind, "outcome" => outcome).increment(1);
    histogram!("tkms_oracle_request_seconds", "kind" => kind).record(took);
}

/// Requests in work.
pub fn active(count: usize) {
    gauge!("tkms_oracle_active_requests").set(u32::try_from(count).map_or(f64::INFINITY, f64::from));
}

/// A node lied, as seen by the oracle itself.
pub fn lied(party: PartyId) {
    counter!("tkms_oracle_lies_total", "party" => party.number().to_string()).increment(1);
}

/// All nodes answered and no quorum agrees: more of them lie than the committee tolerates.
pub fn disagreement() {
    counter!("tkms_oracle_disagreements_total").increment(1);
}

/// A fulfilment ended. `outcome`: `confirmed`, `already_done`, `reverted`, `failed`.
pub fn delivered(outcome: &'static str) {
    counter!("tkms_oracle_deliveries_total", "outcome" => outcome).increment(1);
}

/// Newest block the watcher has applied.
pub fn watched(chain_id: u64, block: u64) {
    gauge!("tkms_oracle_watched_block", "chain" => chain_id.to_string()).set(block as f64);
}

/// Blocks came off the chain.
pub fn reorged(chain_id: u64) {
    counter!("tkms_oracle_reorgs_total", "chain" => chain_id.to_string()).increment(1);
}

/// A caller was turned away. `why`: the label.
pub fn turned_away(why: &'static str) {
    counter!("tkms_oracle_turned_away_total", "why" => why).increment(1);
}
