//! Bytes on the wire and on disk, and hashes that are signed, against what the pages write: by hand, with keccak alone. A
//! change here is a change of the protocol's version, and has to look like one.

use crate::common::{committee, party};
use alloy_primitives::{B256, keccak256};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::broadcast::{Broadcast, BroadcastId, BroadcastMsg};
use tkms_mpc::codec::{RunKind, Terms, Wire};
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, BitShares, Bits, Counters, Mark, Piece, Standing, Triples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64, Gr128, Ring};
use tkms_mpc::rounds::{Rounds, Say};
use tkms_mpc::run::Run;
use tkms_mpc::shamir::{Received, decode_complete};
use tkms_mpc::sim::ToySeal;
use tkms_mpc::statement::{SIGNATURE_BYTES, Seal, Statement};
use tkms_mpc::vss::VssMsg;
use tkms_types::transcript::setup_session;
use tkms_types::{ContextId, EpochId, Id, KeyId, PartyId, SessionId};
use zeroize::Zeroizing;

fn context() -> ContextId {
    ContextId::numbered(1)
}

fn epoch() -> EpochId {
    EpochId::numbered(2)
}

fn session() -> SessionId {
    SessionId(KeyId::numbered(1).bytes())
}

/// H(tag; fields): keccak of the tag's keccak and the fields, one after the other.
fn tagged(tag: &str, fields: &[&[u8]]) -> [u8; 32] {
    let mut bytes = keccak256(tag).to_vec();
    fields.iter().for_each(|field| bytes.extend(*field));
    keccak256(bytes).0
}

/// A word of an id.
fn word(id: impl Into<B256>) -> [u8; 32] {
    id.into().0
}

#[test]
fn a_batch_has_the_name_that_its_page_writes() {
    let id = BatchId { context: context(), epoch: epoch(), number: 0x0102 };
    let standing = Standing { evicted: vec![party(2), party(5)], careful: true };
    let expected = |kind: u8, bits: u32, items: u32| {
        let fields: [&[u8]; 9] = [
            &word(context()),
            &word(epoch()),
            &0x0102u64.to_be_bytes(),
            &[kind],
            &bits.to_be_bytes(),
            &items.to_be_bytes(),
            &[1],
            &2u32.to_be_bytes(),
            &[2, 5],
        ];
        tagged("tkms/preprocessing/batch/v1", &fields)
    };
    assert_eq!(id.session::<Gr16, _>(&Bits { count: 12 }, &standing).0.0, expected(1, 16, 12));
    assert_eq!(id.session::<Gr64, _>(&Bits { count: 4 }, &standing).0.0, expected(1, 64, 4));
    assert_eq!(id.session::<Gr128, _>(&Triples { count: 8 }, &standing).0.0, expected(2, 128, 8));
}

#[test]
fn a_setup_has_the_name_that_its_page_writes() {
    let fields: [&[u8]; 3] = [&word(context()), &word(epoch()), &7u64.to_be_bytes()];
    assert_eq!(setup_session(context(), epoch(), 7).0.0, tagged("tkms/prss/session/v1", &fields));
}

#[test]
fn what_is_signed_of_a_statement_is_what_its_page_writes() {
    let kind = RunKind::Broadcast;
    let terms = Terms { session: session(), committee: committee(4), kind, value: 9, list: 0 };
    let digest = tagged("tkms/mpc/said/v1", &[&keccak256([0, 1, 2]).0]);
    let fields: [&[u8]; 4] = [&session().0.0, &3u32.to_be_bytes(), &[2], &digest];
    assert_eq!(Statement::signed_hash(&terms, (party(2), 3), &digest), tagged("tkms/mpc/statement/v1", &fields));
}

/// Signs with the hash itself.
struct Shows;

impl Seal for Shows {
    fn sign(&self, hash: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        std::array::from_fn(|i| hash[i % 32])
    }

    fn verify(&self, _: PartyId, hash: &[u8; 32], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.sign(hash) == *signature
    }
}

#[test]
fn what_is_signed_of_a_mark_is_what_its_page_writes() {
    let mark = Mark::sign(party(3), (context(), epoch()), Counters { begun: 5, taken: 9 }, &Shows);
    let fields: [&[u8]; 5] = [&word(context()), &word(epoch()), &[3], &5u64.to_be_bytes(), &9u64.to_be_bytes()];
    assert_eq!(mark.signature[..32], tagged("tkms/preprocessing/mark/v1", &fields));
    assert!(mark.verify(&Shows));
}

