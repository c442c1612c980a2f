use super::*;
use std::path::Path;

fn open(path: &Path) -> Store {
    Store::open(&path.join("node.redb")).unwrap()
}

async fn put(store: &Store, number: u64) {
    let write = store.write(move |tx| {
        tx.open_table(ANCHOR_TABLE)?.insert(1, (number, &[number as u8; 32], 100 + number, number))?;
        tx.open_table(STATEMENTS)?.insert(1, [number as u8].as_slice())?;
        tx.open_table(EXECUTORS)?.insert(1, &[9; 32])?;
        Ok(())
    });
    write.await.unwrap();
}

#[tokio::test]
async fn a_halt_its_evidence_and_the_newest_anchor_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 5).await;
    let hosts = Hosts::load(store.clone(), B256::repeat_byte(9)).unwrap();
    assert!(hosts.state(1).executor_proven);
    let (known, found) = (B256::repeat_byte(5), B256::repeat_byte(6));
    let conflict = Conflict::TwoHashes { number: 5, known, found };
    hosts.halt(1, &conflict, vec![6]).await.unwrap();

    let again = Hosts::load(store.clone(), B256::repeat_byte(8)).unwrap();
    let state = again.state(1);
    assert_eq!(state.history.newest.map(|mark| (mark.number, mark.hash)), Some((5, known)));
    assert!(!state.executor_proven, "under another cluster file it is proven anew");
    assert_eq!(again.halted(), [(1, conflict.to_string())]);
    assert_eq!(halt_evidence(&store, 1).unwrap(), Some(HaltEvidence { before: vec![5], found: vec![6] }));
    assert!(again.state(2).halted.is_none());
    assert!(clear_halt(&store, 1).await.unwrap());
    assert!(!clear_halt(&store, 1).await.unwrap());
    let cleared = Hosts::load(store, B256::repeat_byte(9)).unwrap().state(1);
    assert!(cleared.halted.is_none() && cleared.history.newest.is_none() && cleared.history.recent.is_empty());
}

#[tokio::test]
async fn a_handle_with_two_digests_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = Hosts::load(open(dir.path()), B256::ZERO).unwrap();
    let (name, first, other) = (B256::repeat_byte(1), B256::repeat_byte(2), B256::repeat_byte(3));
    assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), None);
    assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), None);
    assert_eq!(hosts.pin(vec![(name, other)]).await.unwrap(), Some(name));
    assert_eq!(hosts.pin(vec![(name, first)]).await.unwrap(), Some(name), "which one is right, nobody knows");
}
