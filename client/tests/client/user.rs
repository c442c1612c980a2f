//! A user's values: 2e + s ≤ 2t is corrected, liars are named, other sessions are not mixed in.

use crate::fixture::{Answer, Relayer, Scene, handle, rng};
use alloy_primitives::{Address, B256, Bytes};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use tkms_client::{AnswerFault, Answers, Assurance, Error, Permit, PermitTerms, Trust, UserDecryption};
use tkms_eth::{DigestSigner, LocalKey};
use tkms_mpc::ring::Gr128;
use tkms_mpc::shamir;
use tkms_types::transcript::user_request_id;
use tkms_types::typed_data::{permit_digest, permit_domain, recover, user_answer_digest, user_link};
use tkms_types::{FheType, Handle, HandlePair, PartyId, SessionId};
use tkms_wire::PlainHex;
use tkms_wire::answer::envelope_digest;
use tkms_wire::relayer::UserShare;
use tkms_wire::seal::{Item, Recipient, Sender, seal};
use tkms_wire::user_payload::{Body, UserKeyPair};

const TOKEN: Address = Address::repeat_byte(9);
const AMOUNT: u64 = 0x0123_4567_89ab_cdef;
const SESSION: u8 = 5;

struct User {
    scene: Scene,
    trust: Trust,
    permit: Permit,
    pairs: Vec<HandlePair>,
    rng: ChaCha20Rng,
}

impl User {
    fn new(n: u8, seed: u64) -> Self {
        Self::delegated(n, seed, None)
    }

    fn delegated(n: u8, seed: u64, delegator: Option<Address>) -> Self {
        let mut rng = rng(seed);
        let scene = Scene::new(n, &mut rng);
        let wallet = LocalKey::from_bytes(&rng.random()).unwrap();
        let terms = PermitTerms { contracts: vec![TOKEN], start: 1_800_000_000, days: 1, delegator };
        let trust = scene.trust();
        let permit = Permit::sign(terms, &wallet, &trust, &mut rng).unwrap();
        let pair = |handle| HandlePair { handle, contract: TOKEN };
        let pairs = [handle(1, FheType::Uint64), handle(2, FheType::Bool)].map(pair).to_vec();
        Self { scene, trust, permit, pairs, rng }
    }

    fn handles(&self) -> Vec<Handle> {
        self.pairs.iter().map(|pair| pair.handle).collect()
    }

    /// Every party's bodies for the amount and `true`.
    fn bodies(&mut self) -> Vec<Vec<Body>> {
        let committee = self.trust.committee();
        if committee.size() == 1 {
            return vec![vec![Body::Central(AMOUNT.to_le_bytes().to_vec()), Body::Central(vec![1])]];
        }
        let digits: Vec<u128> = (0..16).map(|i| u128::from(AMOUNT >> (4 * i) & 15)).collect();
        let mut of_party = vec![Vec::new(); committee.size()];
        for digits in [&digits[..], &[1]] {
            let elements: Vec<_> = digits.chunks(4).map(|chunk| self.element(chunk)).collect();
            for party in committee.parties() {
                let own = elements.iter().map(|shares| *shares[party.index()].coefficients()).collect();
                of_party[party.index()].push(Body::Threshold(own));
            }
        }
        of_party
    }

    /// Shares of up to four digits, with noise below each.
    fn element(&mut self, digits: &[u128]) -> Vec<Gr128> {
        let mut blocks = [0; 4];
        for (block, digit) in blocks.iter_mut().zip(digits) {
            *block = (digit << 123).wrapping_add(self.rng.random::<u128>() >> 60).wrapping_sub(1 << 67);
        }
        shamir::share(Gr128::new(blocks), self.trust.committee(), &mut self.rng).to_vec()
    }

    fn share(&mut self, party: PartyId, bodies: &[Body], session: u8) -> UserShare {
        let request = self.permit.request(&self.pairs);
        let words: Vec<_> = self.handles().iter().map(|handle| handle.0).collect();
        let gateway = &self.scene.cluster.gateway;
        let link = user_link(&request.public_key, &words, request.user, gateway);
        let sender = Sender { key: &self.scene.nodes[party.index()], party, committee: self.trust.committee() };
        let recipient = Recipient { key: self.permit.keys().public(), user: request.user, link };
        let items: Vec<_> = self.handles().iter().zip(bodies).map(|(handle, body)| item(*handle, body)).collect();
        let payload = seal(&sender, &recipient, &items, &mut self.rng).unwrap().encode();
        let digest = user_answer_digest(&request.public_key, &words, &payload, &[], gateway);
        let sessions = vec![SessionId(B256::repeat_byte(session)); 2];
        let cluster = &self.scene.cluster;
        let id = user_request_id(cluster.chains[0].host_id(), cluster.context, &request);
        let envelope = self.scene.sign(party, envelope_digest(id, &sessions, &payload));
        UserShare {
            signature: hex(self.scene.sign(party, digest)),
            party: Some(party.number()),
            extra_data: None,
            sessions,
            envelope_signature: Some(hex(envelope)),
            payload: PlainHex(payload.into()),
        }
    }

