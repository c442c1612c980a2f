//! t parties that do anything at any round of a whole decryption, from the bits to the answers for all and for a user: what
//! honest parties and the user end with is right, and blame is just.

use super::network::{CHEATS, Cheat, Run, Trace, through};
use super::on_demand::{old as old_on_demand, started};
use super::stock::{liars, reveal, shares};
use super::world::{MESSAGES, SIZES, World};
use crate::common::seeds;
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::collections::BTreeMap;
use tkms_mpc::exact::{Ending, FromStock, MessageShares, OnDemand, Reveal};
use tkms_mpc::ring::{Gr16, Gr128, Ring};
use tkms_mpc::shamir::{Received, decode};
use tkms_mpc::user::{Assurance, CombineError, combine_user_shares};
use tkms_types::PartyId;

/// What the user gets of a party that cheats, in the order of arrival.
fn answers_of(
    cheat: Option<Cheat>,
    honest: &[Gr128],
    replayed: &[Gr128],
    friends: &[PartyId],
    from: PartyId,
) -> Vec<Vec<Gr128>> {
    let with = |offset: Gr128| {
        let mut answer = honest.to_vec();
        *answer.last_mut().unwrap() += offset;
        answer
    };
    match cheat {
        None | Some(Cheat::Late) => vec![honest.to_vec()],
        Some(Cheat::Repeat) => vec![honest.to_vec(); 3],
        Some(Cheat::Silent | Cheat::Crash(_)) => Vec::new(),
        Some(Cheat::Empty) => vec![Vec::new()],
        Some(Cheat::TooLong) => vec![[honest, &[Gr128::ONE]].concat()],
        Some(Cheat::Replay) => vec![replayed.to_vec()],
        Some(Cheat::ChangeOfMind) => vec![honest.to_vec(), with(Gr128::new([1 << 124; 4]))],
        Some(Cheat::Collude) => vec![with(through::<Gr128>(friends, from).shifted(124))],
        Some(Cheat::BadShare(_) | Cheat::Selective(_)) => vec![with(Gr128::new([0, 0, 1 << 127, 0]))],
        Some(Cheat::Equivocate) => {
            let mut rng = ChaCha20Rng::seed_from_u64(from.number().into());
            vec![honest.iter().map(|_| Gr128::random(&mut rng)).collect()]
        }
    }
}

/// The user combines what comes of all: of honest parties the truth, of the others what their cheat makes of it.
fn user_reads(world: &World, shares: &[MessageShares], other: &[MessageShares], cheats: &BTreeMap<PartyId, Cheat>) {
    let honest = world.committee.parties().filter(|party| !cheats.contains_key(party));
    let friends: Vec<_> = honest.take(world.t()).collect();
    let mut answers = Vec::new();
    for (own, other) in shares.iter().zip(other) {
        let party = own.owner().party;
        let sent = answers_of(cheats.get(&party).copied(), &own.user_share(), &other.user_share(), &friends, party);
        answers.extend(sent.into_iter().map(|answer| (party, answer)));
    }
    // the liars first: they answer at once
    answers.sort_by_key(|(party, _)| !cheats.contains_key(party));
    let combined = combine_user_shares(world.committee, MESSAGES.len(), &answers).unwrap();
    assert_eq!(combined.opened.digits().unwrap(), MESSAGES, "{cheats:?}");
    assert_eq!(combined.assurance, Assurance::Proven);
    let guilty = |cheat: &Cheat| {
        !matches!(cheat, Cheat::Late | Cheat::Repeat | Cheat::Silent | Cheat::Crash(_) | Cheat::ChangeOfMind)
    };
    let mut named: Vec<_> = combined.faults.iter().map(|fault| fault.culprit).collect();
    named.sort_unstable();
    let expected: Vec<_> = cheats.iter().filter(|(_, cheat)| guilty(cheat)).map(|(party, _)| *party).collect();
    assert_eq!(named, expected, "{cheats:?}");
}

#[test]
fn a_user_reads_the_message_whatever_t_parties_answer_and_names_the_liars() {
    for n in SIZES {
        let world = World::new(n);
        let (own, other) = (shares(&world, 1), shares(&world, 2));
        for cheat in CHEATS {
            user_reads(&world, &own, &other, &liars(&world).into_iter().map(|liar| (liar, cheat)).collect());
        }
    }
}

