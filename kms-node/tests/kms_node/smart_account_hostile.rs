//! Accounts whose code means harm: odd answers, writes, endless work, noise; and blocks of other forks.

use crate::common::CHAIN_ID;
use crate::common::wallets::{BYSTANDER, WALLET, World, code, slot};
use crate::trial::says;
use alloy::consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use merkle_acl::Anchor;
use std::time::{Duration, Instant};
use tkms_kms_node::policy::smart_account::{Claim, ask};
use tkms_kms_node::refusal::{Refusal, RefusalClass};

const RETRY: RefusalClass = RefusalClass::Retry;

fn rejected(world: &World, why: &str) {
    let answer = world.answer();
    assert!(answer.as_ref().is_err_and(|refusal| refusal.to_string().contains(why)), "{why}: {answer:?}");
    says(answer, "SmartAccountRejected", RETRY);
}

#[test]
fn only_the_exact_word_is_a_yes() {
    assert!(World::odd(0, U256::ZERO).answer().is_ok());
    rejected(&World::odd(1, U256::ZERO), "it reverted");
    for (mode, bytes) in [(3, 4), (4, 31), (5, 64), (6, 0)] {
        rejected(&World::odd(mode, U256::ZERO), &format!("it returned {bytes} bytes"));
    }
    for mode in [7, 8] {
        rejected(&World::odd(mode, U256::ZERO), "another word");
    }
    rejected(&World::odd(18, U256::ZERO), "it stopped");
    // Code that ends at once says nothing
    rejected(&World::with(Bytes::from_static(&[0]), []), "it returned 0 bytes");
}

#[test]
fn nothing_is_written() {
    for mode in [9, 10, 11, 13] {
        rejected(&World::odd(mode, U256::ZERO), "StateChangeDuringStaticCall");
    }
    // SELFDESTRUCT to address 0
    rejected(&World::with(hex!("6000ff").into(), []), "StateChangeDuringStaticCall");
    // Value sent along
    let mut generous = World::odd(22, U256::from_be_bytes(BYSTANDER.into_word().0));
    generous.accounts.get_mut(&BYSTANDER).unwrap().code = hex!("00").into();
    let slots = [slot(0), slot(1)];
    let witness = generous.witness(&[(WALLET, &slots), (BYSTANDER, &[])]);
    says(generous.says(&witness), "SmartAccountRejected", RETRY);
    // A write further in fails there; the wallet that does not mind has seen it fail
    let mut careless = World::odd(21, U256::from_be_bytes(BYSTANDER.into_word().0));
    careless.accounts.get_mut(&BYSTANDER).unwrap().code = hex!("6001600255").into();
    assert!(careless.says(&careless.witness(&[(WALLET, &slots), (BYSTANDER, &[])])).is_ok());
}

