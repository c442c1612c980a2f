//! Ten thousand damaged bundles of evidence, half of them damaged in their structure: each is refused or proves the same facts in
//! the same block. `MERKLE_ACL_MUTATIONS` and `MERKLE_ACL_SEED` ask for more, or for the same again.

use crate::common::{Chain, Dice, setting};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use merkle_acl::{AclBlock, AclEvidence, AclLayout, AclProof, Fact, Grant, SlotProof, VerifiedFacts, keys};

const USER: Address = Address::repeat_byte(0x22);

/// Everything a request carries about one block, and what it claims.
#[derive(Clone)]
struct Bundle {
    evidence: AclEvidence,
    proofs: Vec<AclProof>,
    wanted: Vec<Fact>,
}

fn grant(i: u64) -> Grant {
    let handle = keccak256(i.to_be_bytes());
    if i % 3 == 2 { Grant::Public { handle } } else { Grant::Persistent { handle, account: USER } }
}

fn chain(n: u64) -> Chain {
    let mut chain = Chain::busy(AclLayout::Range);
    (0..n).for_each(|i| {
        chain.append(grant(i));
    });
    chain
}

impl Bundle {
    fn honest(chain: &Chain) -> Self {
        let by_path = [0, 2, 7, 9, 12].map(grant);
        let wanted = by_path.into_iter().chain([grant(4)]).map(Fact::Granted);
        let others = [Fact::NotDenied(USER), Fact::PermitStands { account: USER, start: 5 }];
        let slots = [grant(4).slot(), keys::denied(USER), keys::invalidated_before(USER)];
        let proofs = by_path.map(|grant| chain.path(grant)).into_iter();
        Self {
            evidence: chain.block(),
            proofs: proofs.chain(slots.map(|slot| chain.slot(slot))).collect(),
            wanted: wanted.chain(others).collect(),
        }
    }

    fn verdict(&self, chain: &Chain) -> Option<VerifiedFacts> {
        AclBlock::verify(&self.evidence, &chain.acl).ok()?.facts(&self.proofs, &self.wanted).ok()
    }

    fn slot_proofs(&mut self) -> Vec<&mut SlotProof> {
        let given = self.proofs.iter_mut().filter_map(|proof| match proof {
            AclProof::Slot(proof) => Some(proof),
            AclProof::Path { .. } => None,
        });
        self.evidence.slots.iter_mut().chain(given).collect()
    }

    fn paths(&mut self) -> Vec<(&mut Grant, &mut u64, &mut Vec<B256>)> {
        let given = self.proofs.iter_mut().filter_map(|proof| match proof {
            AclProof::Path { grant, path } => Some((grant, &mut path.index, &mut path.path)),
            AclProof::Slot(_) => None,
        });
        given.collect()
    }

    /// Runs `change` on the nodes of the account or of one slot.
    fn change_nodes(&mut self, dice: &mut Dice, change: impl FnOnce(&mut Dice, &mut Vec<Bytes>)) {
        let place = dice.roll(self.slot_proofs().len() + 1);
        match place.checked_sub(1) {
            None => change(dice, &mut self.evidence.account),
            Some(slot) => change(dice, &mut self.slot_proofs()[slot].nodes),
        }
    }

    /// Changes one byte somewhere.
    fn damage(&mut self, dice: &mut Dice) {
        let flip = u8::try_from(dice.roll(255) + 1).unwrap();
        let change = |dice: &mut Dice, bytes: &mut Bytes| {
            let mut changed = bytes.to_vec();
            let place = dice.roll(changed.len());
            changed[place] ^= flip;
            *bytes = changed.into();
        };
        match dice.roll(6) {
            0 => change(dice, &mut self.evidence.header),
            1 | 2 => self.change_nodes(dice, |dice, nodes| {
                let place = dice.roll(nodes.len());
                change(dice, &mut nodes[place]);
            }),
            3 => {
                let mut slots = self.slot_proofs();
                let place = dice.roll(slots.len());
                slots[place].slot.0[dice.roll(32)] ^= flip;
            }
            4 => {
                let mut paths = self.paths();
                let place = dice.roll(paths.len());
                *paths[place].1 ^= 1 << dice.roll(64);
            }
            _ => {
                let mut paths = self.paths();
                let place = dice.roll(paths.len());
                let hashes = &mut paths[place].2;
                if !hashes.is_empty() {
                    let hash = dice.roll(hashes.len());
                    hashes[hash].0[dice.roll(32)] ^= flip;
                }
            }
        }
    }

