//! What `mpc/fuzz` feeds with bytes, and a test of this crate with seeded ones. Each asserts what must hold for all bytes.

use crate::codec::{RunKind, Terms, Wire};
use crate::fault::Owner;
use crate::preprocessing::{Batch, BatchId, BatchMsg, Bits, MaskItem, Piece, Standing};
use crate::prss::PrssKeys;
use crate::prss_setup::{PrssSetup, SetupMsg};
use crate::ring::{Gr16, Gr64, Ring};
use crate::rounds::{InRound, Rounds, Say};
use crate::run::Run;
use crate::shamir::{Received, decode as decode_shares, decode_complete};
use crate::sim::ToySeal;
use crate::vss::VssMsg;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, SessionId};

/// Bytes of a message fed to a machine, at most.
const CHUNK: usize = 48;

/// A committee of the project with somebody to tolerate.
fn committee(byte: u8) -> Committee {
    let sizes = [4, 7, 10, 13];
    let n = sizes.get(usize::from(byte) % sizes.len()).copied().unwrap_or(4);
    // all of these are sizes of committees
    Committee::new(n).unwrap_or_else(|error| unreachable!("{error}"))
}

/// Decoding never says more than its inputs hold: what is decoded agrees with all but the named liars.
///
/// # Panics
/// If it does not.
pub fn decode(data: &[u8]) {
    let [first, degree, liars, rest @ ..] = data else { return };
    let committee = committee(*first);
    let degree = usize::from(*degree) % committee.size();
    let liars = usize::from(*liars) % committee.size();
    let len = rest.len() / Gr16::BYTES / committee.size();
    let elements: Vec<Gr16> = rest.chunks_exact(Gr16::BYTES).map(Gr16::read_le).collect();
    let parties: Vec<_> = committee.parties().collect();
    let lists: Vec<&[Gr16]> = elements.chunks(len.max(1)).take(committee.size()).collect();
    let received: Vec<_> =
        parties.iter().zip(&lists).map(|(party, shares)| Received { party: *party, shares }).collect();
    if let Ok(decoded) = decode_shares(&received, degree, liars) {
        assert_eq!(decoded.good.len() + decoded.liars.len(), received.len());
        assert!(decoded.liars.len() <= liars, "as many as the caller allows");
        assert!(decoded.good.len() > degree, "enough to fix the polynomial");
        let of_good: Vec<_> = received.iter().filter(|r| decoded.good.contains(&r.party)).copied().collect();
        assert_eq!(decode_shares(&of_good, degree, 0).map(|again| again.values), Ok(decoded.values));
    }
    if let Ok(values) = decode_complete(&received, &parties, degree) {
        assert_eq!(received.len(), committee.size(), "all of them");
        assert_eq!(values.len(), received.first().map_or(0, |r| r.shares.len()));
    }
}

fn reads_back<M: Wire>(data: &[u8], terms: &Terms) {
    if let Ok(msg) = M::parse(data, terms) {
        assert_eq!(msg.to_bytes(), data, "one form of a message");
        assert!(data.len() <= terms.longest());
        if let Some(said) = msg.statement() {
            assert!(said.len() <= data.len());
        }
    }
}

/// What can be read is the one form of what was read.
///
/// # Panics
/// If it is not.
pub fn parse(data: &[u8]) {
    let [first, data @ ..] = data else { return };
    let session = SessionId(KeyId::numbered(1).bytes());
    let kind = if first & 0x10 == 0 { RunKind::Dealing } else { RunKind::Batch { careful: first & 0x20 != 0 } };
    let terms = Terms { session, committee: committee(*first), kind, value: 200, list: 1024 };
    reads_back::<VssMsg<Gr64>>(data, &terms);
    reads_back::<SetupMsg>(data, &terms);
    reads_back::<BatchMsg<Gr16>>(data, &terms);
    for round in 0..64 {
        // no panic, whatever the words
        let permitted = terms.permits(round, data);
        assert!(!permitted || !data.is_empty());
    }
    if let Ok(piece) = Piece::<MaskItem>::from_secret_bytes(data) {
        assert_eq!(piece.to_secret_bytes().as_slice(), data);
    }
    if let Ok(keys) = PrssKeys::from_secret_bytes(data) {
        assert_eq!(keys.to_secret_bytes().as_slice(), data);
    }
}

/// A machine that hears arbitrary frames gives one output at most, names each party once and shows only evidence that
/// holds. Nothing else is true of it: here all others may lie.
///
/// # Panics
/// If it does not.
pub fn machine_receive(data: &[u8]) {
    let [first, data @ ..] = data else { return };
    let committee = committee(first & 1);
    let Ok(party) = committee.party(1) else { return };
    let owner = Owner { party, committee };
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(*first));
    let session = SessionId(KeyId::numbered(1).bytes());
    if first & 2 == 0 {
        let Ok((setup, say)) = PrssSetup::new(session, owner, &mut rng) else { return };
        drive(setup, say, data);
    } else {
        let Ok(keys) = PrssKeys::deal(committee, &mut rng) else { return };
        let id = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number: 1 };
        let standing = Standing { careful: first & 4 != 0, evicted: Vec::new() };
        let Some(keys) = keys.first() else { return };
        let Ok((batch, say)) = Batch::<Gr16, _>::new(&id, keys, Bits { count: 4 }, &standing) else { return };
        drive(batch, say, data);
    }
}

fn drive<P: Rounds>(protocol: P, first: Say<P::Msg>, data: &[u8])
where
    P::Msg: Wire,
{
    let (committee, me) = (protocol.committee(), protocol.me());
    let (mut run, step) = Run::start(protocol, first, ToySeal(me));
    let mut outputs = usize::from(step.output.is_some());
    let mut faults = step.faults;
    let terms = *run.terms();
    for chunk in data.chunks(CHUNK) {
        let [head, bytes @ ..] = chunk else { continue };
        let Ok(from) = tkms_types::PartyId::new(2 + head % 15) else { continue };
        // as it is, as a private message of this round, or as a public one under the sender's own signature
        let step = match head >> 5 {
            0 => run.receive(from, bytes),
            1 => run.round_over(),
            2..5 => {
                let frame = [&(run.round() as u16).to_le_bytes()[..], &[0], bytes].concat();
                run.receive(from, &frame)
            }
            _ => match P::Msg::parse(bytes, &terms) {
                Ok(msg) => {
                    let frame = crate::run::signed_frame(&terms, from, &InRound { round: run.round(), msg });
                    run.receive(from, &frame)
                }
                Err(_) => continue,
            },
        };
        outputs += usize::from(step.output.is_some());
        faults.extend(step.faults);
    }
    assert!(outputs <= 1 && run.is_done() == (outputs == 1));
    let mut culprits: Vec<_> = faults.iter().map(|fault| fault.culprit).collect();
    let count = culprits.len();
    culprits.sort_unstable();
    culprits.dedup();
    assert_eq!(culprits.len(), count, "each is named once");
    let evidence = run.take_evidence();
    assert!(evidence.len() < committee.size());
    assert!(evidence.iter().all(|evidence| evidence.verify(&terms, &ToySeal(me))));
    if outputs == 0 {
        let abort = run.give_up();
        assert!(abort.heard <= committee.size());
    }
}
