//! `tkms sweep`: both protocols over committee sizes, types and delays, from `target/sweep.json`. What the nodes take is measured by
//! `cargo bench --bench sweep`; what the samples take, here.

mod figure;
mod measured;
mod samples;
mod table;

use crate::cli::SweepArgs;
use crate::files::{read_json, replace, write_json};
use anyhow::{Context as _, Result};
use measured::{Entry, Sweep};
use serde_json::Value;

/// The table stands between these lines.
const BEGIN: &str = "<!-- sweep: written by `make bench-sweep` -->\n";
const END: &str = "<!-- /sweep -->\n";

/// Measures if asked to, and draws.
///
/// # Errors
/// If keys cannot be made, or a file is missing or not as expected.
pub fn run(args: &SweepArgs) -> Result<()> {
    let file = args.root.join(super::TARGET).join("sweep.json");
    let lines: Vec<Value> = read_json(&file).context("`cargo bench --bench sweep -- 4 7 10 13` writes it")?;
    let mut entries = lines.into_iter().map(Entry::read).collect::<Result<Vec<_>>>()?;
    if args.samples {
        entries.retain(|entry| !matches!(entry, Entry::Samples(_)));
        entries.extend(samples::measure()?.into_iter().map(Entry::Samples));
        write_json(&file, &entries)?;
    }
    let (sweep, docs) = (Sweep(entries), args.root.join("docs"));
    replace(&docs.join("sweep.svg"), figure::draw(&sweep).as_bytes())?;
    let page = docs.join("benchmarks.md");
    let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).context("benchmarks.md has no place for the table")?;
    let (_, after) = rest.split_once(END).context("the table in benchmarks.md does not end")?;
    replace(&page, [before, BEGIN, &table::write(&sweep), END, after].concat().as_bytes())?;
    println!("drawn in docs/sweep.svg, the table is in docs/benchmarks.md");
    Ok(())
}
