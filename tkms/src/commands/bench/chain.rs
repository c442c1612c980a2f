//! What the devnet takes: request to callback, and the nodes alone.

use super::record::Figure;
use crate::cli::DevnetArgs;
use crate::commands::dapp::{POLL, Person};
use crate::devnet::{Deployment, Devnet};
use alloy::eips::BlockNumberOrTag;
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::{SolEvent as _, SolValue as _};
use alloy_primitives::{Bytes, U256};
use anyhow::{Context as _, Result, bail, ensure};
use merkle_acl::{Fact, Grant};
use std::time::{Duration, Instant};
use tkms_types::{Cluster, Handle, PublicRequest};
use tkms_wire::attestation::SignedHeader;
use tkms_wire::coprocessor::MaterialReply;
use tkms_wire::evidence::Evidence;
use tkms_wire::kms::Reply;
use tkms_wire::kms::kms_client::KmsClient;
use tkms_wire::kms::reply::Outcome;
use tkms_wire::material::Material;
use tkms_wire::request::Call;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Response, Status};

const CALLBACKS: usize = 7;
const MPC_RUNS: usize = 15;
/// How long any single step may take.
const STEP_TIME: Duration = Duration::from_secs(60);

alloy::sol! {
    #[sol(rpc)]
    contract DecryptionProbe {
        event Made(uint256 indexed index, bytes32 handle);
        event Asked(uint256 indexed requestId);
        function makeUint64(uint64 value) external;
        function makeRandomUint64(uint64 bound) external;
        function publish(uint256[] calldata indices) external;
        function ask(uint256[] calldata indices, uint32 callbackGas) external returns (uint256 requestId);
        function deliveries(uint256 requestId) external view returns (uint256);
    }
}

/// A person with a probe on the devnet.
pub struct Bench<'a> {
    /// What stands where.
    pub deployment: &'a Deployment,
    /// Who is in it.
    pub cluster: Cluster,
    /// Pays.
    pub person: Person,
    /// Makes values.
    pub probe: DecryptionProbe::DecryptionProbeInstance<DynProvider>,
    /// The committee.
    pub nodes: Vec<KmsClient<Channel>>,
}

/// Measures both.
pub async fn measure(devnet: &Devnet, args: &DevnetArgs) -> Result<Vec<Figure>> {
    let bench = Bench::new(devnet, args).await?;
    let (mut callback, mut mpc) = (Vec::new(), Vec::new());
    for _ in 0..CALLBACKS {
        callback.push(bench.callback().await?);
    }
    for _ in 0..MPC_RUNS {
        mpc.push(bench.mpc().await?);
    }
    Ok(vec![
        Figure { name: "e2e.callback_s", unit: "s", samples: callback },
        Figure { name: "flood.mpc.wall_ms", unit: "ms", samples: mpc },
    ])
}

impl<'a> Bench<'a> {
    /// Deploys the probe and connects to the nodes.
    pub async fn new(devnet: &'a Devnet, args: &DevnetArgs) -> Result<Self> {
        let deployment = &devnet.deployment;
        let person = Person::new(deployment, 0)?;
        let arguments = (deployment.contracts.decryption_oracle, deployment.contracts.acl).abi_encode_params();
        let probe = person.deploy(&args.root, "DecryptionProbe", &arguments).await?;
        let probe = DecryptionProbe::new(probe, person.provider.clone());
        let mut nodes = Vec::new();
        for node in &deployment.nodes {
            nodes.push(KmsClient::connect(node.api_url.to_string()).await?);
        }
        let cluster = Cluster::from_json(&std::fs::read_to_string(&deployment.cluster)?)?;
        Ok(Self { deployment, cluster, person, probe, nodes })
    }
}

