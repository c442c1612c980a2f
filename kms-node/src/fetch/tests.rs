use super::*;
use object_store::PutPayload;
use object_store::memory::InMemory;
use tkms_types::Id as _;
use tkms_wire::samples::BLOCK_WORDS;

fn key() -> KeyId {
    KeyId::numbered(1)
}

fn list(kind: FheType, fill: u128) -> Vec<u8> {
    SampleList::new(key(), kind, vec![fill; kind.squashed_blocks() * BLOCK_WORDS]).unwrap().encode()
}

/// A store that has `bytes` under a digest that may be another one's.
async fn source(name: &str, entries: &[(B256, &[u8])]) -> ObjectSource {
    let store = Arc::new(InMemory::new());
    for (digest, bytes) in entries {
        store.put(&Path::from(format!("{digest:x}")), PutPayload::from(bytes.to_vec())).await.unwrap();
    }
    ObjectSource::new(name.to_owned(), store, Path::default())
}

fn wanted(bytes: &[u8], kind: FheType) -> Wanted {
    Wanted { digest: digest(bytes), key: key(), kind, format: Format::Flood }
}

#[tokio::test]
async fn the_right_bytes_are_found_behind_a_lying_and_an_empty_store() {
    let (good, bad) = (list(FheType::Bool, 1), list(FheType::Bool, 2));
    let sources = vec![
        source("empty", &[]).await,
        source("liar", &[(digest(&good), &bad)]).await,
        source("short", &[(digest(&good), &good[..100])]).await,
        source("honest", &[(digest(&good), &good)]).await,
    ];
    let found = Samples::new(sources).get(wanted(&good, FheType::Bool)).await.unwrap();
    assert_eq!(found.squashed().unwrap().words[0], 1);
}

#[tokio::test]
async fn a_store_with_other_bytes_is_named() {
    let (good, bad) = (list(FheType::Bool, 1), list(FheType::Bool, 2));
    let sources = vec![source("liar", &[(digest(&good), &bad)]).await, source("empty", &[]).await];
    let refusal = Samples::new(sources).get(wanted(&good, FheType::Bool)).await.unwrap_err();
    assert_eq!(refusal, Refusal::DigestMismatch { store: "liar".to_owned(), digest: digest(&good) });
}

#[tokio::test]
async fn bytes_nobody_has_are_waited_for() {
    let good = list(FheType::Bool, 1);
    let refusal = Samples::new(vec![source("empty", &[]).await]).get(wanted(&good, FheType::Bool)).await.unwrap_err();
    assert_eq!(refusal, Refusal::MaterialUnavailable(digest(&good)));
}

#[tokio::test]
async fn attested_bytes_that_are_no_list_or_another_list_are_refused() {
    let good = list(FheType::Bool, 1);
    let mut no_list = good.clone();
    no_list[0] ^= 1;
    let mut other_key = good.clone();
    other_key[39] ^= 1;
    for bytes in [no_list, other_key] {
        let samples = Samples::new(vec![source("store", &[(digest(&bytes), &bytes)]).await]);
        let refusal = samples.get(wanted(&bytes, FheType::Bool)).await.unwrap_err();
        assert!(matches!(refusal, Refusal::SamplesMalformed { .. }), "{refusal}");
    }
}

#[tokio::test]
async fn what_was_checked_once_is_kept_within_the_bound() {
    let lists: Vec<_> = (0..20).map(|fill| list(FheType::Uint256, fill)).collect();
    let entries: Vec<_> = lists.iter().map(|bytes| (digest(bytes), bytes.as_slice())).collect();
    let samples = Samples::new(vec![source("store", &entries).await]);
    for bytes in &lists {
        samples.get(wanted(bytes, FheType::Uint256)).await.unwrap();
    }
    let cache = samples.cache.lock().unwrap();
    assert!(cache.bytes <= SAMPLE_CACHE_BYTES && cache.lists.len() == 15);
}
