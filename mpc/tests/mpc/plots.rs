//! What t cheaters do together is what its name says, and the strongest of its kind: as many honest parties as possible
//! cannot tell.

use crate::common::{SIZES, committee, party, t};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet};
use tkms_mpc::broadcast::BroadcastMsg;
use tkms_mpc::preprocessing::BatchMsg;
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::rounds::InRound;
use tkms_mpc::shamir::{DecodeError, Received, decode, evaluate, share};
use tkms_mpc::sim::liars::TwoPolynomials;
use tkms_mpc::sim::lies::{Lie, Lies, Overheard};
use tkms_mpc::sim::plots::{Scheme, draw};
use tkms_mpc::sim::rounds::SyncRun;
use tkms_mpc::vss::VssMsg;
use tkms_types::PartyId;

fn last(n: usize) -> Vec<PartyId> {
    (n - t(n) + 1..=n).map(party).collect()
}

fn honest(n: usize) -> Vec<PartyId> {
    (1..=n - t(n)).map(party).collect()
}

fn said<M: Clone>(cheat: &mut dyn Lies<M>, round: u32, msg: &M, to: PartyId) -> Vec<InRound<M>> {
    cheat.instead_of(&InRound { round, msg: msg.clone() }, to, &mut ChaCha20Rng::seed_from_u64(1))
}

/// The shares of a value with degree t, those of the cheaters as they open them.
fn strayed(n: usize) -> (Vec<(PartyId, Vec<Gr64>)>, Gr64) {
    let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
    let secret = Gr64::random(&mut rng);
    let shares = share(secret, committee(n), &mut rng);
    let mut cheats = Scheme::Stray.among::<SetupMsg>(committee(n), &last(n), &mut rng);
    let all = committee(n).parties().zip(shares.iter()).map(|(from, share)| {
        let cheat = last(n).iter().position(|cheater| *cheater == from).map(|place| &mut cheats[place]);
        let opened = cheat.map(|cheat| said(cheat.as_mut(), 9, &SetupMsg::Open(vec![*share]), party(1)).remove(0).msg);
        match opened {
            Some(SetupMsg::Open(list)) => (from, list),
            _ => (from, vec![*share]),
        }
    });
    (all.collect(), secret)
}

#[test]
fn strayed_shares_lie_on_a_wrong_polynomial_with_t_honest_ones_and_are_corrected_all_the_same() {
    for n in SIZES {
        let (shares, secret) = strayed(n);
        let all: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
        let decoded = decode(&all, t(n), t(n)).unwrap();
        assert_eq!(decoded.values, [secret], "n = {n}");
        assert_eq!(decoded.liars.iter().map(|(liar, _)| *liar).collect::<Vec<_>>(), last(n));
        // cheaters and t honest parties: 2t on one polynomial of degree t, which is not the right one
        let liars: Vec<_> = all.iter().filter(|r| last(n).contains(&r.party)).copied().collect();
        let with = |one: &Received<'_, Gr64>| {
            let few: Vec<_> = liars.iter().copied().chain([*one]).collect();
            decode(&few, t(n), 0).unwrap().values
        };
        let values: Vec<_> = all.iter().filter(|r| honest(n).contains(&r.party)).map(with).collect();
        let most = values.iter().map(|v| values.iter().filter(|other| *other == v).count()).max().unwrap();
        assert!(n == 4 || most == t(n), "n = {n}: {most} honest parties lie on the wrong polynomial");
        assert!(values.iter().all(|value| *value != [secret]));
    }
}

#[test]
fn one_more_that_strays_would_win() {
    for n in SIZES {
        let (mut shares, secret) = strayed(n);
        // an honest share off both polynomials leaves 2t on either: no decoder can tell which is right
        let all = |shares: &[(PartyId, Vec<Gr64>)]| -> Result<Vec<Gr64>, DecodeError> {
            let received: Vec<_> = shares.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
            decode(&received, t(n), t(n)).map(|decoded| decoded.values)
        };
        assert_eq!(all(&shares), Ok(vec![secret]));
        for place in 0..n - t(n) {
            let kept = shares[place].1[0];
            shares[place].1[0] += Gr64::ONE;
            assert_ne!(all(&shares), Ok(vec![secret]), "n = {n}");
            shares[place].1[0] = kept;
        }
    }
}

