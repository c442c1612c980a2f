//! Every named bound of the system that more than one part knows (STYLE.md principle 12).

use std::time::Duration;

/// Bits that one decryption request may ask for, bool counted as 2.
pub const REQUEST_BITS: usize = 2048;
/// Handles in one request: no type counts less than 2 bits.
pub const REQUEST_HANDLES: usize = REQUEST_BITS / 2;
/// Contracts that one user permit may name.
pub const PERMIT_CONTRACTS: usize = 10;
/// Days that one user permit may last.
pub const PERMIT_DAYS: u16 = 365;
/// A permit's start must lie below this Unix time, so that no sum overflows.
pub const PERMIT_START: u64 = 1 << 40;
/// Values in one encrypted input: the index byte 255 means "computed on chain".
pub const INPUT_VALUES: usize = 255;
/// Bits in one encrypted input: the capacity of the CRS.
pub const INPUT_BITS: usize = 2048;
/// Bytes of one proven input list: the largest is under 100 kB, the rest is margin.
pub const INPUT_BYTES: usize = 512 * 1024;
/// Bytes of a user's encapsulation key as the official client serialises it.
pub const USER_KEY_BYTES: usize = 869;
/// Bytes of a stored ciphertext: a euint256 takes 0.8 MB.
pub const CIPHERTEXT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a sample list: a euint256 takes 64 blocks of 65,552 bytes.
pub const SAMPLES_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of the body of a request to a node, evidence included.
pub const REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one message between nodes.
pub const PEER_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// Decryption sessions a node runs at once; further ones wait in order.
pub const SESSIONS_IN_FLIGHT: usize = 256;
/// Early messages a node keeps per peer, in sessions and in bytes.
pub const EARLY_SESSIONS_PER_PEER: usize = 64;
/// See [`EARLY_SESSIONS_PER_PEER`].
pub const EARLY_BYTES_PER_PEER: usize = 4 * 1024 * 1024;
/// How long an early message is kept.
pub const EARLY_TIME: Duration = Duration::from_secs(60);
/// How long a finished session answers late peers.
pub const FINISHED_SESSION_TIME: Duration = Duration::from_secs(24 * 3600);
/// Gas of one question to a smart account whether it signed a permit (ERC-1271). A P-256 signature verified in Solidity takes 200,000
/// to 350,000, with a Safe around it 450,000; the worst that can be made of this much keeps a core busy for some milliseconds.
pub const SMART_ACCOUNT_GAS: u64 = 500_000;
/// Gas a callback may ask for.
pub const CALLBACK_GAS: u32 = 2_000_000;
/// Members of one set of attesters, validators or coprocessors: one bit each in a word.
pub const SET_MEMBERS: usize = 64;
/// Endpoints besides a node's own that a host chain may be looked up at.
pub const ENDPOINTS: usize = 32;
