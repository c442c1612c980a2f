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
    /// The store is older than what this node has signed: nothing is taken and no batch begun until it is given up.
    RolledBack {
        /// On our disk.
        ours: Counters,
        /// What peers show with its signature.
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
                "rolled back: the store has begun {} batches and taken {} items, peers show its signature on {} and {}",
                ours.begun, ours.taken, seen.begun, seen.taken
            ),
            Self::Confirmed => f.write_str("confirmed"),
        }
    }
}

/// Judges by what each peer has shown, since our start, that we have signed.
///
/// Nobody else can sign it, so one peer is enough: t liars can hide a mark and invent none. n − 1 − t peers have to speak:
/// as many as answer when t are dead. t of them may lie, so t others, of which one at least is enough, tell what they saw.
#[must_use]
pub fn judge(committee: Committee, ours: Counters, claims: &[Counters]) -> Trust {
    let needed = committee.size() - 1 - committee.threshold().faults();
    let seen = claims.iter().fold(Counters::default(), |seen, claim| seen.highest(*claim));
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
    fn one_honest_peer_is_enough_whatever_the_others_hide() {
        let seen = at(9, 5);
        let old = Trust::RolledBack { ours: at(3, 5), seen };
        assert_eq!(four(at(3, 5), &[at(0, 0), seen]), old, "a liar answers before a slow honest peer does");
        assert_eq!(four(at(3, 5), &[seen]), old);
        let seen = at(3, 6);
        assert_eq!(four(at(3, 5), &[at(0, 0), at(0, 0), seen]), Trust::RolledBack { ours: at(3, 5), seen });
        assert_eq!(four(at(3, 5), &[at(3, 5), at(2, 5), at(3, 4)]), Trust::Confirmed);
    }

    #[test]
    fn nothing_is_confirmed_before_the_peers_have_spoken() {
        assert_eq!(four(at(0, 0), &[]), Trust::Unconfirmed { heard: 0, needed: 2 });
        assert_eq!(four(at(3, 5), &[at(3, 5)]), Trust::Unconfirmed { heard: 1, needed: 2 });
        assert_eq!(four(at(3, 5), &[at(3, 5), at(0, 0)]), Trust::Confirmed);
        assert_eq!(judge(Committee::new(1).unwrap(), at(0, 0), &[]), Trust::Confirmed);
    }
}
