//! Every log once, in order, through restarts and reorganisations.

use std::time::Duration;

use crate::common::{Chain, EMITTER, ONCE, word_bytes};
use alloy::{
    primitives::{Address, B256, U256},
    providers::ext::AnvilApi,
    rpc::types::anvil::{ReorgOptions, TransactionData},
};
use tkms_eth::{
    anvil::AnvilConfig,
    events::{Batch, Cursor, EventsError, Follow, LogFilter, LogReader},
};

fn reader(chain: &Chain, follow: Follow, max_blocks: u64) -> LogReader {
    let filter = LogFilter { contracts: vec![EMITTER], topics: Vec::new() };
    LogReader::new(chain.rpc.clone(), filter, follow, max_blocks, Duration::from_millis(20))
}

/// Emits each word in a block of its own (or all in one), then mines.
async fn emit(chain: &Chain, first: u64, count: u64, together: bool) {
    for word in first..first + count {
        chain.send(0, EMITTER, word, word).await;
        if !together {
            chain.mine(1).await;
        }
    }
    if together {
        chain.mine(1).await;
    }
}

fn words(batch: &Batch) -> Vec<u64> {
    batch.logs.iter().map(|log| U256::from_be_bytes(log.content.topics()[0].0).to()).collect()
}

async fn read_all(reader: &LogReader, mut cursor: Cursor) -> (Vec<u64>, Cursor) {
    let mut all = Vec::new();
    loop {
        // Through JSON, as a store would keep it.
        cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
        let batch = reader.poll(&cursor).await.unwrap();
        all.extend(words(&batch));
        if batch.cursor == cursor {
            return (all, cursor);
        }
        cursor = batch.cursor;
    }
}

#[tokio::test]
async fn logs_come_once_and_in_order_whatever_the_size_of_a_step() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 20, false).await;
    emit(&chain, 20, 20, true).await;
    // Far enough from the head for steps of several blocks.
    chain.mine(40).await;
    for (max_blocks, follow) in [(1, Follow::Latest), (3, Follow::Latest), (1000, Follow::Latest)] {
        let reader = reader(&chain, follow, max_blocks);
        let (read, cursor) = read_all(&reader, reader.start_at(0).await.unwrap()).await;
        assert_eq!(read, (0..40).collect::<Vec<_>>(), "{max_blocks}");
        assert_eq!(read_all(&reader, cursor).await.0, Vec::<u64>::new());
    }
}

#[tokio::test]
async fn a_reader_starts_at_the_block_named() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 5, false).await;
    let reader = reader(&chain, Follow::Latest, 100);
    assert_eq!(read_all(&reader, reader.start_at(4).await.unwrap()).await.0, [3, 4]);
    assert!(reader.start_at(50).await.is_err());
}

#[tokio::test]
async fn a_cursor_in_the_middle_of_a_block_goes_on_behind_its_log() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 5, true).await;
    emit(&chain, 5, 3, false).await;
    let reader = reader(&chain, Follow::Latest, 100);
    let start = reader.start_at(1).await.unwrap();
    let batch = reader.poll(&start).await.unwrap();
    let cursor = start.past(&batch.logs[1]);
    let (read, cursor) = read_all(&reader, cursor).await;
    assert_eq!(read, [2, 3, 4, 5, 6, 7]);
    let last = reader.poll(&start.past(&batch.logs[4])).await.unwrap();
    assert_eq!((words(&last), last.cursor.next_log), (vec![], None));
    assert_eq!(cursor.block.number, 4);
}

#[tokio::test]
async fn other_contracts_and_topics_are_left_out() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 4, true).await;
    let topics = [1u64, 3].map(|word| B256::from(U256::from(word))).to_vec();
    let filter = LogFilter { contracts: vec![ONCE, EMITTER], topics };
    let some = LogReader::new(chain.rpc.clone(), filter, Follow::Latest, 10, Duration::ZERO);
    assert_eq!(read_all(&some, some.start_at(0).await.unwrap()).await.0, [1, 3]);
    let filter = LogFilter { contracts: vec![Address::ZERO], topics: Vec::new() };
    let none = LogReader::new(chain.rpc.clone(), filter, Follow::Latest, 10, Duration::ZERO);
    assert!(read_all(&none, none.start_at(0).await.unwrap()).await.0.is_empty());
}

