//! Is the node's store the one its peers last saw? (`docs/protocol/sessions.md`, "Old stores")

use crate::rounds::Counters;
use std::fmt;
use tkms_types::Committee;

/// What the peers' memory says about our store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Too few peers have said what they saw: nothing is taken from the stock.
    Unconfirmed {
        /// Peers that have.
        heard: usize,
        /// Peers that have to.
        needed: usize,
    },
    /// The store is older than what t + 1 peers saw of us: nothing is taken and no batch begun until it is given up.
    RolledBack {
        /// On our disk.
        ours: Counters,
        /// What t + 1 peers saw at least.
        seen: Counters,
    },
    /// Nothing speaks against it.
    Confirmed,
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfirmed { heard, needed } => {
                write!(f, "stock unconfirmed: {heard} of {needed} peers have said what they last saw of this node")
            }
            Self::RolledBack { ours, seen } => write!(
                f,
                "rolled back: the store has begun {} batches and taken {} items, peers saw {} and {}",
                ours.begun, ours.taken, seen.begun, seen.taken
            ),
            Self::Confirmed => f.write_str("confirmed"),
        }
    }
}

/// Judges by what each peer has said since our start.
///
/// A claim counts if t + 1 peers support it, so that t liars cannot void a stock. n − 1 − t peers have to speak: as many
/// as answer when t are dead.
#[must_use]
pub fn judge(committee: Committee, ours: Counters, claims: &[Counters]) -> Trust {
    let faults = committee.threshold().faults();
    let needed = committee.size() - 1 - faults;
    let supported = |of: fn(&Counters) -> u64| {
        let mut sorted: Vec<u64> = claims.iter().map(of).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.get(faults).copied().unwrap_or_default()
    };
    let seen = Counters { begun: supported(|claim| claim.begun), taken: supported(|claim| claim.taken) };
    if ours.behind(seen) {
        return Trust::RolledBack { ours, seen };
    }
    if claims.len() < needed {
        return Trust::Unconfirmed { heard: claims.len(), needed };
    }
    Trust::Confirmed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begun: u64, taken: u64) -> Counters {
        Counters { begun, taken }
    }

    fn four(ours: Counters, claims: &[Counters]) -> Trust {
        judge(Committee::new(4).unwrap(), ours, claims)
    }

    #[test]
    fn one_liar_of_four_voids_nothing_and_two_peers_do() {
        assert_eq!(four(at(3, 5), &[at(9, 9), at(3, 5), at(3, 4)]), Trust::Confirmed);
        let seen = at(4, 5);
        assert_eq!(four(at(3, 5), &[at(4, 9), at(3, 5), at(4, 4)]), Trust::RolledBack { ours: at(3, 5), seen });
        let seen = at(3, 6);
        assert_eq!(four(at(3, 5), &[at(3, 7), at(3, 6)]), Trust::RolledBack { ours: at(3, 5), seen });
    }

    #[test]
    fn nothing_is_confirmed_before_the_peers_have_spoken() {
        assert_eq!(four(at(0, 0), &[]), Trust::Unconfirmed { heard: 0, needed: 2 });
        assert_eq!(four(at(3, 5), &[at(3, 5)]), Trust::Unconfirmed { heard: 1, needed: 2 });
        assert_eq!(four(at(3, 5), &[at(3, 5), at(0, 0)]), Trust::Confirmed);
        assert_eq!(judge(Committee::new(1).unwrap(), at(0, 0), &[]), Trust::Confirmed);
    }
}