    fn shares(&mut self) -> Vec<UserShare> {
        let bodies = self.bodies();
        let parties: Vec<_> = self.trust.committee().parties().collect();
        parties.into_iter().map(|party| self.share(party, &bodies[party.index()], SESSION)).collect()
    }

    /// A share of its own making in the place of the party's.
    fn lie(&mut self, shares: &mut [UserShare], number: usize) {
        let party = PartyId::new(number as u8).unwrap();
        let bodies = self.bodies();
        shares[number - 1] = self.share(party, &bodies[number - 1], SESSION);
    }

    fn combine(&self, shares: &[UserShare]) -> Result<UserDecryption, Error> {
        let mut answers = Answers::new(&self.trust, &self.permit, &self.pairs).unwrap();
        shares.iter().for_each(|share| answers.add(share));
        answers.combine()
    }
}

fn item(handle: Handle, body: &Body) -> Item {
    Item { handle, kind: handle.check().unwrap(), body: body.clone() }
}

fn hex(signature: [u8; 65]) -> PlainHex {
    PlainHex(Bytes::copy_from_slice(&signature))
}

fn assert_right(found: &UserDecryption) {
    let values: Vec<_> = found.values.iter().map(|value| value.value().to::<u64>()).collect();
    assert_eq!(values, [AMOUNT, 1]);
}

