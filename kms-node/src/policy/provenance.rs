//! Checks 18 and 19: a quorum of coprocessors says which bytes a handle stands for.

use super::Admitted;
use crate::recover::recover;
use crate::refusal::Refusal;
use crate::request::Request;
use alloy_primitives::B256;
use std::collections::BTreeMap;
use tkms_types::{FheType, Handle, HostChain};
use tkms_wire::material::{Format, Material, material_digest};

/// The bytes of one handle, attested by a quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The ciphertext.
    pub handle: Handle,
    /// Its type.
    pub kind: FheType,
    /// Arithmetic that made the bytes.
    pub profile: B256,
    /// BLAKE3-256 of the bytes.
    pub digest: B256,
    /// Which members signed: bit i is member i of the set.
    pub signers: u64,
}

/// Checks 18 and 19 but for the pins, which the node's store keeps: one entry per distinct handle, of the bytes that
/// the protocol in force decrypts.
///
/// # Errors
/// [`Refusal`] naming the handle.
pub fn attested(
    request: &Request,
    admitted: &Admitted,
    host: &HostChain,
    format: Format,
) -> Result<BTreeMap<Handle, Attested>, Refusal> {
    let mut found = BTreeMap::new();
    for (handle, kind) in &admitted.handles {
        if found.contains_key(handle) {
            continue;
        }
        let named = |material: &&Material| material.handle == *handle && material.format == format;
        let material = request.materials.iter().find(named).ok_or(Refusal::MaterialMissing(*handle))?;
        found.insert(*handle, judge(material, *kind, host)?);
    }
    Ok(found)
}

fn judge(material: &Material, kind: FheType, host: &HostChain) -> Result<Attested, Refusal> {
    let (handle, profile) = (material.handle, material.profile);
    if !host.coprocessors.profiles.contains(&profile) {
        return Err(Refusal::ProfileUnknown { handle, profile });
    }
    let signers = signers(material, host);
    let (found, needed) = (signers.count_ones() as usize, usize::from(host.coprocessors.quorum));
    if found < needed {
        return Err(Refusal::MaterialQuorum { handle, found, needed });
    }
    let expected = material.format.encoded_len(kind).unwrap_or_default() as u64;
    if material.size != expected {
        return Err(Refusal::MaterialSize { handle, kind, found: material.size, expected });
    }
    Ok(Attested { handle, kind, profile, digest: material.digest, signers })
}

/// Distinct members that signed, as a bit mask. Repeated signatures are dropped before any recovery.
fn signers(material: &Material, host: &HostChain) -> u64 {
    let digest = material_digest(material, host);
    let members = &host.coprocessors.members;
    let distinct = material.signatures.iter().enumerate();
    let distinct = distinct.filter(|(at, signature)| !material.signatures.iter().take(*at).any(|s| s == *signature));
    distinct
        .take(members.len())
        .filter_map(|(_, signature)| recover(digest, signature))
        .filter_map(|signer| members.iter().position(|member| *member == signer))
        .filter(|position| *position < u64::BITS as usize)
        .fold(0, |mask, position| mask | 1 << position)
}
