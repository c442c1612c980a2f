//! Threshold protocols as pure, synchronous machines: no clock, socket, thread, global randomness or log inside.
//!
//! | module | what | page |
//! | --- | --- | --- |
//! | [`ring`] | GR(2⁶⁴, 4), GR(2¹²⁸, 4), GF(16) | `docs/protocol/decrypt.md`, "Algebra" |
//! | [`shamir`] | sharing, interpolation, error-correcting decoding | same |
//! | [`prss`] | masks without interaction (Cramer, Damgård, Ishai, TCC 2005) | steps 1, 3 |
//! | [`phase`] | key shares and the linear part of decryption | steps 1, 2 |
//! | [`decrypt`] | `flood`: masked shares and their robust opening (Noah's Ark, WAHC 2023) | steps 2–7 |
//! | [`user`] | a user combines the shares of the nodes | step 8 |
//! | [`rounds`] | synchronous rounds around a protocol | `docs/protocol/broadcast.md`, "Rounds" |
//! | [`broadcast`] | reliable broadcast (Bracha 1987; Berman, Garay, Perry, FOCS 1989) | `docs/protocol/broadcast.md` |
//! | [`vss`] | verifiable secret sharing (Ben-Or, Goldwasser, Wigderson, STOC 1988) | `docs/protocol/vss.md` |
//! | [`prss_setup`] | PRSS keys without a dealer | `docs/protocol/prss-setup.md` |
//! | [`preprocessing`] | random bits and triples in batches (Damgård, Nielsen, CRYPTO 2007) | `docs/protocol/preprocessing.md` |
//! | [`exact`] | decryption without squash and flooding: masks of shared bits, linear rounding | `docs/protocol/exact-decrypt.md` |
//! | [`run`], [`codec`] | what a node sends and hears: a run in bytes | the modules' heads |
//! | [`statement`], [`exhibit`] | signed public messages, evidence for third parties | `docs/protocol/broadcast.md`, "Evidence" |
//! | [`bounds`] | noise, mask and message: the inequality behind every plaintext | "Correctness" |
//!
//! Names (context, epoch, key) are bound in the session id, `tkms_types::transcript::session_id`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking"))]

pub mod bounds;
pub mod broadcast;
pub mod codec;
pub mod decrypt;
pub mod exact;
pub mod exhibit;
pub mod fault;
pub mod machine;
mod opening;
pub mod phase;
pub mod preprocessing;
pub mod prss;
pub mod prss_setup;
pub mod ring;
pub mod rounds;
pub mod run;
pub mod shamir;
#[cfg(feature = "sim")]
pub mod sim;
pub mod statement;
mod tags;
pub mod user;
pub mod vss;
