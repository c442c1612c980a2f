//! What several subjects need.

use tkms_mpc::sim::ToySeal;
use tkms_mpc::sim::rounds::SyncReport;
use tkms_types::{Committee, PartyId};

/// Committees of the project with somebody to tolerate.
pub const SIZES: [usize; 4] = [4, 7, 10, 13];

pub fn party(number: usize) -> PartyId {
    PartyId::new(number as u8).unwrap()
}

pub fn committee(n: usize) -> Committee {
    Committee::new(n).unwrap()
}

pub fn t(n: usize) -> usize {
    committee(n).threshold().faults()
}

/// Seeds of random runs: this many, or as many as the nightly asks for. Each is printed when its run begins: the last one
/// above a failure gives the run again, message for message, as `TKMS_MPC_SEED`.
pub fn seeds(default: u64) -> impl Iterator<Item = u64> {
    let asked = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let range = match asked("TKMS_MPC_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("TKMS_MPC_RUNS").unwrap_or(default),
    };
    range.inspect(|seed| println!("seed {seed}"))
}

/// Whatever honest parties can show convinces who was not there, and convicts no honest party. Returns the convicted.
pub fn evidence_is_just<O>(report: &SyncReport<O>, cheaters: &[PartyId], note: &str) -> Vec<PartyId> {
    let terms = report.terms.unwrap();
    let honest = report.endings.iter().enumerate().filter(|(i, _)| !cheaters.contains(&party(i + 1)));
    let mut convicted = Vec::new();
    for evidence in honest.flat_map(|(_, ending)| &ending.evidence) {
        assert!(cheaters.contains(&evidence.culprit), "{note}: {} is convicted", evidence.culprit);
        assert!(evidence.verify(&terms, &ToySeal(party(1))), "{note}: {evidence:?}");
        convicted.push(evidence.culprit);
    }
    convicted.sort_unstable();
    convicted.dedup();
    convicted
}
