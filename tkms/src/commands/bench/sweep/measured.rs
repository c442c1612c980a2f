//! What was measured, as the file has it, and what follows from it.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tkms_types::FheType;

/// Committee sizes, delays one way in milliseconds, and types that are drawn.
pub const SIZES: [u8; 4] = [4, 7, 10, 13];
pub const DELAYS: [u32; 3] = [0, 20, 80];
pub const KINDS: [(&str, FheType); 4] = [
    ("ebool", FheType::Bool),
    ("euint8", FheType::Uint8),
    ("euint64", FheType::Uint64),
    ("euint256", FheType::Uint256),
];

/// A protocol of decryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Flood,
    Exact,
}

/// One line of the file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Entry {
    Online(Online),
    Stock(Stock),
    Samples(Samples),
}

impl Entry {
    /// Not derived: with the numbers of any precision that a library switches on, serde cannot look at the tag first.
    pub fn read(value: Value) -> Result<Self> {
        Ok(match value.get("what").and_then(Value::as_str) {
            Some("online") => Self::Online(serde_json::from_value(value)?),
            Some("stock") => Self::Stock(serde_json::from_value(value)?),
            Some("samples") => Self::Samples(serde_json::from_value(value)?),
            _ => bail!("an entry that is of nothing known: {value}"),
        })
    }
}

/// A request for one value; bytes and messages are those of one node to one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Online {
    pub mode: Mode,
    pub n: u8,
    pub delay_ms: u32,
    pub kind: String,
    pub requests: u32,
    pub wall_ms: f64,
    pub wall_p10_ms: f64,
    pub wall_p90_ms: f64,
    /// Of all nodes.
    pub cpu_ms: f64,
    pub messages: f64,
    pub payload_bytes: f64,
    pub wire_bytes: Option<f64>,
}

/// One item of preprocessing, which masks a block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stock {
    pub mode: Mode,
    pub n: u8,
    pub delay_ms: u32,
    pub batch: u64,
    pub batches: u32,
    /// Of all nodes.
    pub cpu_us: f64,
    pub per_s: f64,
    pub wire_bytes: Option<f64>,
}

/// Squashing or switching one value, by one coprocessor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Samples {
    pub mode: Mode,
    pub kind: String,
    pub runs: u32,
    pub wall_ms: f64,
    pub cpu_ms: f64,
}

/// All of it.
pub struct Sweep(pub Vec<Entry>);

impl Sweep {
    pub fn online(&self, mode: Mode, n: u8, delay: u32, kind: &str) -> Option<&Online> {
        self.0.iter().find_map(|entry| match entry {
            Entry::Online(at) if (at.mode, at.n, at.delay_ms, at.kind.as_str()) == (mode, n, delay, kind) => Some(at),
            _ => None,
        })
    }

    pub fn stock(&self, n: u8, delay: u32) -> Option<&Stock> {
        self.0.iter().find_map(|entry| match entry {
            Entry::Stock(at) if (at.n, at.delay_ms) == (n, delay) => Some(at),
            _ => None,
        })
    }

    pub fn samples(&self, mode: Mode, kind: &str) -> Option<&Samples> {
        self.0.iter().find_map(|entry| match entry {
            Entry::Samples(at) if at.mode == mode && at.kind == kind => Some(at),
            _ => None,
        })
    }

    /// Processor time before a request, in milliseconds: samples by one coprocessor, masks by all nodes.
    pub fn before(&self, mode: Mode, n: u8, (kind, fhe): (&str, FheType)) -> Option<f64> {
        let masks = match mode {
            Mode::Flood => 0.0,
            Mode::Exact => self.stock(n, 0)?.cpu_us * fhe.squashed_blocks() as f64 / 1e3,
        };
        Some(self.samples(mode, kind)?.cpu_ms + masks)
    }

    /// All processor time, in milliseconds.
    pub fn whole(&self, mode: Mode, n: u8, kind: (&str, FheType)) -> Option<f64> {
        Some(self.online(mode, n, 0, kind.0)?.cpu_ms + self.before(mode, n, kind)?)
    }

