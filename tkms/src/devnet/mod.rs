//! A whole system on one machine: Anvil, contracts, attesters, nodes, coprocessor and oracle, each a process of its own.

mod configs;
mod deployment;
mod keys;
mod layout;
mod process;
mod web;

pub use deployment::{Account, DeployedContracts, DeployedNode, Deployment, Service};
pub use layout::{Layout, Ports};
pub use process::{Process, ProcessError};

use crate::cli::DevnetArgs;
use crate::files::write_json;
use alloy_primitives::{Address, B256};
use anyhow::{Context as _, Result, ensure};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tkms_eth::anvil::{AnvilConfig, AnvilInstance};
use tkms_types::{Cluster, Committee, PartyId};
use tokio::task::JoinSet;
use url::Url;

/// Seconds between blocks.
const BLOCK_TIME: f64 = 1.0;
/// Host validators that attest headers: one of them may lie or be silent.
pub const ATTESTERS: u16 = 4;
/// How long a service may take until it is ready; the coprocessor loads half a gigabyte of keys.
const READY_TIME: Duration = Duration::from_secs(120);

/// A running devnet. Everything it started ends when it is dropped.
pub struct Devnet {
    /// What its users need to know.
    pub deployment: Deployment,
    layout: Layout,
    processes: Vec<Process>,
    anvil: AnvilInstance,
    /// The demo page; ends when dropped.
    _web: JoinSet<()>,
}

/// What is being done now, with the time since the start.
pub struct Progress<'a> {
    start: Instant,
    say: &'a dyn Fn(Duration, &str),
}

impl<'a> Progress<'a> {
    /// Progress told to `say`.
    pub fn new(say: &'a dyn Fn(Duration, &str)) -> Self {
        Self { start: Instant::now(), say }
    }

    fn tell(&self, what: &str) {
        (self.say)(self.start.elapsed(), what);
    }
}

impl Devnet {
    /// Starts everything and waits until it answers.
    ///
    /// # Errors
    /// What could not be started, with the end of its log.
    pub async fn start(args: &DevnetArgs, progress: &Progress<'_>) -> Result<Self> {
        let committee = Committee::new(args.nodes.into())?;
        let ports = Ports(args.port_base);
        let dir = std::path::absolute(&args.dir)?;
        let layout = Layout::new(&dir);
        check_ports(ports, committee)?;
        if layout.run().exists() {
            std::fs::remove_dir_all(layout.run()).with_context(|| layout.run().display().to_string())?;
        }
        std::fs::create_dir_all(layout.run()).with_context(|| layout.run().display().to_string())?;

        let program = std::env::current_exe()?;
        let keys = keys::prepare(&program, &layout, committee, args, progress).await?;
        progress.tell(&format!("Anvil, one block a second, final {} blocks later", 2 * args.slots_in_an_epoch));
        let anvil = start_anvil(args, ports)?;
        progress.tell("contracts");
        keys::deploy(&program, &layout, &keys, &anvil.endpoint_url(), args).await?;
        let cluster = Cluster::from_json(&std::fs::read_to_string(layout.cluster())?)?;
        let accounts = accounts(&anvil);
        configs::write(&layout, (ports, args.samples_at_nodes.as_deref()), committee, &keys, &accounts)?;

        let web = web::serve(&std::path::absolute(&args.root)?, &layout.deployment(), ports.web())?;
        let mut devnet = Self {
            deployment: describe(&layout, ports, &cluster, &anvil, accounts),
            layout,
            processes: Vec::new(),
            anvil,
            _web: web,
        };
        devnet.start_services(&program, committee, ports, progress).await?;
        devnet.fill_in_pids();
        write_json(&devnet.layout.deployment(), &devnet.deployment)?;
        progress.tell("ready");
        Ok(devnet)
    }

    /// Where `deployment.json` is.
    #[must_use]
    pub fn deployment_file(&self) -> PathBuf {
        self.layout.deployment()
    }

    /// Kills one node at once, as a crash would.
    pub async fn kill_node(&mut self, party: PartyId) {
        let name = node_name(party);
        if let Some(process) = self.processes.iter_mut().find(|process| process.name == name) {
            process.kill().await;
        }
    }

    /// Name and process id of everything that runs, Anvil included.
    pub fn pids(&self) -> impl Iterator<Item = (String, u32)> {
        let own = self.processes.iter().map(|process| (process.name.clone(), process.pid()));
        own.chain([("anvil".to_owned(), self.anvil.child().id())]).filter(|(_, pid)| *pid != 0)
    }

    /// Processes that have ended since the last call, each named once with the end of its log.
    pub fn ended(&mut self) -> Vec<ProcessError> {
        let mut ended = Vec::new();
        self.processes.retain_mut(|process| match process.check() {
            Ok(()) => true,
            Err(error) => {
                ended.push(error);
                false
            }
        });
        ended
    }

    /// Stops everything it started.
    ///
    /// # Errors
    /// If `deployment.json` cannot be removed.
    pub async fn stop(mut self) -> Result<()> {
        let file = self.layout.deployment();
        std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        // Users of the others first: an oracle that loses its nodes would only log that it did.
        for process in self.processes.iter_mut().rev() {
            process.stop().await;
        }
        Ok(())
    }