/// Numbers of those blamed, once each, in order.
fn blamed(found: &UserDecryption) -> Vec<u8> {
    let mut numbers: Vec<_> = found.blamed.iter().map(|blame| blame.party.unwrap().number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn every_committee_s_answers_make_the_values() {
    for n in [1, 4, 7, 10, 13] {
        let mut user = User::new(n, n.into());
        let shares = user.shares();
        let found = user.combine(&shares).unwrap();
        assert_right(&found);
        assert_eq!((found.assurance, found.blamed.len()), (Assurance::Proven, 0));
    }
}

#[test]
fn t_missing_answers_do_no_harm() {
    let mut user = User::new(7, 21);
    let shares = user.shares();
    let found = user.combine(&shares[2..]).unwrap();
    assert_right(&found);
    assert_eq!(found.assurance, Assurance::Proven);
}

#[test]
fn t_liars_are_corrected_and_named() {
    let mut user = User::new(7, 22);
    let mut shares = user.shares();
    user.lie(&mut shares, 3);
    user.lie(&mut shares, 6);
    let found = user.combine(&shares).unwrap();
    assert_right(&found);
    assert_eq!((found.assurance, blamed(&found)), (Assurance::Proven, vec![3, 6]));
    assert!(found.blamed.iter().all(|blame| matches!(blame.fault, AnswerFault::Share { .. })));
}

#[test]
fn missing_and_wrong_answers_are_corrected_up_to_2t() {
    // n = 7, t = 2: one wrong and two missing
    let mut user = User::new(7, 23);
    let mut shares = user.shares();
    user.lie(&mut shares, 7);
    let found = user.combine(&shares[2..]).unwrap();
    assert_right(&found);
    assert_eq!((found.assurance, blamed(&found)), (Assurance::IfLiarsAtMost(1), vec![7]));
}

#[test]
fn every_mix_within_the_bound_is_corrected_with_its_liars_named_and_none_beyond_it() {
    for n in [4, 7, 10, 13] {
        let mut user = User::new(n, 100 + u64::from(n));
        let (n, t) = (usize::from(n), usize::from(n - 1) / 3);
        let honest = user.shares();
        let mut lies = honest.clone();
        (1..=n).for_each(|number| user.lie(&mut lies, number));
        for wrong in 0..=t {
            let shares = [&honest[..n - wrong], &lies[n - wrong..]].concat();
            let liars: Vec<_> = (n - wrong + 1..=n).map(|number| number as u8).collect();
            let spare = 2 * (t - wrong);
            for missing in 0..=spare {
                let found = user.combine(&shares[missing..]).unwrap();
                assert_right(&found);
                assert_eq!(blamed(&found), liars, "{wrong} wrong and {missing} missing of {n}");
                let proven = n - missing - wrong > 2 * t;
                assert_eq!(found.assurance == Assurance::Proven, proven, "{wrong} wrong and {missing} missing of {n}");
            }
            let error = user.combine(&shares[spare + 1..]).unwrap_err();
            assert!(matches!(error, Error::NotEnough { .. }), "{wrong} wrong of {n}: {error}");
        }
    }
}

#[test]
fn more_than_that_is_refused() {
    let mut user = User::new(4, 24);
    let mut shares = user.shares();
    user.lie(&mut shares, 4);
    let error = user.combine(&shares[1..]).unwrap_err();
    assert!(matches!(error, Error::NotEnough { usable: 3, quorum: 3, .. }), "{error}");
    let error = user.combine(&shares[..1]).unwrap_err();
    assert!(matches!(error, Error::NotEnough { usable: 1, .. }), "{error}");
    assert!(matches!(user.combine(&[]).unwrap_err(), Error::NotEnough { usable: 0, .. }));
}

#[test]
fn an_answer_that_cannot_be_opened_costs_only_itself() {
    let mut user = User::new(4, 25);
    let mut shares = user.shares();
    // Sealed to another key, then signed all the same: the official client fails here
    let own = std::mem::replace(&mut user.permit, User::new(4, 26).permit);
    let party = PartyId::new(2).unwrap();
    let bodies = user.bodies();
    let foreign = user.share(party, &bodies[1], SESSION);
    user.permit = own;
    let words: Vec<_> = user.handles().iter().map(|handle| handle.0).collect();
    let key = user.permit.keys().public().to_bytes();
    let payload = foreign.payload.0.clone();
    let digest = user_answer_digest(&key, &words, &payload, &[], &user.scene.cluster.gateway);
    let id = user_request_id(
        user.scene.cluster.chains[0].host_id(),
        user.scene.cluster.context,
        &user.permit.request(&user.pairs),
    );
    let envelope = user.scene.sign(party, envelope_digest(id, &foreign.sessions, &payload));
    let signature = hex(user.scene.sign(party, digest));
    shares[1] = UserShare { signature, envelope_signature: Some(hex(envelope)), ..foreign };
    let found = user.combine(&shares).unwrap();
    assert_right(&found);
    assert_eq!((found.assurance, blamed(&found)), (Assurance::Proven, vec![2]));
    assert!(matches!(found.blamed[0].fault, AnswerFault::Open(_)));
}

#[test]
fn changed_answers_are_noticed() {
    let mut user = User::new(4, 27);
    let shares = user.shares();
    let blame = |change: fn(&mut UserShare)| {
        let mut shares = shares.clone();
        change(&mut shares[0]);
        let found = user.combine(&shares).unwrap();
        assert_right(&found);
        assert_eq!(found.blamed.len(), 1);
        found.blamed[0].clone()
    };
    let signature = blame(|share| share.signature = hex([7; 65]));
    assert_eq!((signature.party.map(PartyId::number), signature.fault), (Some(1), AnswerFault::OuterSignature));
    assert_eq!(blame(|share| share.payload = PlainHex(vec![1].into())).fault, AnswerFault::OuterSignature);
    assert_eq!(blame(|share| share.sessions[0] = SessionId(B256::ZERO)).fault, AnswerFault::Envelope);
    assert_eq!(blame(|share| share.sessions.clear()).fault, AnswerFault::Envelope);
    assert_eq!(blame(|share| share.envelope_signature = None).fault, AnswerFault::Envelope);
    assert_eq!(blame(|share| share.envelope_signature = Some(hex([7; 65]))).fault, AnswerFault::Envelope);
}

#[test]
fn a_stranger_s_answer_is_nobody_s() {
    let mut user = User::new(4, 28);
    let mut shares = user.shares();
    let stranger = Scene::new(4, &mut rng(29));
    user.scene.nodes[0] = stranger.nodes[0].clone();
    let forged = user.shares().swap_remove(0);
    shares[0] = UserShare { party: None, ..forged };
    let found = user.combine(&shares).unwrap();
    assert_right(&found);
    assert_eq!((found.blamed[0].party, &found.blamed[0].fault), (None, &AnswerFault::OuterSignature));
}

#[test]
fn answers_of_different_sessions_are_not_mixed() {
    let mut user = User::new(7, 30);
    let mut shares = user.shares();
    // Two parties are an epoch behind: honest shares of another sharing
    let (bodies, old) = (user.bodies(), SESSION + 1);
    for number in [1, 2] {
        shares[number - 1] = user.share(PartyId::new(number as u8).unwrap(), &bodies[number - 1], old);
    }
    let found = user.combine(&shares).unwrap();
    assert_right(&found);
    assert_eq!((found.assurance, found.blamed.len()), (Assurance::Proven, 0));
    assert!(matches!(user.combine(&shares[..4]).unwrap_err(), Error::NotEnough { usable: 2, .. }));
}

#[test]
fn one_party_counts_once() {
    let mut user = User::new(4, 31);
    let shares = user.shares();
    let repeated = vec![shares[0].clone(); 4];
    assert!(matches!(user.combine(&repeated).unwrap_err(), Error::NotEnough { usable: 1, .. }));
}

#[test]
fn a_relayer_without_envelopes_is_understood() {
    let mut user = User::new(4, 32);
    let mut shares = user.shares();
    for share in &mut shares {
        share.sessions.clear();
        share.envelope_signature = None;
        share.party = None;
    }
    assert_right(&user.combine(&shares).unwrap());
}

#[test]
fn a_permit_is_signed_for_the_host_chain() {
    let mut rng = rng(33);
    let trust = Scene::new(4, &mut rng).trust();
    let wallet = LocalKey::from_bytes(&rng.random()).unwrap();
    for delegator in [None, Some(Address::repeat_byte(3))] {
        let terms = PermitTerms { contracts: vec![TOKEN], start: 1, days: 2, delegator };
        let permit = Permit::sign(terms, &wallet, &trust, &mut rng).unwrap();
        let request = permit.request(&[]);
        let gateway = Scene::new(4, &mut rng).cluster.gateway;
        let digest = permit_digest(&request, &permit_domain(&gateway, 31337));
        assert_eq!(recover(digest, &request.signature), Some(wallet.address()));
        assert_eq!((request.user, request.delegator), (wallet.address(), delegator));
        assert_eq!(request.extra_data.as_ref(), [0]);
    }
}

#[test]
fn a_permit_s_key_is_not_shown() {
    let user = User::new(4, 34);
    let shown = format!("{:?}", user.permit);
    assert!(shown.contains("redacted"));
    assert!(UserKeyPair::from_private_bytes(&user.permit.keys().to_private_bytes()).is_ok());
}

fn served(shares: &[UserShare]) -> [Answer; 2] {
    [Answer::job(), Answer::result(json!({"result": shares}))]
}

#[tokio::test]
async fn answers_that_do_not_suffice_are_asked_for_again_and_added_up() {
    let mut user = User::new(4, 35);
    let mut shares = user.shares();
    user.lie(&mut shares, 4);
    // First 2, 3 and the liar, then 1 and 2: neither reply proves the values, both together do
    let relayer = Relayer::start(served(&shares[1..]).into_iter().chain(served(&shares[..2]))).await;
    let found = relayer.client(user.trust.clone()).user_decrypt(&user.permit, &user.pairs).await.unwrap();
    assert_right(&found);
    assert_eq!((found.assurance, blamed(&found)), (Assurance::Proven, vec![4]));
    assert_eq!(relayer.asked().len(), 4);
    let request = user.permit.request(&user.pairs);
    assert_eq!(relayer.body(0)["userAddress"], json!(request.user));
    assert_eq!(relayer.asked()[0], "POST /v2/user-decrypt");
}

#[tokio::test]
async fn a_relayer_with_too_few_answers_is_given_up_after_some_attempts() {
    let mut user = User::new(4, 36);
    let shares = user.shares();
    let relayer = Relayer::start((0..10).flat_map(|_| served(&shares[..1]))).await;
    let error = relayer.client(user.trust.clone()).user_decrypt(&user.permit, &user.pairs).await.unwrap_err();
    assert!(matches!(error, Error::NotEnough { usable: 1, quorum: 3, .. }));
    assert_eq!(relayer.asked().len(), 8);
}

#[tokio::test]
async fn a_delegate_asks_on_its_own_route() {
    let delegator = Address::repeat_byte(4);
    let mut user = User::delegated(4, 37, Some(delegator));
    let shares = user.shares();
    let relayer = Relayer::start(served(&shares)).await;
    let found = relayer.client(user.trust.clone()).user_decrypt(&user.permit, &user.pairs).await.unwrap();
    assert_right(&found);
    assert_eq!(relayer.asked()[0], "POST /v2/delegated-user-decrypt");
    assert_eq!(relayer.body(0)["delegatorAddress"], json!(delegator));
}