/// Shares of the messages from stock, at every party, with these cheats in the masked opening.
fn from_stock(world: &World, run: Run, number: u64) -> Vec<MessageShares> {
    let cheats: Vec<_> = run.cheats.keys().copied().collect();
    let endings = run.run(world.start(number), FromStock::is_done);
    for (ending, party) in endings.iter().zip(world.committee.parties()) {
        assert!(cheats.contains(&party) || ending.blamed().iter().all(|blamed| cheats.contains(blamed)));
    }
    // machines of liars are honest, only what they send is not
    endings.into_iter().map(|ending| ending.output.unwrap()).collect()
}

/// What every party has of attempt 0, if it has shares.
fn on_demand(world: &World, run: Run) -> Vec<Option<MessageShares>> {
    let endings = run.run(started(world, 1), OnDemand::is_done);
    let shares = |ending: super::network::Ending<Ending>| match ending.output {
        Some(Ending::Shares(shares)) => Some(shares),
        _ => None,
    };
    endings.into_iter().map(shares).collect()
}

/// All honest parties' shares lie on one sharing of the right messages.
fn sound(world: &World, shares: &[Option<MessageShares>], liars: &[PartyId]) {
    let lists: Vec<_> = shares.iter().flatten().map(|own| (own.owner().party, own.user_share())).collect();
    let honest: Vec<_> = lists.iter().filter(|(party, _)| !liars.contains(party)).collect();
    let received: Vec<_> = honest.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
    if received.len() > world.t() {
        let words = decode(&received, world.t(), 0).unwrap().values;
        let words: Vec<_> = words.iter().flat_map(|word| *word.coefficients()).take(MESSAGES.len()).collect();
        assert_eq!(words, MESSAGES.map(|message| u128::from(message) << 123));
    }
}

/// t liars, each with a cheat of its own in every round: bits, masked shares, the opening of the message and the answer to
/// the user. First without stock; where that falls back, from stock, in which everybody takes part.
fn whole_decryption(n: usize, seed: u64) {
    let world = World::new(n);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut liars: Vec<PartyId> = Vec::new();
    while liars.len() < world.t() {
        let party = super::world::party(rng.random_range(1..=n));
        if !liars.contains(&party) {
            liars.push(party);
        }
    }
    let mut draw = || -> BTreeMap<PartyId, Cheat> {
        let cheat = |rng: &mut ChaCha20Rng| match CHEATS[rng.random_range(0..CHEATS.len())] {
            Cheat::Selective(_) => Cheat::Selective(rng.random_range(1..=n as u8)),
            Cheat::Crash(_) => Cheat::Crash(rng.random_range(1..=n as u8)),
            cheat => cheat,
        };
        liars.iter().map(|liar| (*liar, cheat(&mut rng))).collect()
    };
    let in_round = |cheats: &BTreeMap<PartyId, Cheat>, round: u32, old: &Trace, seed: u64| {
        cheats.iter().fold(Run::new(seed).old(old), |run, (liar, cheat)| run.cheat(*liar, round, *cheat))
    };
    let bits_or_masked = 1 + (seed % 2) as u32;
    let demanded = on_demand(&world, in_round(&draw(), bits_or_masked, &old_on_demand(&world), seed));
    sound(&world, &demanded, &liars);
    let all: Option<Vec<_>> = demanded.into_iter().collect();
    let own = all.unwrap_or_else(|| {
        let (_, old) = Run::new(1).run_traced(world.start(7), FromStock::is_done);
        from_stock(&world, in_round(&draw(), 1, &old, seed), 3)
    });
    let other = shares(&world, 8);
    let (_, old) = Run::new(1).run_traced(other.iter().map(Reveal::start).collect(), Reveal::is_done);
    let endings = reveal(in_round(&draw(), 1, &old, seed), &own);
    for (ending, party) in endings.iter().zip(world.committee.parties()).filter(|(_, party)| !liars.contains(party)) {
        assert_eq!(ending.output.as_deref(), Some(&MESSAGES[..]), "{party}");
        assert!(ending.blamed().iter().all(|blamed| liars.contains(blamed)));
    }
    user_reads(&world, &own, &other, &draw());
}

#[test]
fn whole_decryptions_with_t_parties_that_do_something_else_in_every_round_are_right() {
    for seed in seeds(60) {
        whole_decryption(SIZES[seed as usize % SIZES.len()], seed);
    }
}

