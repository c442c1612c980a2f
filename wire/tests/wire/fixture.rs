//! A committee with keys, a user, and shares of known values.

use alloy_primitives::{Address, B256, Bytes, address, keccak256};
use k256::ecdsa::SigningKey;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_types::{Committee, FheType, GatewayDomain, Handle, PartyId, typed_data};
use tkms_wire::seal::{Expected, Item, Recipient, Sender, seal};
use tkms_wire::signature::{address as address_of, sign};
use tkms_wire::user_payload::{Body, UserKeyPair};

pub const GATEWAY: GatewayDomain = GatewayDomain {
    chain_id: 54321,
    decryption: address!("0x1111111111111111111111111111111111111111"),
    input_verification: address!("0x2222222222222222222222222222222222222222"),
};
pub const USER: Address = address!("0x3333333333333333333333333333333333333333");

pub fn rng(seed: u64) -> ChaCha20Rng {
    println!("seed {seed}");
    ChaCha20Rng::seed_from_u64(seed)
}

pub fn handle(number: u8, kind: FheType) -> Handle {
    Handle::new(keccak256([number]), Handle::COMPUTED, 31337, kind)
}

/// A value to decrypt: its handle and its little-endian bytes.
#[derive(Clone)]
pub struct Value {
    pub handle: Handle,
    pub kind: FheType,
    pub bytes: Vec<u8>,
}

pub fn value(number: u8, kind: FheType, bytes: &[u8]) -> Value {
    assert_eq!(bytes.len(), kind.bits().div_ceil(8));
    Value { handle: handle(number, kind), kind, bytes: bytes.to_vec() }
}

/// One node's answer as the relayer hands it on.
#[derive(Clone)]
pub struct Answer {
    pub party: PartyId,
    pub payload: Vec<u8>,
    pub signature: [u8; 65],
}

pub struct Scene {
    pub committee: Committee,
    pub keys: Vec<SigningKey>,
    pub user: UserKeyPair,
    pub link: B256,
    pub values: Vec<Value>,
}

impl Scene {
    pub fn new(n: usize, values: Vec<Value>, rng: &mut ChaCha20Rng) -> Self {
        let keys = (0..n).map(|_| SigningKey::from_slice(&rng.random::<[u8; 32]>()).unwrap()).collect();
        let user = UserKeyPair::generate(rng).unwrap();
        let handles: Vec<_> = values.iter().map(|value| value.handle.0).collect();
        let link = typed_data::user_link(&user.public().to_bytes(), &handles, USER, &GATEWAY);
        Self { committee: Committee::new(n).unwrap(), keys, user, link, values }
    }

    pub fn handles(&self) -> Vec<Handle> {
        self.values.iter().map(|value| value.handle).collect()
    }

    pub fn signer(&self, party: PartyId) -> Address {
        address_of(self.keys[party.index()].verifying_key())
    }

    pub fn sender(&self, party: PartyId) -> Sender<'_> {
        Sender { key: &self.keys[party.index()], party, committee: self.committee }
    }

    pub fn recipient(&self) -> Recipient<'_> {
        Recipient { key: self.user.public(), user: USER, link: self.link }
    }

    pub fn expected<'a>(&self, party: PartyId, handles: &'a [Handle]) -> Expected<'a> {
        let signer = self.signer(party);
        Expected { party, signer, committee: self.committee, user: USER, link: self.link, handles }
    }

    /// Every party's body for every value.
    pub fn bodies(&self, rng: &mut ChaCha20Rng) -> Vec<Vec<Body>> {
        let mut of_party = vec![Vec::new(); self.committee.size()];
        for value in &self.values {
            if self.committee.size() == 1 {
                of_party[0].push(Body::Central(value.bytes.clone()));
                continue;
            }
            let elements: Vec<_> =
                blocks(value, rng).chunks(4).map(|chunk| share(chunk, self.committee, rng)).collect();
            for party in self.committee.parties() {
                let own = elements.iter().map(|shares| shares[party.index()]).collect();
                of_party[party.index()].push(Body::Threshold(own));
            }
        }
        of_party
    }

    pub fn items(&self, bodies: &[Body]) -> Vec<Item> {
        let item = |(value, body): (&Value, &Body)| Item { handle: value.handle, kind: value.kind, body: body.clone() };
        self.values.iter().zip(bodies).map(item).collect()
    }

    pub fn answer(&self, party: PartyId, bodies: &[Body], rng: &mut ChaCha20Rng) -> Answer {
        let payload = seal(&self.sender(party), &self.recipient(), &self.items(bodies), rng).unwrap().encode();
        let signature = self.sign(party, &payload);
        Answer { party, payload, signature }
    }

    pub fn sign(&self, party: PartyId, payload: &[u8]) -> [u8; 65] {
        let handles: Vec<_> = self.values.iter().map(|value| value.handle.0).collect();
        let key: Bytes = self.user.public().to_bytes();
        let digest = typed_data::user_answer_digest(&key, &handles, payload, &[], &GATEWAY);
        sign(&self.keys[party.index()], digest).unwrap()
    }

    pub fn answers(&self, rng: &mut ChaCha20Rng) -> Vec<Answer> {
        let bodies = self.bodies(rng);
        self.committee.parties().map(|party| self.answer(party, &bodies[party.index()], rng)).collect()
    }
}

/// Four bits a block in the highest message bits, and noise around it.
fn blocks(value: &Value, rng: &mut ChaCha20Rng) -> Vec<u128> {
    let digits = value.bytes.iter().flat_map(|byte| [byte & 15, byte >> 4]).take(value.kind.squashed_blocks());
    digits
        .map(|digit| (u128::from(digit) << 123).wrapping_add((rng.random::<u128>() >> 8).wrapping_sub(1 << 119)))
        .collect()
}

/// Shamir over Z_2^128[X] / (X^4 + X + 1); party i at the point whose coefficients are the bits of i.
pub fn share(secret: &[u128], committee: Committee, rng: &mut ChaCha20Rng) -> Vec<[u128; 4]> {
    let mut constant = [0; 4];
    constant[..secret.len()].copy_from_slice(secret);
    let random: Vec<[u128; 4]> = (0..committee.threshold().faults()).map(|_| rng.random()).collect();
    let at = |party: PartyId| {
        let point = std::array::from_fn(|bit| u128::from(party.number() >> bit & 1));
        let sum = random.iter().rev().fold([0; 4], |sum, coefficient| multiply(add(sum, *coefficient), point));
        add(sum, constant)
    };
    committee.parties().map(at).collect()
}

fn add(a: [u128; 4], b: [u128; 4]) -> [u128; 4] {
    std::array::from_fn(|i| a[i].wrapping_add(b[i]))
}

fn multiply(a: [u128; 4], b: [u128; 4]) -> [u128; 4] {
    let mut product = [0u128; 7];
    for i in 0..4 {
        for j in 0..4 {
            product[i + j] = product[i + j].wrapping_add(a[i].wrapping_mul(b[j]));
        }
    }
    for i in (4..7).rev() {
        // X^4 = −X − 1
        product[i - 3] = product[i - 3].wrapping_sub(product[i]);
        product[i - 4] = product[i - 4].wrapping_sub(product[i]);
    }
    std::array::from_fn(|i| product[i])
}
