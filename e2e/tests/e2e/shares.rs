//! What could change the design, in one process: shares of the real squash key give back the plaintexts of real
//! ciphertexts, for every type and every committee.

use alloy_primitives::{Address, U256};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tkms_fhe::{Evaluator, InputContext, PublicKeys, deal};
use tkms_mpc::decrypt::{MaskedShares, masked_shares};
use tkms_mpc::phase::{KeyShare, Samples};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::{Committee, FheType, PartyId, Plaintext, SessionId};

const SEED: u64 = 20_261_120;

/// Shares of all parties for one list of samples.
fn all_shares(committee: Committee, key: &[u128], samples: &Samples<'_>, rng: &mut ChaCha20Rng) -> Vec<MaskedShares> {
    let session = SessionId(rng.random::<[u8; 32]>().into());
    let keys = KeyShare::deal(key, committee, rng).unwrap();
    let masks = PrssKeys::deal(committee, rng).unwrap();
    keys.iter().zip(&masks).map(|(key, masks)| masked_shares(key, samples, masks, &session).unwrap()).collect()
}

#[test]
fn shares_of_the_squash_key_give_back_every_type() {
    println!("seed {SEED}");
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let keys = deal(&mut |step| println!("dealing: {step}")).unwrap();
    let evaluator = Evaluator::load(keys.server_key.as_slice()).unwrap();
    let public = PublicKeys::parse(&keys.public_key, &keys.crs).unwrap();
    let bits: Vec<u128> = keys.squash_key.bits().iter().map(|bit| u128::from(*bit)).collect();
    let context = InputContext {
        contract: Address::repeat_byte(1),
        user: Address::repeat_byte(2),
        acl: Address::repeat_byte(3),
        chain_id: 31337,
    };
    let value = |kind: FheType, word: U256| Plaintext::new(kind, word >> (256 - kind.bits())).unwrap();
    let values: Vec<Plaintext> =
        FheType::ALL.into_iter().map(|kind| value(kind, U256::from_be_bytes(rng.random::<[u8; 32]>()))).collect();
    let list = public.encrypt(&values, &context).unwrap();
    let ciphertexts = evaluator.verify_input(&public, &list, &context).unwrap();
    for (ciphertext, expected) in ciphertexts.iter().zip(&values) {
        let squashed = evaluator.squash(ciphertext).unwrap();
        let samples = Samples::new(squashed.dimension, &squashed.words).unwrap();
        for n in [1, 4, 7, 10, 13] {
            let committee = Committee::new(n).unwrap();
            let quorum = committee.threshold().quorum();
            let shares = all_shares(committee, &bits, &samples, &mut rng);
            // Any quorum will do: here the last 2t + 1.
            let answers: Vec<_> = shares
                .iter()
                .enumerate()
                .skip(n - quorum)
                .map(|(index, share)| {
                    (PartyId::new(u8::try_from(index + 1).unwrap()).unwrap(), share.user_share().to_vec())
                })
                .collect();
            let combined = combine_user_shares(committee, squashed.block_count, &answers).unwrap();
            assert_eq!(combined.assurance, Assurance::Proven);
            let digits = combined.opened.digits().unwrap();
            let found = Plaintext::from_digits(expected.kind(), &digits).unwrap();
            assert!(found == *expected, "{:?} with {n} parties", expected.kind());
        }
    }
}
