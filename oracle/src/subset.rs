//! Which shares a user is served (fhevm-compat §3.7).

/// Shares of a committee are at most this many, so subsets are 16-bit masks.
const MASKS: u32 = 1 << 13;
/// Step through the list of quorums, so that one differs much from the next. Prime and larger than any committee: no
/// number of quorums has it as a factor, so every quorum comes up.
const STRIDE: usize = 271;

/// First everything there is: whoever can correct errors has the most to work with. The official client, however, gives
/// up on one share that it cannot open; asked again, the relayer offers another quorum each time. The first few leave
/// out each node once, so a single bad share costs at most four more tries; then all quorums come up.
#[must_use]
pub fn served<T>(items: &[T], quorum: usize, asked_again: u32) -> Vec<&T> {
    let spare = items.len().saturating_sub(quorum);
    let Some(turn) = (asked_again as usize).checked_sub(1).filter(|_| spare > 0) else { return items.iter().collect() };
    let windows = items.len().div_ceil(spare);
    let chosen = |index: usize| match turn.checked_sub(windows) {
        None => !(0..spare).any(|offset| (turn * spare + offset) % items.len() == index),
        Some(turn) => subset(items.len(), quorum, turn) >> index & 1 == 1,
    };
    let kept: Vec<bool> = (0..items.len()).map(chosen).collect();
    items.iter().zip(kept).filter(|(_, kept)| *kept).map(|(item, _)| item).collect()
}

/// One of the quorums of `count` nodes, as a mask.
fn subset(count: usize, quorum: usize, turn: usize) -> u32 {
    let limit = u32::try_from(count).ok().and_then(|count| 1u32.checked_shl(count)).unwrap_or(MASKS).min(MASKS);
    let subsets: Vec<u32> = (0..limit).filter(|mask| mask.count_ones() as usize == quorum).collect();
    let position = turn.wrapping_mul(STRIDE).checked_rem(subsets.len()).unwrap_or(0);
    subsets.get(position).copied().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Tries until a set comes without any of the bad ones.
    fn tries(count: u8, quorum: usize, bad: &[u8]) -> u32 {
        let items: Vec<u8> = (0..count).collect();
        (0..).find(|turn| served(&items, quorum, *turn).iter().all(|item| !bad.contains(item))).unwrap()
    }

    #[test]
    fn first_all_shares_are_served() {
        assert_eq!(served(&[1, 2, 3, 4], 3, 0), [&1, &2, &3, &4]);
    }

    #[test]
    fn asked_again_every_quorum_comes_up_and_each_node_is_left_out_once() {
        let items = [1, 2, 3, 4];
        let subsets: BTreeSet<Vec<&i32>> = (1..=4).map(|turn| served(&items, 3, turn)).collect();
        assert_eq!(subsets.len(), 4);
        for left_out in &items {
            assert!(subsets.iter().any(|subset| !subset.contains(&left_out) && subset.len() == 3));
        }
        let again: BTreeSet<Vec<&i32>> = (5..=8).map(|turn| served(&items, 3, turn)).collect();
        assert_eq!(again, subsets);
    }

    #[test]
    fn one_bad_node_costs_at_most_four_more_tries_in_any_committee() {
        for (count, quorum) in [(4, 3), (7, 5), (10, 7), (13, 9)] {
            for bad in 0..count {
                assert!((1..=4).contains(&tries(count, quorum, &[bad])), "{bad} of {count}");
            }
        }
    }

    #[test]
    fn whatever_t_nodes_are_bad_a_quorum_without_them_comes_up() {
        for first in 0..10 {
            assert!(tries(13, 9, &[first, first + 1, first + 2, first + 3]) <= 4 + 715);
        }
        assert!(tries(13, 9, &[0, 4, 8, 12]) <= 4 + 715);
        for bad in [[0, 1], [0, 6], [2, 5]] {
            assert!(tries(7, 5, &bad) <= 4 + 21, "{bad:?}");
        }
    }

    #[test]
    fn a_bare_quorum_is_never_cut() {
        for turn in 0..9 {
            assert_eq!(served(&[1, 2, 3], 3, turn).len(), 3);
        }
    }

    #[test]
    fn the_largest_committee_is_served_every_quorum() {
        let items: Vec<u8> = (1..=13).collect();
        let sets: BTreeSet<Vec<&u8>> = (5..5 + 715).map(|turn| served(&items, 9, turn)).collect();
        assert_eq!(sets.len(), 715);
        assert!(sets.iter().all(|set| set.len() == 9));
        assert_eq!(served(&items, 9, u32::MAX).len(), 9);
    }

    #[test]
    fn a_committee_of_one_serves_its_one_share() {
        assert_eq!(served(&[7], 1, 3), [&7]);
    }
}
