//! What a coprocessor does for one value of each type before nodes can decrypt it, with a key set made for this.

use super::measured::{KINDS, Mode, Samples};
use crate::commands::bench::stages::cpu_ms;
use anyhow::Result;
use std::time::Instant;
use tkms_fhe::{Ciphertext, Decryption, Evaluator, deal_for};
use tkms_types::FheType;

/// Median of so many.
const RUNS: usize = 3;
/// Switching takes milliseconds and ticks of /proc are 10: repeated in each run.
const SWITCHES: u32 = 20;

/// Squashes and switches, the machine's cores at its disposal.
pub fn measure() -> Result<Vec<Samples>> {
    println!("a key set for both protocols");
    let evaluator = Evaluator::load(deal_for(Decryption::Both, &mut |_| {})?.server_key.as_slice())?;
    let mut measured = Vec::new();
    for (kind, fhe) in KINDS {
        measured.push(squash(&evaluator, kind, fhe)?);
        measured.push(switch(&evaluator, kind, fhe)?);
        for samples in measured.iter().rev().take(2).rev() {
            println!("  {:?} {kind}: {:.1} ms, {:.1} ms of processor", samples.mode, samples.wall_ms, samples.cpu_ms);
        }
    }
    Ok(measured)
}

fn squash(evaluator: &Evaluator, kind: &str, fhe: FheType) -> Result<Samples> {
    median(evaluator, Mode::Flood, (kind, fhe), &|value| evaluator.squash(value).map(drop).map_err(Into::into), 1)
}

fn switch(evaluator: &Evaluator, kind: &str, fhe: FheType) -> Result<Samples> {
    median(evaluator, Mode::Exact, (kind, fhe), &|value| value.switch().map(drop).map_err(Into::into), SWITCHES)
}

fn median(
    evaluator: &Evaluator,
    mode: Mode,
    (kind, fhe): (&str, FheType),
    work: &dyn Fn(&Ciphertext) -> Result<()>,
    times: u32,
) -> Result<Samples> {
    let mut runs = Vec::new();
    for run in 0..RUNS {
        let value = evaluator.random(fhe, (run as u128).to_le_bytes())?;
        let (start, cpu) = (Instant::now(), cpu_ms()?);
        for _ in 0..times {
            work(&value)?;
        }
        let each = |total: f64| total / f64::from(times);
        runs.push((each(start.elapsed().as_secs_f64() * 1e3), each(cpu_ms()? - cpu)));
    }
    runs.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (wall_ms, cpu_ms) = runs.get(RUNS / 2).copied().unwrap_or_default();
    Ok(Samples { mode, kind: kind.to_owned(), runs: RUNS as u32, wall_ms, cpu_ms })
}
