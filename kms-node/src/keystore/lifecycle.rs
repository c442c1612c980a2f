//! The six states of a key (NIST SP 800-57 part 1, section 7) and which of them may decrypt.

use std::fmt;

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyState {
    /// Made, not yet in use.
    PreActivation = 1,
    /// In use.
    Active = 2,
    /// Out of use for a time.
    Suspended = 3,
    /// Nothing new is encrypted under it; what is there may still be decrypted.
    Deactivated = 4,
    /// Somebody else may know it.
    Compromised = 5,
    /// Its shares are erased.
    Destroyed = 6,
}

impl KeyState {
    const ALL: [Self; 6] =
        [Self::PreActivation, Self::Active, Self::Suspended, Self::Deactivated, Self::Compromised, Self::Destroyed];

    /// The state with this number, as the node's store keeps it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// Whether a ciphertext under a key in this state may be decrypted.
    #[must_use]
    pub const fn may_decrypt(self) -> bool {
        matches!(self, Self::Active | Self::Deactivated)
    }

    /// Whether a key may go from this state to another (SP 800-57 figure 3): never back into use from
    /// deactivated, compromised or destroyed.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::PreActivation => !matches!(next, Self::PreActivation | Self::Deactivated),
            Self::Active => matches!(next, Self::Suspended | Self::Deactivated | Self::Compromised),
            Self::Suspended => matches!(next, Self::Active | Self::Deactivated | Self::Compromised | Self::Destroyed),
            Self::Deactivated => matches!(next, Self::Compromised | Self::Destroyed),
            Self::Compromised => matches!(next, Self::Destroyed),
            Self::Destroyed => false,
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreActivation => "pre-activation",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
            Self::Compromised => "compromised",
            Self::Destroyed => "destroyed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_and_deactivated_keys_decrypt() {
        let may: Vec<_> = KeyState::ALL.into_iter().filter(|state| state.may_decrypt()).collect();
        assert_eq!(may, [KeyState::Active, KeyState::Deactivated]);
    }

    #[test]
    fn no_key_comes_back_from_its_end() {
        for from in [KeyState::Deactivated, KeyState::Compromised, KeyState::Destroyed] {
            assert!(!from.may_become(KeyState::Active) && !from.may_become(KeyState::Suspended), "{from}");
        }
        assert!(KeyState::ALL.into_iter().all(|next| !KeyState::Destroyed.may_become(next)));
        assert!(KeyState::ALL.into_iter().all(|state| !state.may_become(state)));
    }

    #[test]
    fn numbers_round_trip_and_others_are_no_state() {
        assert!(KeyState::ALL.into_iter().all(|state| KeyState::from_number(state as u8) == Some(state)));
        assert!([0, 7, 255].into_iter().all(|number| KeyState::from_number(number).is_none()));
    }
}
