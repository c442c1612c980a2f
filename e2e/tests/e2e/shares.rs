//! What could change the design, in one process: shares of the real squash key give back the plaintexts of real
//! ciphertexts, for every type and every committee, and the official client reads them as nodes seal them.

use alloy::signers::local::PrivateKeySigner;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value as Json, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use tkms_e2e::root;
use tkms_fhe::{Evaluator, InputContext, PublicKeys, Samples as Squashed, deal};
use tkms_mpc::decrypt::{MaskedShares, masked_shares};
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::typed_data::{user_answer_digest, user_link};
use tkms_types::{Committee, FheType, GatewayDomain, Handle, PartyId, Plaintext, SessionId};
use tkms_wire::seal::{Item, Recipient, Sender, seal};
use tkms_wire::signature::sign;
use tkms_wire::user_payload::{Body, UserKeyPair};

const SEED: u64 = 20_261_120;
const CHAIN: u64 = 31337;
const USER: Address = Address::repeat_byte(2);
const GATEWAY: GatewayDomain =
    GatewayDomain { chain_id: 54321, decryption: Address::repeat_byte(4), input_verification: Address::repeat_byte(5) };

/// A value of every type, encrypted, verified and squashed under fresh real keys.
struct Ciphertexts {
    /// Bits of the squash key.
    key: Vec<u128>,
    squashed: Vec<(Plaintext, Squashed)>,
}

static CIPHERTEXTS: LazyLock<Ciphertexts> = LazyLock::new(|| {
    println!("seed {SEED}");
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let keys = deal(&mut |step| println!("dealing: {step}")).unwrap();
    let evaluator = Evaluator::load(keys.server_key.as_slice()).unwrap();
    let public = PublicKeys::parse(&keys.public_key, &keys.crs).unwrap();
    let key = keys.squash_key.bits().iter().map(|bit| u128::from(*bit)).collect();
    let context =
        InputContext { contract: Address::repeat_byte(1), user: USER, acl: Address::repeat_byte(3), chain_id: CHAIN };
    let value = |kind: FheType, word: U256| Plaintext::new(kind, word >> (256 - kind.bits())).unwrap();
    let values: Vec<Plaintext> =
        FheType::ALL.into_iter().map(|kind| value(kind, U256::from_be_bytes(rng.random::<[u8; 32]>()))).collect();
    let list = public.encrypt(&values, &context).unwrap();
    let ciphertexts = evaluator.verify_input(&public, &list, &context).unwrap();
    let squashed = ciphertexts.iter().map(|ciphertext| evaluator.squash(ciphertext).unwrap());
    Ciphertexts { key, squashed: values.into_iter().zip(squashed).collect() }
});

/// A committee that holds the key.
struct Holders {
    committee: Committee,
    keys: Vec<KeyShare>,
    masks: Vec<PrssKeys>,
}

impl Holders {
    fn deal(committee: Committee, rng: &mut ChaCha20Rng) -> Self {
        let keys = KeyShare::deal(&CIPHERTEXTS.key, committee, rng).unwrap();
        Self { committee, keys, masks: PrssKeys::deal(committee, rng).unwrap() }
    }

    /// Shares of all parties for one ciphertext, in a session of its own.
    fn shares(&self, squashed: &Squashed, rng: &mut ChaCha20Rng) -> Vec<MaskedShares> {
        let samples = Samples::new(squashed.dimension, &squashed.words).unwrap();
        let session = SessionId(rng.random::<[u8; 32]>().into());
        let of_party = self.keys.iter().zip(&self.masks);
        of_party.map(|(key, masks)| masked_shares(key, &samples, masks, &session).unwrap()).collect()
    }
}

fn party(index: usize) -> PartyId {
    PartyId::new(u8::try_from(index + 1).unwrap()).unwrap()
}

#[test]
fn shares_of_the_squash_key_give_back_every_type() {
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    for n in [1, 4, 7, 10, 13] {
        let committee = Committee::new(n).unwrap();
        let holders = Holders::deal(committee, &mut rng);
        for (expected, squashed) in &CIPHERTEXTS.squashed {
            // Any quorum will do: here the last 2t + 1.
            let answers: Vec<_> = holders
                .shares(squashed, &mut rng)
                .iter()
                .enumerate()
                .skip(n - committee.threshold().quorum())
                .map(|(index, share)| (party(index), share.user_share().to_vec()))
                .collect();
            let combined = combine_user_shares(committee, squashed.block_count, &answers).unwrap();
            assert_eq!(combined.assurance, Assurance::Proven);
            let digits = combined.opened.digits().unwrap();
            let found = Plaintext::from_digits(expected.kind(), &digits).unwrap();
            assert!(found == *expected, "{:?} with {n} parties", expected.kind());
        }
    }
}

/// A node's answer as the relayer hands it on.
#[derive(Clone)]
struct Answer {
    payload: Vec<u8>,
    signature: [u8; 65],
}

/// A user's request of every type to a committee of real shares.
struct Request {
    holders: Holders,
    signers: Vec<PrivateKeySigner>,
    user: UserKeyPair,
    handles: Vec<Handle>,
}

