//! The official client encrypts with an older tfhe (npm node-tfhe 1.4.0-alpha.3): what it makes with our public key
//! and CRS must verify, expand and decrypt here.

use crate::fixture::{context, decrypt, fixture};
use alloy_primitives::{U256, hex};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tkms_fhe::{Ciphertext, InputContext, InputError};
use tkms_types::FheType;

/// Offset from the end of the byte that is patched for old clients.
const PATCHED: usize = 28;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Runs the client's part with the key set in `directory`.
fn encrypt_with_the_old_client(directory: &Path, public_key: &[u8]) -> Output {
    let package = root().join("node_modules/node-tfhe/package.json");
    let manifest = std::fs::read_to_string(&package).expect("node-tfhe is not installed: run `make setup`");
    assert!(manifest.contains("\"version\": \"1.4.0-alpha.3\""), "another node-tfhe is installed: run `make setup`");
    std::fs::write(directory.join("public_key"), public_key).unwrap();
    std::fs::write(directory.join("crs"), &fixture().dealt.crs).unwrap();
    Command::new("node")
        .arg(root().join("fhe/tests/js/encrypt.cjs"))
        .arg(directory)
        .arg(hex::encode(context().metadata()))
        .current_dir(root())
        .output()
        .expect("Node.js is not installed")
}

#[test]
fn a_list_proven_by_the_old_client_verifies_expands_and_decrypts() {
    let directory = tempfile::tempdir().unwrap();
    let output = encrypt_with_the_old_client(directory.path(), &fixture().dealt.public_key);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{}", String::from_utf8_lossy(&output.stdout).trim());
    let list = std::fs::read(directory.path().join("list")).unwrap();

    let fixture = fixture();
    let expanded = fixture.evaluator.verify_input(&fixture.public, &list, &context()).unwrap();
    let found: Vec<_> = expanded.iter().map(|value| (value.kind(), decrypt(value))).collect();
    let expected = [
        (FheType::Bool, U256::ONE),
        (FheType::Uint8, U256::from(200)),
        (FheType::Uint64, U256::from(0x0123_4567_89ab_cdefu64)),
        (FheType::Uint160, U256::from_be_slice(&[0x5a; 20])),
        (FheType::Uint256, U256::MAX - U256::from(6)),
    ];
    assert_eq!(found, expected);
    assert!(expanded.iter().all(|value| Ciphertext::parse(value.kind(), &value.to_bytes()).is_ok()));

    let other = InputContext { chain_id: context().chain_id + 1, ..context() };
    let refused = fixture.evaluator.verify_input(&fixture.public, &list, &other);
    assert!(matches!(refused, Err(InputError::Proof)));
}

#[test]
fn the_old_client_refuses_the_public_key_as_tfhe_writes_it_today() {
    let directory = tempfile::tempdir().unwrap();
    let mut unpatched = fixture().dealt.public_key.clone();
    let at = unpatched.len() - PATCHED;
    assert_eq!(unpatched[at], 0);
    unpatched[at] = 1;
    let output = encrypt_with_the_old_client(directory.path(), &unpatched);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("variant index"), "{said}");
    assert!(!directory.path().join("list").exists());
}
