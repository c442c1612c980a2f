//! Every cheat of the library in every protocol, by t parties of every committee, kings among them: what honest parties
//! end with is the same and right, and for each cheat it is settled who names its author and who can show it to others.

use crate::common::{SIZES, committee, evidence_is_just, party, t};
use crate::{broadcast, preprocessing, prss_setup, vss};
use tkms_mpc::preprocessing::{BatchMsg, Bits, Standing, Triples};
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::sim::liars::{
    Accuses, Complains, DealsWrongTo, Frames, InSetup, ReplaysDealing, SendsToSome, Slanders, SpoilsAndShows, Votes,
    WrongDegree,
};
use tkms_mpc::sim::lies::{
    CrashIn, FlipsAfter, Hurries, Lie, Lies, Repeats, Rushes, SaysTwice, Selective, SilentAfter, Stutters, TellsEach,
    WrongShape, WrongValue,
};
use tkms_mpc::sim::plots::Scheme;
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_mpc::vss::VssMsg;
use tkms_types::PartyId;

/// Who names every cheater, or holds evidence against every cheater that a third party accepts; the other honest parties
/// name nobody, or hold none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Every honest party.
    All,
    /// None: silence, or what an honest party might have said.
    Nobody,
    /// The first so many honest parties, which were lied to, of t.
    FirstT,
    /// What is lost at random decides: somebody may.
    Some,
}
use By::{All, FirstT, Nobody};

/// One of the cheaters of a committee.
struct Case<'a> {
    n: usize,
    me: PartyId,
    honest: &'a [PartyId],
}

impl Case<'_> {
    /// The number up to which there are so many honest parties.
    fn up_to(&self, honest: usize) -> u8 {
        self.honest[honest - 1].number()
    }

    fn t(&self) -> usize {
        t(self.n)
    }
}

/// Name, who names its author, who can show it, and the cheat.
type Cheat<M> = (&'static str, By, By, Box<dyn Fn(&Case<'_>) -> Box<dyn Lies<M>>>);

fn cheat<M, L: Lies<M> + 'static>(
    name: &'static str,
    named: By,
    shown: By,
    make: impl Fn(&Case<'_>) -> L + 'static,
) -> Cheat<M> {
    (name, named, shown, Box::new(move |case| Box::new(make(case))))
}

/// What fits every protocol. Who names and shows is the same in all of them, but where `other` says that it is not.
fn common_cheats<M: Lie>(other: &[(&str, By)]) -> Vec<Cheat<M>> {
    let cheats: Vec<Cheat<M>> = vec![
        cheat("silent", Nobody, Nobody, |_| SilentAfter(0)),
        cheat("silent after round 1", Nobody, Nobody, |_| SilentAfter(1)),
        cheat("crashes after round 3", Nobody, Nobody, |_| SilentAfter(3)),
        cheat("crashes while it sends round 2", Nobody, Nobody, |case| CrashIn(2, case.up_to(case.t()))),
        cheat("wrong share", All, Nobody, |_| WrongValue(1)),
        cheat("wrong in every round", All, Nobody, |_| WrongValue(0)),
        cheat("wrong length", All, All, |_| WrongShape),
        cheat("equivocates", All, All, |_| TellsEach),
        cheat("replays", All, All, |_| Repeats::new()),
        cheat("rushes", All, All, |_| Rushes::new()),
        cheat("selective", All, All, |case| Selective(case.up_to(case.t()))),
        cheat("says twice", All, All, |_| SaysTwice),
        cheat("flips after round 3", All, All, |_| FlipsAfter(3)),
        cheat("hurries", Nobody, Nobody, |case| Hurries(case.up_to(case.t()))),
        cheat("stutters", By::Some, Nobody, |_| Stutters(40)),
    ];
    let settle = |(name, named, shown, make)| {
        let other = other.iter().find(|(cheat, _)| *cheat == name);
        (name, other.map_or(named, |(_, named)| *named), shown, make)
    };
    cheats.into_iter().map(settle).collect()
}

/// Where the cheaters stand: among the kings, spread, and where they never reign.
fn placements(n: usize) -> [Vec<PartyId>; 3] {
    let spread = (1..=t(n)).map(|i| party(3 * i)).collect();
    [(1..=t(n)).map(party).collect(), spread, (n - t(n) + 1..=n).map(party).collect()]
}

/// Whether these of the honest parties are who is expected.
fn fits(by: By, n: usize, honest: &[PartyId], those: &[PartyId]) -> bool {
    match by {
        All => those == honest,
        Nobody => those.is_empty(),
        FirstT => those == &honest[..t(n)],
        By::Some => true,
    }
}

