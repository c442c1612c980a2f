//! Mask keys of an epoch, made by the nodes among themselves (`docs/protocol/prss-setup.md`), sealed to this node.
//!
//! ```text
//! "TKMSPRS" ‖ u8 version 1 ‖ u8 n ‖ u8 party ‖ epoch id (32) ‖ context id (32) ‖ session of the setup (32) ‖ mask keys
//! ```
//!
//! A setup leaves them *pending*; they are *active* once 2t + 1 nodes hold those of the same setup
//! (`docs/protocol/sessions.md`). Active ones are never overwritten; pending ones that lost are.

use super::{Keystore, KeystoreError, NodeIdentity, file, opening};
use std::fmt;
use std::path::PathBuf;
use tkms_mpc::prss::PrssKeys;
use tkms_types::{Committee, ContextId, EpochId, PartyId, SessionId};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"TKMSPRS\x01";
/// Bytes of a session.
const SESSION: usize = 32;

/// The names mask keys are valid under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskNames {
    /// n.
    pub committee: Committee,
    /// Whose.
    pub party: PartyId,
    /// Of which epoch.
    pub epoch: EpochId,
    /// Whose committee.
    pub context: ContextId,
}

/// Mask keys and the setup that made them. Redacted in `Debug`, zeroed on drop.
pub struct HeldMasks {
    /// The setup.
    pub session: SessionId,
    /// The keys.
    pub keys: PrssKeys,
}

impl fmt::Debug for HeldMasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldMasks({}, {:?})", self.session, self.keys)
    }
}

impl MaskNames {
    fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend([u8::from(self.committee), self.party.number()]);
        header.extend([self.epoch.bytes(), self.context.bytes()].iter().flat_map(|id| id.0));
        header
    }
}

impl Keystore {
    /// Path of the active mask keys of an epoch.
    #[must_use]
    pub fn masks_path(&self, names: &MaskNames) -> PathBuf {
        self.dir.join("shares").join(format!("masks-{:x}.age", names.epoch.bytes()))
    }

    fn pending_path(&self, names: &MaskNames) -> PathBuf {
        self.dir.join("shares").join(format!("masks-{:x}.pending.age", names.epoch.bytes()))
    }

    /// The mask keys in force; `None` if there are none yet.
    ///
    /// # Errors
    /// [`KeystoreError::Damaged`] for a torn or altered file or one with other names, [`KeystoreError::Passphrase`] for
    /// another node's.
    pub fn masks(&self, names: &MaskNames, identity: &NodeIdentity) -> Result<Option<HeldMasks>, KeystoreError> {
        read(self.masks_path(names), names, identity)
    }

    /// Mask keys that are not in force yet.
    ///
    /// # Errors
    /// As [`Self::masks`].
    pub fn pending_masks(
        &self,
        names: &MaskNames,
        identity: &NodeIdentity,
    ) -> Result<Option<HeldMasks>, KeystoreError> {
        read(self.pending_path(names), names, identity)
    }

    /// Keeps mask keys as pending, in the place of other pending ones.
    ///
    /// # Errors
    /// [`KeystoreError`] if they cannot be sealed or written.
    pub fn store_pending_masks(
        &self,
        names: &MaskNames,
        held: &HeldMasks,
        identity: &NodeIdentity,
    ) -> Result<(), KeystoreError> {
        let (header, keys) = (names.header(), held.keys.to_secret_bytes());
        let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + SESSION + keys.len()));
        bytes.extend(&header);
        bytes.extend(held.session.0.0);
        bytes.extend(keys.iter());
        let path = self.pending_path(names);
        file::remove(&path)?;
        file::create(&path, &identity.seal_package(&bytes)?)
    }

    /// Puts the pending mask keys in force.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] if others are in force, [`KeystoreError::Missing`] if none are pending.
    pub fn activate_masks(&self, names: &MaskNames) -> Result<(), KeystoreError> {
        let (pending, active) = (self.pending_path(names), self.masks_path(names));
        file::create(&active, &file::read(&pending)?)?;
        file::remove(&pending)
    }
}

fn read(path: PathBuf, names: &MaskNames, identity: &NodeIdentity) -> Result<Option<HeldMasks>, KeystoreError> {
    let sealed = match file::read(&path) {
        Err(KeystoreError::Missing(_)) => return Ok(None),
        other => other?,
    };
    let bytes = identity.open_package(&sealed).map_err(|error| opening(&path, &error))?;
    from_secret_bytes(&bytes, names).map(Some).map_err(|why| KeystoreError::Damaged { path, why })
}

fn from_secret_bytes(bytes: &[u8], names: &MaskNames) -> Result<HeldMasks, String> {
    let Some(rest) = bytes.strip_prefix(names.header().as_slice()) else {
        return Err("it carries another version, committee, party, epoch or context".to_owned());
    };
    let (session, keys) = rest.split_first_chunk::<SESSION>().ok_or("cut short")?;
    let keys = PrssKeys::from_secret_bytes(keys).map_err(|error| error.to_string())?;
    let owner = keys.owner();
    if owner.party != names.party || owner.committee != names.committee {
        return Err("it belongs to another party".to_owned());
    }
    Ok(HeldMasks { session: SessionId((*session).into()), keys })
}
