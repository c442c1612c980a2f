//! What t parties see of a decryption, with everything that is opened, is independent of key, noise and, in a user's
//! decryption, of the message: two-sample chi-square on reduced parameters. Seeded: it passes always or never. The same test
//! finds a mask of which a part is dropped.

use super::*;
use crate::machine::{Machine, Outgoing, Step};
use crate::shamir::{decode, decode_complete};
use std::collections::BTreeMap;

const RUNS: usize = 2000;
/// Two-sample chi-square of 64 cells: the 10⁻⁸ point of 63 degrees of freedom is 146. Some ten thousand tables are looked at.
const BOUND: f64 = 155.0;

/// Where masks come from, and what is left out of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Masks {
    OnDemand,
    FromStock,
    /// u is 0.
    WithoutTop,
    /// The bits are 0.
    WithoutBits,
    /// The lowest bit is 0.
    WithoutLowestBit,
}

/// A ciphertext of one block under a key of one bit: a phase for each of the keys 0 and 1.
#[derive(Clone, Copy)]
struct Case {
    n: usize,
    masks: Masks,
    /// Whether the message is opened too.
    public: bool,
    phases: [u16; 2],
}

/// The last word of a view; three bits of a word are one cell of eight.
struct View(Vec<usize>);

impl View {
    /// Lowest and highest bits of every coefficient, of words that are multiples of 2^shift.
    fn note(&mut self, element: Gr16, shift: u32) {
        let digits = |word: &u16| [word >> shift & 7, word >> 13].map(usize::from);
        self.0.extend(element.coefficients().iter().flat_map(digits));
    }
}

/// The first t parties are corrupt.
fn corrupt(committee: Committee) -> Vec<PartyId> {
    committee.parties().take(committee.threshold().faults()).collect()
}

/// Mask keys of all parties: those of the corrupt are the same in every run, the one that they lack is drawn.
fn mask_keys(committee: Committee, rng: &mut ChaCha20Rng) -> Vec<PrssKeys> {
    let theirs = (1u16 << committee.threshold().faults()) - 1;
    let drawn: [u8; 32] = rng.random();
    let key = |subset: u16| if subset & theirs == 0 { drawn } else { [subset as u8 ^ (subset >> 8) as u8; 32] };
    let of_party = |party: PartyId| {
        let held = crate::prss::all_subsets(committee).into_iter().filter(|set| crate::prss::holds(*set, party));
        let header = [1, u8::from(committee), party.number()];
        let bytes: Vec<u8> = header.into_iter().chain(held.flat_map(key)).collect();
        PrssKeys::from_secret_bytes(&bytes).unwrap()
    };
    committee.parties().map(of_party).collect()
}

/// Shares of a key of one bit; those of the corrupt parties are the same whatever it is.
fn key_shares(committee: Committee, secret: u16) -> Vec<ExactKey> {
    let corrupt = corrupt(committee);
    let fixed = |party: &PartyId| Gr16::new([7, 3, u16::from(party.number()), 9]);
    let product = |at: Gr16, but: Option<&PartyId>| {
        let others = corrupt.iter().filter(|party| Some(*party) != but);
        others.fold(Gr16::ONE, |product, party| product * (at - Gr16::point(*party)))
    };
    let of_party = |party: PartyId| {
        let at = Gr16::point(party);
        let zero = Gr16::constant(secret) * product(at, None) * product(Gr16::constant(0), None).inverse().unwrap();
        let share = corrupt.iter().fold(zero, |sum, other| {
            let own = Gr16::point(*other);
            let weight = at * product(at, Some(other)) * (own * product(own, Some(other))).inverse().unwrap();
            sum + fixed(other) * weight
        });
        let mut bytes = vec![1, u8::from(committee), party.number(), 1, 0, 0, 0];
        bytes.extend(share.coefficients().iter().flat_map(|c| u128::from(*c).to_le_bytes()));
        ExactKey::new(&KeyShare::from_secret_bytes(&bytes).unwrap(), SMALL)
    };
    committee.parties().map(of_party).collect()
}

/// Machines with their first steps.
type Started<P> = Vec<(P, Step<<P as Machine>::Msg, <P as Machine>::Output>)>;
/// Their outputs, and what each said in each round.
type Ended<P> = (Vec<<P as Machine>::Output>, Vec<(PartyId, <P as Machine>::Msg)>);