#[test]
fn endless_work_ends_with_the_gas() {
    let start = Instant::now();
    rejected(&World::odd(2, U256::ZERO), "OutOfGas");
    rejected(&World::odd(20, U256::from(1u64 << 40)), "it stopped");
    rejected(&World::odd(20, U256::MAX), "it stopped");
    assert!(World::odd(25, U256::from(480_000)).answer().is_ok(), "what a large wallet needs is there");
    // Into itself, as deep as the gas lasts; who is left says yes or no
    let deep = World::odd(19, U256::ZERO).answer();
    assert!(!matches!(deep, Err(Refusal::Internal(_) | Refusal::SmartAccountUnproven { .. })), "{deep:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "five answers took {:?}", start.elapsed());
}

#[test]
fn precompiles_answer_without_being_proven() {
    assert!(World::odd(24, U256::ZERO).answer().is_ok());
    // Addresses that are none yet in this block are accounts like others
    let mut shanghai = World::with(hex!("5f5f5f5f600a5afa00").into(), []);
    let header = &mut shanghai.header;
    (header.requests_hash, header.parent_beacon_block_root) = (None, None);
    (header.blob_gas_used, header.excess_blob_gas) = (None, None);
    says(shanghai.answer(), "SmartAccountUnproven", RETRY);
}

#[test]
fn the_block_is_that_of_the_header() {
    let world = World::odd(23, U256::ZERO);
    let header = &world.header;
    let words = [
        U256::from(header.number),
        U256::from(header.timestamp),
        U256::from(CHAIN_ID),
        U256::from(9),
        U256::from_be_bytes(header.beneficiary.into_word().0),
        header.mix_hash.into(),
        U256::from(header.gas_limit),
        // Nobody calls, and at the price of the block
        U256::ZERO,
        U256::ZERO,
        U256::from(9),
    ];
    let seen = keccak256(words.map(|word| B256::from(word).0).concat());
    assert!(World::odd(23, seen.into()).answer().is_ok());
    let mut later = World::odd(23, seen.into());
    later.header.number += 1;
    rejected(&later, "it reverted");
}

/// Headers of each fork, by what they append.
fn older(change: impl Fn(&mut Header)) -> World {
    let mut world = World::owned();
    change(&mut world.header);
    world
}

#[test]
fn each_fork_has_its_rules() {
    let prague = |header: &mut Header| header.requests_hash = None;
    let cancun = move |header: &mut Header| {
        prague(header);
        header.blob_gas_used = None;
        header.excess_blob_gas = None;
        header.parent_beacon_block_root = None;
    };
    let merged = move |header: &mut Header| {
        cancun(header);
        header.withdrawals_root = None;
    };
    let london = move |header: &mut Header| {
        merged(header);
        header.difficulty = U256::ONE;
    };
    let berlin = move |header: &mut Header| {
        london(header);
        header.base_fee_per_gas = None;
    };
    let worlds = [older(|_| {}), older(prague), older(cancun), older(merged), older(london), older(berlin)];
    // The compiled wallet begins with PUSH0, which came with Shanghai
    for (world, knows) in worlds.iter().zip([true, true, true, false, false, false]) {
        assert_eq!(world.answer().is_ok(), knows);
    }
    let plain = hex!("631626ba7e60e01b60005260206000f3");
    for change in [&merged as &dyn Fn(&mut Header), &london, &berlin] {
        let mut world = World::with(plain.into(), []);
        change(&mut world.header);
        assert!(world.answer().is_ok());
    }
}

#[test]
fn forks_that_are_not_known_are_refused_by_name() {
    let world = World::owned();
    let witness = world.witness(&[(WALLET, &[slot(0)])]);
    let claim = Claim::new(WALLET, B256::ZERO, Bytes::new()).unwrap();
    let block = world.block();
    for (more, code) in [(&[0x80][..], "SmartAccountUnsupported"), (&[0x80, 0x80], "SmartAccountUnsupported")] {
        let mut rest = block.as_ref();
        let payload = alloy_rlp::Header::decode_bytes(&mut rest, true).unwrap();
        let mut longer = Vec::new();
        alloy_rlp::Header { list: true, payload_length: payload.len() + more.len() }.encode(&mut longer);
        longer.extend_from_slice(payload);
        longer.extend_from_slice(more);
        let anchor = Anchor::from_header_rlp(&longer).unwrap();
        says(ask(&claim, &witness, &anchor, &longer, CHAIN_ID), code, RefusalClass::Permanent);
    }
    // A base fee of nine bytes
    let mut wide = world.block().to_vec();
    let fee = wide.windows(2).rposition(|pair| pair == [0x09, 0xa0]).unwrap();
    wide.splice(fee..=fee, [0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(wide.len() - 3).unwrap().to_be_bytes();
    wide[1..3].copy_from_slice(&length);
    let anchor = Anchor::from_header_rlp(&wide).unwrap();
    says(ask(&claim, &witness, &anchor, &wide, CHAIN_ID), "HeaderMalformed", RETRY);
}

/// A small stream of bytes from a seed.
struct Dice(B256);

impl Dice {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let next = || {
            self.0 = keccak256(self.0);
            self.0.0
        };
        std::iter::repeat_with(next).flatten().take(len).collect()
    }

    fn below(&mut self, limit: usize) -> usize {
        let bytes = self.bytes(4);
        usize::try_from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).unwrap() % limit
    }
}

#[test]
fn code_of_noise_says_no_and_harms_nobody() {
    let mut dice = Dice(keccak256("seed: noise"));
    let honest = code("OddWallet");
    for round in 0..400 {
        let len = 1 + dice.below(300);
        let code = if round % 2 == 0 {
            dice.bytes(len)
        } else {
            // Real code with some bytes changed goes further
            let mut code = honest.to_vec();
            for _ in 0..4 {
                let at = dice.below(code.len());
                code[at] = dice.bytes(1)[0];
            }
            code
        };
        let mut world = World::odd(1 + round % 26, U256::from(round));
        world.accounts.get_mut(&WALLET).unwrap().code = code.into();
        // Whatever it says, it is said without a panic and without an error of ours
        assert!(!matches!(world.answer(), Err(Refusal::Internal(_))), "round {round}");
    }
}

#[test]
fn no_changed_byte_of_a_witness_is_accepted() {
    let world = World::owned();
    let good = world.witness(&[(WALLET, &[slot(0)])]);
    assert!(world.says(&good).is_ok());
    let mut dice = Dice(keccak256("seed: witness"));
    for round in 0..600 {
        let mut witness = good.clone();
        let nodes = witness.nodes.len();
        match dice.below(4) {
            0 => {
                let code = &mut witness.accounts[0].code;
                *code = flipped(&mut dice, code);
            }
            1 => {
                let mut address = witness.accounts[0].address;
                address.0[dice.below(20)] ^= 1;
                witness.accounts[0].address = Address::from(address.0);
            }
            _ => {
                let place = dice.below(nodes);
                witness.nodes[place] = flipped(&mut dice, &witness.nodes[place]);
            }
        }
        assert!(world.says(&witness).is_err(), "round {round}");
    }
}

fn flipped(dice: &mut Dice, bytes: &[u8]) -> alloy::primitives::bytes::Bytes {
    let mut changed = bytes.to_vec();
    let at = dice.below(changed.len());
    changed[at] ^= dice.bytes(1)[0].max(1);
    changed.into()
}
