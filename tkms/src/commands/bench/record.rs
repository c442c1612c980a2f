//! `target/bench.json`: a list of figures, replaced by name and committee.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::path::Path;

/// One measured quantity.
pub struct Figure {
    /// As in the file.
    pub name: &'static str,
    /// Of the samples.
    pub unit: &'static str,
    /// In the order measured; at least one.
    pub samples: Vec<f64>,
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    }

    /// One line for people.
    pub fn print(&self) {
        let sorted = self.sorted();
        let (Some(min), Some(median), Some(max)) = (sorted.first(), sorted.get(sorted.len() / 2), sorted.last()) else {
            return;
        };
        let (name, unit, count) = (self.name, self.unit, sorted.len());
        println!("  {name:<28} {median:10.2} {unit:<4} (min {min:.2}, max {max:.2}, {count} samples)");
    }
}

/// Puts a figure into the file in place of an earlier one; others stay.
///
/// # Errors
/// If the file cannot be written.
pub fn record(target: &Path, n: Option<u8>, figure: &Figure) -> Result<()> {
    let file = target.join("bench.json");
    let text = std::fs::read(&file).unwrap_or_else(|_| b"[]".to_vec());
    let mut entries: Vec<Value> = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    entries.retain(|entry| entry.get("name") != Some(&json!(figure.name)) || entry.get("n") != Some(&json!(n)));
    let sorted = figure.sorted();
    entries.push(json!({
        "name": figure.name,
        "n": n,
        "value": sorted.get(sorted.len() / 2),
        "unit": figure.unit,
        "min": sorted.first(),
        "max": sorted.last(),
        "samples": sorted.len(),
    }));
    std::fs::create_dir_all(target)?;
    crate::files::replace(&file, &serde_json::to_vec_pretty(&entries)?)
}