/// Delivers everything in the order of parties until nobody speaks.
fn in_step<P: Machine>(started: Started<P>) -> Ended<P>
where
    P::Msg: Clone,
{
    let parties: Vec<_> = Committee::new(started.len()).unwrap().parties().collect();
    let (mut machines, mut queue) = (Vec::new(), Vec::new());
    let (mut outputs, mut said) = (BTreeMap::new(), Vec::new());
    for (party, (machine, step)) in parties.iter().zip(started) {
        queue.extend(step.send.into_iter().map(|Outgoing { msg, .. }| (*party, msg)));
        outputs.extend(step.output.map(|output| (*party, output)));
        machines.push(machine);
    }
    while !queue.is_empty() {
        queue.sort_by_key(|(party, _)| *party);
        for (from, msg) in std::mem::take(&mut queue) {
            said.push((from, msg.clone()));
            for to in parties.iter().filter(|to| **to != from) {
                let step = machines[to.index()].receive(from, msg.clone());
                queue.extend(step.send.into_iter().map(|Outgoing { msg, .. }| (*to, msg)));
                outputs.extend(step.output.map(|output| (*to, output)));
            }
        }
    }
    (outputs.into_values().collect(), said)
}

impl Case {
    fn committee(&self) -> Committee {
        Committee::new(self.n).unwrap()
    }

    /// The ciphertext: body − mask·key is the first phase under the key 0, and the second one under the key 1.
    fn words(&self) -> [u16; 2] {
        let [zero, one] = self.phases;
        [zero.wrapping_sub(one) & 0xff, zero]
    }

    /// Everything that the corrupt parties see of one run.
    fn view(&self, secret: u16, rng: &mut ChaCha20Rng) -> Vec<usize> {
        let committee = self.committee();
        let (prss, keys) = (mask_keys(committee, rng), key_shares(committee, secret));
        let mut view = View(Vec::new());
        let shares = match self.masks {
            Masks::OnDemand => self.on_demand(&keys, &prss, &mut view),
            _ => self.with_stock(&keys, &prss, rng, &mut view),
        };
        let message = self.phases[usize::from(secret)] >> 3;
        let opened: Vec<_> = shares.iter().map(|own| (own.owner().party, own.user_share()[0])).collect();
        let word = reconstruct(&opened[..=committee.threshold().faults()]).unwrap().coefficients()[0];
        assert_eq!(word >> 123, u128::from(message));
        if self.public {
            let (digits, said) = in_step::<Reveal>(shares.iter().map(Reveal::start).collect());
            assert!(digits.iter().all(|digits| u16::from(digits[0]) == message & 15));
            said.iter().for_each(|(_, msg)| view.note(msg.0[0], 12));
        }
        view.0
    }

    fn on_demand(&self, keys: &[ExactKey], prss: &[PrssKeys], view: &mut View) -> Vec<MessageShares> {
        let words = self.words();
        let samples = Switched::new(SMALL, 1, &words).unwrap();
        let start = |(key, prss)| OnDemand::start(key, &samples, &session(1), prss).unwrap();
        let (endings, said) = in_step::<OnDemand>(keys.iter().zip(prss).map(start).collect());
        let mut squares = Vec::new();
        let mut masked = Vec::new();
        for (from, msg) in said {
            match msg {
                OnDemandMsg::Bits(list) => {
                    view.note(list[0], 0);
                    squares.push((from, list));
                }
                OnDemandMsg::Masked(list) => masked.push((from, list)),
            }
        }
        let parties: Vec<_> = self.committee().parties().collect();
        let received: Vec<_> =
            squares.iter().map(|(party, shares)| crate::shamir::Received { party: *party, shares }).collect();
        let opened = decode_complete(&received, &parties, 2 * self.committee().threshold().faults()).unwrap();
        // a² + a is even
        view.note(opened[0], 1);
        self.note_masked(&masked, view);
        let shares = |ending| match ending {
            Ending::Shares(shares) => shares,
            Ending::FallBack(reason) => panic!("{reason:?}"),
        };
        endings.into_iter().map(shares).collect()
    }

    /// Shares of masked values, and c.
    fn note_masked(&self, masked: &[(PartyId, Vec<Gr16>)], view: &mut View) {
        let received: Vec<_> =
            masked.iter().map(|(party, shares)| crate::shamir::Received { party: *party, shares }).collect();
        let c = decode(&received, self.committee().threshold().faults(), 0).unwrap().values;
        masked.iter().for_each(|(_, list)| view.note(list[0], 8));
        view.note(c[0], 8);
    }

