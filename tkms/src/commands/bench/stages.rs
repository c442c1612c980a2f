//! The FHE stages in this process, with the devnet's keys: what a client and a coprocessor do for one euint64.

use super::record::Figure;
use alloy_primitives::{Address, U256};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;
use tkms_coprocessor::config::{CRS_FILE, PUBLIC_KEY_FILE, SERVER_KEY_FILE};
use tkms_fhe::{BinaryOp, Evaluator, InputContext, Operand, PublicKeys};
use tkms_types::{FheType, Plaintext};

const RUNS: usize = 5;
/// Clock ticks of /proc in a second, on every Linux in use.
const TICKS: f64 = 100.0;

/// Wall and CPU seconds of one stage.
struct Timer {
    wall: Figure,
    cpu: Figure,
}

impl Timer {
    const fn new(wall: &'static str, cpu: &'static str) -> Self {
        Self {
            wall: Figure { name: wall, unit: "ms", samples: Vec::new() },
            cpu: Figure { name: cpu, unit: "ms", samples: Vec::new() },
        }
    }

    fn time<T>(&mut self, work: impl FnOnce() -> T) -> Result<T> {
        let (wall, cpu) = (Instant::now(), cpu_ms()?);
        let result = work();
        self.wall.samples.push(wall.elapsed().as_secs_f64() * 1e3);
        self.cpu.samples.push(cpu_ms()? - cpu);
        Ok(result)
    }
}

/// User and system time of this process, in milliseconds.
pub fn cpu_ms() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let field = |index: usize| rest.split_whitespace().nth(index).and_then(|ticks| ticks.parse::<f64>().ok());
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system).context("/proc/self/stat")?;
    Ok(ticks * 1e3 / TICKS)
}

/// Those that `exact` has different: a smaller key set, and switching in place of the squash.
pub fn measure_exact(keys: &Path) -> Result<Vec<Figure>> {
    let mut load = Timer::new("exact.stage.load_keys.wall_ms", "exact.stage.load_keys.cpu_ms");
    let file = File::open(keys.join(SERVER_KEY_FILE))?;
    let evaluator = load.time(|| Evaluator::load(BufReader::new(file)))??;
    let mut switch = Figure { name: "exact.stage.switch.wall_ms", unit: "ms", samples: Vec::new() };
    for run in 0..RUNS {
        let random = evaluator.random(FheType::Uint64, (run as u128).to_le_bytes())?;
        let start = Instant::now();
        random.switch()?;
        switch.samples.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(vec![load.wall, load.cpu, switch])
}

/// Measures them.
pub fn measure(keys: &Path) -> Result<Vec<Figure>> {
    let read = |name: &str| std::fs::read(keys.join(name)).with_context(|| name.to_owned());
    let public = PublicKeys::parse_pinned(&read(PUBLIC_KEY_FILE)?, &read(CRS_FILE)?)?;
    let mut load = Timer::new("stage.load_keys.wall_ms", "stage.load_keys.cpu_ms");
    let file = File::open(keys.join(SERVER_KEY_FILE))?;
    let evaluator = load.time(|| Evaluator::load(BufReader::new(file)))??;
    let mut prove = Timer::new("stage.prove_input.wall_ms", "stage.prove_input.cpu_ms");
    let mut verify = Timer::new("stage.verify_input.wall_ms", "stage.verify_input.cpu_ms");
    let mut add = Timer::new("stage.add.wall_ms", "stage.add.cpu_ms");
    let mut squash = Timer::new("stage.squash.wall_ms", "stage.squash.cpu_ms");
    let address = Address::repeat_byte;
    let context = InputContext { contract: address(1), user: address(2), acl: address(3), chain_id: 31337 };
    for run in 0..RUNS {
        let value = Plaintext::new(FheType::Uint64, U256::from(run))?;
        let list = prove.time(|| public.encrypt(&[value], &context))??;
        let input = verify.time(|| evaluator.verify_input(&public, &list, &context))??;
        let input = input.first().context("no value")?;
        let sum = add.time(|| evaluator.binary(BinaryOp::Add, input, Operand::Encrypted(input)))??;
        squash.time(|| evaluator.squash(&sum))??;
    }
    Ok([load, prove, verify, add, squash].into_iter().flat_map(|timer| [timer.wall, timer.cpu]).collect())
}