    /// Wall time if samples are made when the request comes; masks are there.
    pub fn wall_with_samples(&self, mode: Mode, n: u8, delay: u32, kind: &str) -> Option<f64> {
        Some(self.online(mode, n, delay, kind)?.wall_ms + self.samples(mode, kind)?.wall_ms)
    }

    /// Delays, one way, between request and answers: what a longer delay adds.
    pub fn delays(&self, mode: Mode, n: u8, kind: &str) -> Option<f64> {
        let wall = |delay| self.online(mode, n, delay, kind).map(|at| at.wall_ms);
        Some((wall(80)? - wall(20)?) / 60.0)
    }
}

#[cfg(test)]
pub use tests::sweep as example;

#[cfg(test)]
mod tests {
    use super::*;

    /// `flood` takes 10 ms and a delay, `exact` 20 ms and four.
    pub fn sweep() -> Sweep {
        let mut entries = Vec::new();
        for (mode, fixed, delays) in [(Mode::Flood, 10.0, 1.0), (Mode::Exact, 20.0, 4.0)] {
            for (kind, fhe) in KINDS {
                let cpu_ms = if mode == Mode::Flood { 200.0 * fhe.squashed_blocks() as f64 } else { 1.0 };
                entries.push(Entry::Samples(Samples {
                    mode,
                    kind: kind.into(),
                    runs: 3,
                    wall_ms: cpu_ms / 2.0,
                    cpu_ms,
                }));
                for (n, delay_ms) in SIZES.into_iter().flat_map(|n| DELAYS.map(|delay| (n, delay))) {
                    let wall_ms = fixed + delays * f64::from(delay_ms);
                    entries.push(Entry::Online(Online {
                        mode,
                        n,
                        delay_ms,
                        kind: kind.into(),
                        requests: 30,
                        wall_ms,
                        wall_p10_ms: wall_ms,
                        wall_p90_ms: wall_ms,
                        cpu_ms: fixed,
                        messages: 1.0,
                        payload_bytes: 64.0,
                        wire_bytes: (delay_ms > 0).then_some(400.0),
                    }));
                }
            }
        }
        for (n, delay_ms) in SIZES.into_iter().flat_map(|n| DELAYS.map(|delay| (n, delay))) {
            let (mode, batch, batches, cpu_us, per_s) = (Mode::Exact, 100, 1, 1000.0, 500.0);
            entries.push(Entry::Stock(Stock { mode, n, delay_ms, batch, batches, cpu_us, per_s, wire_bytes: None }));
        }
        Sweep(entries)
    }

    #[test]
    fn work_before_the_request_is_the_squash_of_one_and_the_switch_and_masks_of_the_other() {
        let sweep = sweep();
        let euint64 = ("euint64", FheType::Uint64);
        assert_eq!(sweep.before(Mode::Flood, 4, euint64), Some(3200.0));
        assert_eq!(sweep.before(Mode::Exact, 4, euint64), Some(1.0 + 16.0));
        assert_eq!(sweep.whole(Mode::Exact, 13, euint64), Some(20.0 + 17.0));
        assert_eq!(sweep.wall_with_samples(Mode::Flood, 4, 80, "ebool"), Some(90.0 + 100.0));
        assert_eq!(sweep.delays(Mode::Exact, 7, "euint8"), Some(4.0));
        assert_eq!(sweep.before(Mode::Exact, 5, euint64), None, "not measured");
    }

    #[test]
    fn the_file_of_the_bench_is_read_and_written_alike() {
        let line = r#"{"what":"stock","mode":"exact","n":4,"delay_ms":0,"batch":104000,"batches":4,"cpu_us":1.5,"per_s":2.5,"wire_bytes":null}"#;
        let entry = |line: &str| Entry::read(serde_json::from_str(line).unwrap());
        assert_eq!(serde_json::to_string(&entry(line).unwrap()).unwrap(), line);
        assert!(entry(&line.replace("stock", "stack")).is_err());
        assert!(entry(&line.replace("1.5", "null")).is_err());
    }
}