    /// With items that are dealt; the corrupt parties see their own.
    fn with_stock(
        &self,
        keys: &[ExactKey],
        prss: &[PrssKeys],
        rng: &mut ChaCha20Rng,
        view: &mut View,
    ) -> Vec<MessageShares> {
        let (committee, words) = (self.committee(), self.words());
        let samples = Switched::new(SMALL, 1, &words).unwrap();
        let low = match self.masks {
            Masks::WithoutBits => 0,
            Masks::WithoutLowestBit => 2 * rng.random_range(0..4u16),
            _ => rng.random_range(0..8u16),
        };
        let dealt = [low, low >> 2].map(|value| share(Gr16::constant(value), committee, rng));
        for own in corrupt(committee) {
            dealt.iter().for_each(|shares| view.note(shares[own.index()], 0));
        }
        let parts = |party: PartyId| {
            let [low, half] = [0, 1].map(|k: usize| Zeroizing::new(vec![dealt[k][party.index()]]));
            BitParts { low, half }
        };
        let parties = committee.parties().zip(keys).zip(prss);
        if self.masks == Masks::FromStock {
            let start = |((party, key), prss): ((PartyId, &ExactKey), &PrssKeys)| {
                let (owner, range) = (key.owner(), range(0, 1));
                let items = Items { owner, width: SMALL, range, session: session(1), parts: parts(party) };
                FromStock::start(key, &samples, items, prss).unwrap()
            };
            let (shares, said) = in_step::<FromStock>(parties.map(start).collect());
            let masked: Vec<_> = said.into_iter().map(|(party, msg)| (party, msg.0)).collect();
            self.note_masked(&masked, view);
            return shares;
        }
        // the rule dropped: the same steps with a top of our own
        let start = |((party, key), prss): ((PartyId, &ExactKey), &PrssKeys)| {
            let top = match self.masks {
                Masks::WithoutTop => list([0]),
                _ => prss.word_shares(&range(0, 1).mask_context(&session(1)), 1),
            };
            let masks = MaskShares::new(parts(party), top, SMALL);
            (party, Phases::new(key, &samples, prss).unwrap().mask(masks))
        };
        let (mut machines, mut masked) = (Vec::new(), Vec::new());
        for (party, (machine, message)) in parties.map(start) {
            machines.push(machine);
            masked.push((party, message));
        }
        self.note_masked(&masked, view);
        let receive = |mut machine: super::super::rounding::Rounding| {
            masked.iter().find_map(|(from, list)| machine.receive(*from, list.clone()).1).unwrap()
        };
        machines.into_iter().map(receive).collect()
    }

    /// How often every pair of digits of the view has each of its 64 values.
    fn tables(&self, secret: u16, seed: u64) -> Vec<[u32; 64]> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut tables: Vec<[u32; 64]> = Vec::new();
        for _ in 0..RUNS {
            let view = self.view(secret, &mut rng);
            tables.resize(view.len() * (view.len() - 1) / 2, [0; 64]);
            let pairs = (0..view.len()).flat_map(|i| view[i + 1..].iter().map(move |second| (i, *second)));
            for (cells, (first, second)) in tables.iter_mut().zip(pairs) {
                cells[view[first] * 8 + second] += 1;
            }
        }
        tables
    }

    /// The largest distance of any table under one key from that under the other.
    fn distance(&self) -> f64 {
        let (zero, one) = (self.tables(0, 2 * self.n as u64), self.tables(1, 2 * self.n as u64 + 1));
        assert_eq!(zero.len(), one.len());
        let cell = |(a, b): (&u32, &u32)| match f64::from(a + b) {
            0.0 => 0.0,
            both => (f64::from(*a) - f64::from(*b)).powi(2) / both,
        };
        let table = |(a, b): (&[u32; 64], &[u32; 64])| a.iter().zip(b).map(cell).sum::<f64>();
        zero.iter().zip(&one).map(table).fold(0.0, f64::max)
    }
}

/// Message 3 with one noise, and message 12 with another.
const OTHER_MESSAGE: [u16; 2] = [8 * 3 + 1, 8 * 12 + 3];
/// Message 5 with one noise, and with another.
const OTHER_NOISE: [u16; 2] = [8 * 5, 8 * 5 + 3];

#[test]
fn what_t_parties_see_is_independent_of_key_noise_and_message() {
    for (n, masks) in [4, 7].into_iter().flat_map(|n| [Masks::OnDemand, Masks::FromStock].map(|masks| (n, masks))) {
        for (public, phases) in [(false, OTHER_MESSAGE), (true, OTHER_NOISE)] {
            let distance = Case { n, masks, public, phases }.distance();
            println!("n = {n}, {masks:?}, public {public}: {distance:.0}");
            assert!(distance < BOUND, "n = {n}, {masks:?}, public {public}: {distance}");
        }
    }
}

#[test]
fn the_statistical_test_sees_a_mask_without_its_top_and_one_without_a_bit() {
    for n in [4, 7] {
        let dropped = [
            (Masks::WithoutTop, OTHER_MESSAGE),
            (Masks::WithoutBits, OTHER_NOISE),
            (Masks::WithoutLowestBit, OTHER_NOISE),
        ];
        for (masks, phases) in dropped {
            let distance = Case { n, masks, public: false, phases }.distance();
            println!("n = {n}, {masks:?}: {distance:.0}");
            assert!(distance > 4.0 * BOUND, "n = {n}, {masks:?}: {distance}");
        }
    }
}

/// An answer that differs is seen too: a public decryption shows its message and has to.
#[test]
fn the_statistical_test_sees_another_public_message() {
    let case = Case { n: 4, masks: Masks::FromStock, public: true, phases: OTHER_MESSAGE };
    assert!(case.distance() > 4.0 * BOUND);
}
