//! Frames and stands on the wire: names and sender are checked as in envelopes, values against the committee.

use super::RoundFrame;
use super::codec::{self, CodecError, Names};
use crate::limits::FRAME_BYTES;
use crate::rounds::{Counters, Kind, Mark, Stage, Stand, Wish, mask_of, parties_of};
use bytes::Bytes;
use tkms_mpc::preprocessing::Standing;
use tkms_mpc::statement::SIGNATURE_BYTES;
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
        let mark = |mark: Mark| peer::Mark {
            begun: mark.counters.begun,
            taken: mark.counters.taken,
            signature: Bytes::copy_from_slice(&mark.signature),
        };
        peer::Stand {
            context: codec::bytes(self.context.bytes()),
            epoch: codec::bytes(self.epoch.bytes()),
            sender: sender.number().into(),
            mask_keys: session(stand.mask_keys),
            wish: stand.wish.map(|wish| peer::Wish {
                kind: wish.kind as u32,
                number: wish.number,
                evicted: mask_of(&wish.standing.evicted),
                careful: wish.standing.careful,
                away: mask_of(&wish.away),
            }),
            going: session(stand.going),
            own: stand.own.map(mark),
            yours: stand.yours.map(mark),
            away: mask_of(&stand.away),
            stage: stand.stage as u32,
        }
    }

    pub(super) fn open_stand(
        &self,
        caller: PartyId,
        (me, committee): (PartyId, Committee),
        stand: peer::Stand,
    ) -> Result<Stand, CodecError> {
        self.check_epoch(caller, stand.sender, (&stand.context, &stand.epoch))?;
        let session = |field, bytes: &Bytes| {
            if bytes.is_empty() { Ok(None) } else { codec::word(field, bytes).map(|word| Some(SessionId(word))) }
        };
        let mark = |party: PartyId, mark: peer::Mark| -> Result<Mark, CodecError> {
            let signature = <[u8; SIGNATURE_BYTES]>::try_from(mark.signature.as_ref());
            let signature = signature.map_err(|_| CodecError::Missing("a mark without a signature"))?;
            let counters = Counters { begun: mark.begun, taken: mark.taken };
            Ok(Mark { party, context: self.context, epoch: self.epoch, counters, signature })
        };
        let parties = |mask| parties_of(mask, committee).ok_or(CodecError::Missing("names parties that do not exist"));
        let wish = |wish: peer::Wish| {
            let kind = Kind::from_number(wish.kind).ok_or(CodecError::Missing("a run of no known kind"))?;
            let standing = Standing { evicted: parties(wish.evicted)?, careful: wish.careful };
            Ok(Wish { kind, number: wish.number, standing, away: parties(wish.away)? })
        };
        Ok(Stand {
            mask_keys: session("mask keys", &stand.mask_keys)?,
            wish: stand.wish.map(wish).transpose()?,
            going: session("going", &stand.going)?,
            away: parties(stand.away)?,
            own: stand.own.map(|own| mark(caller, own)).transpose()?,
            yours: stand.yours.map(|yours| mark(me, yours)).transpose()?,
            stage: Stage::from_number(stand.stage).ok_or(CodecError::Missing("mask keys of no known stage"))?,
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

    fn mark(of: u8, counters: Counters) -> Mark {
        let Names { context, epoch, .. } = names(1);
        Mark { party: party(of), context, epoch, counters, signature: [of; 64] }
    }

    fn stand() -> Stand {
        let standing = Standing { evicted: vec![party(2), party(4)], careful: true };
        Stand {
            mask_keys: Some(SessionId(B256::repeat_byte(1))),
            wish: Some(Wish { kind: Kind::Exact, number: 7, standing, away: vec![party(1)] }),
            going: None,
            away: vec![party(1), party(2)],
            own: Some(mark(3, Counters { begun: 7, taken: 20 })),
            yours: Some(mark(1, Counters { begun: 6, taken: 0 })),
            stage: Stage::Promised,
        }
    }

    #[test]
    fn stands_and_frames_come_back_as_they_were_and_under_their_names_only() {
        let committee = Committee::new(4).unwrap();
        let open = |names: Names, caller, sealed| names.open_stand(caller, (party(1), committee), sealed);
        let sealed = || names(1).seal_stand(party(3), stand());
        assert_eq!(open(names(1), party(3), sealed()), Ok(stand()));
        let fresh = Stand::default();
        assert_eq!(open(names(1), party(3), names(1).seal_stand(party(3), fresh.clone())), Ok(fresh));
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
            |stand: &mut peer::Stand| stand.wish.as_mut().unwrap().away = 1 << 4,
            |stand: &mut peer::Stand| stand.away = 1 << 31,
            |stand: &mut peer::Stand| stand.stage = 3,
            |stand: &mut peer::Stand| stand.own.as_mut().unwrap().signature = Bytes::from_static(&[1; 63]),
            |stand: &mut peer::Stand| stand.going = Bytes::from_static(b"short"),
        ];
        for damage in broken {
            let mut sealed = names(1).seal_stand(party(3), stand());
            damage(&mut sealed);
            assert!(names(1).open_stand(party(3), (party(1), committee), sealed).is_err());
        }
    }
}
