//! Values for `exact` in any number, without a chain's or a coprocessor's work on each: their grants are put into the ACL's storage
//! at once, and their samples are attested with the coprocessor's key. Nodes cannot tell: header, attestations, proofs, paths,
//! signatures and samples are what they would be. The samples are those of trivial encryptions, so that every answer can be
//! checked; what a node does with them does not depend on that.

use super::chain::Bench;
use crate::devnet::{ATTESTERS, Layout};
use alloy::eips::BlockNumberOrTag;
use alloy::providers::Provider as _;
use alloy_primitives::{B256, Bytes, U256, keccak256};
use anyhow::{Context as _, Result, ensure};
use merkle_acl::compact::compress;
use merkle_acl::range::MountainRange;
use merkle_acl::{Anchor, Fact, Grant, keys, leaf_hash};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tkms_eth::proofs::{BlockHeader, header_by_number};
use tkms_eth::{DigestSigner as _, LocalKey};
use tkms_kms_node::policy::facts;
use tkms_kms_node::request;
use tkms_types::typed_data::{HeaderAttestation, header_digest};
use tkms_types::{FheType, Handle, HostChain, KeyId, MinFinality, PublicRequest};
use tkms_wire::Hex;
use tkms_wire::attestation::SignedHeader;
use tkms_wire::evidence::Evidence;
use tkms_wire::kms::{PublicAnswer, PublicDecryptRequest};
use tkms_wire::material::{Format, Material, material_digest};
use tkms_wire::request::Call;
use tkms_wire::samples::digest;
use tkms_wire::switched::{BLOCK_WORDS, LOG2_MODULUS, SwitchedList};

/// log2 of the number of values: a single peak, so one slot shows any of their grants.
const LEVEL: u8 = 18;
/// Where the message stands in a switched word, and the middle of the noise's range below it.
const MESSAGE: u32 = LOG2_MODULUS as u32 - 5;
const KIND: FheType = FheType::Uint64;

/// See the module.
pub struct Supply {
    host: HostChain,
    key: KeyId,
    profile: B256,
    signer: LocalKey,
    range: MountainRange,
    /// Of no grant yet.
    evidence: Evidence,
    samples: PathBuf,
    now: u64,
}

/// A request, and the values it is for.
pub struct Ask {
    /// As sent to every node.
    pub call: PublicDecryptRequest,
    values: Range<u64>,
    /// Of their samples.
    digests: Vec<B256>,
}

impl Ask {
    /// How many values.
    pub const fn values(&self) -> u64 {
        self.values.end - self.values.start
    }

    /// An answer has to say what was encrypted.
    pub fn check(&self, answer: &PublicAnswer) -> Result<()> {
        let expected = self.values.clone().flat_map(|value| U256::from(value).to_be_bytes::<32>());
        ensure!(answer.words.iter().copied().eq(expected), "a wrong answer");
        Ok(())
    }
}

/// What an attester says of a final block.
fn sign(host: &HostChain, header: &BlockHeader, key: &LocalKey) -> Result<SignedHeader> {
    let anchor = Anchor::from_header_rlp(&header.rlp)?;
    let (class, depth) = MinFinality::Finalized.signed();
    let statement = HeaderAttestation {
        attesterSetId: host.attester_set_id(),
        number: anchor.number(),
        blockHash: anchor.hash(),
        stateRoot: anchor.state_root(),
        timestamp: anchor.timestamp(),
        finality: class,
        depth,
    };
    let signature = key.sign_digest(&header_digest(&statement, host))?;
    Ok(SignedHeader {
        number: anchor.number(),
        hash: anchor.hash(),
        state_root: anchor.state_root(),
        timestamp: anchor.timestamp(),
        set: host.attester_set_id(),
        signer: key.address(),
        class,
        depth,
        signature: Hex(signature.to_vec().into()),
        header: Hex(header.rlp.clone()),
    })
}

fn handle(host: &HostChain, value: u64) -> Handle {
    Handle::new(keccak256(value.to_be_bytes()), Handle::COMPUTED, host.chain_id, KIND)
}

