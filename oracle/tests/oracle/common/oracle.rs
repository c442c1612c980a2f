//! The oracle itself, run as a program would, and a caller that speaks the job protocol.

use super::attester::{ATTESTERS, FakeAttester};
use super::coprocessor::FakeCoprocessor;
use super::host::FakeChain;
use super::node::FakeNode;
use super::schema::{self, Exchange};
use super::{CONTRACT, DELEGATOR, address_of, alice, cluster, free_port, grants, now};
use alloy::primitives::U256;
use merkle_acl::keys;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tkms_oracle::Config;
use tkms_types::Cluster;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

/// Longest wait of a test for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How to end an oracle, and its result.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), tkms_oracle::Error>>);

pub struct Setup {
    pub cluster: Arc<Cluster>,
    pub nodes: Vec<FakeNode>,
    pub coprocessor: FakeCoprocessor,
    pub attesters: Vec<FakeAttester>,
    /// The chain, unless it is a real one.
    chain: Option<FakeChain>,
    pub dir: tempfile::TempDir,
    pub port: u16,
    pub rpc_url: String,
    pub limits: String,
    /// Further lines at the top of the configuration.
    pub top: String,
    running: Option<Running>,
}

impl Setup {
    /// Four honest nodes, a coprocessor and attesters, all listening, over a chain whose default grants are final; the oracle
    /// is not running.
    pub async fn new() -> Self {
        let chain = FakeChain::start().await;
        let expiry = U256::from(now() + 1_000_000);
        chain.set(keys::delegation(DELEGATOR, address_of(&alice()), CONTRACT), expiry);
        chain.grant(&grants());
        chain.settle();
        let checkpoint = chain.hash(1);
        let change = |mut cluster: Cluster| {
            cluster.chains[0].checkpoint_hash = checkpoint;
            cluster
        };
        let mut setup = Self::over(change, &chain.url, &chain.honest()).await;
        setup.chain = Some(chain);
        setup
    }

    /// Over a real chain.
    pub async fn with(change: impl FnOnce(Cluster) -> Cluster, endpoint: &str) -> Self {
        let endpoint = Url::parse(endpoint).unwrap();
        Self::over(change, &endpoint, &endpoint).await
    }

    async fn over(change: impl FnOnce(Cluster) -> Cluster, rpc_url: &Url, attesters_own: &Url) -> Self {
        let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
        let cluster = Arc::new(change(cluster(&ports)));
        let nodes: Vec<FakeNode> = ports.iter().zip(1..).map(|(port, party)| FakeNode::new(party, *port)).collect();
        for node in &nodes {
            node.join(cluster.clone());
            node.start().await;
        }
        let coprocessor = FakeCoprocessor::new(free_port());
        coprocessor.join(cluster.clone());
        coprocessor.start().await;
        let mut attesters = Vec::new();
        for number in 1..=ATTESTERS {
            let attester = FakeAttester::start(number, attesters_own).await;
            attester.join(cluster.clone());
            attesters.push(attester);
        }
        let dir = tempfile::tempdir().unwrap();
        let (port, rpc_url, limits, top) = (free_port(), rpc_url.to_string(), String::new(), String::new());
        Self { cluster, nodes, coprocessor, attesters, chain: None, dir, port, rpc_url, limits, top, running: None }
    }

    pub fn chain(&self) -> &FakeChain {
        self.chain.as_ref().unwrap()
    }

    /// With the oracle running.
    pub async fn running() -> Self {
        let mut setup = Self::new().await;
        setup.start().await;
        setup
    }

    pub fn config(&self, key_file: &Path) -> Config {
        let attesters: Vec<String> = self.attesters.iter().map(|attester| format!("'{}'", attester.url)).collect();
        let text = format!(
            "{top}\nlisten = '127.0.0.1:{port}'\npublic_url = 'http://127.0.0.1:{port}'\ndata_dir = '{data}'\n\
             submitter_key_file = '{key}'\n[[host]]\nchain_id = 31337\nrpc_url = '{rpc}'\n\
             coprocessor_urls = ['http://127.0.0.1:{coprocessor}']\nattesters = [{attesters}]\n\
             attester_timeout_ms = 500\n[limits]\n{limits}\n",
            port = self.port,
            data = self.dir.path().join("data").display(),
            key = key_file.display(),
            rpc = self.rpc_url,
            coprocessor = self.coprocessor.port,
            attesters = attesters.join(", "),
            limits = self.limits,
            top = self.top,
        );
        Config::from_toml(&text).unwrap()
    }

