//! A devnet as a user starts it: `tkms devnet`, its deployment file, its processes by pid.

use crate::{decryption, directory, first_port, program, root};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tkms::devnet::{Deployment, Ports};
use tkms_types::{Cluster, PartyId};

/// Key generation included, on a busy machine.
const START_TIME: Duration = Duration::from_secs(600);

/// A running devnet. Stopped when dropped.
pub struct Devnet {
    /// Its deployment file.
    pub deployment: Deployment,
    /// Its cluster file.
    pub cluster: Cluster,
    dir: PathBuf,
    main: Child,
    restarted: BTreeMap<String, Child>,
    /// Processes that are dead, or run otherwise than the devnet started them.
    odd: BTreeSet<String>,
}

impl Devnet {
    /// Starts one in its [`directory`] at the first free ports from [`first_port`]; key material of an earlier run of the
    /// same name is used again.
    #[must_use]
    pub fn start(name: &str, port_base: u16, nodes: u8) -> Self {
        Self::start_with(name, port_base, nodes, &[])
    }

    /// The same with further arguments of `tkms devnet`.
    #[must_use]
    pub fn start_with(name: &str, port_base: u16, nodes: u8, arguments: &[&str]) -> Self {
        let port_base = free_ports(first_port(port_base));
        let dir = directory(name);
        std::fs::create_dir_all(&dir).unwrap();
        let deployment = dir.join("deployment.json");
        if deployment.exists() {
            std::fs::remove_file(&deployment).unwrap();
        }
        let log = std::fs::File::create(dir.join("devnet.log")).unwrap();
        let mut main = Command::new(program("tkms"))
            .args(["devnet", "--until-stdin-closes", "--port-base", &port_base.to_string()])
            .args(["--nodes", &nodes.to_string(), "--decryption", &decryption().to_string()])
            .args(arguments)
            .arg("--dir")
            .arg(&dir)
            .arg("--root")
            .arg(root())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("tkms devnet starts");
        let start = Instant::now();
        while !deployment.exists() {
            if let Some(status) = main.try_wait().unwrap() {
                panic!("tkms devnet ended ({status}); see {}", dir.join("devnet.log").display());
            }
            assert!(
                start.elapsed() < START_TIME,
                "devnet was not ready in time; see {}",
                dir.join("devnet.log").display()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        let deployment: Deployment = serde_json::from_slice(&std::fs::read(&deployment).unwrap()).unwrap();
        let cluster = Cluster::from_json(&std::fs::read_to_string(&deployment.cluster).unwrap()).unwrap();
        Self { deployment, cluster, dir, main, restarted: BTreeMap::new(), odd: BTreeSet::new() }
    }

    /// Where its keys lie.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.dir.join(format!("keys-{}", self.deployment.nodes.len()))
    }

    /// Copies the keys of another devnet for the one of this name, unless it has its own: making them takes a minute.
    pub fn take_keys(keys: &Path, name: &str) {
        let dir = directory(name);
        if !dir.join(keys.file_name().unwrap()).exists() {
            std::fs::create_dir_all(&dir).unwrap();
            let copied = Command::new("cp").arg("-r").arg(keys).arg(&dir).status().unwrap();
            assert!(copied.success(), "{} was not copied", keys.display());
        }
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Kills one node with no warning.
    pub fn kill_node(&mut self, number: u8) {
        let pid = self.node(number).pid;
        self.kill(&format!("node-{number}"), pid);
    }

    /// Starts a killed node again, as its operator would.
    pub fn restart_node(&mut self, number: u8) {
        let config = self.node(number).config.clone();
        self.restart(&format!("node-{number}"), "tkms", "node", &config);
        self.odd.remove(&format!("node-{number}"));
    }

    /// Starts, in place of a killed node, one whose every outgoing share is random.
    pub fn start_liar(&mut self, number: u8) {
        let config = self.node(number).config.clone();
        self.restart(&format!("node-{number}"), "lying-node", "node", &config);
    }

    /// Kills `oracle`, `coprocessor` or an attester with no warning.
    pub fn kill_service(&mut self, name: &str) {
        let pid = self.deployment.services.iter().find(|service| service.name == name).unwrap().pid;
        self.kill(name, pid);
    }

    /// Starts it again.
    pub fn restart_service(&mut self, name: &str) {
        let config = self.deployment.services.iter().find(|service| service.name == name).unwrap().config.clone();
        let command = name.split('-').next().unwrap();
        self.restart(name, "tkms", command, &config);
        self.odd.remove(name);
    }

    /// Starts it again with other values in its configuration, wherever these keys stand in it.
    pub fn restart_service_with(&mut self, name: &str, changes: &[(&str, &str)]) {
        let config = &self.deployment.services.iter().find(|service| service.name == name).unwrap().config;
        let text = std::fs::read_to_string(config).unwrap();
        let changed = |line: &str| {
            let key = line.split('=').next().unwrap_or_default().trim();
            let change = changes.iter().find(|(name, _)| *name == key);
            change.map_or_else(|| line.to_owned(), |(name, value)| format!("{name} = {value:?}"))
        };
        let lines: Vec<String> = text.lines().map(changed).collect();
        let other = config.with_extension("changed.toml");
        std::fs::write(&other, lines.join("\n")).unwrap();
        let command = name.split('-').next().unwrap();
        self.restart(name, "tkms", command, &other);
    }

    fn node(&self, number: u8) -> &tkms::devnet::DeployedNode {
        let party = PartyId::new(number).unwrap();
        self.deployment.nodes.iter().find(|node| node.party_id == party).unwrap()
    }

    /// Starts again, as they were, the processes that a failed test left dead or altered. Whether there were any.
    pub fn mend(&mut self) -> bool {
        let odd = self.odd.clone();
        for process in &odd {
            if let Some(mut child) = self.restarted.remove(process) {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            match process.strip_prefix("node-") {
                Some(number) => self.restart_node(number.parse().unwrap()),
                None => self.restart_service(process),
            }
        }
        !odd.is_empty()
    }

    fn kill(&mut self, process: &str, pid: u32) {
        self.odd.insert(process.to_owned());
        if let Some(mut child) = self.restarted.remove(process) {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
        assert!(killed.success(), "{process} (pid {pid}) was not there to be killed");
        let start = Instant::now();
        while runs(pid) {
            assert!(start.elapsed() < Duration::from_secs(10), "{process} (pid {pid}) outlives SIGKILL");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn restart(&mut self, process: &str, binary: &str, command: &str, config: &Path) {
        let log = self.dir.join("run").join(format!("{process}.log"));
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        let child = Command::new(program(binary))
            .arg(command)
            .arg("--config")
            .arg(config)
            .arg("--cluster")
            .arg(&self.deployment.cluster)
            // It ends with this process, however that ends.
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        assert!(self.restarted.insert(process.into(), child).is_none(), "{process} was started twice");
    }
}

/// The first base, in steps, whose ports nobody listens at.
fn free_ports(first: u16) -> u16 {
    let free = |base: &u16| (*base..base + Ports::SPAN).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    let mut bases = (0..20).map(|step| first + step * Ports::SPAN);
    bases.find(free).expect("free ports on the loopback interface")
}

/// Whether a process has not yet given back what it held. A dead one that only waits for its parent has: its first
/// thread is a zombie and the others, which may take a while to let go of a gigabyte, are gone.
fn runs(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    if threads.count() > 1 {
        return true;
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

impl Drop for Devnet {
    fn drop(&mut self) {
        for child in self.restarted.values_mut() {
            if child.kill().is_ok() {
                child.wait().unwrap();
            }
        }
        // Closing its input is the signal to stop everything it started.
        drop(self.main.stdin.take());
        self.main.wait().unwrap();
    }
}
