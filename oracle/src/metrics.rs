//! Every metric the oracle exports, by name, in one place.

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;
use std::time::Duration;
use tkms_types::PartyId;
use url::Url;

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

/// The newest final block, and how long ago it was made, in seconds.
pub fn anchor(chain_id: u64, number: u64, age: u64) {
    gauge!("tkms_oracle_anchor_block", "chain" => chain_id.to_string()).set(number as f64);
    gauge!("tkms_oracle_anchor_age_seconds", "chain" => chain_id.to_string()).set(age as f64);
}

/// Attesters that answered with a signature of theirs at the last look.
pub fn attesters_answering(chain_id: u64, count: usize) {
    gauge!("tkms_oracle_attesters_answering", "chain" => chain_id.to_string()).set(count as f64);
}

/// An attester lied, as seen by the oracle itself.
pub fn attester_lied(chain_id: u64, url: &Url) {
    let labels = [("chain", chain_id.to_string()), ("attester", url.to_string())];
    counter!("tkms_oracle_attester_lies_total", &labels).increment(1);
}

/// Proofs that do not hold were collected, and not sent.
pub fn wrong_proof(chain_id: u64) {
    counter!("tkms_oracle_wrong_proofs_total", "chain" => chain_id.to_string()).increment(1);
}

/// Two histories of a chain were vouched for.
pub fn halted(chain_id: u64) {
    gauge!("tkms_oracle_halted", "chain" => chain_id.to_string()).set(1.0);
}

/// Newest block and number of grants of the mirror.
pub fn mirrored(chain_id: u64, block: u64, count: u64) {
    gauge!("tkms_oracle_mirror_block", "chain" => chain_id.to_string()).set(block as f64);
    gauge!("tkms_oracle_mirror_grants", "chain" => chain_id.to_string()).set(count as f64);
}

/// The mirror was not what is proven, and is made anew.
pub fn mirror_rebuilt(chain_id: u64) {
    counter!("tkms_oracle_mirror_rebuilds_total", "chain" => chain_id.to_string()).increment(1);
}

/// Evidence was made. `renewed`: for nodes that found the former too old.
pub fn evidence(bytes: usize, renewed: bool) {
    histogram!("tkms_oracle_evidence_bytes").record(bytes as f64);
    counter!("tkms_oracle_evidence_total", "renewed" => if renewed { "yes" } else { "no" }).increment(1);
}

/// A caller was turned away. `why`: the label.
pub fn turned_away(why: &'static str) {
    counter!("tkms_oracle_turned_away_total", "why" => why).increment(1);
}