impl Supply {
    /// Grants the values, and attests the block with the attesters' keys. Earlier grants of the chain are overwritten, so nothing
    /// else can be decrypted after this; and Anvil cannot prove the block that was the newest before, so the attesters are stuck.
    pub async fn grant(bench: &Bench<'_>, layout: &Layout, samples: &Path) -> Result<Self> {
        let nodes = bench.nodes.len();
        let host = bench.cluster.chains.first().context("no host chain")?.clone();
        let mut range = MountainRange::default();
        (0..1 << LEVEL).for_each(|value| range.append(leaf_hash(&Grant::Public { handle: handle(&host, value).0 })));
        let peak = range.peak(LEVEL).context("a range of another size")?;
        let (provider, acl) = (&bench.person.provider, host.contracts.acl);
        let count = B256::from(U256::from(range.count()));
        let slots = [(keys::RANGE_NAMESPACE, count), (keys::range_peak(LEVEL), peak)];
        for (slot, word) in slots {
            provider.raw_request::<_, bool>("anvil_setStorageAt".into(), (acl, slot, word)).await?;
        }
        let mined = provider.get_block_number().await? + 2;
        super::chain::wait(|| async { Ok(provider.get_block_number().await? >= mined) }).await?;
        let rpc = tkms_eth::connect(&bench.deployment.host_rpc_url)?;
        let header = header_by_number(&rpc, BlockNumberOrTag::Number(mined)).await?;
        let keys = (1..=ATTESTERS).map(|number| layout.keys(nodes).join(format!("attester-{number}.key")));
        let signed = keys.map(|key| sign(&host, &header, &LocalKey::read(&key)?)).collect::<Result<Vec<_>>>()?;
        let evidence = crate::evidence::with_slots(&rpc, &host, &signed, &slots.map(|(slot, _)| slot)).await?;
        Ok(Self {
            key: bench.cluster.key.id,
            profile: *host.coprocessors.profiles.first().context("no profile")?,
            signer: LocalKey::read(&layout.keys(nodes).join("coprocessor.key"))?,
            now: signed.first().context("no attestation")?.timestamp,
            host,
            range,
            evidence,
            samples: samples.to_owned(),
        })
    }

    /// The sample list of a value, encoded.
    fn list(&self, value: u64) -> Result<Vec<u8>> {
        let mut words = vec![0; KIND.squashed_blocks() * BLOCK_WORDS];
        for (block, words) in words.chunks_mut(BLOCK_WORDS).enumerate() {
            let digit = (value >> (4 * block) & 0xf) as u16;
            if let Some(body) = words.last_mut() {
                *body = (digit << MESSAGE) + (1 << (MESSAGE - 2));
            }
        }
        Ok(SwitchedList::new(self.key, KIND, words)?.encode())
    }

    fn material(&self, value: u64) -> Result<Material> {
        let bytes = self.list(value)?;
        let mut material = Material {
            handle: handle(&self.host, value),
            key_id: self.key,
            format: Format::Exact,
            profile: self.profile,
            digest: digest(&bytes),
            size: bytes.len() as u64,
            signatures: Vec::new(),
        };
        material.signatures.push(self.signer.sign_digest(&material_digest(&material, &self.host))?);
        Ok(material)
    }

    fn ask(&self, values: Range<u64>) -> Result<Ask> {
        let handles: Vec<_> = values.clone().map(|value| handle(&self.host, value)).collect();
        let places: BTreeMap<B256, u64> = handles.iter().map(|handle| handle.0).zip(values.clone()).collect();
        let public = PublicRequest { handles, extra_data: Bytes::new() };
        let asked = request::Request {
            ask: request::Ask::Public(public.clone()),
            materials: Vec::new(),
            evidence: None,
            finality: None,
        };
        let (mut indices, mut leaves) = (Vec::new(), Vec::new());
        for fact in facts(&asked, &self.host, self.now) {
            let Fact::Granted(grant) = fact else { continue };
            let index = *places.get(&grant.handle()).context("a fact of another value")?;
            indices.push(index + 1);
            leaves.push((leaf_hash(&grant), self.range.prove_at(index, self.range.count())?));
        }
        let hashes = compress(&leaves, self.range.count())?;
        let materials = values.clone().map(|value| self.material(value)).collect::<Result<Vec<_>>>()?;
        let digests = materials.iter().map(|material| material.digest).collect();
        let call = Call {
            request: public,
            materials,
            evidence: Some(Evidence { places: indices, hashes, ..self.evidence.clone() }),
            finality: None,
            wait: Duration::from_secs(30),
            label: String::new(),
        };
        Ok(Ask { call: (&call).into(), values, digests })
    }

    /// Requests for values, so many in each; on all cores.
    pub fn asks(&self, values: Range<u64>, per_request: u64) -> Result<Vec<Ask>> {
        ensure!(values.end <= self.range.count(), "only {} values were granted", self.range.count());
        let ranges: Vec<_> = values.clone().step_by(per_request as usize).collect();
        let ask = |from: &u64| self.ask(*from..values.end.min(from + per_request));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let parts = ranges.chunks(ranges.len().div_ceil(cores).max(1));
            let parts: Vec<_> =
                parts.map(|part| scope.spawn(move || part.iter().map(ask).collect::<Result<Vec<_>>>())).collect();
            let mut all = Vec::new();
            for part in parts {
                all.extend(part.join().map_err(|_| anyhow::anyhow!("a worker ended early"))??);
            }
            Ok(all)
        })
    }

    fn file(&self, digest: &B256) -> PathBuf {
        self.samples.join(format!("{digest:x}"))
    }

    /// Puts the samples of a request where nodes read them.
    pub fn store(&self, ask: &Ask) -> Result<()> {
        for (value, digest) in ask.values.clone().zip(&ask.digests) {
            let file = self.file(digest);
            // nodes never see half of one: they are asked after this
            std::fs::write(&file, self.list(value)?).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }

    /// Removes them again: a minute of values would fill a disk.
    pub fn remove(&self, ask: &Ask) -> Result<()> {
        for file in ask.digests.iter().map(|digest| self.file(digest)) {
            std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}
