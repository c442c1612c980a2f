//! The trusted dealer: splits a key that stands in memory into one encrypted package per node.
//!
//! A dealer knows the key, and nothing else: what the nodes need besides, they make among themselves. It is for first deployments and devnets; a distributed key generation takes its place
//! behind the same packages.

use crate::keystore::{KeyShares, NodeRecord, ShareNames, share};
use rand::CryptoRng;
use std::str::FromStr as _;
use tkms_mpc::fault::Misuse;
use tkms_mpc::phase::KeyShare;
use tkms_types::{Committee, CommitteeError, ContextId, EpochId, KeyId, PartyId};
use zeroize::Zeroizing;

/// The names of what is dealt.
#[derive(Clone, Copy, Debug)]
pub struct DealNames {
    /// The key.
    pub key: KeyId,
    /// This sharing of it.
    pub epoch: EpochId,
    /// The committee's context.
    pub context: ContextId,
}

/// What one node gets: bytes only it can open. They go to [`crate::keystore::Keystore::store_share`].
#[derive(Clone, Debug)]
pub struct DealtShare {
    /// The names under which it is stored.
    pub names: ShareNames,
    /// age file to the node's recipient.
    pub package: Vec<u8>,
}

/// The coefficients of a key, each 0 or 1, for the protocols that will decrypt with it.
pub struct KeyBits {
    /// 4096 bits of the squashed key.
    pub flood: Option<Zeroizing<Vec<u128>>>,
    /// 2048 bits of the flattened GLWE key, that of stored ciphertexts.
    pub exact: Option<Zeroizing<Vec<u128>>>,
}

/// Shares a binary LWE key with degree t, one package per node in party order.
///
/// # Errors
/// [`DealError`] if the nodes are no committee, a recipient is malformed, or the key is not binary or for no protocol.
pub fn deal(
    key_bits: &KeyBits,
    nodes: &[NodeRecord],
    names: DealNames,
    rng: &mut impl CryptoRng,
) -> Result<Vec<DealtShare>, DealError> {
    let committee = Committee::new(nodes.len())?;
    if key_bits.flood.is_none() && key_bits.exact.is_none() {
        return Err(DealError::Nothing);
    }
    let mut shared = |bits: &Option<Zeroizing<Vec<u128>>>| match bits {
        None => Ok(committee.parties().map(|_| None).collect::<Vec<_>>()),
        Some(bits) => KeyShare::deal(bits, committee, rng).map(|shares| shares.into_iter().map(Some).collect()),
    };
    let (flood, exact) = (shared(&key_bits.flood)?, shared(&key_bits.exact)?);
    let parties = committee.parties().zip(nodes).zip(flood.into_iter().zip(exact));
    parties
        .map(|((party, node), (flood, exact))| {
            let share_names =
                ShareNames { committee, party, key: names.key, epoch: names.epoch, context: names.context };
            let recipient =
                age::x25519::Recipient::from_str(&node.recipient).map_err(|why| DealError::Recipient { party, why })?;
            let bytes = share::to_secret_bytes(&KeyShares { flood, exact }, &share_names);
            let package = age::encrypt(&recipient, &bytes).map_err(|error| DealError::Encrypt(error.to_string()))?;
            Ok(DealtShare { names: share_names, package })
        })
        .collect()
}

/// A key that cannot be dealt.
#[derive(Debug, thiserror::Error)]
pub enum DealError {
    /// The number of nodes.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The key or the committee's bound.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// Bits for neither protocol.
    #[error("a key is dealt for flood, for exact, or for both")]
    Nothing,
    /// No age recipient.
    #[error("recipient of {party}: {why}")]
    Recipient {
        /// Whose.
        party: PartyId,
        /// What is wrong.
        why: &'static str,
    },
    /// Encryption failed.
    #[error("cannot encrypt: {0}")]
    Encrypt(String),
}