#[test]
fn strayed_shares_of_a_batch_leave_one_honest_party_that_sees_it() {
    for n in SIZES {
        let (degree, mut rng) = (2 * t(n), ChaCha20Rng::seed_from_u64(n as u64));
        let polynomial: Vec<Gr16> = (0..=degree).map(|_| Gr16::random(&mut rng)).collect();
        let mut cheats = Scheme::Stray.among::<BatchMsg<Gr16>>(committee(n), &last(n), &mut rng);
        let opened: Vec<_> = committee(n)
            .parties()
            .map(|from| {
                let share = vec![evaluate(&polynomial, Gr16::point(from))];
                match last(n).iter().position(|cheater| *cheater == from) {
                    Some(place) => match &said(cheats[place].as_mut(), 1, &BatchMsg::Shares(share), party(1))[0].msg {
                        BatchMsg::Shares(list) => list.clone(),
                        other => panic!("{other:?}"),
                    },
                    None => share,
                }
            })
            .collect();
        let received = |without: Option<usize>| -> Vec<_> {
            let kept = (0..n).filter(|place| Some(*place) != without);
            kept.map(|place| Received { party: party(place + 1), shares: &opened[place] }).collect()
        };
        assert!(decode(&received(None), degree, 0).is_err(), "n = {n}: all shares show it");
        let fooled: Vec<_> = (0..n).filter(|place| decode(&received(Some(*place)), degree, 0).is_ok()).collect();
        // any three of four shares are of degree two
        let expected = if n == 4 { 4 } else { 1 };
        assert_eq!(fooled.len(), expected, "n = {n}: with that one's share missing nobody would");
        assert!(fooled[0] < n - t(n), "an honest one");
    }
}

/// Dealt rows of one secret, by the dealer's cheat: which honest parties' rows fit each other.
#[test]
fn of_two_polynomials_t_honest_parties_cannot_tell_and_the_cheaters_back_both() {
    for (n, seed) in SIZES.into_iter().flat_map(|n| (0..8).map(move |seed| (n, seed))) {
        let (cheaters, mut rng) = (last(n), ChaCha20Rng::seed_from_u64(seed));
        let mut cheats = TwoPolynomials::among(committee(n), &cheaters, &mut rng);
        // a dealing of zeros, so that what is dealt is the difference
        let zeros = VssMsg::Deal(vec![Gr64::ZERO; t(n) + 1]);
        let mut rows: BTreeMap<PartyId, Vec<Gr64>> = BTreeMap::new();
        for to in honest(n) {
            for cheat in &mut cheats {
                if let VssMsg::Deal(row) = &said(cheat, 1, &zeros, to)[0].msg
                    && row.iter().any(|c| *c != Gr64::ZERO)
                {
                    rows.insert(to, row.clone());
                }
            }
        }
        assert!((1..=t(n) + 1).contains(&rows.len()), "n = {n}: {} got the other polynomial", rows.len());
        let mut untold = 0;
        for one in honest(n) {
            let zero_at = |row: &Vec<Gr64>| evaluate(row, Gr64::point(one)) == Gr64::ZERO;
            untold += usize::from(!rows.contains_key(&one) && rows.values().all(zero_at));
        }
        assert_eq!(untold, t(n), "n = {n}: who shows the others nothing that does not fit");
        // symmetric, and each cheater shows what fits the row that its peer was dealt
        for (a, row) in &rows {
            for (b, other) in &rows {
                assert_eq!(evaluate(row, Gr64::point(*b)), evaluate(other, Gr64::point(*a)));
            }
            for (cheater, cheat) in cheaters.iter().zip(&mut cheats) {
                let VssMsg::Cross(list) = &said(cheat, 2, &VssMsg::Cross(vec![Gr64::ZERO; n]), *a)[0].msg else {
                    panic!("values of pairs")
                };
                let fits = evaluate(row, Gr64::point(*cheater));
                let shown: Vec<_> = list.iter().filter(|value| **value != Gr64::ZERO).collect();
                assert_eq!(shown, [&fits], "n = {n}: {cheater} to {a}");
            }
        }
    }
}

#[test]
fn who_divides_gives_every_party_one_liar_and_who_takes_turns_every_round_one() {
    for n in SIZES {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let truth = BroadcastMsg::Send(vec![1; 9]);
        let lies = |cheats: &mut Vec<Box<dyn Lies<BroadcastMsg>>>, round, to| -> Vec<InRound<BroadcastMsg>> {
            let all = cheats.iter_mut().flat_map(|cheat| said(cheat.as_mut(), round, &truth, to));
            all.filter(|said| said.msg != truth).collect()
        };
        let mut divide = Scheme::Divide.among::<BroadcastMsg>(committee(n), &last(n), &mut rng);
        let told: Vec<_> = honest(n).into_iter().flat_map(|to| lies(&mut divide, 1, to)).collect();
        assert_eq!(told.len(), honest(n).len(), "n = {n}: one liar each");
        assert!(told.iter().all(|lie| *lie == told[0]), "one lie");
        let mut turns = Scheme::Turns.among::<BroadcastMsg>(committee(n), &last(n), &mut rng);
        for (round, to) in (1..9).flat_map(|round| honest(n).into_iter().map(move |to| (round, to))) {
            assert_eq!(lies(&mut turns, round, to).len(), 1, "n = {n}, round {round}");
        }
    }
}

