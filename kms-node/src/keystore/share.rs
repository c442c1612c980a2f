//! A share package: what the dealer gives one node, with every name it is valid under.
//!
//! ```text
//! "TKMSSHR" ‖ u8 version 2 ‖ u8 n ‖ u8 party ‖ key id (32) ‖ epoch id (32) ‖ context id (32) ‖ key share
//! ```
//!
//! Version 1 carried mask keys as well: a dealer knew them. The nodes make them among themselves (`super::masks`).

use tkms_mpc::phase::KeyShare;
use tkms_types::{Committee, ContextId, EpochId, KeyId, PartyId};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"TKMSSHR\x02";

/// The names a share is valid under (DESIGN.md D14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareNames {
    /// n.
    pub committee: Committee,
    /// Whose.
    pub party: PartyId,
    /// Which key.
    pub key: KeyId,
    /// Which sharing of it.
    pub epoch: EpochId,
    /// Whose committee.
    pub context: ContextId,
}

impl ShareNames {
    fn header(&self) -> Vec<u8> {
        let ids = [self.key.bytes(), self.epoch.bytes(), self.context.bytes()];
        let mut header = MAGIC.to_vec();
        header.extend([u8::from(self.committee), self.party.number()]);
        header.extend(ids.iter().flat_map(|id| id.0));
        header
    }
}

/// The package before it is encrypted.
pub(crate) fn to_secret_bytes(key: &KeyShare, names: &ShareNames) -> Zeroizing<Vec<u8>> {
    let (header, key) = (names.header(), key.to_secret_bytes());
    let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + key.len()));
    bytes.extend(&header);
    bytes.extend(key.iter());
    bytes
}

/// Reads a package and refuses every name but the given ones.
pub(super) fn from_secret_bytes(bytes: &[u8], names: &ShareNames) -> Result<KeyShare, String> {
    let header = names.header();
    let Some(key) = bytes.strip_prefix(header.as_slice()) else {
        return Err("it carries another version, committee, party, key, epoch or context".to_owned());
    };
    let key = KeyShare::from_secret_bytes(key).map_err(|error| error.to_string())?;
    let owner = key.owner();
    if owner.party != names.party || owner.committee != names.committee {
        return Err("it belongs to another party".to_owned());
    }
    Ok(key)
}
