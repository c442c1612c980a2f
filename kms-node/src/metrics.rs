//! Names of everything the node counts, and one function for each.

use tkms_types::{PartyId, RequestKind};

/// Requests by kind and outcome.
pub const REQUESTS: &str = "tkms_node_requests_total";
/// Refusals by code.
pub const REFUSALS: &str = "tkms_node_refusals_total";
/// Decryptions computed; a repeated request does not count.
pub const SESSIONS: &str = "tkms_node_sessions_computed_total";
/// Seconds from the start of a session to its opened value.
pub const SESSION_SECONDS: &str = "tkms_node_session_seconds";
/// Seconds from the arrival of a request to its answer.
pub const REQUEST_SECONDS: &str = "tkms_node_request_seconds";
/// Peers that departed from a protocol, by party.
pub const FAULTS: &str = "tkms_node_faults_total";
/// Messages refused at the peer port, by party.
pub const PEER_REFUSED: &str = "tkms_node_peer_messages_refused_total";
/// 1 if the last call to a peer succeeded.
pub const PEER_CONNECTED: &str = "tkms_node_peer_connected";
/// Stores that returned other bytes than asked for.
pub const STORE_MISMATCH: &str = "tkms_node_store_mismatch_total";
/// Time of the newest block accepted per host chain, Unix seconds: its age is the clock minus this.
pub const ANCHOR_TIME: &str = "tkms_node_anchor_time_seconds";
/// Blocks verified, by host chain; one that was known does not count.
pub const ANCHORS: &str = "tkms_node_anchors_verified_total";
/// Host chains that are halted.
pub const HALTED: &str = "tkms_node_host_halted";

/// Batches by outcome.
pub const STOCK_BATCHES: &str = "tkms_node_batches_total";
/// Items of exact decryption in stock.
pub const STOCK_ITEMS: &str = "tkms_node_stock_items";
/// Old stores that were given up.
pub const ROLLED_BACK: &str = "tkms_node_store_rolled_back_total";

/// Ranges of stock that 2t + 1 nodes bound to a ciphertext and this node saw bound.
pub const CERTIFICATES: &str = "tkms_node_exact_certificates_total";
/// Ciphertexts under `exact` whose messages are shared, by attempt.
pub const ATTEMPTS: &str = "tkms_node_exact_attempts_total";
/// Attempts without stock, by what became of them.
pub const ON_DEMAND: &str = "tkms_node_exact_on_demand_total";
/// Votes that were asked for and not cast.
pub const VOTES_REFUSED: &str = "tkms_node_exact_votes_refused_total";

pub(crate) fn certificate() {
    metrics::counter!(CERTIFICATES).increment(1);
}

pub(crate) fn attempt(number: u32) {
    metrics::counter!(ATTEMPTS, "attempt" => number.to_string()).increment(1);
}

pub(crate) fn on_demand(outcome: &'static str) {
    metrics::counter!(ON_DEMAND, "outcome" => outcome).increment(1);
}

pub(crate) fn vote_refused() {
    metrics::counter!(VOTES_REFUSED).increment(1);
}

pub(crate) fn stock_batch(outcome: &'static str) {
    metrics::counter!(STOCK_BATCHES, "outcome" => outcome).increment(1);
}

pub(crate) fn stock_items(items: u64) {
    metrics::gauge!(STOCK_ITEMS).set(items as f64);
}

pub(crate) fn store_rolled_back() {
    metrics::counter!(ROLLED_BACK).increment(1);
}

pub(crate) fn request(kind: RequestKind, outcome: &'static str) {
    metrics::counter!(REQUESTS, "kind" => kind_name(kind), "outcome" => outcome).increment(1);
}

pub(crate) fn refusal(code: &'static str) {
    metrics::counter!(REFUSALS, "code" => code).increment(1);
}

pub(crate) fn request_seconds(kind: RequestKind, seconds: f64) {
    metrics::histogram!(REQUEST_SECONDS, "kind" => kind_name(kind)).record(seconds);
}

pub(crate) fn session_computed() {
    metrics::counter!(SESSIONS).increment(1);
}

pub(crate) fn session_seconds(seconds: f64) {
    metrics::histogram!(SESSION_SECONDS).record(seconds);
}

pub(crate) fn fault(culprit: PartyId) {
    metrics::counter!(FAULTS, "party" => culprit.number().to_string()).increment(1);
}

pub(crate) fn peer_refused(party: PartyId) {
    metrics::counter!(PEER_REFUSED, "party" => party.number().to_string()).increment(1);
}

pub(crate) fn peer_connected(party: PartyId, connected: bool) {
    metrics::gauge!(PEER_CONNECTED, "party" => party.number().to_string()).set(if connected { 1.0 } else { 0.0 });
}

pub(crate) fn store_mismatch() {
    metrics::counter!(STORE_MISMATCH).increment(1);
}

pub(crate) fn anchor(chain_id: u64) {
    metrics::counter!(ANCHORS, "chain" => chain_id.to_string()).increment(1);
}

pub(crate) fn anchor_time(chain_id: u64, time: u64) {
    metrics::gauge!(ANCHOR_TIME, "chain" => chain_id.to_string()).set(time as f64);
}

pub(crate) fn host_halted(chain_id: u64) {
    metrics::gauge!(HALTED, "chain" => chain_id.to_string()).set(1.0);
}

const fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Public => "public",
        RequestKind::User => "user",
    }
}