/// Feeds all cheaters of a plot with what honest parties say in a round.
fn tell<M: Lie>(cheats: &mut [Box<dyn Lies<M>>], n: usize, said: impl Fn(PartyId) -> InRound<M>) {
    for (from, to) in honest(n).into_iter().flat_map(|from| last(n).into_iter().map(move |to| (from, to))) {
        let said = said(from);
        cheats.iter_mut().for_each(|cheat| cheat.hears(&Overheard { from, to, said: &said }));
    }
}

#[test]
fn who_mirrors_says_what_an_honest_party_has_said_in_this_round() {
    for n in SIZES {
        let mut cheats =
            Scheme::Mirror.among::<BroadcastMsg>(committee(n), &last(n), &mut ChaCha20Rng::seed_from_u64(3));
        let value = |from: PartyId, round| InRound { round, msg: BroadcastMsg::Send(vec![from.number(), 77]) };
        let own = BroadcastMsg::Send(vec![0]);
        assert_eq!(said(cheats[0].as_mut(), 1, &own, party(1))[0].msg, own, "nothing to mirror yet");
        tell(&mut cheats, n, |from| value(from, 1));
        let copied: BTreeSet<_> =
            cheats.iter_mut().map(|cheat| format!("{:?}", said(cheat.as_mut(), 1, &own, party(1))[0].msg)).collect();
        assert!(copied.iter().all(|said| said.ends_with("77])")), "n = {n}: {copied:?}");
        assert_eq!(copied.len(), t(n), "each another one");
        assert_eq!(
            said(cheats[0].as_mut(), 2, &own, party(1))[0].msg,
            own,
            "what is of another round is not said again"
        );
        assert!(cheats.iter().all(|cheat| cheat.rushes(party(1))));
    }
}

#[test]
fn who_tips_backs_to_some_what_most_honest_parties_say_and_to_the_others_the_opposite() {
    let n = 7;
    let mut cheats = Scheme::Tip.among::<BroadcastMsg>(committee(n), &last(n), &mut ChaCha20Rng::seed_from_u64(3));
    let bits = |bit| BroadcastMsg::Bits { bits: vec![bit; 7], wanted: vec![false; 7] };
    // three of five honest parties say yes
    tell(&mut cheats, n, |from| InRound { round: 4, msg: bits(from.number() <= 3) });
    let told: Vec<Vec<_>> = cheats
        .iter_mut()
        .map(|cheat| honest(n).into_iter().map(|to| said(cheat.as_mut(), 4, &bits(true), to)[0].msg.clone()).collect())
        .collect();
    assert_eq!(told[0], told[1], "both say the same to each");
    let backed = told[0].iter().filter(|msg| **msg == bits(true)).count();
    let other = told[0].iter().filter(|msg| **msg == bits(false)).count();
    assert!(backed > 0 && other > 0 && backed + other == 5, "{backed} and {other} of five");
    let hash = |h: u8| BroadcastMsg::Vote(vec![Some([h; 32]); 7]);
    tell(&mut cheats, n, |_| InRound { round: 3, msg: hash(1) });
    for to in honest(n) {
        let vote = said(cheats[0].as_mut(), 3, &hash(9), to)[0].msg.clone();
        assert!(vote == hash(1) || vote == BroadcastMsg::Vote(vec![None; 7]), "their vote or none: {vote:?}");
    }
}

#[test]
fn drawn_adversaries_are_t_parties_at_most_of_every_kind() {
    for n in SIZES {
        let (mut alone, mut together, mut absent, mut fewer) = (0, 0, 0, 0);
        for seed in 0..300 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let drawn = draw(SyncRun::<BatchMsg<Gr16>>::new(n, rng.random()).unwrap(), 20, &mut rng);
            let distinct: BTreeSet<_> = drawn.faulty().into_iter().collect();
            assert_eq!(distinct.len(), drawn.cheaters.len() + drawn.absent.len(), "nobody twice");
            assert!(distinct.len() <= t(n), "seed {seed}: {}", drawn.note);
            together += usize::from(drawn.note.contains(" all "));
            alone += usize::from(!drawn.note.contains(" all "));
            absent += drawn.absent.len();
            fewer += usize::from(distinct.len() < t(n));
        }
        assert!(alone > 100 && together > 60, "n = {n}: {alone} alone, {together} in a plot");
        assert!(absent > 20 && fewer > 10, "n = {n}: {absent} cut off, {fewer} times fewer than t");
    }
}