/// t parties agree on shares of the bits that fit a polynomial of degree 2t through 2t honest ones: the last honest share is off it.
#[test]
fn t_parties_that_agree_on_wrong_shares_of_the_bits_are_seen_and_nothing_of_them_is_used() {
    for n in SIZES {
        let world = World::new(n);
        let liars = liars(&world);
        let run = liars.iter().fold(Run::new(1), |run, liar| run.cheat(*liar, 1, Cheat::Collude));
        let demanded = on_demand(&world, run);
        for party in world.committee.parties().filter(|party| !liars.contains(party)) {
            assert!(demanded[party.index()].is_none(), "{n} {party}");
        }
    }
}

/// The rule of 2t + 1, and what is taken with one share fewer.
#[test]
fn two_t_shares_on_a_polynomial_would_take_the_closest_lie_and_2t_plus_1_do_not() {
    for n in SIZES {
        let world = World::new(n);
        let liars = liars(&world);
        let honest: Vec<_> = world.committee.parties().filter(|party| !liars.contains(party)).collect();
        let friends = &honest[..world.t()];
        let (_, said) = Run::new(1).run_traced(world.start(1), FromStock::is_done);
        let told = |party: PartyId| {
            let mut shares = said[&(party, 1)].clone();
            if liars.contains(&party) {
                *shares.last_mut().unwrap() += through::<Gr16>(friends, party).shifted(14);
            }
            shares
        };
        let all: Vec<_> = world.committee.parties().map(|party| (party, told(party))).collect();
        let of = |wanted: &dyn Fn(PartyId) -> bool| -> Vec<Received<'_, Gr16>> {
            let wanted = all.iter().filter(|(party, _)| wanted(*party));
            wanted.map(|(party, shares)| Received { party: *party, shares }).collect()
        };
        let right = decode(&of(&|party| honest.contains(&party)), world.t(), 0).unwrap().values;
        let pooled = of(&|party| liars.contains(&party) || friends.contains(&party));
        assert_eq!(pooled.len(), 2 * world.t());
        let wrong = decode(&pooled, world.t(), 0).unwrap().values;
        assert!(wrong != right, "2t shares agree on something else");
        for stranger in honest.iter().skip(world.t()) {
            let with_one_more = of(&|party| liars.contains(&party) || friends.contains(&party) || party == *stranger);
            assert!(decode(&with_one_more, world.t(), 0).is_err(), "2t + 1 do not");
        }
    }
}

#[test]
fn shares_of_two_attempts_are_two_sharings_and_do_not_mix() {
    for n in SIZES {
        let world = World::new(n);
        let (first, second) = (shares(&world, 1), shares(&world, 2));
        let answers: Vec<_> = world
            .committee
            .parties()
            .zip(first.iter().zip(&second))
            .map(|(party, (first, second))| {
                let of = if party.index() % 2 == 0 { first } else { second };
                (party, of.user_share().to_vec())
            })
            .collect();
        let mixed = combine_user_shares(world.committee, MESSAGES.len(), &answers);
        assert!(matches!(mixed, Err(CombineError::Abort(_))), "{mixed:?}");
        world.opened(&first);
        world.opened(&second);
    }
}

/// Why a user's share has five bits: modulo 2⁴ it is a sharing of the digit, and times 2¹²³ of nothing.
#[test]
fn four_bits_of_a_share_are_no_sharing_that_a_user_could_combine() {
    for n in SIZES {
        let world = World::new(n);
        let cut = |own: &MessageShares| {
            let mut bytes = own.to_secret_bytes();
            bytes.iter_mut().skip(7).for_each(|share| *share &= 15);
            MessageShares::from_secret_bytes(&bytes).unwrap()
        };
        let short: Vec<_> = shares(&world, 1).iter().map(cut).collect();
        let answers: Vec<_> = short.iter().map(|own| (own.owner().party, own.user_share().to_vec())).collect();
        let combined = combine_user_shares(world.committee, MESSAGES.len(), &answers);
        assert!(matches!(combined, Err(CombineError::Abort(_))), "{combined:?}");
        // for all they are enough
        for ending in reveal(Run::new(1), &short) {
            assert_eq!(ending.output.as_deref(), Some(&MESSAGES[..]));
        }
    }
}
