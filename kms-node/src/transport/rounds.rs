//! Frames and stands on the wire: names and sender are checked as in envelopes, values against the committee.

use super::RoundFrame;
use super::codec::{self, CodecError, Names};
use crate::limits::FRAME_BYTES;
use crate::rounds::{Counters, Kind, Stand, Wish, evicted_mask, evicted_of};
use bytes::Bytes;
use tkms_mpc::preprocessing::Standing;
use tkms_types::{Committee, PartyId, SessionId};
use tkms_wire::peer;

impl Names {
    pub(super) fn seal_frame(&self, sender: PartyId, frame: RoundFrame) -> peer::RoundMessage {
        peer::RoundMessage {
            context: codec::bytes(self.context.bytes()),
            epoch: codec::bytes(self.epoch.bytes()),
            session: codec::bytes(frame.session.0),
            sender: sender.number().into(),
            frame: frame.bytes,
        }
    }

    pub(super) fn open_frame(&self, caller: PartyId, message: peer::RoundMessage) -> Result<RoundFrame, CodecError> {
        self.check_epoch(caller, message.sender, (&message.context, &message.epoch))?;
        if message.frame.len() > FRAME_BYTES {
            return Err(CodecError::TooLarge(message.frame.len()));
        }
        Ok(RoundFrame { session: SessionId(codec::word("session", &message.session)?), bytes: message.frame })
    }

    pub(super) fn seal_stand(&self, sender: PartyId, stand: Stand) -> peer::Stand {
        let session = |session: Option<SessionId>| session.map_or_else(Bytes::new, |session| codec::bytes(session.0));
        let counters = |counters: Counters| peer::Counters { begun: counters.begun, taken: counters.taken };
        peer::Stand {
            context: codec::bytes(self.context.bytes()),
            epoch: codec::bytes(self.epoch.bytes()),
            sender: sender.number().into(),
            mask_keys: session(stand.mask_keys),
            wish: stand.wish.map(|wish| peer::Wish {
                kind: wish.kind as u32,
                number: wish.number,
                evicted: evicted_mask(&wish.standing),
                careful: wish.standing.careful,
            }),
            going: session(stand.going),
            own: Some(counters(stand.own)),
            yours: Some(counters(stand.yours)),
        }
    }

    pub(super) fn open_stand(
        &self,
        caller: PartyId,
        committee: Committee,
        stand: peer::Stand,
    ) -> Result<Stand, CodecError> {
        self.check_epoch(caller, stand.sender, (&stand.context, &stand.epoch))?;
        let session = |field, bytes: &Bytes| {
            if bytes.is_empty() { Ok(None) } else { codec::word(field, bytes).map(|word| Some(SessionId(word))) }
        };
        let counters = |counters: Option<peer::Counters>| {
            let counters = counters.ok_or(CodecError::Missing("a stand without counters"))?;
            Ok(Counters { begun: counters.begun, taken: counters.taken })
        };
        let wish = |wish: peer::Wish| {
            let kind = Kind::from_number(wish.kind).ok_or(CodecError::Missing("a run of no known kind"))?;
            let evicted =
                evicted_of(wish.evicted, committee).ok_or(CodecError::Missing("evicts parties that do not exist"))?;
            Ok(Wish { kind, number: wish.number, standing: Standing { evicted, careful: wish.careful } })
        };
        Ok(Stand {
            mask_keys: session("mask keys", &stand.mask_keys)?,
            wish: stand.wish.map(wish).transpose()?,
            going: session("going", &stand.going)?,
            own: counters(stand.own)?,
            yours: counters(stand.yours)?,
        })
    }

    fn check_epoch(&self, caller: PartyId, sender: u32, names: (&Bytes, &Bytes)) -> Result<(), CodecError> {
        if sender != u32::from(caller.number()) {
            return Err(CodecError::Sender { found: sender, caller });
        }
        let names = [("context", names.0, self.context.bytes()), ("epoch", names.1, self.epoch.bytes())];
        codec::check_names(&names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use tkms_types::{ContextId, EpochId, Id as _, KeyId};

    fn names(epoch: u64) -> Names {
        Names { context: ContextId::numbered(1), epoch: EpochId::numbered(epoch), key: KeyId::numbered(1) }
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    fn stand() -> Stand {
        let standing = Standing { evicted: vec![party(2), party(4)], careful: true };
        Stand {
            mask_keys: Some(SessionId(B256::repeat_byte(1))),
            wish: Some(Wish { kind: Kind::Exact, number: 7, standing }),
            going: None,
            own: Counters { begun: 7, taken: 20 },
            yours: Counters { begun: 6, taken: 0 },
        }
    }

    #[test]
    fn stands_and_frames_come_back_as_they_were_and_under_their_names_only() {
        let committee = Committee::new(4).unwrap();
        let open = |names: Names, caller, sealed| names.open_stand(caller, committee, sealed);
        let sealed = || names(1).seal_stand(party(3), stand());
        assert_eq!(open(names(1), party(3), sealed()), Ok(stand()));
        assert!(matches!(open(names(1), party(1), sealed()), Err(CodecError::Sender { .. })));
        assert!(matches!(open(names(2), party(3), sealed()), Err(CodecError::Name { field: "epoch", .. })));
        let frame = RoundFrame { session: SessionId(B256::repeat_byte(9)), bytes: Bytes::from_static(b"frame") };
        let sealed = || names(1).seal_frame(party(3), frame.clone());
        assert_eq!(names(1).open_frame(party(3), sealed()), Ok(frame.clone()));
        assert!(names(1).open_frame(party(2), sealed()).is_err() && names(2).open_frame(party(3), sealed()).is_err());
    }

    #[test]
    fn a_stand_that_names_what_does_not_exist_is_refused() {
        let committee = Committee::new(4).unwrap();
        let broken = [
            |stand: &mut peer::Stand| stand.wish.as_mut().unwrap().kind = 9,
            |stand: &mut peer::Stand| stand.wish.as_mut().unwrap().evicted = 1 << 4,
            |stand: &mut peer::Stand| stand.own = None,
            |stand: &mut peer::Stand| stand.going = Bytes::from_static(b"short"),
        ];
        for damage in broken {
            let mut sealed = names(1).seal_stand(party(3), stand());
            damage(&mut sealed);
            assert!(names(1).open_stand(party(3), committee, sealed).is_err());
        }
    }
}