impl Bench<'_> {
    /// A random euint64 that is computed and that nobody has decrypted.
    async fn fresh(&self) -> Result<(U256, Handle)> {
        let receipt = self.person.send(self.probe.makeRandomUint64(0).into_transaction_request()).await?;
        let made = receipt.logs().iter().find_map(|log| DecryptionProbe::Made::decode_log(&log.inner).ok());
        let made = made.context("the probe made nothing")?;
        let handle = Handle(made.handle);
        wait(|| async { Ok(matches!(self.material(handle, false).await?, MaterialReply::Squashing)) }).await?;
        Ok((made.index, handle))
    }

    /// Seconds from the block of the request to the block of the callback, as a client sees blocks appear. The squash
    /// lies between them.
    pub async fn callback(&self) -> Result<f64> {
        let (index, _) = self.fresh().await?;
        let receipt = self.person.send(self.probe.ask(vec![index], 300_000).into_transaction_request()).await?;
        let mined = Instant::now();
        let request = asked(&receipt)?;
        wait(|| async { Ok(self.probe.deliveries(request).call().await? == U256::ONE) }).await?;
        Ok(mined.elapsed().as_secs_f64())
    }

    /// Milliseconds from a request at all nodes to a quorum of signed answers: policy with its proofs, one fetch of the
    /// samples by each node, the MPC and the signatures.
    async fn mpc(&self) -> Result<f64> {
        let (index, handle) = self.fresh().await?;
        self.person.send(self.probe.publish(vec![index]).into_transaction_request()).await?;
        let mined = self.person.provider.get_block_number().await?;
        wait(|| async { Ok(self.finalized().await? >= mined) }).await?;
        wait(|| async { Ok(matches!(self.material(handle, true).await?, MaterialReply::Ready { .. })) }).await?;
        let material = self.ready_material(handle).await?;
        let request = PublicRequest { handles: vec![handle], extra_data: Bytes::new() };
        let evidence = Some(self.evidence(&[handle], &self.attested(mined).await?).await?);
        let (finality, label) = (None, String::new());
        let call = Call { request, materials: vec![material], evidence, finality, wait: STEP_TIME, label };
        let mut asked = JoinSet::new();
        let start = Instant::now();
        for mut node in self.nodes.iter().cloned() {
            let message = (&call).into();
            asked.spawn(async move { node.public_decrypt(tonic::Request::new(message)).await });
        }
        quorum(&mut asked, self.nodes.len()).await?;
        let elapsed = start.elapsed().as_secs_f64() * 1e3;
        // The rest of the committee must not work into the next run.
        while let Some(reply) = asked.join_next().await {
            reply??;
        }
        Ok(elapsed)
    }

    /// What the attesters say of a block that has block `mined` below it.
    pub async fn attested(&self, mined: u64) -> Result<Vec<SignedHeader>> {
        let attesters = self.deployment.attesters();
        let newest = || crate::evidence::attestations(&attesters);
        wait(|| async { Ok(newest().await?.iter().all(|signed| signed.number >= mined)) }).await?;
        newest().await
    }

    /// That the handles are public, under that block.
    pub async fn evidence(&self, handles: &[Handle], signed: &[SignedHeader]) -> Result<Evidence> {
        let rpc = tkms_eth::connect(&self.deployment.host_rpc_url)?;
        let host = self.cluster.chains.first().context("no host chain")?;
        let facts: Vec<Fact> = handles.iter().map(|handle| Fact::Granted(Grant::Public { handle: handle.0 })).collect();
        crate::evidence::under(&rpc, host, signed, &facts).await
    }

    /// The material of a handle that is ready.
    pub async fn ready_material(&self, handle: Handle) -> Result<Material> {
        let MaterialReply::Ready { material } = self.material(handle, true).await? else { bail!("no material") };
        material.to_material().context("a signature of another length")
    }

    async fn finalized(&self) -> Result<u64> {
        let block = self.person.provider.get_block_by_number(BlockNumberOrTag::Finalized).await?;
        Ok(block.context("no final block")?.header.number)
    }

    /// Where the samples of a handle stand; they are asked for or only looked at.
    pub async fn material(&self, handle: Handle, ask: bool) -> Result<MaterialReply> {
        let coprocessor = self.deployment.services.iter().find(|service| service.name == "coprocessor");
        let url = coprocessor.context("no coprocessor")?.url.join(&format!("v1/materials/{handle}"))?;
        let client = reqwest::Client::new();
        let request = if ask { client.post(url) } else { client.get(url) };
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

fn asked(receipt: &TransactionReceipt) -> Result<U256> {
    let asked = receipt.logs().iter().find_map(|log| DecryptionProbe::Asked::decode_log(&log.inner).ok());
    Ok(asked.context("nothing was asked")?.requestId)
}

/// Takes the first 2t + 1 of the replies, which must be answers.
pub async fn quorum(asked: &mut JoinSet<Result<Response<Reply>, Status>>, nodes: usize) -> Result<()> {
    for _ in 0..2 * (nodes - 1) / 3 + 1 {
        let reply = asked.join_next().await.context("too few nodes")???.into_inner();
        ensure!(matches!(reply.outcome, Some(Outcome::PublicAnswer(_))), "a node did not answer: {reply:?}");
    }
    Ok(())
}

/// Waits until a condition holds, for a step's time at most.
pub async fn wait<F: Future<Output = Result<bool>>>(mut condition: impl FnMut() -> F) -> Result<()> {
    let start = Instant::now();
    while !condition().await? {
        ensure!(start.elapsed() < STEP_TIME, "a step took longer than {STEP_TIME:?}");
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