#[tokio::test]
async fn a_finalized_reader_waits_for_final_blocks() {
    let chain = Chain::start(&AnvilConfig::default()).await;
    chain.rpc.anvil_set_auto_mine(false).await.unwrap();
    emit(&chain, 0, 3, false).await;
    let reader = reader(&chain, Follow::Finalized, 10);
    let cursor = reader.start_at(0).await.unwrap();
    let (read, cursor) = read_all(&reader, cursor).await;
    // One epoch is one slot here: final is two blocks behind.
    assert_eq!(read, [0]);
    let (later, _) = tokio::join!(reader.next(&cursor), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        chain.mine(1).await;
    });
    assert_eq!(words(&later.unwrap()), [1]);
}

#[tokio::test]
async fn a_reorganisation_is_named_by_its_first_block_and_leaves_nothing_behind() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 6, false).await;
    let reader = reader(&chain, Follow::Latest, 100);
    let (read, cursor) = read_all(&reader, reader.start_at(0).await.unwrap()).await;
    assert_eq!(read, [0, 1, 2, 3, 4, 5]);
    // The last two blocks are replaced; the second of the new ones emits 77.
    let request = alloy::rpc::types::TransactionRequest {
        from: Some(chain.anvil.addresses()[1]),
        to: Some(EMITTER.into()),
        input: word_bytes(77).into(),
        gas: Some(100_000),
        nonce: Some(0),
        ..Default::default()
    };
    let options = ReorgOptions { depth: 2, tx_block_pairs: vec![(TransactionData::JSON(request), 1)] };
    chain.rpc.anvil_reorg(options).await.unwrap();
    let Err(EventsError::Reorged { from, cursor }) = reader.poll(&cursor).await else { panic!("unseen") };
    assert_eq!((from, cursor.block.number), (5, 4));
    assert_eq!(read_all(&reader, *cursor).await.0, [77]);
}

#[tokio::test]
async fn a_reorganisation_under_a_growing_chain_is_seen() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 6, false).await;
    let reader = reader(&chain, Follow::Latest, 100);
    let (_, cursor) = read_all(&reader, reader.start_at(0).await.unwrap()).await;
    chain.rpc.anvil_reorg(ReorgOptions { depth: 3, tx_block_pairs: Vec::new() }).await.unwrap();
    chain.mine(10).await;
    let result = reader.poll(&cursor).await;
    assert!(matches!(result, Err(EventsError::Reorged { from: 4, .. })), "{result:?}");
}

#[tokio::test]
async fn a_chain_that_only_lags_is_no_reorganisation() {
    let chain = Chain::quiet().await;
    emit(&chain, 0, 6, false).await;
    let reader = reader(&chain, Follow::Latest, 100);
    let (_, cursor) = read_all(&reader, reader.start_at(0).await.unwrap()).await;
    chain.rpc.anvil_rollback(Some(2)).await.unwrap();
    let batch = reader.poll(&cursor).await.unwrap();
    assert_eq!((batch.cursor.clone(), batch.logs.len(), batch.head.number), (cursor.clone(), 0, 4));
    assert!(batch.is_caught_up());
    // Grown again with other blocks, it is one.
    chain.mine(3).await;
    let result = reader.poll(&cursor).await;
    assert!(matches!(result, Err(EventsError::Reorged { from: 5, .. })), "{result:?}");
}

#[tokio::test]
async fn a_cursor_of_another_chain_is_refused() {
    let (chain, other) = (Chain::quiet().await, Chain::quiet().await);
    chain.mine(5).await;
    // Started in the same second, both would make the same first block.
    other.rpc.anvil_increase_time(1000).await.unwrap();
    other.mine(1).await;
    emit(&other, 0, 4, false).await;
    let (here, there) = (reader(&chain, Follow::Latest, 100), reader(&other, Follow::Latest, 100));
    let (_, cursor) = read_all(&here, here.start_at(2).await.unwrap()).await;
    let result = there.poll(&cursor).await;
    assert!(matches!(result, Err(EventsError::OtherChain { oldest: 1 })), "{result:?}");
}
