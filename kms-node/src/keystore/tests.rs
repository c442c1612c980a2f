use super::*;
use crate::keygen::{DealNames, deal};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use std::sync::LazyLock;
use tkms_types::{Committee, ContextId, EpochId, Id as _, KeyId};

/// One file under one passphrase, written once: the scrypt cost is the production one.
static SEALED: LazyLock<(NodeIdentity, Vec<u8>)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let identity = NodeIdentity::generate().unwrap();
    let store = Keystore::new(dir.path());
    store.create_identity(&identity, &"right".to_owned().into()).unwrap();
    (identity, std::fs::read(store.identity_path()).unwrap())
});

fn store_with(bytes: &[u8]) -> (tempfile::TempDir, Keystore) {
    let dir = tempfile::tempdir().unwrap();
    let store = Keystore::new(dir.path());
    std::fs::write(store.identity_path(), bytes).unwrap();
    (dir, store)
}

fn names() -> DealNames {
    DealNames { key: KeyId::numbered(1), epoch: EpochId::numbered(1), context: ContextId::numbered(1) }
}

#[test]
fn an_identity_comes_back_with_its_passphrase() {
    let (_dir, store) = store_with(&SEALED.1);
    assert_eq!(store.identity(&"right".to_owned().into()).unwrap().record(), SEALED.0.record());
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let (_dir, store) = store_with(&SEALED.1);
    for wrong in ["", "Right", "right "] {
        let error = store.identity(&wrong.to_owned().into()).unwrap_err();
        assert!(matches!(error, KeystoreError::Passphrase { .. }), "{error}");
    }
}

#[test]
fn a_torn_or_altered_identity_is_refused() {
    let sealed = &SEALED.1;
    let mut altered = sealed.clone();
    *altered.last_mut().unwrap() ^= 1;
    for bytes in [&sealed[..0], &sealed[..40], &sealed[..sealed.len() - 1], &altered] {
        let (_dir, store) = store_with(bytes);
        assert!(store.identity(&"right".to_owned().into()).is_err());
    }
    let (_dir, store) = store_with(b"hello");
    assert!(matches!(store.identity(&"right".to_owned().into()), Err(KeystoreError::Damaged { .. })));
}

#[test]
fn an_identity_is_never_overwritten() {
    let (_dir, store) = store_with(&SEALED.1);
    let error = store.create_identity(&SEALED.0, &"other".to_owned().into()).unwrap_err();
    assert!(matches!(error, KeystoreError::Exists(_)));
    assert_eq!(std::fs::read(store.identity_path()).unwrap(), SEALED.1);
}

#[test]
fn a_missing_identity_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Keystore::new(dir.path()).identity(&"right".to_owned().into()).unwrap_err();
    assert!(matches!(error, KeystoreError::Missing(_)) && error.to_string().contains("identity.age"));
}

#[test]
fn dealt_shares_open_for_their_node_only_and_under_their_names_only() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let bits = Zeroizing::new((0..64).map(|_| u128::from(rng.random::<bool>())).collect());
    let identities: Vec<_> = (0..4).map(|_| NodeIdentity::generate().unwrap()).collect();
    let records: Vec<_> = identities.iter().map(NodeIdentity::record).collect();
    let dealt = deal(&bits, &records, names(), &mut rng).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Keystore::new(dir.path());
    let first = &dealt[0];
    store.store_share(&first.names, &first.package).unwrap();
    let secrets = store.share(&first.names, &identities[0]).unwrap();
    assert_eq!(secrets.key.dimension(), 64);
    assert_eq!(format!("{secrets:?}"), "PartySecrets(party 1 of 4, redacted)");

    assert!(matches!(store.share(&first.names, &identities[1]), Err(KeystoreError::Passphrase { .. })));
    assert!(matches!(store.store_share(&first.names, &dealt[1].package), Err(KeystoreError::Exists(_))));
    let renamed = ShareNames { context: ContextId::numbered(2), ..first.names };
    assert!(matches!(store.share(&renamed, &identities[0]), Err(KeystoreError::Damaged { .. })));
    let missing = ShareNames { epoch: EpochId::numbered(2), ..first.names };
    assert!(matches!(store.share(&missing, &identities[0]), Err(KeystoreError::Missing(_))));
    let path = store.share_path(&first.names);
    std::fs::write(&path, &first.package[..first.package.len() / 2]).unwrap();
    assert!(matches!(store.share(&first.names, &identities[0]), Err(KeystoreError::Damaged { .. })));
}

#[test]
fn a_deal_to_no_committee_or_of_no_key_is_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let record = NodeIdentity::generate().unwrap().record();
    let bits = Zeroizing::new(vec![0u128, 1]);
    assert!(deal(&bits, &vec![record.clone(); 5], names(), &mut rng).is_err());
    assert!(deal(&Zeroizing::new(vec![2]), std::slice::from_ref(&record), names(), &mut rng).is_err());
    let stranger = NodeRecord { recipient: "age1nobody".to_owned(), ..record };
    assert!(deal(&bits, &[stranger], names(), &mut rng).is_err());
    assert_eq!(Committee::new(5).unwrap_err().to_string(), "a committee has 1, 4, 7, 10 or 13 members, not 5");
}

#[test]
fn secrets_do_not_show_in_debug() {
    let text = format!("{:?}", SEALED.0);
    assert!(text.ends_with("redacted)") && text.len() < 80, "{text}");
}

#[test]
fn a_passphrase_file_must_hold_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pass");
    for (content, good) in [("secret\n", true), ("secret\r\n", true), ("", false), ("\n", false)] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(read_passphrase(&path).is_ok(), good, "{content:?}");
    }
    std::fs::write(&path, "x".repeat(5000)).unwrap();
    assert!(read_passphrase(&path).is_err());
}
