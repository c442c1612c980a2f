//! Every cheat of the library in every protocol, by t parties of every committee: what honest parties end with is the
//! same and right, and whoever breaks a message is named by all of them.

use crate::common::{SIZES, committee, evidence_is_just, party, t};
use crate::{broadcast, preprocessing, prss_setup, vss};
use tkms_mpc::preprocessing::{BatchMsg, Bits, Standing, Triples};
use tkms_mpc::prss_setup::SetupMsg;
use tkms_mpc::ring::{Gr16, Gr64};
use tkms_mpc::sim::liars::{DealsWrongTo, ReplaysDealing, SendsToSome, Slanders, SpoilsAndShows, Votes, WrongDegree};
use tkms_mpc::sim::lies::{
    CrashIn, FlipsAfter, Lie, Lies, Repeats, Rushes, SaysTwice, Selective, SilentAfter, TellsEach, WrongShape,
    WrongValue,
};
use tkms_mpc::sim::rounds::{SyncReport, SyncRun};
use tkms_mpc::vss::VssMsg;
use tkms_types::PartyId;

/// Who can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Every honest party names every cheater.
    Everybody,
    /// Nobody is named: silence, or something an honest party might have said.
    Nobody,
    /// Who was lied to names the cheater; the others may not.
    Somebody,
}
use Seen::{Everybody, Nobody, Somebody};

type Cheat<M> = (&'static str, Seen, Box<dyn Fn(usize) -> Box<dyn Lies<M>>>);

fn cheat<M, L: Lies<M> + 'static>(name: &'static str, seen: Seen, make: impl Fn(usize) -> L + 'static) -> Cheat<M> {
    (name, seen, Box::new(move |n| Box::new(make(n))))
}

/// What fits every protocol.
fn common_cheats<M: Lie + 'static>() -> Vec<Cheat<M>> {
    vec![
        cheat("silent", Nobody, |_| SilentAfter(0)),
        cheat("silent after round 1", Nobody, |_| SilentAfter(1)),
        cheat("crashes after round 3", Nobody, |_| SilentAfter(3)),
        cheat("crashes while it sends round 2", Somebody, |n| CrashIn(2, n as u8 / 2)),
        cheat("wrong share", Somebody, |_| WrongValue(1)),
        cheat("wrong in every round", Somebody, |_| WrongValue(0)),
        cheat("wrong length", Everybody, |_| WrongShape),
        cheat("equivocates", Everybody, |_| TellsEach),
        cheat("replays", Everybody, |_| Repeats::new()),
        cheat("rushes", Somebody, |_| Rushes),
        cheat("selective", Somebody, |n| Selective(t(n) as u8)),
        cheat("says twice", Somebody, |_| SaysTwice),
        cheat("flips after round 3", Everybody, |_| FlipsAfter(3)),
    ]
}

/// Runs every cheat by t parties in every committee; `right` asserts what honest parties end with.
fn every<M: Lie + 'static, O>(
    cheats: Vec<Cheat<M>>,
    sizes: &[usize],
    run: impl Fn(usize, SyncRun<M>) -> SyncReport<O>,
    right: impl Fn(usize, &SyncReport<O>, &[PartyId], &str),
) {
    for (name, seen, make) in &cheats {
        for n in sizes {
            let cheaters: Vec<_> = (1..=t(*n)).map(|i| party(3 * i)).collect();
            let plan = SyncRun::new(*n, 1).unwrap();
            let report = run(*n, cheaters.iter().fold(plan, |plan, cheater| plan.cheat(*cheater, make(*n))));
            let note = format!("{name}, n = {n}, seed 1");
            right(*n, &report, &cheaters, &note);
            evidence_is_just(&report, &cheaters, &note);
            for one in committee(*n).parties().filter(|one| !cheaters.contains(one)) {
                let named = report.endings[one.index()].faults.iter().map(|fault| fault.culprit);
                let mut named: Vec<_> = named.filter(|culprit| cheaters.contains(culprit)).collect();
                named.sort_unstable();
                named.dedup();
                match seen {
                    Everybody => assert_eq!(named, cheaters, "{note}: {one} names all"),
                    Nobody => assert_eq!(named, [], "{note}: {one} names nobody"),
                    Somebody => {}
                }
            }
        }
    }
}

