//! Keys: a node's identity, the trusted dealer, a share taken into a node's store.

use crate::cli::{KeygenDealerArgs, KeygenImportArgs, KeygenNodeArgs};
use crate::files::{create_new, read_json, write_json};
use anyhow::{Context as _, Result, bail, ensure};
use rand::TryRngCore as _;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tkms_coprocessor::config::{CRS_FILE, PUBLIC_KEY_FILE, SERVER_KEY_FILE};
use tkms_kms_node::keygen::{DealNames, KeyBits, deal};
use tkms_kms_node::keystore::{Keystore, NodeIdentity, NodeRecord, ShareNames, read_passphrase};
use tkms_types::{Committee, ContextId, EpochId, Id as _, KeyId, KeyMaterial, PartyId};
use url::Url;
use zeroize::Zeroizing;

/// File with a node's public record.
pub const NODE_FILE: &str = "node.json";
/// File with the record of a key set.
pub const KEY_FILE: &str = "key.json";

/// What a node's operator hands to the dealer and to whoever writes the cluster file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicNode {
    /// Position in the committee.
    pub party_id: PartyId,
    /// `host:port` for its peers.
    pub peer_address: String,
    /// URL of its request API.
    pub api_url: Url,
    /// Its public keys.
    pub keys: NodeRecord,
}

/// What a dealer made, without any secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DealtKey {
    /// n.
    pub committee: Committee,
    /// The context the shares are for.
    pub context: ContextId,
    /// The epoch the shares are of.
    pub epoch: EpochId,
    /// Ids and digests of the public material.
    pub material: KeyMaterial,
}

impl DealtKey {
    /// The names of one party's share.
    #[must_use]
    pub const fn share_names(&self, party: PartyId) -> ShareNames {
        let (committee, key) = (self.committee, self.material.id);
        ShareNames { committee, party, key, epoch: self.epoch, context: self.context }
    }
}

/// File of the share package of one party.
#[must_use]
pub fn share_file(party: PartyId) -> String {
    format!("share-{}.age", party.number())
}

/// `tkms keygen node`.
///
/// # Errors
/// If an identity is there already, or cannot be written.
pub fn node(args: &KeygenNodeArgs) -> Result<()> {
    let party_id = PartyId::new(args.party)?;
    let passphrase = read_passphrase(&args.passphrase_file)?;
    let identity = NodeIdentity::generate()?;
    Keystore::new(&args.out).create_identity(&identity, &passphrase)?;
    let (peer_address, api_url) = (args.peer_address.clone(), args.api_url.clone());
    let public = PublicNode { party_id, peer_address, api_url, keys: identity.record() };
    write_json(&args.out.join(NODE_FILE), &public)?;
    println!("{party_id}: signer {}", identity.signer());
    println!("identity in {} (encrypted); public record in {NODE_FILE}", args.out.display());
    Ok(())
}

/// `tkms keygen dealer`.
///
/// # Errors
/// If the records are no committee, the directory holds a key, or a file cannot be written.
pub fn dealer(args: &KeygenDealerArgs) -> Result<()> {
    let nodes = read_nodes(&args.nodes)?;
    let key_file = args.out.join(KEY_FILE);
    ensure!(!key_file.exists(), "{} exists: a key is never overwritten, choose another --out", key_file.display());
    println!(
        "TRUSTED SETUP: this process sees the whole key while it runs; only shares and public material are written."
    );
    let start = std::time::Instant::now();
    let progress = &mut |step| println!("  {:5.1} s  {step}", start.elapsed().as_secs_f32());
    let set = tkms_fhe::deal_for(args.decryption.into(), progress)?;
    let secret = KeyBits {
        flood: set.squash_key.as_ref().map(|key| widened(key.bits())),
        exact: set.stored_key.as_ref().map(|key| widened(key.bits())),
    };
    println!("  {:5.1} s  shares", start.elapsed().as_secs_f32());
    let key = DealtKey {
        committee: Committee::new(nodes.len())?,
        context: ContextId::numbered(1),
        epoch: EpochId::numbered(1),
        material: KeyMaterial {
            id: KeyId::numbered(args.key_number),
            public_key_digest: blake3::hash(&set.public_key).as_bytes().into(),
            server_key_digest: blake3::hash(&set.server_key).as_bytes().into(),
            crs_digest: blake3::hash(&set.crs).as_bytes().into(),
            decryption: args.decryption.protocols(),
        },
    };
    let records: Vec<NodeRecord> = nodes.into_iter().map(|node| node.keys).collect();
    let names = DealNames { key: key.material.id, epoch: key.epoch, context: key.context };
    let shares = deal(&secret, &records, names, &mut rand::rngs::OsRng.unwrap_err())?;
    drop(secret);
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    for share in &shares {
        create_new(&args.out.join(share_file(share.names.party)), &share.package)?;
    }
    create_new(&args.out.join(SERVER_KEY_FILE), &set.server_key)?;
    create_new(&args.out.join(PUBLIC_KEY_FILE), &set.public_key)?;
    create_new(&args.out.join(CRS_FILE), &set.crs)?;
    // Last: its presence says that everything is there.
    write_json(&key_file, &key)?;
    println!("  {:5.1} s  done: {}", start.elapsed().as_secs_f32(), args.out.display());
    Ok(())
}

/// Bits of a key as the committee's ring takes them.
fn widened(bits: &[u64]) -> Zeroizing<Vec<u128>> {
    let mut words = Zeroizing::new(Vec::with_capacity(bits.len()));
    words.extend(bits.iter().map(|bit| u128::from(*bit)));
    words
}

/// `tkms keygen import`.
///
/// # Errors
/// If the share is not this node's, or one is there already.
pub fn import(args: &KeygenImportArgs) -> Result<()> {
    let key: DealtKey = read_json(&args.key)?;
    let public: PublicNode = read_json(&args.data_dir.join(NODE_FILE))?;
    let names = key.share_names(public.party_id);
    let keystore = Keystore::new(&args.data_dir);
    let package = std::fs::read(&args.share).with_context(|| args.share.display().to_string())?;
    keystore.store_share(&names, &package)?;
    // Opened once now, so that a wrong file shows here and not when the node starts.
    let identity = keystore.identity(&read_passphrase(&args.passphrase_file)?)?;
    keystore.share(&names, &identity)?;
    println!(
        "{}: share of key {} stored in {}",
        public.party_id,
        key.material.id,
        keystore.share_path(&names).display()
    );
    Ok(())
}

/// Public records in party order.
///
/// # Errors
/// If one cannot be read or stands in the wrong place.
pub fn read_nodes<P: AsRef<Path>>(files: &[P]) -> Result<Vec<PublicNode>> {
    let mut nodes: Vec<PublicNode> = Vec::with_capacity(files.len());
    for (position, file) in files.iter().enumerate() {
        let node: PublicNode = read_json(file.as_ref())?;
        if node.party_id.index() != position {
            bail!("{} is {}, but stands in place {}", file.as_ref().display(), node.party_id, position + 1);
        }
        nodes.push(node);
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests;