#[test]
fn an_echo_is_the_hash_that_its_page_writes() {
    let id = BroadcastId { session: session(), number: 6 };
    let (mut broadcast, _) = Broadcast::new(id, (committee(4), party(1)), 9, vec![1]);
    let values: [Option<Vec<u8>>; 4] = [Some(vec![1]), Some(vec![]), None, Some(vec![4; 9])];
    let turn = broadcast.close(values.iter().cloned().map(|value| value.map(BroadcastMsg::Send)).collect());
    let Say::All(BroadcastMsg::Echo(list)) = turn.say else { panic!("an echo") };
    for ((sender, value), echoed) in (1u8..).zip(&values).zip(list) {
        let hash = |value: &Vec<u8>| {
            let fields: [&[u8]; 4] = [&session().0.0, &6u32.to_be_bytes(), &[sender], &keccak256(value).0];
            tagged("tkms/broadcast/value/v1", &fields)
        };
        assert_eq!(echoed, value.as_ref().map(hash), "sender {sender}");
    }
}

#[test]
fn a_report_is_the_hash_of_the_opened_elements() {
    let keys = PrssKeys::deal(committee(4), &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let id = BatchId { context: context(), epoch: epoch(), number: 1 };
    let (recipe, standing) = (Bits { count: 8 }, Standing::default());
    let start = |keys: &PrssKeys| Batch::<Gr16, _>::new(&id, keys, recipe, &standing).unwrap();
    let message = |say: Say<BatchMsg<Gr16>>| match say {
        Say::All(BatchMsg::Shares(list)) => list,
        other => panic!("{other:?}"),
    };
    let messages: Vec<_> = keys.iter().map(|keys| message(start(keys).1)).collect();
    let (mut batch, _) = start(&keys[0]);
    let turn = batch.close(messages.iter().cloned().map(|list| Some(BatchMsg::Shares(list))).collect());
    let Say::All(BatchMsg::Broadcast(BroadcastMsg::Send(report))) = turn.say else { panic!("a report") };
    let parties: Vec<_> = committee(4).parties().collect();
    let received: Vec<_> =
        parties.iter().zip(&messages).map(|(party, shares)| Received { party: *party, shares }).collect();
    let mut bytes = Vec::new();
    decode_complete(&received, &parties, 2).unwrap().iter().for_each(|element| element.write_le(&mut bytes));
    let session = id.session::<Gr16, _>(&recipe, &standing).0.0;
    assert_eq!(report, tagged("tkms/preprocessing/message/v1", &[&session, &[0], blake3::hash(&bytes).as_bytes()]));
}

#[test]
fn an_element_is_its_coefficients_from_the_constant_up_each_little_endian() {
    let mut bytes = Vec::new();
    Gr16::new([1, 2, 0x0304, 0xfffe]).write_le(&mut bytes);
    assert_eq!(bytes, [1, 0, 2, 0, 4, 3, 0xfe, 0xff]);
    bytes.clear();
    Gr64::new([1, 0, 0, 0x0102_0304_0506_0708]).write_le(&mut bytes);
    assert_eq!(bytes, [&[1][..], &[0; 23], &[8, 7, 6, 5, 4, 3, 2, 1]].concat());
    assert_eq!(Gr128::constant(3).to_le_bytes(), [&[3][..], &[0; 63]].concat().as_slice());
    assert_eq!(Gr16::read_le(&[1, 0, 2]), Gr16::new([1, 2, 0, 0]), "missing bytes are 0");
}

#[test]
fn every_message_has_the_bytes_that_the_codec_promises() {
    let hashes = vec![None, Some([7; 32]), None, Some([8; 32])];
    let two = [vec![0b1010, 0], vec![7; 32], vec![8; 32]].concat();
    let marks = vec![None, Some(false), Some(true), None];
    let supply = vec![None, None, None, Some(vec![5, 6])];
    let of_broadcast = [
        (BroadcastMsg::Send(vec![1, 2]), vec![0, 1, 2]),
        (BroadcastMsg::Send(vec![]), vec![0]),
        (BroadcastMsg::Echo(hashes.clone()), [vec![1], two.clone()].concat()),
        (BroadcastMsg::Vote(hashes), [vec![2], two].concat()),
        (
            BroadcastMsg::Bits { bits: vec![true, false, false, true], wanted: vec![false, true, false, false] },
            vec![3, 0b1001, 0, 0b0010, 0],
        ),
        (BroadcastMsg::Marks { marks, supply }, vec![4, 0b0110, 0, 0b0100, 0, 0b1000, 0, 2, 0, 0, 0, 5, 6]),
        (BroadcastMsg::King(Some(vec![false, true, true, false])), vec![5, 0b0110, 0]),
        (BroadcastMsg::King(None), vec![6]),
    ];
    let terms = Terms { session: session(), committee: committee(4), kind: RunKind::Dealing, value: 20, list: 64 };
    for (msg, bytes) in of_broadcast {
        assert_eq!(msg.to_bytes(), bytes, "{msg:?}");
        assert_eq!(BroadcastMsg::parse(&bytes, &terms).as_ref(), Ok(&msg));
        let inside = VssMsg::<Gr16>::Broadcast(msg.clone());
        assert_eq!(inside.to_bytes(), bytes, "the layers add no bytes");
        assert_eq!(SetupMsg::Vss(VssMsg::Broadcast(msg.clone())).to_bytes(), bytes);
        assert_eq!(BatchMsg::<Gr16>::Broadcast(msg).to_bytes(), bytes);
    }
    let one = [1, 0, 2, 0, 3, 0, 4, 0];
    let element = vec![Gr16::new([1, 2, 3, 4])];
    let with = |tag: u8| [&[tag][..], &one].concat();
    assert_eq!(VssMsg::Deal(element.clone()).to_bytes(), with(7));
    assert_eq!(VssMsg::Cross(element.clone()).to_bytes(), with(8));
    assert_eq!(SetupMsg::Open(vec![Gr64::ONE]).to_bytes(), [&[9, 1][..], &[0; 31]].concat());
    assert_eq!(BatchMsg::Shares(element.clone()).to_bytes(), with(10));
    let vote = |accept, want| BatchMsg::<Gr16>::Vote { accept, want }.to_bytes();
    assert_eq!([vote(false, false), vote(true, false), vote(false, true)], [[11, 0], [11, 1], [11, 2]]);
    assert_eq!(BatchMsg::<Gr16>::Supply(None).to_bytes(), [12]);
    assert_eq!(BatchMsg::Supply(Some(element)).to_bytes(), with(13));
}

#[test]
fn a_frame_is_round_signature_statements_passed_on_and_message() {
    let id = BroadcastId { session: session(), number: 1 };
    let (protocol, first) = Broadcast::new(id, (committee(4), party(1)), 9, vec![42]);
    let (run, step) = Run::start(protocol, first, ToySeal(party(1)));
    let frame = &step.send[0].msg;
    let digest = tagged("tkms/mpc/said/v1", &[&keccak256([0, 42]).0]);
    let signature = ToySeal(party(1)).sign(&Statement::signed_hash(run.terms(), (party(1), 1), &digest));
    let expected = [&[1, 0][..], &[1], &signature, &[0, 0], &[0, 42]].concat();
    assert_eq!(*frame, expected, "nobody has said anything before");
    let keys = PrssKeys::deal(committee(4), &mut ChaCha20Rng::seed_from_u64(1)).unwrap();
    let id = BatchId { context: context(), epoch: epoch(), number: 1 };
    let (batch, first) = Batch::<Gr16, _>::new(&id, &keys[0], Bits { count: 4 }, &Standing::default()).unwrap();
    let (_, step) = Run::start(batch, first, ToySeal(party(1)));
    assert_eq!(step.send[0].msg[..4], [1, 0, 0, 10], "shares are not signed");
    assert_eq!(step.send[0].msg.len(), 4 + Gr16::BYTES);
}

#[test]
fn a_stored_piece_has_the_layout_of_its_page() {
    let id = BatchId { context: context(), epoch: epoch(), number: 0x0a0b };
    let shares = BitShares(Zeroizing::new((0..9).map(Gr16::constant).collect()));
    let mut piece = Piece::masks(id, &shares, 3).unwrap();
    let items = |words: &[u16]| words.iter().flat_map(|word| [*word as u8, 0, 0, 0, 0, 0, 0, 0]).collect::<Vec<_>>();
    let header = |taken: u8| {
        let names = [&word(context())[..], &word(epoch())].concat();
        [&[1, 1, 3][..], &names, &[0x0b, 0x0a, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0], &[3, 0, 0, 0], &[taken]].concat()
    };
    // Σ 2ʲ·r_j and r₂ of (0, 1, 2), (3, 4, 5), (6, 7, 8)
    let fresh = [header(0), items(&[10, 2, 31, 5, 52, 8])].concat();
    assert_eq!(*piece.to_secret_bytes(), fresh);
    piece.take(1, 2).unwrap();
    assert_eq!(*piece.to_secret_bytes(), [header(0b010), items(&[10, 2, 0, 0, 52, 8])].concat(), "and is erased");
}