#[test]
fn in_broadcast() {
    let mut cheats = common_cheats();
    cheats.push(cheat("another value for all", Nobody, |_| WrongValue(1)));
    cheats.push(cheat("value to a quorum only", Nobody, |n| SendsToSome((n - t(n)) as u8)));
    cheats.push(cheat("value to too few", Somebody, |n| SendsToSome(t(n) as u8)));
    every(cheats, &SIZES, broadcast::run, |n, report, cheaters, note| {
        broadcast::agreed(n, report, cheaters, note);
    });
}

#[test]
fn in_vss() {
    let mut cheats = common_cheats::<VssMsg<Gr64>>();
    cheats.push(cheat("wrong degree", Everybody, |_| WrongDegree(vss::COUNT)));
    cheats.push(cheat("wrong polynomial to t parties", Nobody, |n| DealsWrongTo(t(n) as u8)));
    every(cheats, &SIZES, vss::run::<Gr64>, |n, report, cheaters, note| drop(vss::sound(n, report, cheaters, note)));
}

#[test]
fn in_the_setup_of_prss() {
    let mut cheats = common_cheats::<SetupMsg>();
    cheats.push(cheat("replays its dealing", Everybody, |_| ReplaysDealing::default()));
    cheats.push(cheat("silent in the opening", Nobody, |n| SilentAfter(prss_setup::last_round(n) - 1)));
    cheats.push(cheat("wrong share in the opening", Everybody, |n| WrongValue(prss_setup::last_round(n))));
    every(cheats, &SIZES, prss_setup::run, prss_setup::sound);
}

fn in_batches(cheats: Vec<Cheat<BatchMsg<Gr16>>>, standing: &Standing) {
    let run = |n, plan| preprocessing::run(plan, &preprocessing::keys(n), Bits { count: 12 }, 1, standing);
    every(cheats, &SIZES, run, |n, report, cheaters, note| {
        if let (preprocessing::Ended::Accepted, items) = preprocessing::agreed(n, report, cheaters, note) {
            preprocessing::are_bits(n, &items, note);
        }
    });
}

#[test]
fn in_batches_and_their_check() {
    let mut cheats = common_cheats();
    cheats.push(cheat("shows wrong secrets", Everybody, |_| SpoilsAndShows(|value| value[0] ^= 1)));
    cheats.push(cheat("shows nothing", Everybody, |_| SpoilsAndShows(Vec::clear)));
    cheats.push(cheat("slanders", Somebody, |_| Slanders(3)));
    cheats.push(cheat("votes against", Nobody, |_| Votes(false)));
    cheats.push(cheat("votes for", Nobody, |_| Votes(true)));
    in_batches(cheats, &Standing::default());
}

/// The other recipe over the other ring.
#[test]
fn in_batches_of_triples() {
    let mut cheats = common_cheats();
    cheats.push(cheat("shows wrong secrets", Everybody, |_| SpoilsAndShows(|value| value[0] ^= 1)));
    cheats.push(cheat("votes against", Nobody, |_| Votes(false)));
    let (recipe, standing) = (Triples { count: 8 }, Standing::default());
    let run = |n, plan| preprocessing::run::<Gr64, _>(plan, &preprocessing::keys(n), recipe, 1, &standing);
    every(cheats, &SIZES, run, |n, report, cheaters, note| {
        if let (preprocessing::Ended::Accepted, items) = preprocessing::agreed(n, report, cheaters, note) {
            preprocessing::are_triples(n, &items, note);
        }
    });
}

#[test]
fn in_careful_batches() {
    in_batches(common_cheats(), &Standing { careful: true, evicted: Vec::new() });
}
