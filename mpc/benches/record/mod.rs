//! CPU time, so that a busy machine does not count as slow code, and `target/bench.json`. Shared by benches.

use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// CPU time of this thread if the system tells it, else wall time.
pub struct Clock {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Clock {
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: thread_time() }
    }

    pub fn spent(&self) -> Duration {
        self.cpu.zip(thread_time()).map_or_else(|| self.wall.elapsed(), |(from, to)| to - from)
    }
}

fn thread_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = stat.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
}

/// One figure of one committee.
pub struct Figure<'a> {
    pub name: &'a str,
    pub n: usize,
    pub unit: &'a str,
    pub values: Vec<f64>,
    /// What arithmetic alone would allow, if that is known.
    pub limit: Option<f64>,
    /// What it has to reach, if that was set.
    pub bar: Option<f64>,
}

/// Replaces the entry of this name and committee in `target/bench.json` and keeps the others.
pub fn record(figure: Figure<'_>) {
    let mut sorted = figure.values;
    sorted.sort_unstable_by(f64::total_cmp);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let file = target.join("bench.json");
    let mut entries: Vec<Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let (name, n) = (json!(figure.name), json!(figure.n));
    entries.retain(|entry| entry.get("name") != Some(&name) || entry.get("n") != Some(&n));
    let mut entry = json!({
        "name": name,
        "n": n,
        "value": sorted.get(sorted.len() / 2),
        "unit": figure.unit,
        "min": sorted.first(),
        "max": sorted.last(),
        "samples": sorted.len(),
    });
    for (key, beside) in [("limit", figure.limit), ("bar", figure.bar)] {
        if let (Some(beside), Some(entry)) = (beside, entry.as_object_mut()) {
            entry.insert(key.into(), json!(beside));
        }
    }
    entries.push(entry);
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(&file, serde_json::to_vec_pretty(&entries).unwrap()).unwrap();
}
