//! A committee in memory that shares the fixture's key and decrypts real ciphertexts by `exact`, without stock.

use crate::fixture::{fixture, rng};
use tkms_fhe::SwitchedSamples;
use tkms_mpc::exact::{Ending, ExactKey, OnDemand, Reveal, Switched, Width};
use tkms_mpc::machine::{Machine, Step};
use tkms_mpc::phase::KeyShare;
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::user::combine_user_shares;
use tkms_types::{Committee, Id, KeyId, SessionId};

/// Shares of the key and of randomness, dealt once for many ciphertexts.
pub struct Members {
    committee: Committee,
    keys: Vec<ExactKey>,
    prss: Vec<PrssKeys>,
}

/// What a ciphertext is decrypted to.
pub struct Answers {
    /// Digits of the public answer, all nodes agreeing.
    pub public: Vec<u8>,
    /// What a user combines, five bits to a block.
    pub user: Vec<u8>,
}

impl Members {
    pub fn new(n: usize) -> Self {
        let committee = Committee::new(n).unwrap();
        let mut rng = rng(n as u64);
        let bits: Vec<u128> = fixture().stored_bits().iter().map(|bit| u128::from(*bit)).collect();
        let keys = KeyShare::deal(&bits, committee, &mut rng).unwrap();
        let keys = keys.iter().map(|key| ExactKey::new(key, Width::PRODUCTION)).collect();
        Self { committee, keys, prss: PrssKeys::deal(committee, &mut rng).unwrap() }
    }

    /// All nodes in step, in the session of this number.
    pub fn decrypt(&self, switched: &SwitchedSamples, number: u64) -> Answers {
        let samples = Switched::new(Width::PRODUCTION, switched.dimension, &switched.words).unwrap();
        let session = SessionId(KeyId::numbered(number).bytes());
        let start = |(key, prss): (&ExactKey, &PrssKeys)| OnDemand::start(key, &samples, &session, prss).unwrap();
        let started: Vec<_> = self.keys.iter().zip(&self.prss).map(start).collect();
        let shares = in_step::<OnDemand>(started).into_iter().map(|ending| match ending {
            Ending::Shares(shares) => shares,
            Ending::FallBack(reason) => panic!("{reason:?}"),
        });
        let shares: Vec<_> = shares.collect();
        let mut digits = in_step::<Reveal>(shares.iter().map(Reveal::start).collect());
        digits.dedup();
        assert_eq!(digits.len(), 1, "all nodes agree");
        let answers: Vec<_> =
            self.committee.parties().zip(shares.iter().map(|own| own.user_share().to_vec())).collect();
        let combined = combine_user_shares(self.committee, switched.block_count, &answers).unwrap();
        assert!(combined.opened.words().all(|word| word << 5 == 0), "a user sees no noise");
        let user = combined.opened.words().map(|word| (word >> 123) as u8).collect();
        Answers { public: digits.remove(0), user }
    }
}

/// A machine with its first step.
type Started<P> = (P, Step<<P as Machine>::Msg, <P as Machine>::Output>);

/// Delivers everything in order until nobody speaks. One output of each.
fn in_step<P: Machine>(started: Vec<Started<P>>) -> Vec<P::Output>
where
    P::Msg: Clone,
{
    let parties: Vec<_> = Committee::new(started.len()).unwrap().parties().collect();
    let mut outputs: Vec<Option<P::Output>> = started.iter().map(|_| None).collect();
    let (mut machines, mut queue) = (Vec::new(), Vec::new());
    for (party, (machine, step)) in parties.iter().zip(started) {
        queue.extend(step.send.into_iter().map(|out| (*party, out.msg)));
        outputs[party.index()] = step.output;
        machines.push(machine);
    }
    while !queue.is_empty() {
        for (from, msg) in std::mem::take(&mut queue) {
            for to in parties.iter().filter(|to| **to != from) {
                let step = machines[to.index()].receive(from, msg.clone());
                assert!(step.faults.is_empty(), "{:?}", step.faults);
                queue.extend(step.send.into_iter().map(|out| (*to, out.msg)));
                if step.output.is_some() {
                    outputs[to.index()] = step.output;
                }
            }
        }
    }
    outputs.into_iter().map(Option::unwrap).collect()
}