/// Runs every cheat by t parties in every committee and placement; `right` asserts what honest parties end with.
fn every<M: Lie, O>(
    cheats: Vec<Cheat<M>>,
    run: impl Fn(usize, SyncRun<M>) -> SyncReport<O>,
    right: impl Fn(usize, &SyncReport<O>, &[PartyId], &str),
) {
    let mut other = Vec::new();
    for (name, named, shown, make) in &cheats {
        for (seed, (n, cheaters)) in SIZES.into_iter().flat_map(|n| placements(n).map(|p| (n, p))).enumerate() {
            let honest: Vec<_> = committee(n).parties().filter(|one| !cheaters.contains(one)).collect();
            let plan = SyncRun::new(n, seed as u64).unwrap();
            let cheated = |plan: SyncRun<M>, me: &PartyId| plan.cheat(*me, make(&Case { n, me: *me, honest: &honest }));
            let report = run(n, cheaters.iter().fold(plan, cheated));
            let note = format!("{name}, n = {n}, {cheaters:?}, seed {seed}");
            right(n, &report, &cheaters, &note);
            evidence_is_just(&report, &cheaters, &note);
            for (what, by, found) in [
                (
                    "named",
                    named,
                    against(&report, &cheaters, &honest, |e| e.faults.iter().map(|f| f.culprit).collect()),
                ),
                (
                    "shown",
                    shown,
                    against(&report, &cheaters, &honest, |e| e.evidence.iter().map(|f| f.culprit).collect()),
                ),
            ] {
                match found {
                    Ok(those) if fits(*by, n, &honest, &those) => {}
                    Err(_) if *by == By::Some => {}
                    found => other.push(format!("{note}: {what} by {found:?}, not by {by:?}")),
                }
            }
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}

/// The honest parties that name all cheaters, if the others name none of them.
fn against<O>(
    report: &SyncReport<O>,
    cheaters: &[PartyId],
    honest: &[PartyId],
    named: impl Fn(&tkms_mpc::sim::rounds::SyncEnding<O>) -> Vec<PartyId>,
) -> Result<Vec<PartyId>, String> {
    let mut those = Vec::new();
    for one in honest {
        let names = named(&report.endings[one.index()]);
        match cheaters.iter().filter(|cheater| names.contains(cheater)).count() {
            0 => {}
            all if all == cheaters.len() => those.push(*one),
            some => return Err(format!("{one}: {some} of {}", cheaters.len())),
        }
    }
    Ok(those)
}

#[test]
fn in_broadcast() {
    // who tells all the same wrong thing has said just that: there is nothing to find
    let mut cheats = common_cheats(&[("wrong share", Nobody), ("wrong in every round", Nobody)]);
    cheats.push(cheat("value to a quorum only", Nobody, Nobody, |case| SendsToSome((case.n - case.t()) as u8)));
    cheats.push(cheat("value to too few", FirstT, Nobody, |case| SendsToSome(case.up_to(case.t()))));
    every(cheats, broadcast::run, |n, report, cheaters, note| {
        broadcast::agreed(n, report, cheaters, note);
    });
}

#[test]
fn in_vss() {
    let mut cheats = common_cheats::<VssMsg<Gr64>>(&[]);
    cheats.push(cheat("wrong degree", All, Nobody, |case| WrongDegree(case.t())));
    // t parties beside the dealer itself
    let to_t = |case: &Case<'_>| DealsWrongTo((case.t() + usize::from(case.me.index() < case.t())) as u8);
    cheats.push(cheat("wrong polynomial to t parties", Nobody, Nobody, to_t));
    cheats.push(cheat("wrong polynomial to t + 1", All, Nobody, |case| DealsWrongTo(case.up_to(case.t() + 1))));
    cheats.push(cheat("accuses", Nobody, Nobody, |case| Accuses::of((committee(case.n), case.me), case.up_to(1))));
    cheats.push(cheat("complains", Nobody, Nobody, |case| Complains(committee(case.n), case.me)));
    every(cheats, vss::run::<Gr64>, |n, report, cheaters, note| drop(vss::sound(n, report, cheaters, note)));
}

#[test]
fn in_the_setup_of_prss() {
    let mut cheats = common_cheats::<SetupMsg>(&[]);
    cheats.push(cheat("replays its dealing", All, Nobody, |_| ReplaysDealing::default()));
    cheats.push(cheat("silent in the opening", Nobody, Nobody, |case| SilentAfter(prss_setup::last_round(case.n) - 1)));
    cheats.push(cheat("wrong share in the opening", All, Nobody, |case| WrongValue(prss_setup::last_round(case.n))));
    cheats.push(cheat("wrong degree", All, Nobody, |case| InSetup(Box::new(WrongDegree(case.t())))));
    every(cheats, prss_setup::run, prss_setup::sound);
}

fn in_batches(cheats: Vec<Cheat<BatchMsg<Gr16>>>, standing: &Standing) {
    let run = |n, plan| preprocessing::run(plan, &preprocessing::keys(n), Bits { count: 12 }, 1, standing);
    every(cheats, run, |n, report, cheaters, note| {
        if let (preprocessing::Ended::Accepted, items) = preprocessing::agreed(n, report, cheaters, note) {
            preprocessing::are_bits(n, &items, note);
        }
    });
}

#[test]
fn in_batches_and_their_check() {
    // its report reaches some, and is not delivered
    let mut cheats = common_cheats(&[("crashes while it sends round 2", FirstT)]);
    cheats.push(cheat("shows wrong secrets", All, Nobody, |_| SpoilsAndShows(|value| value[0] ^= 1)));
    cheats.push(cheat("shows nothing", All, Nobody, |_| SpoilsAndShows(Vec::clear)));
    cheats.push(cheat("slanders", All, Nobody, |case| Slanders(case.up_to(2))));
    cheats.push(cheat("votes against", Nobody, Nobody, |_| Votes(false)));
    cheats.push(cheat("votes for", Nobody, Nobody, |_| Votes(true)));
    let frames = |spoils| move |case: &Case<'_>| Frames { committee: committee(case.n), victim: case.up_to(1), spoils };
    cheats.push(cheat("frames", Nobody, Nobody, frames(false)));
    cheats.push(cheat("spoils and frames", All, Nobody, frames(true)));
    in_batches(cheats, &Standing::default());
}

/// The other recipe over the other ring.
#[test]
fn in_batches_of_triples() {
    let mut cheats = common_cheats(&[("crashes while it sends round 2", FirstT)]);
    cheats.push(cheat("shows wrong secrets", All, Nobody, |_| SpoilsAndShows(|value| value[0] ^= 1)));
    cheats.push(cheat("votes against", Nobody, Nobody, |_| Votes(false)));
    let (recipe, standing) = (Triples { count: 8 }, Standing::default());
    let run = |n, plan| preprocessing::run::<Gr64, _>(plan, &preprocessing::keys(n), recipe, 1, &standing);
    every(cheats, run, |n, report, cheaters, note| {
        if let (preprocessing::Ended::Accepted, items) = preprocessing::agreed(n, report, cheaters, note) {
            preprocessing::are_triples(n, &items, note);
        }
    });
}

#[test]
fn in_careful_batches() {
    let cheats = common_cheats(&[]);
    in_batches(cheats, &Standing { careful: true, evicted: Vec::new() });
}

/// Plots of all t cheaters; `right` asserts what honest parties end with. Two honest parties may well see different lies.
fn every_plot<M: Lie, O>(
    run: impl Fn(usize, SyncRun<M>) -> SyncReport<O>,
    right: impl Fn(usize, &SyncReport<O>, &[PartyId], &str),
) {
    use rand::SeedableRng;
    for (seed, (n, cheaters)) in SIZES.into_iter().flat_map(|n| placements(n).map(|p| (n, p))).enumerate() {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed as u64);
        let mut plots: Vec<_> = Scheme::ALL
            .into_iter()
            .map(|scheme| (format!("{scheme:?}"), scheme.among::<M>(committee(n), &cheaters, &mut rng)))
            .collect();
        let knowing = M::any_plot(committee(n), &cheaters, &mut rng);
        plots.extend(knowing.map(|(name, plot)| (name.to_owned(), plot)));
        for (name, plot) in plots {
            let plan = SyncRun::new(n, seed as u64).unwrap();
            let plan = cheaters.iter().zip(plot).fold(plan, |plan, (cheater, cheat)| plan.cheat(*cheater, cheat));
            let note = format!("all {name}, n = {n}, {cheaters:?}, seed {seed}");
            right(n, &run(n, plan), &cheaters, &note);
        }
    }
}

#[test]
fn t_cheaters_that_share_everything_do_no_more_than_t_that_do_not() {
    every_plot(broadcast::run, |n, report, cheaters, note| drop(broadcast::agreed(n, report, cheaters, note)));
    every_plot(vss::run::<Gr64>, |n, report, cheaters, note| drop(vss::sound(n, report, cheaters, note)));
    every_plot(prss_setup::run, prss_setup::sound);
    for careful in [false, true] {
        let standing = Standing { careful, evicted: Vec::new() };
        let run =
            |n, plan| preprocessing::run::<Gr16, _>(plan, &preprocessing::keys(n), Bits { count: 12 }, 1, &standing);
        every_plot(run, |n, report, cheaters, note| {
            if let (preprocessing::Ended::Accepted, items) = preprocessing::agreed(n, report, cheaters, note) {
                preprocessing::are_bits(n, &items, note);
            }
        });
    }
}
