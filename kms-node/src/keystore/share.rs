//! A share package: what the dealer gives one node, with every name it is valid under.
//!
//! ```text
//! "TKMSSHR" ‖ u8 version 3 ‖ u8 n ‖ u8 party ‖ key id (32) ‖ epoch id (32) ‖ context id (32)
//!   then once or twice, in this order of protocols: u8 protocol (1 flood, 2 exact) ‖ u32 length ‖ key share
//! ```
//!
//! Integers little-endian. Version 1 carried mask keys as well: a dealer knew them; the nodes make them among themselves
//! (`super::masks`). Version 2 carried the key of `flood` alone, without saying so.

use std::fmt;
use tkms_mpc::phase::KeyShare;
use tkms_types::transcript::Protocol;
use tkms_types::{Committee, ContextId, EpochId, KeyId, PartyId};
use zeroize::Zeroizing;

const MAGIC: &[u8; 7] = b"TKMSSHR";
const VERSION: u8 = 3;
/// Bytes before a share: protocol, length.
const PREFIX: usize = 5;

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

/// One node's shares of one key, by the protocol that decrypts with them. Zeroed on drop, redacted in `Debug`.
#[derive(Default)]
pub struct KeyShares {
    /// Of the squashed key.
    pub flood: Option<KeyShare>,
    /// Of the key of stored ciphertexts.
    pub exact: Option<KeyShare>,
}

impl fmt::Debug for KeyShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShares(flood: {}, exact: {}, redacted)", self.flood.is_some(), self.exact.is_some())
    }
}

impl KeyShares {
    /// The share a protocol decrypts with.
    #[must_use]
    pub fn of(self, protocol: Protocol) -> Option<KeyShare> {
        match protocol {
            Protocol::Flood => self.flood,
            Protocol::Exact => self.exact,
        }
    }

    const fn place(&mut self, protocol: Protocol) -> &mut Option<KeyShare> {
        match protocol {
            Protocol::Flood => &mut self.flood,
            Protocol::Exact => &mut self.exact,
        }
    }

    fn parts(&self) -> impl Iterator<Item = (Protocol, &KeyShare)> {
        let parts = [(Protocol::Flood, self.flood.as_ref()), (Protocol::Exact, self.exact.as_ref())];
        parts.into_iter().filter_map(|(protocol, share)| Some((protocol, share?)))
    }
}

impl ShareNames {
    fn header(&self) -> Vec<u8> {
        let ids = [self.key.bytes(), self.epoch.bytes(), self.context.bytes()];
        let mut header = MAGIC.to_vec();
        header.extend([VERSION, u8::from(self.committee), self.party.number()]);
        header.extend(ids.iter().flat_map(|id| id.0));
        header
    }
}

/// The package before it is encrypted.
pub(crate) fn to_secret_bytes(shares: &KeyShares, names: &ShareNames) -> Zeroizing<Vec<u8>> {
    let header = names.header();
    let parts: Vec<_> = shares.parts().map(|(protocol, share)| (protocol, share.to_secret_bytes())).collect();
    let size: usize = parts.iter().map(|(_, share)| PREFIX + share.len()).sum();
    // with its whole capacity: growing would leave copies of shares behind
    let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + size));
    bytes.extend(&header);
    for (protocol, share) in &parts {
        bytes.push(*protocol as u8);
        bytes.extend((share.len() as u32).to_le_bytes());
        bytes.extend(share.iter());
    }
    bytes
}

/// Reads a package and refuses every name but the given ones.
pub(super) fn from_secret_bytes(bytes: &[u8], names: &ShareNames) -> Result<KeyShares, String> {
    match bytes.strip_prefix(MAGIC) {
        Some([VERSION, ..]) => {}
        Some([other, ..]) => {
            return Err(format!("it is a package of version {other}, this build reads {VERSION}: deal the key again"));
        }
        _ => return Err("it is no share package".to_owned()),
    }
    let Some(mut rest) = bytes.strip_prefix(names.header().as_slice()) else {
        return Err("it carries another committee, party, key, epoch or context".to_owned());
    };
    let mut shares = KeyShares::default();
    let mut least = Protocol::Flood as u8;
    while !rest.is_empty() {
        let ([number, length @ ..], after) = rest.split_first_chunk::<PREFIX>().ok_or("it is cut short")?;
        let protocol = [Protocol::Flood, Protocol::Exact].into_iter().find(|protocol| *protocol as u8 == *number);
        let protocol = protocol.filter(|_| *number >= least).ok_or("its shares are of no known protocol or order")?;
        least = number + 1;
        let length = u32::from_le_bytes(*length) as usize;
        let (share, next) = after.split_at_checked(length).ok_or("it is cut short")?;
        let share = KeyShare::from_secret_bytes(share).map_err(|error| error.to_string())?;
        let owner = share.owner();
        if owner.party != names.party || owner.committee != names.committee {
            return Err("it belongs to another party".to_owned());
        }
        *shares.place(protocol) = Some(share);
        rest = next;
    }
    if shares.parts().next().is_none() {
        return Err("it holds no share".to_owned());
    }
    Ok(shares)
}
