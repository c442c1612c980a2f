//! `tkms doctor`: the cluster file against the contracts and against the services that run by it.

use crate::cli::DoctorArgs;
use crate::evidence::get;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::time::Duration;
use tkms_eth::compare::{self, Comparison};
use tkms_kms_node::certificate::{Shown, shown};
use tkms_types::{Cluster, HeaderTrustKind, HostChain, Node};
use tkms_wire::attestation::LATEST_PATH;
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::{InfoReply, InfoRequest};
use url::Url;

/// How long one service may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What to do about fields that differ.
const REDEPLOY: &str = "the file is of another chain or deployment: take the one that belongs to this chain";
const RENEW: &str =
    "deploy the contracts for this file, or take the file that was written for them; nothing is answered until then";
const RESTART: &str = "give it the cluster file of the others and start it again";
const AWAKE: &str = "start it, or correct its address";

/// How one check went.
enum Outcome {
    Agrees(String),
    Differs {
        ours: String,
        theirs: String,
        advice: &'static str,
    },
    Down {
        reason: String,
        advice: &'static str,
    },
    Skipped(&'static str),
    /// For people to know; nothing to compare it with.
    Note(String),
}

#[derive(Default)]
struct Report {
    lines: Vec<(String, Outcome)>,
}

impl Report {
    fn add(&mut self, what: impl Into<String>, outcome: Outcome) {
        self.lines.push((what.into(), outcome));
    }

    fn same(&mut self, what: impl Into<String>, ours: &str, theirs: &str, advice: &'static str) {
        let outcome = if ours == theirs {
            Outcome::Agrees(ours.to_owned())
        } else {
            Outcome::Differs { ours: ours.to_owned(), theirs: theirs.to_owned(), advice }
        };
        self.add(what, outcome);
    }

    fn compared(&mut self, chain_id: u64, all: &[Comparison], advice: &'static str) {
        for one in all {
            self.same(format!("chain {chain_id}: {} at {}", one.field, one.place), &one.ours, &one.theirs, advice);
        }
    }

    fn down(&mut self, what: impl Into<String>, reason: &impl std::fmt::Display, advice: &'static str) {
        self.add(what, Outcome::Down { reason: reason.to_string(), advice });
    }

