//! The largest committee that the official client takes. A devnet of its own, whose keys take a minute: not under `exact`, where
//! thirteen nodes on two cores make values for minutes before the first request.

use crate::official_client::{FRIEND, OWNER, everything, run};
use tkms_e2e::devnet::Devnet;

const PORT_BASE: u16 = 29_100;
const NODES: u8 = 13;
/// As many as may be missing.
const STOPPED: [u8; 4] = [2, 5, 9, 13];

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_does_everything_with_four_of_thirteen_nodes_stopped() {
    // Nobody else meanwhile: nine nodes share the cores.
    let _turn = crate::devnet().await;
    let start = || Devnet::start("thirteen", PORT_BASE, NODES);
    let mut devnet = tokio::task::spawn_blocking(start).await.expect("the devnet starts");
    for node in STOPPED {
        devnet.kill_node(node);
    }
    let value = "18446744073709551557";
    let read = run(&devnet, "official-client.mjs", &[OWNER, FRIEND, value, "2"]).await;
    assert_eq!(read, everything(value));
}
