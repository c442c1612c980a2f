//! Where a devnet keeps things, and which ports it uses.

use crate::cli::Decryption;
use std::path::{Path, PathBuf};
use tkms_types::PartyId;

/// Paths under the devnet's directory.
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Under this directory.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    /// Identities and key material, kept from one start to the next: one set for each size of the committee.
    #[must_use]
    pub fn keys(&self, nodes: usize) -> PathBuf {
        self.dir.join(format!("keys-{nodes}"))
    }

    /// Public material and share packages for these protocols, in the third form: they name the protocols, and mask keys the
    /// nodes make themselves.
    #[must_use]
    pub fn dealt(&self, nodes: usize, decryption: Decryption) -> PathBuf {
        self.keys(nodes).join(match decryption {
            Decryption::Flood => "dealt-3",
            Decryption::Exact => "dealt-3-exact",
            Decryption::Both => "dealt-3-both",
        })
    }

    /// Data of the processes; removed at start, because Anvil begins a new chain.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Data directory of one process.
    #[must_use]
    pub fn data(&self, process: &str) -> PathBuf {
        self.run().join(process)
    }

    /// Log of one process.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        self.run().join(format!("{process}.log"))
    }

    /// Configuration of one process.
    #[must_use]
    pub fn config(&self, process: &str) -> PathBuf {
        self.run().join(format!("{process}.toml"))
    }

    /// The cluster file.
    #[must_use]
    pub fn cluster(&self) -> PathBuf {
        self.dir.join("cluster.json")
    }

    /// What users of the devnet read; written when everything is ready, removed at the end.
    #[must_use]
    pub fn deployment(&self) -> PathBuf {
        self.dir.join("deployment.json")
    }
}

/// Ports, counted from a base.
#[derive(Clone, Copy)]
pub struct Ports(pub u16);

impl Ports {
    /// Highest offset in use: node 13 and its health port.
    pub const SPAN: u16 = 133;

    /// Anvil.
    #[must_use]
    pub const fn anvil(self) -> u16 {
        self.0
    }

    /// An attester's API, by its number from 1.
    #[must_use]
    pub const fn attester(self, number: u16) -> u16 {
        self.0 + 2 + number
    }

    /// Oracle and relayer API.
    #[must_use]
    pub const fn relayer(self) -> u16 {
        self.0 + 1
    }

    /// Coprocessor.
    #[must_use]
    pub const fn coprocessor(self) -> u16 {
        self.0 + 2
    }

    /// Demo page.
    #[must_use]
    pub const fn web(self) -> u16 {
        self.0 + 7
    }

    /// Request API of a node.
    #[must_use]
    pub fn api(self, party: PartyId) -> u16 {
        self.0 + 10 * u16::from(party.number())
    }

    /// Where its peers reach it.
    #[must_use]
    pub fn peer(self, party: PartyId) -> u16 {
        self.api(party) + 1
    }

    /// Its health and metrics.
    #[must_use]
    pub fn ops(self, party: PartyId) -> u16 {
        self.api(party) + 2
    }
}
