//! Envelopes: every message carries the names it is valid under, and other names are refused (DESIGN.md D14).

use super::PeerMessage;
use alloy_primitives::B256;
use bytes::Bytes;
use tkms_types::{ContextId, EpochId, KeyId, PartyId, SessionId, limits};
use tkms_wire::peer::Envelope;

/// The names messages of this node are valid under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Context in force.
    pub context: ContextId,
    /// Epoch in force.
    pub epoch: EpochId,
    /// Key in force.
    pub key: KeyId,
}

/// An envelope that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not 32 bytes.
    #[error("{field} has {found} bytes, not 32")]
    Width {
        /// Which field.
        field: &'static str,
        /// Its length.
        found: usize,
    },
    /// Another context, epoch or key.
    #[error("{field} is {found}, this node's is {ours}")]
    Name {
        /// Which name.
        field: &'static str,
        /// As sent.
        found: B256,
        /// In force here.
        ours: B256,
    },
    /// The sender field names somebody else than the certificate.
    #[error("the message says it is by party {found}, the caller is {caller}")]
    Sender {
        /// As sent.
        found: u32,
        /// By its certificate.
        caller: PartyId,
    },
    /// Over the bound.
    #[error("a message of {0} bytes, more than any has")]
    TooLarge(usize),
    /// A message of another session than asked for.
    #[error("it answers with a message of session {found}, asked was {asked}")]
    Session {
        /// As sent.
        found: SessionId,
        /// As asked.
        asked: SessionId,
    },
    /// A part is missing or cannot be read.
    #[error("{0}")]
    Missing(&'static str),
}

pub(super) fn word(field: &'static str, bytes: &[u8]) -> Result<B256, CodecError> {
    B256::try_from(bytes).map_err(|_| CodecError::Width { field, found: bytes.len() })
}

pub(super) fn bytes(word: B256) -> Bytes {
    Bytes::copy_from_slice(word.as_slice())
}

/// Each name as sent against the one in force here.
pub(super) fn check_names(names: &[(&'static str, &Bytes, B256)]) -> Result<(), CodecError> {
    for (field, found, ours) in names {
        let (field, found, ours) = (*field, word(field, found)?, *ours);
        if found != ours {
            return Err(CodecError::Name { field, found, ours });
        }
    }
    Ok(())
}

impl Names {
    pub(super) fn seal(&self, sender: PartyId, message: PeerMessage) -> Envelope {
        Envelope {
            context: bytes(self.context.bytes()),
            epoch: bytes(self.epoch.bytes()),
            key_id: bytes(self.key.bytes()),
            session: bytes(message.session.0),
            sender: sender.number().into(),
            message: message.body,
        }
    }

    pub(super) fn open(&self, caller: PartyId, envelope: Envelope) -> Result<PeerMessage, CodecError> {
        if envelope.sender != u32::from(caller.number()) {
            return Err(CodecError::Sender { found: envelope.sender, caller });
        }
        let names = [
            ("context", &envelope.context, self.context.bytes()),
            ("epoch", &envelope.epoch, self.epoch.bytes()),
            ("key", &envelope.key_id, self.key.bytes()),
        ];
        check_names(&names)?;
        if envelope.message.len() > limits::PEER_MESSAGE_BYTES {
            return Err(CodecError::TooLarge(envelope.message.len()));
        }
        Ok(PeerMessage { session: SessionId(word("session", &envelope.session)?), body: envelope.message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tkms_types::Id as _;

    fn names() -> Names {
        Names { context: ContextId::numbered(1), epoch: EpochId::numbered(1), key: KeyId::numbered(1) }
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    fn message() -> PeerMessage {
        PeerMessage { session: SessionId(B256::repeat_byte(7)), body: Bytes::from_static(b"share") }
    }

    #[test]
    fn an_envelope_opens_for_its_sender() {
        let sealed = names().seal(party(2), message());
        assert_eq!(names().open(party(2), sealed), Ok(message()));
    }

    #[test]
    fn another_sender_than_the_certificate_is_refused() {
        let sealed = names().seal(party(2), message());
        assert_eq!(names().open(party(3), sealed), Err(CodecError::Sender { found: 2, caller: party(3) }));
    }

    #[test]
    fn other_names_are_refused_by_name() {
        let others = [
            ("context", Names { context: ContextId::numbered(2), ..names() }),
            ("epoch", Names { epoch: EpochId::numbered(2), ..names() }),
            ("key", Names { key: KeyId::numbered(2), ..names() }),
        ];
        for (name, others) in others {
            let error = names().open(party(1), others.seal(party(1), message())).unwrap_err();
            assert!(matches!(error, CodecError::Name { field, .. } if field == name), "{error}");
        }
    }

    #[test]
    fn cut_ids_and_oversize_bodies_are_refused() {
        let mut cut = names().seal(party(1), message());
        cut.session = cut.session.slice(..31);
        assert_eq!(names().open(party(1), cut), Err(CodecError::Width { field: "session", found: 31 }));
        let mut large = names().seal(party(1), message());
        large.message = vec![0; limits::PEER_MESSAGE_BYTES + 1].into();
        assert_eq!(names().open(party(1), large), Err(CodecError::TooLarge(limits::PEER_MESSAGE_BYTES + 1)));
    }
}
