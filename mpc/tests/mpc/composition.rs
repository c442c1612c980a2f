//! From nothing to stored bits without a dealer, under cheats all the way.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use tkms_mpc::fault::Owner;
use tkms_mpc::preprocessing::{Batch, BatchId, BatchMsg, Bits, Outcome, Rejection, Standing};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::prss_setup::{PrssSetup, SetupMsg};
use tkms_mpc::ring::{Gr16, Gr64, Ring};
use tkms_mpc::shamir::{Received, decode};
use tkms_mpc::sim::plots::corrupt;
use tkms_mpc::sim::rounds::SyncRun;
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, PartyId, SessionId};

const COUNT: usize = 40;

/// One committee, its liars and its dice.
struct World {
    committee: Committee,
    liars: Vec<PartyId>,
    rng: ChaCha20Rng,
    seed: u64,
}

impl World {
    fn new(n: usize, seed: u64) -> Self {
        let committee = Committee::new(n).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut liars: Vec<_> = committee.parties().collect();
        liars.shuffle(&mut rng);
        liars.truncate(committee.threshold().faults());
        Self { committee, liars, rng, seed }
    }

    fn honest(&self) -> Vec<PartyId> {
        self.committee.parties().filter(|party| !self.liars.contains(party)).collect()
    }

    /// Keys of all parties; a liar's machine is honest inside, so it has keys as well, if it can.
    fn setup(&mut self) -> Vec<Option<PrssKeys>> {
        let n = self.committee.size();
        let plan = SyncRun::<SetupMsg>::new(n, self.seed).unwrap();
        let plan = corrupt(plan, &self.liars, PrssSetup::rounds(self.committee), &mut self.rng).0;
        let (committee, session) = (self.committee, SessionId(KeyId::numbered(1).bytes()));
        let report = plan.run(|party, rng| PrssSetup::new(session, Owner { party, committee }, rng).unwrap());
        report.endings.into_iter().map(|ending| ending.output.and_then(Result::ok)).collect()
    }

    /// One batch: how it ended for honest parties, with their shares.
    fn bits<R: Ring>(
        &mut self,
        keys: &[PrssKeys],
        number: u64,
        standing: &Standing,
    ) -> (Option<Rejection>, Vec<(PartyId, Vec<R>)>) {
        let n = self.committee.size();
        let plan = SyncRun::<BatchMsg<R>>::new(n, self.seed + number).unwrap();
        let plan = corrupt(plan, &self.liars, 12, &mut self.rng).0;
        let id = BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number };
        let report = plan.run(|party, _| {
            let keys = &keys[party.index()];
            Batch::<R, _>::new(&id, keys, Bits { count: COUNT }, standing).unwrap()
        });
        let (mut rejection, mut shares) = (None, Vec::new());
        for one in self.honest() {
            match report.endings[one.index()].output.as_ref().unwrap() {
                Outcome::Accepted(bits) => shares.push((one, bits.0.to_vec())),
                Outcome::Rejected(rejected) => rejection = Some(rejected.clone()),
                Outcome::Dropped => panic!("seed {}: dropped", self.seed),
            }
        }
        assert!(rejection.is_none() || shares.is_empty(), "seed {}", self.seed);
        (rejection, shares)
    }
}

fn are_bits<R: Ring>(shares: &[(PartyId, Vec<R>)], t: usize) {
    let received: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    let bits = decode(&received, t, 0).unwrap().values;
    assert!(bits.iter().all(|bit| *bit == R::ZERO || *bit == R::ONE));
}

#[test]
fn a_committee_without_a_dealer_makes_bits_whatever_t_of_it_do() {
    for seed in 0..24 {
        let n = [4, 7, 4, 10][(seed % 4) as usize];
        let mut world = World::new(n, seed);
        let t = world.committee.threshold().faults();
        let made = world.setup();
        assert!(world.honest().iter().all(|party| made[party.index()].is_some()), "seed {seed}");
        // a liar that kept itself from keys of its own goes on without: anything it says then is one of its lies
        let spare = PrssKeys::deal(world.committee, &mut ChaCha20Rng::seed_from_u64(0)).unwrap();
        let keys: Vec<_> = made.into_iter().zip(spare).map(|(made, spare)| made.unwrap_or(spare)).collect();
        let (mut standing, mut accepted, mut rejected) = (Standing::default(), 0, 0);
        for number in 0..2 * t as u64 + 3 {
            let (rejection, shares) = world.bits::<Gr16>(&keys, 2 * number, &standing);
            if let Some(rejection) = rejection {
                rejected += 1;
                assert!(rejection.corrupt.iter().chain(&rejection.silent).all(|party| world.liars.contains(party)));
                standing.note(&rejection);
                rejection.silent.iter().for_each(|party| standing.evict(*party));
                continue;
            }
            accepted += 1;
            are_bits(&shares, t);
            if let (None, shares) = world.bits::<Gr64>(&keys, 2 * number + 1, &standing) {
                are_bits(&shares, t);
            }
        }
        assert!(accepted > 0 && rejected <= 2 * t, "seed {seed}: {accepted} accepted, {rejected} rejected");
    }
}
