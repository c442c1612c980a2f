//! `target/bench.svg`: what one euint64 takes under either protocol, on one logarithmic scale.

use super::svg::{Anchor, Svg};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::path::Path;

/// What is drawn: label, name in `target/bench.json`, whether it is of `exact`.
const BARS: [(&str, &str, bool); 7] = [
    ("flood: samples (squash), CPU", "stage.squash.cpu_ms", false),
    ("flood: request to answers, wall", "flood.mpc.wall_ms", false),
    ("exact: samples (switch), wall", "exact.stage.switch.wall_ms", true),
    ("exact: CPU of all nodes, online", "exact.online_cpu_ms", true),
    ("exact: the same with preprocessing", "exact.total_cpu_ms", true),
    ("exact: request to answers, wall", "exact.wall_ms", true),
    ("exact: wall of one at full load, n = 4", "exact.per_s", true),
];
/// Decades of milliseconds, from 0.01 to 10,000.
const FIRST: i32 = -2;
const DECADES: i32 = 6;
/// Pixels.
const LABELS: f64 = 250.0;
const DECADE: f64 = 75.0;
const ROW: f64 = 26.0;
const TOP: f64 = 30.0;

/// Draws what the file has of it.
///
/// # Errors
/// If the file cannot be read or the picture not be written.
pub fn plot(target: &Path) -> Result<()> {
    let file = target.join("bench.json");
    let text = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let entries: Vec<Value> = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    crate::files::replace(&target.join("bench.svg"), draw(&bars(&entries)).as_bytes())
}

/// Label, milliseconds, whether it is of `exact`: what was measured of the bars.
fn bars(entries: &[Value]) -> Vec<(&'static str, f64, bool)> {
    let bar = |(label, name, exact): &(&'static str, &str, bool)| {
        let entry = entries.iter().find(|entry| entry.get("name") == Some(&json!(name)))?;
        let value = entry.get("value")?.as_f64()?;
        let milliseconds = if entry.get("unit") == Some(&json!("1/s")) { 1e3 / value } else { value };
        Some((*label, milliseconds, *exact))
    };
    BARS.iter().filter_map(bar).collect()
}

fn draw(bars: &[(&str, f64, bool)]) -> String {
    let (width, height) = (LABELS + DECADE * f64::from(DECADES) + 70.0, TOP + ROW * bars.len() as f64 + 10.0);
    let mut svg = Svg::new(width, height);
    for decade in 0..=DECADES {
        let (x, value) = (LABELS + DECADE * f64::from(decade), 10f64.powi(FIRST + decade));
        svg.polyline(&[(x, TOP), (x, height - 10.0)], "grid");
        svg.text((x, 18.0), Anchor::Middle, "s", &format!("{value} ms"));
    }
    for (row, (label, value, exact)) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let length = ((value.log10() - f64::from(FIRST)) * DECADE).clamp(1.0, DECADE * f64::from(DECADES));
        svg.text((LABELS - 8.0, y + 17.0), Anchor::End, "t", label);
        svg.rect((LABELS, y + 4.0), (length, 18.0), if *exact { "e" } else { "f" });
        svg.text((LABELS + length + 5.0, y + 17.0), Anchor::Start, "t", &format!("{value:.2}"));
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_drawn_to_scale_and_nothing_else() {
        let figures = [
            json!({ "name": "exact.wall_ms", "n": 4, "unit": "ms", "value": 10.0 }),
            json!({ "name": "exact.per_s", "n": 4, "unit": "1/s", "value": 1000.0 }),
            json!({ "name": "something.else", "n": 4, "unit": "ms", "value": 7.0 }),
        ];
        let svg = draw(&bars(&figures));
        assert_eq!(svg.matches("height=\"18.0\"").count(), 2);
        // three and two decades above 0.01 ms
        assert!(svg.contains("width=\"225.0\"") && svg.contains("width=\"150.0\""));
        assert_eq!(draw(&bars(&[])).matches("height=\"18.0\"").count(), 0);
    }
}
