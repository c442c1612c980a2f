//! A share package: what the dealer gives one node, with every name it is valid under.
//!
//! ```text
//! "TKMSSHR" ‖ u8 version 1 ‖ u8 n ‖ u8 party ‖ key id (32) ‖ epoch id (32) ‖ context id (32)
//!   ‖ u32 length, little-endian ‖ key share ‖ mask keys
//! ```

use std::fmt;
use tkms_mpc::phase::KeyShare;
use tkms_mpc::prss::PrssKeys;
use tkms_types::{Committee, ContextId, EpochId, KeyId, PartyId};
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"TKMSSHR\x01";

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

/// One party's secrets for one key in one epoch. Redacted in `Debug`; its parts are zeroed on drop.
pub struct PartySecrets {
    /// Shares of the LWE key.
    pub key: KeyShare,
    /// Keys of the flooding masks.
    pub masks: PrssKeys,
}

impl fmt::Debug for PartySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartySecrets({}, redacted)", self.key.owner())
    }
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

impl PartySecrets {
    /// The package before it is encrypted.
    pub(crate) fn to_secret_bytes(&self, names: &ShareNames) -> Zeroizing<Vec<u8>> {
        let (header, key, masks) = (names.header(), self.key.to_secret_bytes(), self.masks.to_secret_bytes());
        let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + 4 + key.len() + masks.len()));
        bytes.extend(&header);
        // MAX_DIMENSION elements of 64 bytes: far below 2³²
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend(key.iter());
        bytes.extend(masks.iter());
        bytes
    }

    /// Reads a package and refuses every name but the given ones.
    pub(super) fn from_secret_bytes(bytes: &[u8], names: &ShareNames) -> Result<Self, String> {
        let header = names.header();
        let Some(rest) = bytes.strip_prefix(header.as_slice()) else {
            return Err("it carries another version, committee, party, key, epoch or context".to_owned());
        };
        let (length, rest) = rest.split_first_chunk::<4>().ok_or("cut short")?;
        let (key, masks) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("cut short")?;
        let key = KeyShare::from_secret_bytes(key).map_err(|error| error.to_string())?;
        let masks = PrssKeys::from_secret_bytes(masks).map_err(|error| error.to_string())?;
        let owners = [key.owner(), masks.owner()];
        if owners.iter().any(|owner| owner.party != names.party || owner.committee != names.committee) {
            return Err("its parts belong to another party".to_owned());
        }
        Ok(Self { key, masks })
    }
}