impl Request {
    fn new(n: usize, rng: &mut ChaCha20Rng) -> Self {
        let holders = Holders::deal(Committee::new(n).unwrap(), rng);
        let mut signer = |_| PrivateKeySigner::from_bytes(&rng.random::<[u8; 32]>().into()).unwrap();
        let signers = (0..n).map(&mut signer).collect();
        let mut handle = |kind| Handle::new(rng.random::<[u8; 32]>().into(), Handle::COMPUTED, CHAIN, kind);
        let handles = CIPHERTEXTS.squashed.iter().map(|(value, _)| handle(value.kind())).collect();
        Self { holders, signers, user: UserKeyPair::generate(rng).unwrap(), handles }
    }

    fn words(&self) -> Vec<B256> {
        self.handles.iter().map(|handle| handle.0).collect()
    }

    /// Every party's body for every value.
    fn bodies(&self, rng: &mut ChaCha20Rng) -> Vec<Vec<Body>> {
        let mut of_party = vec![Vec::new(); self.signers.len()];
        for (_, squashed) in &CIPHERTEXTS.squashed {
            for (bodies, share) in of_party.iter_mut().zip(self.holders.shares(squashed, rng)) {
                let elements = share.user_share().iter().map(|element| *element.coefficients()).collect();
                bodies.push(Body::Threshold(elements));
            }
        }
        of_party
    }

    /// Seals and signs as a node does (fhevm-compat §3.6).
    fn answer(&self, index: usize, bodies: &[Body], rng: &mut ChaCha20Rng) -> Answer {
        let link = user_link(&self.user.public().to_bytes(), &self.words(), USER, &GATEWAY);
        let sender =
            Sender { key: self.signers[index].credential(), party: party(index), committee: self.holders.committee };
        let recipient = Recipient { key: self.user.public(), user: USER, link };
        let item = |(handle, body): (&Handle, &Body)| Item {
            handle: *handle,
            kind: handle.check().unwrap(),
            body: body.clone(),
        };
        let items: Vec<Item> = self.handles.iter().zip(bodies).map(item).collect();
        let payload = seal(&sender, &recipient, &items, rng).unwrap().encode();
        let key: Bytes = self.user.public().to_bytes();
        let digest = user_answer_digest(&key, &self.words(), &payload, &[], &GATEWAY);
        Answer { signature: sign(sender.key, digest).unwrap(), payload }
    }

    fn answers(&self, rng: &mut ChaCha20Rng) -> Vec<Answer> {
        let bodies = self.bodies(rng);
        bodies.iter().enumerate().map(|(index, bodies)| self.answer(index, bodies, rng)).collect()
    }

    /// What the official client's wasm makes of answers: the values, or its error.
    fn open(&self, answers: &[Answer]) -> Result<Vec<U256>, String> {
        let answer = |answer: &Answer| json!({ "payload": hex::encode(&answer.payload), "signature": hex::encode(answer.signature) });
        let outcome = official_client(&json!({
            "signers": self.signers.iter().map(|signer| signer.address().to_checksum(None)).collect::<Vec<_>>(),
            "user": USER.to_checksum(None),
            "chainId": GATEWAY.chain_id,
            "verifyingContract": GATEWAY.decryption.to_checksum(None),
            "permit": hex::encode([0; 65]),
            "publicKey": hex::encode(self.user.public().serialised()),
            "privateKey": hex::encode(self.user.to_private_bytes()),
            "handles": self.handles.iter().map(|handle| hex::encode(handle.0)).collect::<Vec<_>>(),
            "answers": answers.iter().map(answer).collect::<Vec<_>>(),
        }));
        let values = outcome["values"].as_array().ok_or_else(|| outcome["error"].to_string())?;
        let bytes = values.iter().map(|value| hex::decode(value["bytes"].as_str().unwrap()).unwrap());
        Ok(bytes.map(|bytes| U256::from_be_slice(&bytes)).collect())
    }
}

fn official_client(case: &Json) -> Json {
    let mut node = Command::new("node")
        .arg(root().join("wire/tests/js/open.cjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js is installed");
    node.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "the client failed (is `make setup` done?)");
    // The wasm may write lines of its own first
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

#[test]
fn the_official_client_reads_real_shares_with_t_missing_wrong_or_garbled() {
    let mut rng = ChaCha20Rng::seed_from_u64(SEED + 1);
    let expected: Vec<U256> = CIPHERTEXTS.squashed.iter().map(|(value, _)| value.value()).collect();
    for n in [4, 13] {
        let request = Request::new(n, &mut rng);
        let faults = request.holders.committee.threshold().faults();
        let good = request.answers(&mut rng);
        // Of another session: honest shares of another sharing, the worst that liars can agree on
        let mut wrong = request.answers(&mut rng);
        wrong.truncate(faults);
        let mut garbled = good.clone();
        garbled.iter_mut().take(faults).for_each(|answer| answer.payload[300] ^= 1);
        let mixed = faults / 2;
        for (what, answers) in [
            ("all", good.clone()),
            ("t missing", good[faults..].to_vec()),
            ("t wrong", [&wrong, &good[faults..]].concat()),
            ("missing and wrong", [&wrong[mixed..], &good[faults..]].concat()),
            ("t garbled", garbled.clone()),
        ] {
            assert_eq!(request.open(&answers), Ok(expected.clone()), "{what} of {n}");
        }
        for (what, answers) in [
            ("t + 1 missing", good[faults + 1..].to_vec()),
            ("t wrong and one missing", [&wrong, &good[faults + 1..]].concat()),
            ("t garbled and one missing", garbled[..n - 1].to_vec()),
            ("none", Vec::new()),
        ] {
            assert!(request.open(&answers).is_err(), "{what} of {n} were enough");
        }
    }
}
