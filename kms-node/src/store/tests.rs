use super::*;
use alloy_primitives::B256;

fn id(byte: u8) -> SessionId {
    SessionId(B256::repeat_byte(byte))
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.redb");
    let session = StoredSession { message: vec![1], request: vec![2], digits: None };
    {
        let store = Store::open(&path).unwrap();
        store.put_session(id(1), 10, session.clone()).await.unwrap();
        store.put_answer(RequestId(B256::ZERO), 100, vec![3]).await.unwrap();
    }
    let store = Store::open(&path).unwrap();
    assert_eq!(store.session(id(1)).unwrap(), Some(session));
    assert_eq!(store.session(id(2)).unwrap(), None);
    assert_eq!(store.answer(RequestId(B256::ZERO), 99).unwrap(), Some(vec![3]));
    assert_eq!(store.answer(RequestId(B256::ZERO), 100).unwrap(), None, "its time is over");
}

#[tokio::test]
async fn pruning_forgets_the_old_and_keeps_the_new() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("node.redb")).unwrap();
    let session = StoredSession { message: vec![1], request: vec![2], digits: Some(vec![0, 3]) };
    store.put_session(id(1), 10, session.clone()).await.unwrap();
    store.put_session(id(2), 20, session).await.unwrap();
    store.prune(15, 0).await.unwrap();
    assert_eq!(store.session(id(1)).unwrap(), None);
    assert_eq!(store.session(id(2)).unwrap().unwrap().digits, Some(vec![0, 3]));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.redb");
    let store = Store::open(&path).unwrap();
    let newer = |tx: &WriteTransaction| {
        tx.open_table(META)?.insert("schema", SCHEMA + 1)?;
        Ok(())
    };
    store.write(newer).await.unwrap();
    drop(store);
    assert!(matches!(Store::open(&path), Err(StoreError::Newer { found, .. }) if found == SCHEMA + 1));
}

#[tokio::test]
async fn a_key_never_comes_back_from_compromise() {
    use tkms_types::Id as _;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("node.redb")).unwrap();
    let (key, epoch) = (KeyId::numbered(1), EpochId::numbered(1));
    assert_eq!(store.key_state(key, epoch).unwrap(), None);
    assert!(store.set_key_state(key, epoch, KeyState::Active).await.unwrap());
    assert!(store.set_key_state(key, epoch, KeyState::Compromised).await.unwrap());
    assert!(!store.set_key_state(key, epoch, KeyState::Active).await.unwrap());
    assert_eq!(store.key_state(key, epoch).unwrap(), Some(KeyState::Compromised));
}
