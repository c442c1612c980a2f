use super::*;
use crate::keygen::{DealError, DealNames, KeyBits, deal};
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

fn bits(count: usize, seed: u64) -> Zeroizing<Vec<u128>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    Zeroizing::new((0..count).map(|_| u128::from(rng.random::<bool>())).collect())
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
    let bits = KeyBits { flood: Some(bits(64, 1)), exact: None };
    let identities: Vec<_> = (0..4).map(|_| NodeIdentity::generate().unwrap()).collect();
    let records: Vec<_> = identities.iter().map(NodeIdentity::record).collect();
    let dealt = deal(&bits, &records, names(), &mut rng).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Keystore::new(dir.path());
    let first = &dealt[0];
    store.store_share(&first.names, &first.package).unwrap();
    let secrets = store.share(&first.names, &identities[0]).unwrap();
    assert!(secrets.exact.is_none() && secrets.flood.as_ref().unwrap().dimension() == 64);
    assert!(format!("{secrets:?}").contains("redacted"), "{secrets:?}");

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
    let of = |bits: Vec<u128>| KeyBits { flood: None, exact: Some(Zeroizing::new(bits)) };
    let bits = of(vec![0, 1]);
    assert!(deal(&bits, &vec![record.clone(); 5], names(), &mut rng).is_err());
    assert!(deal(&of(vec![2]), std::slice::from_ref(&record), names(), &mut rng).is_err());
    let nothing = deal(&KeyBits { flood: None, exact: None }, std::slice::from_ref(&record), names(), &mut rng);
    assert!(matches!(nothing, Err(DealError::Nothing)));
    let stranger = NodeRecord { recipient: "age1nobody".to_owned(), ..record };
    assert!(deal(&bits, &[stranger], names(), &mut rng).is_err());
    assert_eq!(Committee::new(5).unwrap_err().to_string(), "a committee has 1, 4, 7, 10 or 13 members, not 5");
}

#[test]
fn a_package_holds_the_shares_of_one_protocol_or_of_both_and_no_other_bytes() {
    let names = ShareNames {
        committee: Committee::new(1).unwrap(),
        party: tkms_types::PartyId::new(1).unwrap(),
        key: KeyId::numbered(1),
        epoch: EpochId::numbered(1),
        context: ContextId::numbered(1),
    };
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let mut share = |count| {
        let dealt = tkms_mpc::phase::KeyShare::deal(&bits(count, 3), names.committee, &mut rng);
        dealt.unwrap().pop()
    };
    let both = KeyShares { flood: share(8), exact: share(4) };
    let bytes = share::to_secret_bytes(&both, &names);
    let read = |bytes: &[u8]| share::from_secret_bytes(bytes, &names);
    let back = read(&bytes).unwrap();
    assert_eq!(back.flood.as_ref().map(tkms_mpc::phase::KeyShare::dimension), Some(8));
    assert_eq!(back.of(tkms_types::transcript::Protocol::Exact).unwrap().dimension(), 4);
    let only = share::to_secret_bytes(&KeyShares { flood: None, exact: both.exact }, &names);
    assert!(read(&only).unwrap().flood.is_none());

    let header = 10 + 3 * 32;
    let twice = [&only[..], &only[header..]].concat();
    let backwards = [&only[..], &bytes[header..bytes.len() - only.len() + header]].concat();
    let mut unknown = only.to_vec();
    unknown[header] = 3;
    for wrong in [&only[..header], &bytes[..bytes.len() - 1], &twice, &backwards, &unknown, &bytes[1..]] {
        assert!(read(wrong).is_err());
    }
    let mut old = bytes.to_vec();
    old[7] = 2;
    let why = read(&old).unwrap_err();
    assert!(why.contains("version 2") && why.contains("deal the key again"), "{why}");
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

fn mask_names(party: u8) -> MaskNames {
    let committee = Committee::new(4).unwrap();
    MaskNames {
        committee,
        party: committee.party(party).unwrap(),
        epoch: EpochId::numbered(1),
        context: ContextId::numbered(1),
    }
}

fn made(party: u8, session: u8) -> HeldMasks {
    let mut rng = ChaCha20Rng::seed_from_u64(session.into());
    let keys = tkms_mpc::prss::PrssKeys::deal(Committee::new(4).unwrap(), &mut rng).unwrap();
    let session = tkms_types::SessionId([session; 32].into());
    HeldMasks { session, keys: keys.into_iter().nth(usize::from(party) - 1).unwrap() }
}

#[test]
fn pending_mask_keys_may_be_replaced_and_active_ones_never() {
    let dir = tempfile::tempdir().unwrap();
    let store = Keystore::new(dir.path());
    let (identity, names) = (NodeIdentity::generate().unwrap(), mask_names(2));
    assert!(store.masks(&names, &identity).unwrap().is_none());
    assert!(matches!(store.activate_masks(&names), Err(KeystoreError::Missing(_))));
    for session in [1, 2] {
        store.store_pending_masks(&names, &made(2, session), &identity).unwrap();
    }
    assert!(store.masks(&names, &identity).unwrap().is_none(), "pending is not in force");
    store.activate_masks(&names).unwrap();
    let active = store.masks(&names, &identity).unwrap().unwrap();
    assert_eq!(active.session, made(2, 2).session);
    assert_eq!(active.keys.to_secret_bytes(), made(2, 2).keys.to_secret_bytes());
    assert!(store.pending_masks(&names, &identity).unwrap().is_none());
    store.store_pending_masks(&names, &made(2, 3), &identity).unwrap();
    assert!(matches!(store.activate_masks(&names), Err(KeystoreError::Exists(_))));
    assert_eq!(store.masks(&names, &identity).unwrap().unwrap().session, active.session);
}

#[test]
fn mask_keys_open_for_their_node_and_under_their_names_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Keystore::new(dir.path());
    let (identity, names) = (NodeIdentity::generate().unwrap(), mask_names(2));
    store.store_pending_masks(&names, &made(2, 1), &identity).unwrap();
    store.activate_masks(&names).unwrap();
    let stranger = NodeIdentity::generate().unwrap();
    assert!(matches!(store.masks(&names, &stranger), Err(KeystoreError::Passphrase { .. })));
    for other in [mask_names(1), MaskNames { context: ContextId::numbered(2), ..names }] {
        assert!(matches!(store.masks(&other, &identity), Err(KeystoreError::Damaged { .. })));
    }
    let path = store.masks_path(&names);
    let sealed = std::fs::read(&path).unwrap();
    std::fs::write(&path, &sealed[..sealed.len() / 2]).unwrap();
    assert!(matches!(store.masks(&names, &identity), Err(KeystoreError::Damaged { .. })));
    assert!(!sealed.windows(32).any(|part| part == &made(2, 1).keys.to_secret_bytes()[3..35]), "in the clear");
}
