//! Bounds of one node that nobody else needs to know (STYLE.md principle 12); shared ones are in `tkms_types::limits`.

use std::time::Duration;

/// Requests of callers being worked on at once; further ones are refused as `Busy`.
pub const REQUESTS_IN_FLIGHT: usize = 1024;
/// Requests taken over from peers being worked on at once, beside those of callers; every peer has an equal part of them.
pub const TAKEN_OVER: usize = 64;
/// Longest time a caller's call is held open.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Bytes of a caller's label, which is echoed.
pub const LABEL_BYTES: usize = 64;
/// Body of a request: this much, and [`BODY_BYTES_PER_HANDLE`] for each handle.
pub const BODY_BYTES: usize = 64 * 1024;
/// See [`BODY_BYTES`].
pub const BODY_BYTES_PER_HANDLE: usize = 8 * 1024;
/// Signatures read for one material; a coprocessor set has fewer members.
pub const MATERIAL_SIGNATURES: usize = 64;
/// How long a request waits for a store to have its ciphertext.
pub const CIPHERTEXT_WAIT: Duration = Duration::from_secs(60);
/// Pause between two looks at a store.
pub const POLL: Duration = Duration::from_millis(100);
/// One question to an endpoint of a host chain.
pub const HOST_CALL: Duration = Duration::from_secs(5);
/// One fetch from a store.
pub const FETCH: Duration = Duration::from_secs(15);
/// Sample lists kept in memory between fetching and use.
pub const SAMPLE_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Sample lists being parsed and multiplied at once, in KiB.
pub const SAMPLE_WORK_KIB: u32 = 64 * 1024;
/// Blocks kept per host: verified once, and remembered to notice two hashes for one number.
pub const ANCHORS: usize = 64;
/// Blocks that are new to the node and verified for one caller, per host and second.
pub const NEW_ANCHORS_PER_SECOND: u32 = 8;
/// How long a request waits for the verification of its block that another one is at.
pub const VERIFYING_WAIT: Duration = Duration::from_secs(1);
/// Pieces of evidence verified at once; further ones wait in their calls.
pub const VERIFYING: usize = 64;
/// Messages waiting to be sent to one peer.
pub const PEER_QUEUE: usize = 1024;
/// Messages from all peers waiting to be handled.
pub const INBOUND_QUEUE: usize = 1024;
/// Calls of one peer served at once.
pub const PEER_CALLS: usize = 64;
/// Messages of one peer on their way, not acknowledged yet: half of the calls it serves at once, the others are questions.
pub const PEER_UNDER_WAY: usize = PEER_CALLS / 2;
/// Messages that one acknowledgement is for at most: the sender goes on before it has too many under way.
pub const PEER_ACK: u32 = PEER_UNDER_WAY as u32 / 4;
/// How long an acknowledgement waits for more of them. The sender waits for none.
pub const PEER_ACK_TIME: Duration = Duration::from_millis(10);
/// Requests that one peer is asked for in a second.
pub const PULLS_PER_SECOND: u32 = 32;
/// One call to a peer.
pub const PEER_CALL: Duration = Duration::from_secs(10);
/// Opening a connection to a peer.
pub const PEER_CONNECT: Duration = Duration::from_secs(2);
/// First pause before a peer is tried again; doubles up to [`LONGEST_BACKOFF`].
pub const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// See [`FIRST_BACKOFF`].
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(2);
/// How long a session of `flood` waits for messages before it asks for them.
pub const BEFORE_PULLING: Duration = Duration::from_millis(250);
/// The same for `exact`, whose answers take four delays: a peer that is 100 ms away is not missed, and what was missed is there long
/// before the next one proposes ([`PROPOSAL_TIME`]).
pub const EXACT_MISSED: Duration = Duration::from_millis(500);
/// How long a request that is here keeps its ciphertexts from being taken over from peers. Not longer: what is named in a request
/// that was not judged yet, anybody may name.
pub const AT_HAND_TIME: Duration = Duration::from_secs(10);
/// How long a peer may take to show the request behind its ciphertext before others are asked for it as well.
pub const PULL_HOLD: Duration = Duration::from_secs(2);
/// Between two looks for ciphertexts of a peer that no request is known for.
pub const STRANGERS_LOOK: Duration = Duration::from_millis(125);
/// How long a finished opening stays in memory to check late shares.
pub const LATE_SHARES: Duration = Duration::from_secs(60);
/// How long a session waits for its peers. It can be asked for again at any time.
pub const SESSION_TIME: Duration = Duration::from_secs(24 * 3600);
/// Blames kept for `Info`, newest first to go last.
pub const BLAMES: usize = 64;
/// Sources (addresses, users, peers) whose rate is remembered.
pub const RATE_SOURCES: usize = 4096;
/// Writes to the node's store waiting for the disk.
pub const STORE_QUEUE: usize = 1024;
/// Writes that share one commit.
pub const STORE_BATCH: usize = 128;
/// How long a commit waits for others to join it: one costs a node more than what it writes.
pub const STORE_GATHER: Duration = Duration::from_micros(300);
/// Journal records between two signatures over its head.
pub const JOURNAL_HEAD: u64 = 1000;
/// Bytes of a file of the key store.
pub const KEY_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// log2 of the scrypt cost of the passphrase: 128 MiB and about half a second.
pub const SCRYPT_LOG_N: u8 = 17;
/// Bytes of a frame between nodes: a message of a batch, and what is signed and passed on beside it.
pub const FRAME_BYTES: usize = 9 * 1024 * 1024;
/// Frames waiting to be sent to one peer; further ones are our silence.
pub const FRAME_QUEUE: usize = 16;
/// Frames of one peer in the mailbox of a run: a peer is at most two rounds ahead.
pub const MAILBOX_FRAMES: usize = 4;
/// Frames kept of a run that a peer has begun before us.
pub const EARLY_FRAMES: usize = 3;
/// Bytes of them.
pub const EARLY_FRAME_BYTES: usize = 2 * FRAME_BYTES;
/// How long a frame is sent again to a peer that does not take it.
pub const FRAME_TIME: Duration = Duration::from_secs(60);
/// How often peers tell each other how they stand while nothing changes.
pub const STAND_IDLE: Duration = Duration::from_secs(2);
/// The same for a peer that did not answer.
pub const STAND_RETRY: Duration = Duration::from_millis(500);
/// How long counters may have grown before the peers hear it: one signature for whatever was counted meanwhile.
pub const MARK_TIME: Duration = Duration::from_millis(100);
/// Signatures under counters that one peer makes us check in a second.
pub const MARKS_PER_SECOND: u32 = 32;
/// How long 2t + 1 nodes may take to say that they begin; then the number is given up.
pub const GO_TIME: Duration = Duration::from_secs(5);
/// How far one peer's word lifts a number.
pub const MAX_LIFT: u64 = 1 << 20;
/// How often it does, until a run ends well.
pub const MAX_LIFTS: u32 = 16;
/// Times the target that is kept in stock at most. More than twice the target are what parties leave that never propose.
pub const MOST_STOCK: u64 = 64;
/// How long a batch waits for decryptions that are being computed.
pub const DECRYPTION_PAUSE: Duration = Duration::from_secs(2);
/// Ciphertexts being decrypted by `exact` at once; further ones wait in order of acceptance.
pub const EXACT_IN_FLIGHT: usize = 4096;
/// Finished ciphertexts kept in memory for late shares.
pub const EXACT_FINISHED: usize = 2048;
/// Ciphertexts of one peer whose early messages are kept.
pub const EXACT_EARLY: usize = EXACT_IN_FLIGHT;
/// Parts of early messages kept of one peer for one ciphertext.
pub const EXACT_EARLY_PARTS: usize = 64;
/// How often clocks of ciphertexts under `exact` are looked at.
pub const EXACT_TICK: Duration = Duration::from_millis(20);
/// Messages that come up within this time share a frame.
pub const EXACT_GATHER: Duration = Duration::from_millis(1);
/// Bytes that wait for one peer; what comes up beyond them the peer has to ask for.
pub const EXACT_BACKLOG: usize = 8 * 1024 * 1024;
/// How long rows of ended ciphertexts are gathered. Nobody waits for them.
pub const EXACT_ROWS: Duration = Duration::from_millis(5);
/// From so many ciphertexts on their way on, votes and rows are gathered for [`EXACT_BUSY_GATHER`]: a signature, or a commit, for
/// each of them costs more than the wait.
pub const EXACT_BUSY: u32 = 16;
/// See [`EXACT_BUSY`].
pub const EXACT_BUSY_GATHER: Duration = Duration::from_millis(20);
/// How often a ciphertext that waits for stock or votes looks for them by itself.
pub const EXACT_LOOK: Duration = Duration::from_millis(100);
/// What every ciphertext on its way adds to the time for which nothing is missed of the others: a node that has much to do is slow,
/// and asking again makes it slower.
pub const EXACT_SHARE: Duration = Duration::from_millis(2);
/// Ciphertexts whose messages are asked for at once.
pub const EXACT_PULLS: usize = 16;
/// Ciphertexts that are asked for in one round of asking.
pub const EXACT_PULL_ROUND: usize = 256;
/// Ciphertexts of one peer without request whose rows are read in one look.
pub const EXACT_STRANGERS: usize = 16;
/// How often the permission of a ciphertext that waits is looked at again.
pub const PERMIT_CHECK: Duration = Duration::from_secs(1);
/// How long an attempt without stock may take before it is given up.
pub const ON_DEMAND_TIME: Duration = Duration::from_secs(3);
/// How long the proposer of an attempt may be silent before the next one proposes.
pub const PROPOSAL_TIME: Duration = Duration::from_secs(2);
/// How long a proposer that we do not reach may be silent, and how long votes for an earlier attempt are waited for.
pub const AWAY_TIME: Duration = Duration::from_millis(300);
/// How long a user's answer waits for an earlier attempt than the one that ended.
pub const SETTLE_TIME: Duration = Duration::from_secs(2);
/// How long an attempt may take after its range was proposed, before the next one is.
pub const STUCK_TIME: Duration = Duration::from_secs(10);
