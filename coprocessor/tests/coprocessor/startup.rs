//! What a coprocessor refuses to start with.

use crate::insecure::{CHAIN, cluster};
use alloy_primitives::Address;
use std::path::Path;
use tkms_coprocessor::Config;
use tkms_coprocessor::config::{CRS_FILE, PUBLIC_KEY_FILE};
use tkms_coprocessor::startup::{PublicFiles, StartError, chain, signer};
use tkms_eth::DigestSigner;

pub const MINIMAL: &str = r#"
    listen = "127.0.0.1:7300"
    data_dir = "data"
    rpc_url = "http://127.0.0.1:8545"
    chain_id = 31337
    key_dir = "keys"
    signer_key_file = "signer.key"
"#;

fn config() -> Config {
    Config::parse(MINIMAL).unwrap()
}

#[test]
fn a_minimal_configuration_has_the_documented_defaults() {
    let config = config();
    assert_eq!((config.poll_ms.get(), config.limits.queue.get()), (100, 16_384));
    assert_eq!((config.limits.requests.get(), config.limits.input_queue.get()), (64, 16));
    assert_eq!((config.store_url, config.s3, config.limits.asked_squashes.get()), (None, None, 64));
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(config.limits.workers.get(), cores.min(16));
}

#[test]
fn unknown_missing_and_zero_fields_are_refused() {
    for wrong in [
        format!("{MINIMAL}\nlisten_on = 3"),
        MINIMAL.replace("chain_id = 31337", ""),
        MINIMAL.replace("127.0.0.1:7300", "localhost"),
        format!("{MINIMAL}\npoll_ms = 0"),
        format!("{MINIMAL}\n[limits]\nqueue = 0"),
        format!("{MINIMAL}\n[limits]\nworkers = 0"),
        format!("{MINIMAL}\nthreads = 0"),
        format!("{MINIMAL}\n[limits]\nqueues = 1"),
    ] {
        assert!(Config::parse(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_process_that_may_not_attest_does_not_start() {
    let me = crate::insecure::signer().address();
    assert_eq!(chain(&config(), &cluster(), me).unwrap().chain_id, CHAIN);
    let stranger = chain(&config(), &cluster(), Address::repeat_byte(1)).unwrap_err();
    assert!(stranger.to_string().starts_with("chains.coprocessors.members"), "{stranger}");
    let mut other = cluster();
    other.chains[0].coprocessors.profiles.clear();
    let profile = chain(&config(), &other, me).unwrap_err();
    assert!(profile.to_string().starts_with("chains.coprocessors.profiles"), "{profile}");
    let mut more_threads = config();
    more_threads.threads = std::num::NonZeroUsize::new(1000);
    let threads = chain(&more_threads, &cluster(), me).unwrap_err();
    assert!(threads.to_string().contains("1000 threads"), "{threads}");
    other.chains[0].chain_id = 1;
    assert!(matches!(chain(&config(), &other, me), Err(StartError::NoSuchChain(31337))));
}

#[test]
fn key_files_must_have_the_digests_of_the_cluster_file() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(directory.path().join(name), bytes).unwrap();
    let load = || PublicFiles::load(directory.path(), &cluster().key);
    assert!(matches!(load(), Err(StartError::File { .. })));
    write(PUBLIC_KEY_FILE, b"public key");
    write(CRS_FILE, b"other crs");
    assert!(matches!(load(), Err(StartError::Digest { path, .. }) if path.ends_with(CRS_FILE)));
    write(CRS_FILE, b"crs");
    assert_eq!(load().unwrap().crs.as_ref(), b"crs");
}

#[test]
fn a_wrong_signer_file_is_refused_without_saying_what_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signer.key");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        signer(&path)
    };
    let key = "07".repeat(32);
    for right in [key.clone(), format!("0x{key}\n")] {
        assert_eq!(read(&right).unwrap().address(), crate::insecure::signer().address());
    }
    for wrong in [String::new(), "00".repeat(32), "ff".repeat(32), "07".repeat(31), "zz".repeat(32), key.repeat(5)] {
        let error = read(&wrong).unwrap_err().to_string();
        assert!(wrong.is_empty() || !error.contains(&wrong), "{error}");
    }
    assert!(matches!(signer(Path::new("no such file")), Err(StartError::File { .. })));
}