    /// Everybody gets another cluster file.
    pub fn change(&mut self, change: impl FnOnce(&mut Cluster)) {
        let mut cluster = (*self.cluster).clone();
        change(&mut cluster);
        self.cluster = Arc::new(cluster);
        self.nodes.iter().for_each(|node| node.join(self.cluster.clone()));
        self.attesters.iter().for_each(|attester| attester.join(self.cluster.clone()));
    }

    /// The oracle until `shutdown`.
    pub fn run<F: Future<Output = ()> + Send + 'static>(
        &self,
        shutdown: F,
    ) -> impl Future<Output = Result<(), tkms_oracle::Error>> + Send + use<F> {
        let key_file = self.dir.path().join("key");
        // Anvil's second account, which it funds.
        std::fs::write(&key_file, "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d\n").unwrap();
        tkms_oracle::run(self.config(&key_file), (*self.cluster).clone(), shutdown)
    }

    /// Starts the oracle over what a former one left.
    pub async fn start(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let run = self.run(async move { drop(stopped.await) });
        self.running = Some((stop, tokio::spawn(run)));
        self.wait("the API listens", async || self.get("/livez").await.is_ok().then_some(())).await;
    }

    /// Ends the oracle and waits until it has let go of its files.
    pub async fn stop(&mut self) {
        let (stop, run) = self.running.take().unwrap();
        stop.send(()).unwrap();
        run.await.unwrap().unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn get(&self, path: &str) -> Result<reqwest::Response, reqwest::Error> {
        reqwest::Client::new().get(self.url(path)).send().await
    }

    /// Status, `Retry-After`, body.
    pub async fn json(&self, path: &str) -> (u16, Option<String>, Value) {
        read("GET", path, None, self.get(path).await.unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &str) -> (u16, Option<String>, Value) {
        self.post_with(path, body, &[]).await
    }

    /// With further headers.
    pub async fn post_with(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Option<String>, Value) {
        let mut request = reqwest::Client::new().post(self.url(path)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read("POST", path, Some(body), request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// Status, tag and bytes of a key file.
    pub async fn file(&self, url: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<u8>) {
        let mut request = reqwest::Client::new().get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let body = response.bytes().await.unwrap().to_vec();
        let path = url.strip_prefix(&self.url("")).unwrap();
        let exchange = Exchange { method: "GET", path, request: None, status, header: &header, body: &body };
        schema::check(&exchange).unwrap_or_else(|why| panic!("GET {url} {status}: {why}"));
        (status, header("etag").unwrap_or_default(), body)
    }

    /// Posts and returns the job.
    pub async fn job(&self, path: &str, body: &Value) -> String {
        let (status, _, reply) = self.post(path, &body.to_string()).await;
        assert_eq!(status, 202, "{reply}");
        reply["result"]["jobId"].as_str().unwrap().to_owned()
    }

    /// Looks at a job until it is over.
    pub async fn outcome(&self, path: &str, job: &str) -> (u16, Value) {
        self.wait("the job ends", async || {
            let (status, _, reply) = self.json(&format!("{path}/{job}")).await;
            (status != 202).then_some((status, reply))
        })
        .await
    }

    /// The status page of a request.
    pub async fn status(&self, id: &str) -> Value {
        self.json(&format!("/v1/requests/{id}")).await.2
    }

    /// Tries until there is something.
    pub async fn wait<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "timed out: {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Nodes that were sent evidence that does not hold tell on the oracle at the end of every test.
impl Drop for Setup {
    fn drop(&mut self) {
        let bad: Vec<String> = self.nodes.iter().flat_map(FakeNode::bad_evidence).collect();
        assert!(bad.is_empty() || std::thread::panicking(), "{bad:?}");
    }
}

/// Reads an answer, which must be one that the published description of the API allows.
async fn read(
    method: &str,
    path: &str,
    request: Option<&str>,
    response: reqwest::Response,
) -> (u16, Option<String>, Value) {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    let exchange = Exchange { method, path, request, status, header: &header, body: text.as_bytes() };
    schema::check(&exchange).unwrap_or_else(|why| panic!("{method} {path} {status}: {why}\n{text}"));
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (status, header("retry-after"), body)
}
