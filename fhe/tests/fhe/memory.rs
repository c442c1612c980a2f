//! A coprocessor's memory, measured in a process of its own: this test starts its own binary again and lets only
//! [`squash_in_this_process`] run there.

use crate::fixture::{encrypt, fixture};
use alloy_primitives::U256;
use std::process::Command;
use std::time::Instant;
use tkms_fhe::{Ciphertext, Evaluator};
use tkms_types::FheType;

const DIRECTORY: &str = "TKMS_FHE_MEMORY_TEST";
const PEAK_MIB: u64 = 4096;

#[test]
fn loading_the_key_and_squashing_stays_under_4_gib() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("server_key"), &fixture().dealt.server_key).unwrap();
    let ciphertext = encrypt(FheType::Uint64, U256::from(42));
    std::fs::write(directory.path().join("ciphertext"), ciphertext.to_bytes()).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "memory::squash_in_this_process"])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    println!("{said}");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let peak = said.lines().find_map(|line| line.strip_prefix("peak MiB ")).unwrap().parse::<u64>().unwrap();
    assert!(peak < PEAK_MIB, "{peak}");
}

/// Does nothing unless started by the test above.
#[test]
fn squash_in_this_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(std::path::PathBuf::from) else { return };
    let start = Instant::now();
    let file = std::io::BufReader::new(std::fs::File::open(directory.join("server_key")).unwrap());
    let evaluator = Evaluator::load(file).unwrap();
    println!("\nserver key loaded in {:.2?}, peak {} MiB", start.elapsed(), status("VmHWM:"));
    let bytes = std::fs::read(directory.join("ciphertext")).unwrap();
    let ciphertext = Ciphertext::parse(FheType::Uint64, &bytes).unwrap();
    let start = Instant::now();
    let samples = evaluator.squash(&ciphertext).unwrap();
    println!("{samples:?} in {:.2?}, {} MiB held", start.elapsed(), status("VmRSS:"));
    println!("peak MiB {}", status("VmHWM:"));
}

/// A field of this process's status, in MiB.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
