//! `tkms status`: how the nodes are, or where a request stands.

use crate::cli::{Format, StatusArgs};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;
use tkms_types::{Cluster, Node};
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::{HostStatus, InfoReply, InfoRequest, StockLevel};

/// How long one node or the oracle may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Prints it.
///
/// # Errors
/// If the cluster file cannot be read or the oracle does not know the request.
pub async fn run(args: &StatusArgs) -> Result<()> {
    if let Some(request) = &args.request {
        return request_status(args, request).await;
    }
    let path = args.target.cluster.display().to_string();
    let cluster = Cluster::from_json(&std::fs::read_to_string(&args.target.cluster).with_context(|| path.clone())?)?;
    let mut rows = Vec::with_capacity(cluster.committee.len());
    for node in &cluster.committee {
        rows.push((node, ask(node).await));
    }
    match args.format {
        Format::Text => rows.iter().for_each(|(node, answer)| print_node(node, answer)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&as_json(&rows))?),
    }
    let ready = rows.iter().filter(|(_, answer)| answer.as_ref().is_ok_and(|info| info.ready)).count();
    if matches!(args.format, Format::Text) {
        println!("{ready} of {} ready; {} are needed for an answer", rows.len(), cluster.thresholds.quorum);
    }
    Ok(())
}

async fn ask(node: &Node) -> Result<InfoReply> {
    let answer = async {
        let mut client = KmsClient::connect(node.api_url.clone()).await?;
        Ok(client.info(InfoRequest {}).await?.into_inner())
    };
    tokio::time::timeout(ANSWER_TIME, answer).await?
}

fn print_node(node: &Node, answer: &Result<InfoReply>) {
    let number = node.party_id.number();
    match answer {
        Ok(info) => {
            let state = if info.ready { "ready".to_owned() } else { info.not_ready_reasons.join("; ") };
            println!(
                "node {number:<2}  {state}  version {}  key {}  running {}  waiting {}  decrypted {}",
                info.version, info.key_state, info.sessions_running, info.requests_waiting, info.sessions_computed
            );
            for stock in &info.stock {
                println!("         {}; stock of {}: {} of {} items", info.phase, stock.kind, stock.items, stock.target);
            }
            for host in &info.hosts {
                let halted = if host.halted.is_empty() { String::new() } else { format!("; HALTED: {}", host.halted) };
                println!(
                    "         chain {} by {}: newest block {}{halted}",
                    host.chain_id, host.trust, host.newest_number
                );
            }
            for blame in &info.blamed {
                println!("         blames party {} ({})", blame.party, blame.step);
            }
        }
        Err(error) => println!("node {number:<2}  does not answer at {}: {error:#}", node.api_url),
    }
}

fn as_json(rows: &[(&Node, Result<InfoReply>)]) -> Value {
    let stock = |stock: &StockLevel| json!({ "kind": stock.kind, "items": stock.items, "target": stock.target });
    let host = |host: &HostStatus| json!({ "chainId": host.chain_id, "trust": host.trust, "newestBlock": host.newest_number, "halted": host.halted });
    let row = |(node, answer): &(&Node, Result<InfoReply>)| match answer {
        Ok(info) => json!({
            "partyId": node.party_id,
            "ready": info.ready,
            "notReadyReasons": info.not_ready_reasons,
            "version": info.version,
            "keyState": info.key_state,
            "sessionsRunning": info.sessions_running,
            "requestsWaiting": info.requests_waiting,
            "sessionsComputed": info.sessions_computed,
            "hosts": info.hosts.iter().map(host).collect::<Vec<_>>(),
            "phase": info.phase,
            "stock": info.stock.iter().map(stock).collect::<Vec<_>>(),
            "blamed": info.blamed.iter().map(|blame| blame.party).collect::<Vec<_>>(),
        }),
        Err(error) => json!({ "partyId": node.party_id, "ready": false, "error": format!("{error:#}") }),
    };
    rows.iter().map(row).collect()
}

/// What the oracle says of one request.
async fn request_status(args: &StatusArgs, request: &str) -> Result<()> {
    let mut url = args.target.relayer.clone();
    // The identifier goes into a path of its own: it cannot reach another route.
    match url.path_segments_mut() {
        Ok(mut path) => path.clear().extend(["v1", "requests", request]),
        Err(()) => bail!("{} cannot have a path", args.target.relayer),
    };
    let answer = reqwest::Client::new().get(url).timeout(ANSWER_TIME).send().await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    println!("{}", serde_json::to_string_pretty(&body)?);
    if !status.is_success() {
        bail!("the oracle answered {status}");
    }
    Ok(())
}