    /// Prints every line; how many are bad.
    fn print(&self) -> usize {
        let mut bad = 0;
        for (what, outcome) in &self.lines {
            match outcome {
                Outcome::Agrees(value) => println!("ok       {what}: {value}"),
                Outcome::Differs { ours, theirs, advice } => {
                    bad += 1;
                    println!("DIFFERS  {what}: expected {ours}, found {theirs}. To do: {advice}");
                }
                Outcome::Down { reason, advice } => {
                    bad += 1;
                    println!("DOWN     {what}: {reason}. To do: {advice}");
                }
                Outcome::Skipped(why) => println!("skipped  {what}: {why}"),
                Outcome::Note(note) => println!("note     {what}: {note}"),
            }
        }
        bad
    }
}

/// Prints one line a check.
///
/// # Errors
/// If the cluster file cannot be read, anything differs or does not answer.
pub async fn run(args: &DoctorArgs) -> Result<()> {
    let name = || args.cluster.display().to_string();
    let cluster = Cluster::from_json(&std::fs::read_to_string(&args.cluster).with_context(name)?).with_context(name)?;
    let mut report = Report::default();
    report.add("cluster file", Outcome::Note(format!("hash {}", cluster.hash()?)));
    for chain in &cluster.chains {
        let url = args.rpc.iter().find(|(chain_id, _)| *chain_id == chain.chain_id).map(|(_, url)| url);
        check_chain(&mut report, &cluster, chain, url).await;
    }
    check_attesters(&mut report, &cluster, &args.attester).await;
    check_nodes(&mut report, &cluster).await?;
    match &args.relayer {
        Some(relayer) => check_oracle(&mut report, relayer).await,
        None => report.add("oracle", Outcome::Skipped("--relayer is not given")),
    }
    match report.print() {
        0 => Ok(()),
        bad => bail!("{bad} of {} checks need somebody", report.lines.len()),
    }
}

async fn check_chain(report: &mut Report, cluster: &Cluster, chain: &HostChain, url: Option<&Url>) {
    let name = format!("chain {}", chain.chain_id);
    if chain.trusts_one() {
        report.add(name.clone(), Outcome::Note("INSECURE: one attester or endpoint is believed alone".to_owned()));
    }
    let Some(url) = url else {
        return report.add(format!("{name}: contracts"), Outcome::Skipped("--rpc is not given for it"));
    };
    let rpc = match tkms_eth::connect(url) {
        Ok(rpc) => rpc,
        Err(error) => return report.down(format!("{name}: endpoint"), &error, AWAKE),
    };
    match compare::deployment(&rpc, chain).await {
        Ok(all) => report.compared(chain.chain_id, &all, REDEPLOY),
        Err(error) => return report.down(format!("{name}: endpoint"), &error, AWAKE),
    }
    for (what, compared) in [
        ("links between contracts", compare::links(&rpc, chain).await),
        ("KMSVerifier", compare::committee(&rpc, cluster, chain).await),
        ("InputVerifier", compare::coprocessors(&rpc, cluster, chain).await),
    ] {
        match compared {
            Ok(all) => report.compared(chain.chain_id, &all, RENEW),
            Err(error) => report.down(format!("{name}: {what}"), &error, REDEPLOY),
        }
    }
    match compare::owners(&rpc, chain).await {
        Ok(owners) => {
            for (contract, owner) in owners {
                report.add(format!("{name}: owner of {contract}"), Outcome::Note(owner.to_string()));
            }
        }
        Err(error) => report.down(format!("{name}: owners"), &error, REDEPLOY),
    }
}

async fn check_attesters(report: &mut Report, cluster: &Cluster, urls: &[Url]) {
    let mut seen = BTreeSet::new();
    for url in urls {
        let what = format!("attester {url}");
        let signed = match get(url, LATEST_PATH).await {
            Ok(signed) => signed,
            Err(error) => {
                report.down(what, &format!("{error:#}"), AWAKE);
                continue;
            }
        };
        let attested = |chain: &&HostChain| chain.trust == HeaderTrustKind::Attesters;
        let set = |chain: &HostChain| chain.attester_set_id();
        let chains: Vec<&HostChain> = cluster.chains.iter().filter(attested).collect();
        let Some(chain) = chains.iter().find(|chain| set(chain) == signed.set) else {
            let ours: Vec<String> = chains.iter().map(|chain| set(chain).to_string()).collect();
            report.same(format!("{what}: set"), &ours.join(" "), &signed.set.to_string(), RESTART);
            continue;
        };
        report.add(format!("{what}: set"), Outcome::Agrees(format!("{}, block {}", signed.set, signed.number)));
        let member = chain.attesters.members.contains(&signed.signer);
        let ours = if member { signed.signer.to_string() } else { "a member of the set".to_owned() };
        report.same(format!("{what}: signer"), &ours, &signed.signer.to_string(), "it has the key of a stranger");
        if !seen.insert(signed.signer) {
            let (ours, theirs) = ("a signer of its own".to_owned(), format!("{} again", signed.signer));
            let advice = "two addresses of one attester are one vote: give the address of another";
            report.add(format!("{what}: signer"), Outcome::Differs { ours, theirs, advice });
        }
    }
    for chain in cluster.chains.iter().filter(|chain| chain.trust == HeaderTrustKind::Attesters) {
        let (found, needed) =
            (chain.attesters.members.iter().filter(|one| seen.contains(*one)).count(), chain.attesters.quorum);
        let what = format!("chain {}: attesters that answer", chain.chain_id);
        match found {
            0 if urls.is_empty() => report.add(what, Outcome::Skipped("--attester is not given")),
            _ if found < usize::from(needed) => {
                report.down(what, &format!("{found}, a quorum is {needed}"), "without a quorum nothing is final");
            }
            _ => report.add(what, Outcome::Agrees(format!("{found} of {}", chain.attesters.members.len()))),
        }
    }
}

async fn check_nodes(report: &mut Report, cluster: &Cluster) -> Result<()> {
    let hash = cluster.hash()?.to_string();
    let mut version: Option<String> = None;
    for node in &cluster.committee {
        let name = format!("node {}", node.party_id.number());
        match info(node).await {
            Ok(info) => {
                let first = version.get_or_insert_with(|| info.version.clone()).clone();
                check_node(report, cluster, node, &info, (&hash, &first));
            }
            Err(error) => report.down(name.clone(), &format!("{} {error:#}", node.api_url), AWAKE),
        }
        let what = format!("{name}: TLS certificate at {}", node.peer_address);
        // A committee of one has no peers, and no port for them
        if cluster.committee.len() == 1 {
            continue;
        }
        match shown(node).await {
            Shown::Certificate => report.add(what, Outcome::Agrees("that of the cluster file".to_owned())),
            Shown::Other(found) => {
                let advice = "another node answers there, or it has a new certificate: correct file or address";
                report
                    .add(what, Outcome::Differs { ours: "that of the cluster file".to_owned(), theirs: found, advice });
            }
            Shown::Unreachable(reason) => report.down(what, &reason, AWAKE),
        }
    }
    Ok(())
}

fn check_node(report: &mut Report, cluster: &Cluster, node: &Node, info: &InfoReply, (hash, version): (&str, &str)) {
    let name = format!("node {}", node.party_id.number());
    let hex = |bytes: &[u8]| format!("0x{}", alloy_primitives::hex::encode(bytes));
    report.same(format!("{name}: cluster file"), hash, &hex(&info.cluster_hash), RESTART);
    let signer = hex(node.signer.as_slice());
    report.same(
        format!("{name}: signer"),
        &signer,
        &hex(&info.signer),
        "another node answers there: correct its address",
    );
    for (field, ours, theirs) in [
        ("context", cluster.context.bytes(), &info.context),
        ("epoch", cluster.epoch.bytes(), &info.epoch),
        ("key", cluster.key.id.bytes(), &info.key_id),
    ] {
        report.same(format!("{name}: {field}"), &ours.to_string(), &hex(theirs), RESTART);
    }
    report.same(format!("{name}: version"), version, &info.version, "run one version everywhere");
    let reasons = info.not_ready_reasons.join("; ");
    let ready = if info.ready { "ready" } else { reasons.as_str() };
    report.same(format!("{name}: state"), "ready", ready, "see its log");
    for host in info.hosts.iter().filter(|host| !host.halted.is_empty()) {
        let advice = "two final histories: find out which is true, then `tkms halt`";
        report.same(format!("{name}: chain {}", host.chain_id), "not halted", &host.halted, advice);
    }
}

async fn info(node: &Node) -> Result<InfoReply> {
    let answer = async {
        let mut client = KmsClient::connect(node.api_url.clone()).await?;
        Ok(client.info(InfoRequest {}).await?.into_inner())
    };
    tokio::time::timeout(ANSWER_TIME, answer).await?
}

async fn check_oracle(report: &mut Report, relayer: &Url) {
    let ask = async {
        let client = reqwest::Client::builder().timeout(ANSWER_TIME).build()?;
        let answer = client.get(relayer.join("/readyz")?).send().await?;
        let (ready, text) = (answer.status().is_success(), answer.text().await?);
        Ok::<_, anyhow::Error>(if ready { "ready".to_owned() } else { text.trim().replace('\n', "; ") })
    };
    match ask.await {
        Ok(state) => report.same(format!("oracle {relayer}: state"), "ready", &state, "see its log"),
        Err(error) => report.down(format!("oracle {relayer}"), &format!("{error:#}"), AWAKE),
    }
}
