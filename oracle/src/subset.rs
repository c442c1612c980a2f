//! Which shares a user is served (fhevm-compat §3.7).

/// Shares of a committee are at most this many, so subsets are 16-bit masks.
const MASKS: u32 = 1 << 13;

/// First everything there is: whoever can correct errors has the most to work with. The official client, however, gives
/// up on one share that it cannot open; asked again, the relayer offers another quorum each time until all were offered.
#[must_use]
pub fn served<T>(items: &[T], quorum: usize, asked_again: u32) -> Vec<&T> {
    let all = || items.iter().collect();
    let Some(turn) = asked_again.checked_sub(1).filter(|_| items.len() > quorum) else { return all() };
    let limit =
        1u32.checked_shl(u32::try_from(items.len()).unwrap_or(u32::MAX)).map_or(MASKS, |limit| limit.min(MASKS));
    let subsets: Vec<u32> = (0..limit).filter(|mask| mask.count_ones() as usize == quorum).collect();
    let position = (turn as usize).checked_rem(subsets.len());
    let Some(mask) = position.and_then(|position| subsets.get(position)) else { return all() };
    items.iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1).map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
        assert_eq!(served(&items, 3, 5), served(&items, 3, 1));
    }

    #[test]
    fn a_bare_quorum_is_never_cut() {
        for turn in 0..9 {
            assert_eq!(served(&[1, 2, 3], 3, turn).len(), 3);
        }
    }

    #[test]
    fn the_largest_committee_is_served_quorums() {
        let items: Vec<u8> = (1..=13).collect();
        for turn in [1, 2, 715, 716, u32::MAX] {
            assert_eq!(served(&items, 9, turn).len(), 9);
        }
    }

    #[test]
    fn a_committee_of_one_serves_its_one_share() {
        assert_eq!(served(&[7], 1, 3), [&7]);
    }
}
