//! A node that was absent when the mask keys were made gets them from its peers, each from those that share it.
//!
//! A peer gives a node the keys of the subsets both are in, which are the node's by right. A key counts if t + 1
//! members of its subset say the same: one of them is honest.

use tkms_mpc::fault::Owner;
use tkms_mpc::prss::PrssKeys;
use tkms_types::{Committee, PartyId};
use zeroize::Zeroizing;

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of stored mask keys before the first key: version, n, party.
const HEADER: usize = 3;
/// Version of stored mask keys.
const VERSION: u8 = 1;

/// What a peer says: the keys of the subsets both are in, ascending.
pub type Told = (PartyId, Zeroizing<Vec<u8>>);

/// Subsets of n − t parties that have all of these members, as bit masks, ascending.
fn subsets(committee: Committee, members: &[PartyId]) -> Vec<u16> {
    let size = committee.size() - committee.threshold().faults();
    let all = 0..1u16 << committee.size();
    let has = |subset: u16, party: &PartyId| subset >> party.index() & 1 == 1;
    all.filter(|subset| subset.count_ones() as usize == size && members.iter().all(|party| has(*subset, party)))
        .collect()
}

/// The keys of ours that a peer is entitled to as well.
#[must_use]
pub fn shared_with(keys: &PrssKeys, peer: PartyId) -> Zeroizing<Vec<u8>> {
    let Owner { party, committee } = keys.owner();
    let (bytes, shared) = (keys.to_secret_bytes(), subsets(committee, &[party, peer]));
    let mut found = Zeroizing::new(Vec::with_capacity(shared.len() * KEY));
    let own = bytes.get(HEADER..).unwrap_or_default().chunks_exact(KEY);
    for (subset, key) in subsets(committee, &[party]).into_iter().zip(own) {
        if shared.contains(&subset) {
            found.extend(key);
        }
    }
    found
}

/// Puts together what peers say. On failure: for how many of our subsets no t + 1 members say the same.
///
/// # Errors
/// The number of keys that lack support.
pub fn combine(owner: Owner, told: &[Told]) -> Result<PrssKeys, usize> {
    let Owner { party, committee } = owner;
    let own = subsets(committee, &[party]);
    let of_peer = |(peer, bytes): &Told| {
        let shared = subsets(committee, &[party, *peer]);
        let well_formed = *peer != party && bytes.len() == shared.len() * KEY;
        (shared, bytes.clone(), well_formed)
    };
    let lists: Vec<_> = told.iter().map(of_peer).filter(|(.., well_formed)| *well_formed).collect();
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + own.len() * KEY));
    bytes.extend([VERSION, u8::from(committee), party.number()]);
    let mut lacking = 0;
    for subset in &own {
        let said: Vec<&[u8]> = lists
            .iter()
            .filter_map(|(shared, bytes, _)| {
                let place = shared.iter().position(|other| other == subset)?;
                bytes.get(place * KEY..(place + 1) * KEY)
            })
            .collect();
        let support = |key: &&&[u8]| said.iter().filter(|other| other == key).count() > committee.threshold().faults();
        match said.iter().find(support) {
            Some(key) => bytes.extend(*key),
            None => lacking += 1,
        }
    }
    if lacking > 0 {
        return Err(lacking);
    }
    PrssKeys::from_secret_bytes(&bytes).map_err(|_| own.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    fn dealt(n: usize) -> Vec<PrssKeys> {
        PrssKeys::deal(Committee::new(n).unwrap(), &mut ChaCha20Rng::seed_from_u64(3)).unwrap()
    }

    fn told(keys: &[PrssKeys], to: PartyId, by: &[usize]) -> Vec<Told> {
        by.iter().map(|index| (keys[*index].owner().party, shared_with(&keys[*index], to))).collect()
    }

    #[test]
    fn the_others_give_a_node_back_exactly_its_keys() {
        for (n, by) in [(4, vec![0, 1, 3]), (7, vec![0, 1, 3, 4, 5, 6])] {
            let keys = dealt(n);
            let owner = keys[2].owner();
            let back = combine(owner, &told(&keys, owner.party, &by)).unwrap();
            assert_eq!(back.to_secret_bytes(), keys[2].to_secret_bytes());
        }
    }

    #[test]
    fn a_key_without_t_plus_1_equal_words_is_not_taken() {
        let keys = dealt(4);
        let owner = keys[2].owner();
        assert_eq!(
            combine(owner, &told(&keys, owner.party, &[0, 1])).unwrap_err(),
            2,
            "two subsets have node 4 in them"
        );
        let mut lied = told(&keys, owner.party, &[0, 1, 3]);
        lied[0].1[0] ^= 1;
        assert_eq!(combine(owner, &lied).unwrap_err(), 1);
        lied[0].1.pop();
        assert_eq!(combine(owner, &lied).unwrap_err(), 2, "a list of another length is none");
        assert!(combine(owner, &[]).is_err());
    }

    #[test]
    fn t_liars_do_not_outvote_t_plus_1_honest_members() {
        let keys = dealt(7);
        let owner = keys[2].owner();
        let mut lied = told(&keys, owner.party, &[0, 1, 3, 4, 5, 6]);
        for byte in lied[0].1.iter_mut() {
            *byte ^= 1;
        }
        let back = combine(owner, &lied).unwrap();
        assert_eq!(back.to_secret_bytes(), keys[2].to_secret_bytes());
    }

    #[test]
    fn a_peer_is_told_no_key_of_a_subset_it_is_not_in() {
        let keys = dealt(4);
        for peer in [0usize, 1, 3] {
            let shared = shared_with(&keys[2], keys[peer].owner().party);
            let theirs = keys[peer].to_secret_bytes();
            assert_eq!(shared.len(), 2 * KEY);
            assert!(shared.chunks(KEY).all(|key| theirs.windows(KEY).any(|own| own == key)));
        }
    }
}
