//! The protocol in force, as the rest of the node sees it.

use crate::exact::Exact;
use crate::session::Sessions;
use crate::transport::PeerMessage;
use tkms_types::{PartyId, SessionId};
use tkms_wire::answer::Blame;
use tkms_wire::kms;

/// Ciphertexts on their way, by the protocol of the key. Cheap to clone. A ciphertext goes by its session at attempt 0.
#[derive(Clone)]
pub enum Decryptor {
    /// Noise flooding.
    Flood(Sessions),
    /// Masks from stock.
    Exact(Exact),
}

impl Decryptor {
    /// A peer's message. Whether its session is known here; if not, its request should be asked for.
    pub(crate) fn deliver(&self, from: PartyId, message: PeerMessage) -> bool {
        match self {
            Self::Flood(sessions) => sessions.deliver(from, message),
            Self::Exact(exact) => {
                // a frame is of many sessions; [`Self::stranger`] says which of them are not known
                exact.deliver(from, &message);
                true
            }
        }
    }

    /// A session of a peer that no request is known for here and that was waited for; each is told of once. `flood` says so at once.
    pub(crate) fn stranger(&self, peer: PartyId) -> Option<SessionId> {
        match self {
            Self::Flood(_) => None,
            Self::Exact(exact) => exact.stranger(peer),
        }
    }

    /// A peer asks for a message that we have not sent. Whether the request behind it should be asked for at once.
    pub(crate) fn misses(&self, peer: PartyId, session: SessionId) -> bool {
        match self {
            Self::Flood(sessions) => !sessions.knows(session),
            Self::Exact(exact) => {
                exact.note_stranger(peer, session);
                false
            }
        }
    }

    /// What we sent in a session.
    pub(crate) fn message_of(&self, session: SessionId) -> Option<PeerMessage> {
        match self {
            Self::Flood(sessions) => sessions.message_of(session),
            Self::Exact(exact) => exact.message_of(session),
        }
    }

    /// The public request behind a session.
    pub(crate) fn request_of(&self, session: SessionId) -> Option<kms::PublicDecryptRequest> {
        match self {
            Self::Flood(sessions) => sessions.request_of(session),
            Self::Exact(exact) => exact.request_of(session),
        }
    }

    /// Sessions without outcome.
    #[must_use]
    pub fn running(&self) -> usize {
        match self {
            Self::Flood(sessions) => sessions.running(),
            Self::Exact(exact) => exact.running(),
        }
    }

    /// Local computations since start.
    #[must_use]
    pub fn computed(&self) -> u64 {
        match self {
            Self::Flood(sessions) => sessions.computed(),
            Self::Exact(exact) => exact.computed(),
        }
    }

    /// Whether background work should give way: only `flood` computes for long.
    #[must_use]
    pub fn computing(&self) -> bool {
        match self {
            Self::Flood(sessions) => sessions.computing(),
            Self::Exact(_) => false,
        }
    }

    /// The newest blames.
    #[must_use]
    pub fn blames(&self) -> Vec<Blame> {
        match self {
            Self::Flood(sessions) => sessions.blames(),
            Self::Exact(exact) => exact.blames(),
        }
    }
}