    async fn start_services(
        &mut self,
        program: &std::path::Path,
        committee: Committee,
        ports: Ports,
        progress: &Progress<'_>,
    ) -> Result<()> {
        let mut health = Vec::new();
        let mut names = vec![("coprocessor".to_owned(), "coprocessor", ports.coprocessor())];
        names.extend(committee.parties().map(|party| (node_name(party), "node", ports.ops(party))));
        names.extend((1..=ATTESTERS).map(|number| (attester_name(number), "attester", ports.attester(number))));
        names.push(("oracle".into(), "oracle", ports.relayer()));
        progress.tell("coprocessor (loads its keys), nodes, attesters, oracle");
        for (name, command, port) in names {
            let config = self.layout.config(&name).display().to_string();
            let cluster = self.layout.cluster().display().to_string();
            let arguments = [command, "--config", &config, "--cluster", &cluster];
            self.processes.push(Process::start(&name, program, &arguments, &self.layout.log(&name))?);
            health.push(local_url(port, "/readyz"));
        }
        for (process, url) in self.processes.iter_mut().zip(&health) {
            process.ready(url.as_str(), READY_TIME).await?;
            progress.tell(&format!("  {} is ready", process.name));
        }
        Ok(())
    }

    fn fill_in_pids(&mut self) {
        let pid = |name: &str| self.processes.iter().find(|process| process.name == name).map_or(0, Process::pid);
        for node in &mut self.deployment.nodes {
            node.pid = pid(&node_name(node.party_id));
        }
        for service in &mut self.deployment.services {
            service.pid = pid(&service.name);
        }
    }
}

/// Name of a node's process, configuration and log.
fn node_name(party: PartyId) -> String {
    format!("node-{}", party.number())
}

/// Name of an attester's process, configuration and log.
fn attester_name(number: u16) -> String {
    format!("attester-{number}")
}

fn local_url(port: u16, path: &str) -> Url {
    let mut url = Url::parse("http://127.0.0.1").unwrap_or_else(|_| unreachable!("a constant URL"));
    let set = url.set_port(Some(port));
    debug_assert!(set.is_ok(), "http takes a port");
    url.set_path(path);
    url
}

/// A port in use would show as a service that is not ready; better said at once.
fn check_ports(ports: Ports, committee: Committee) -> Result<()> {
    let highest = ports.0.checked_add(Ports::SPAN);
    ensure!(ports.0 >= 1024 && highest.is_some(), "--port-base must lie between 1024 and {}", u16::MAX - Ports::SPAN);
    let mut used = vec![ports.anvil(), ports.relayer(), ports.coprocessor(), ports.web()];
    used.extend((1..=ATTESTERS).map(|number| ports.attester(number)));
    used.extend(committee.parties().flat_map(|party| [ports.api(party), ports.peer(party), ports.ops(party)]));
    for port in used {
        TcpListener::bind(("127.0.0.1", port))
            .with_context(|| format!("port {port} is in use; choose another --port-base"))?;
    }
    Ok(())
}

fn start_anvil(args: &DevnetArgs, ports: Ports) -> Result<AnvilInstance> {
    let program = tkms_eth::anvil::find_anvil(&std::path::absolute(&args.root)?)?;
    let config = AnvilConfig {
        port: ports.anvil(),
        block_time: Some(BLOCK_TIME),
        slots_in_an_epoch: args.slots_in_an_epoch,
        ..AnvilConfig::default()
    };
    Ok(tkms_eth::anvil::spawn(&program, &config)?)
}

fn accounts(anvil: &AnvilInstance) -> Vec<Account> {
    let keys = anvil.keys().iter().map(|key| B256::from_slice(&key.to_bytes()));
    anvil.addresses().iter().copied().zip(keys).map(|(address, private_key)| Account { address, private_key }).collect()
}

fn describe(
    layout: &Layout,
    ports: Ports,
    cluster: &Cluster,
    anvil: &AnvilInstance,
    accounts: Vec<Account>,
) -> Deployment {
    let contracts = cluster.chains.first().map(|chain| chain.contracts);
    let address = |of: fn(&tkms_types::Contracts) -> Address| contracts.as_ref().map_or(Address::ZERO, of);
    let node = |node: &tkms_types::Node| DeployedNode {
        party_id: node.party_id,
        signer: node.signer,
        api_url: local_url(ports.api(node.party_id), "/"),
        pid: 0,
        config: layout.config(&node_name(node.party_id)),
    };
    let service = |name: &str, port: u16| Service {
        name: name.into(),
        pid: 0,
        config: layout.config(name),
        url: local_url(port, "/"),
    };
    Deployment {
        chain_id: anvil.chain_id(),
        gateway_chain_id: cluster.gateway.chain_id,
        host_rpc_url: anvil.endpoint_url(),
        relayer_url: local_url(ports.relayer(), "/v2"),
        demo_url: local_url(ports.web(), "/"),
        contracts: DeployedContracts {
            acl: address(|contracts| contracts.acl),
            executor: address(|contracts| contracts.executor),
            kms_verifier: address(|contracts| contracts.kms_verifier),
            input_verifier: address(|contracts| contracts.input_verifier),
            decryption_oracle: address(|contracts| contracts.decryption_oracle),
            decryption_verifying_contract: cluster.gateway.decryption,
            input_verifying_contract: cluster.gateway.input_verification,
        },
        nodes: cluster.committee.iter().map(node).collect(),
        // The last account pays for the oracle's transactions.
        accounts,
        services: [("coprocessor".to_owned(), ports.coprocessor()), ("oracle".to_owned(), ports.relayer())]
            .into_iter()
            .chain((1..=ATTESTERS).map(|number| (attester_name(number), ports.attester(number))))
            .map(|(name, port)| service(&name, port))
            .collect(),
        cluster: layout.cluster(),
    }
}
