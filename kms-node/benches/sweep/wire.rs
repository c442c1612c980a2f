//! What lies between two nodes: a relay that hands on every byte, in order, a fixed time after it came, and counts it. It delays
//! and does not throttle: what is under way waits in a queue longer than any burst of a bench.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks under way in one direction of a connection.
const UNDER_WAY: usize = 4096;

/// Listens at `from` and relays every connection to `to`; both directions are late by `delay` and counted in `bytes`.
pub async fn relay(from: SocketAddr, to: SocketAddr, delay: Duration, bytes: Arc<AtomicU64>) {
    let listener = TcpListener::bind(from).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            // the node may not listen yet: its peer tries again
            let Ok(far) = TcpStream::connect(to).await else { continue };
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            pump(near_in, far_out, delay, Arc::clone(&bytes));
            pump(far_in, near_out, delay, Arc::clone(&bytes));
        }
    });
}

/// One direction, until either side closes it.
fn pump(mut input: OwnedReadHalf, mut output: OwnedWriteHalf, delay: Duration, bytes: Arc<AtomicU64>) {
    let (queue, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    tokio::spawn(async move {
        let mut chunk = vec![0; CHUNK];
        while let Ok(length @ 1..) = input.read(&mut chunk).await {
            bytes.fetch_add(length as u64, Ordering::Relaxed);
            if queue.send((Instant::now() + delay, chunk[..length].to_vec())).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, chunk)) = under_way.recv().await {
            tokio::time::sleep_until(due).await;
            if output.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
}