    /// Changes the order, number or place of parts that are sound in themselves. `other`: the same block's neighbour.
    fn rearrange(&mut self, dice: &mut Dice, other: &Self) {
        match dice.roll(12) {
            0 => self.change_nodes(dice, |dice, nodes| {
                nodes.remove(dice.roll(nodes.len()));
            }),
            1 => self.change_nodes(dice, |dice, nodes| {
                let node = nodes[dice.roll(nodes.len())].clone();
                nodes.insert(dice.roll(nodes.len() + 1), node);
            }),
            2 => self.change_nodes(dice, |dice, nodes| {
                let (a, b) = (dice.roll(nodes.len()), dice.roll(nodes.len()));
                nodes.swap(a, b);
            }),
            3 => self.change_nodes(dice, |dice, nodes| nodes.truncate(dice.roll(nodes.len()))),
            4 => self.swap_between_slots(dice),
            5 => self.rearrange_path(dice),
            6 => {
                self.proofs.remove(dice.roll(self.proofs.len()));
            }
            7 => {
                let proof = self.proofs[dice.roll(self.proofs.len())].clone();
                self.proofs.push(proof);
            }
            8 => {
                self.evidence.slots.remove(dice.roll(self.evidence.slots.len()));
            }
            9 => {
                let place = dice.roll(self.evidence.slots.len());
                let moved = self.evidence.slots.remove(place);
                self.proofs.push(AclProof::Slot(moved));
            }
            10 => self.take_from(dice, other),
            _ => self.claim_more(dice),
        }
    }

    fn swap_between_slots(&mut self, dice: &mut Dice) {
        let mut slots = self.slot_proofs();
        let (a, b) = (dice.roll(slots.len()), dice.roll(slots.len()));
        let (one, two) = (slots[a].clone(), slots[b].clone());
        match dice.roll(3) {
            0 => (slots[a].slot, slots[b].slot) = (two.slot, one.slot),
            1 => (slots[a].nodes, slots[b].nodes) = (two.nodes, one.nodes),
            _ => {
                let place = dice.roll(two.nodes.len());
                let target = dice.roll(one.nodes.len());
                slots[a].nodes[target] = two.nodes[place].clone();
            }
        }
    }

    fn rearrange_path(&mut self, dice: &mut Dice) {
        let mut paths = self.paths();
        let (a, b) = (dice.roll(paths.len()), dice.roll(paths.len()));
        let (index, hashes) = (*paths[b].1, paths[b].2.clone());
        let own = &mut paths[a];
        match dice.roll(6) {
            0 => *own.1 = index,
            1 => *own.2 = hashes,
            2 => (*own.1, *own.2) = (index, hashes),
            3 => own.2.truncate(dice.roll(own.2.len() + 1)),
            4 => own.2.extend(hashes),
            _ if !own.2.is_empty() => {
                let (x, y) = (dice.roll(own.2.len()), dice.roll(own.2.len()));
                own.2.swap(x, y);
            }
            _ => {}
        }
    }

    /// Puts in a part of another block's sound evidence.
    fn take_from(&mut self, dice: &mut Dice, other: &Self) {
        match dice.roll(4) {
            0 => self.evidence.account.clone_from(&other.evidence.account),
            1 => {
                let place = dice.roll(other.evidence.slots.len());
                let taken = &other.evidence.slots[place];
                self.evidence.slots.retain(|proof| proof.slot != taken.slot);
                self.evidence.slots.push(taken.clone());
            }
            2 => self.evidence.slots.clone_from(&other.evidence.slots),
            _ => self.proofs[dice.roll(5)] = other.proofs[dice.roll(5)].clone(),
        }
    }

    /// Claims a grant that was never given, under the proof of one that was.
    fn claim_more(&mut self, dice: &mut Dice) {
        let place = dice.roll(5);
        let AclProof::Path { grant: shown, .. } = &mut self.proofs[place] else { panic!("paths come first") };
        let never = match dice.roll(3) {
            0 => grant(1_000),
            1 => Grant::Persistent { handle: shown.handle(), account: Address::repeat_byte(0x66) },
            _ if shown.subject().is_zero() => Grant::Persistent { handle: shown.handle(), account: Address::ZERO },
            _ => Grant::Public { handle: shown.handle() },
        };
        let claim = self.wanted.iter_mut().find(|fact| **fact == Fact::Granted(*shown)).unwrap();
        (*shown, *claim) = (never, Fact::Granted(never));
    }
}

#[test]
fn a_damaged_bundle_is_refused_or_proves_the_same_facts() {
    let (count, seed) = (setting("MERKLE_ACL_MUTATIONS", 10_000), setting("MERKLE_ACL_SEED", 7));
    let (now, later) = (chain(13), chain(14));
    let (honest, other) = (Bundle::honest(&now), Bundle::honest(&later));
    let truth = honest.verdict(&now).unwrap();
    assert!(other.verdict(&later).is_some());
    let mut dice = Dice(seed);
    let mut refused = 0;
    for number in 0..count {
        let mut bundle = honest.clone();
        if number % 2 == 0 {
            bundle.damage(&mut dice);
        } else {
            bundle.rearrange(&mut dice, &other);
        }
        match bundle.verdict(&now) {
            None => refused += 1,
            // Another header may have the same state, but it is another block: nobody attested it.
            Some(found) if found.anchor().hash() != truth.anchor().hash() => {
                assert_ne!(bundle.evidence.header, honest.evidence.header)
            }
            Some(found) => assert_eq!(found, truth, "seed {seed}, mutation {number}"),
        }
    }
    assert!(refused * 10 > count * 7, "{refused} of {count} refused: the mutations do too little");
}
