//! Keys through the commands an operator uses.

use super::*;
use crate::cli::Decryption;
use std::path::PathBuf;
use tkms_types::transcript::Protocol;

/// A committee of one with its identity; where its record is.
fn node(dir: &Path) -> (PathBuf, PathBuf) {
    let (passphrase_file, out) = (dir.join("passphrase"), dir.join("node"));
    std::fs::write(&passphrase_file, "a passphrase of a test").unwrap();
    let api_url = Url::parse("http://127.0.0.1:7000").unwrap();
    let peer_address = "127.0.0.1:7001".to_owned();
    let args =
        KeygenNodeArgs { party: 1, peer_address, api_url, passphrase_file: passphrase_file.clone(), out: out.clone() };
    super::node(&args).unwrap();
    (out, passphrase_file)
}

#[test]
fn a_key_set_for_exact_alone_is_small_and_its_package_holds_no_other_share() {
    let dir = tempfile::tempdir().unwrap();
    let (data_dir, passphrase_file) = node(dir.path());
    let out = dir.path().join("keys");
    let args = KeygenDealerArgs {
        nodes: vec![data_dir.join(NODE_FILE)],
        out: out.clone(),
        key_number: 1,
        decryption: Decryption::Exact,
    };
    dealer(&args).unwrap();
    let key: DealtKey = read_json(&out.join(KEY_FILE)).unwrap();
    assert_eq!(key.material.decryption, [Protocol::Exact]);
    assert!(std::fs::metadata(out.join(SERVER_KEY_FILE)).unwrap().len() <= 90_000_000);
    let party = PartyId::new(1).unwrap();
    let share = out.join(share_file(party));
    import(&KeygenImportArgs {
        key: out.join(KEY_FILE),
        share,
        passphrase_file: passphrase_file.clone(),
        data_dir: data_dir.clone(),
    })
    .unwrap();
    let keystore = Keystore::new(&data_dir);
    let identity = keystore.identity(&read_passphrase(&passphrase_file).unwrap()).unwrap();
    let shares = keystore.share(&key.share_names(party), &identity).unwrap();
    assert!(shares.exact.is_some() && shares.flood.is_none());
    let again = dealer(&args).unwrap_err();
    assert!(again.to_string().contains("never overwritten"), "{again}");
}

#[test]
fn of_a_key_set_for_both_flood_is_in_force() {
    assert_eq!(Decryption::Both.protocols(), [Protocol::Flood, Protocol::Exact]);
    assert_eq!(Decryption::default().protocols(), [Protocol::Flood]);
}
