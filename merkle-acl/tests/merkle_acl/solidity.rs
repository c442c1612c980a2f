//! Rust and the compiled Solidity library judge the same damaged paths, thousands of them, and never differ.
//! `forge build` makes the contract.

use std::path::Path;

use crate::common::Dice;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use merkle_acl::{
    Grant, leaf_hash,
    range::{MountainRange, RangeProof, covering_level},
};
use revm::{
    ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    context::{
        Context, TxEnv,
        result::{ExecutionResult, Output},
    },
    database::{CacheDB, EmptyDB},
    primitives::TxKind,
};

const GAS: u64 = 8_000_000;
const SIGNATURE: &str = "judge((uint8,bytes32,address),uint64,bytes32[],uint64,bytes32)";

/// What a prover may say; the contract takes any of it, the crate what can be a grant.
#[derive(Clone, Debug)]
struct Claim {
    kind: u8,
    handle: B256,
    subject: Address,
    index: u64,
    path: Vec<B256>,
    count: u64,
    peak: B256,
}

impl Claim {
    fn honest(range: &MountainRange, index: u64) -> Self {
        let (grant, count) = (grant(index), range.count());
        Self {
            kind: grant.kind() as u8,
            handle: grant.handle(),
            subject: grant.subject(),
            index,
            path: range.prove(index).unwrap().path,
            count,
            peak: range.peak(covering_level(index, count).unwrap()).unwrap(),
        }
    }

    fn rust_accepts(&self) -> bool {
        let proof = RangeProof { index: self.index, path: self.path.clone() };
        Grant::from_leaf(self.kind, self.handle, self.subject)
            .is_some_and(|grant| proof.verify(leaf_hash(&grant), self.count, self.peak).is_ok())
    }

    /// The call of [`SIGNATURE`], encoded by hand: seven words, then the list.
    fn call(&self) -> Vec<u8> {
        let word = |number: u64| B256::from(U256::from(number));
        let head = [
            word(self.kind.into()),
            self.handle,
            self.subject.into_word(),
            word(self.index),
            word(7 * 32),
            word(self.count),
            self.peak,
            word(self.path.len() as u64),
        ];
        let selector = &keccak256(SIGNATURE)[..4];
        [selector, &head.concat(), &self.path.concat()].concat()
    }

    /// Changes one thing; half of the time in the order or number of parts.
    fn damage(&mut self, dice: &mut Dice, other: &Self) {
        let flip = u8::try_from(dice.roll(255) + 1).unwrap();
        match dice.roll(16) {
            0 => self.kind ^= flip,
            1 => self.handle.0[dice.roll(32)] ^= flip,
            2 => self.subject.0[dice.roll(20)] ^= flip,
            3 => self.index ^= 1 << dice.roll(64),
            4 => self.count ^= 1 << dice.roll(64),
            5 => self.peak.0[dice.roll(32)] ^= flip,
            6 | 7 if !self.path.is_empty() => {
                let place = dice.roll(self.path.len());
                self.path[place].0[dice.roll(32)] ^= flip;
            }
            8 if !self.path.is_empty() => {
                self.path.remove(dice.roll(self.path.len()));
            }
            9 if !self.path.is_empty() => {
                let hash = self.path[dice.roll(self.path.len())];
                self.path.insert(dice.roll(self.path.len() + 1), hash);
            }
            10 if !self.path.is_empty() => {
                let (a, b) = (dice.roll(self.path.len()), dice.roll(self.path.len()));
                self.path.swap(a, b);
            }
            11 => self.path.clone_from(&other.path),
            12 => (self.index, self.path) = (other.index, other.path.clone()),
            13 => self.peak = other.peak,
            14 => (self.kind, self.subject) = (2, Address::ZERO),
            _ => (self.index, self.count) = (dice.roll(40) as u64, dice.roll(40) as u64),
        }
    }
}

fn grant(i: u64) -> Grant {
    let handle = keccak256(i.to_be_bytes());
    match i % 4 {
        1 => Grant::Public { handle },
        2 => Grant::Persistent { handle, account: Address::ZERO },
        _ => Grant::Persistent { handle, account: Address::repeat_byte(0x22) },
    }
}

fn range(n: u64) -> MountainRange {
    let mut range = MountainRange::default();
    (0..n).for_each(|i| range.append(leaf_hash(&grant(i))));
    range
}

/// The compiled library behind the example contract, in an EVM of its own.
struct Judge {
    database: CacheDB<EmptyDB>,
    address: Address,
}

impl Judge {
    fn deploy() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../solidity/out/GrantMirror.sol/GrantMirror.json");
        let json = std::fs::read_to_string(file).expect("the contract is compiled (forge build)");
        let artifact: serde_json::Value = serde_json::from_str(&json).unwrap();
        let code: Bytes = artifact["bytecode"]["object"].as_str().unwrap().parse().unwrap();
        let mut evm = Context::mainnet().with_db(CacheDB::<EmptyDB>::default()).build_mainnet();
        let transaction = TxEnv::builder().kind(TxKind::Create).gas_limit(GAS).data(code).build().unwrap();
        let result = evm.transact_commit(transaction).unwrap();
        let ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } = result else {
            panic!("the contract was not created: {result:?}");
        };
        Self { database: evm.ctx.journaled_state.database.clone(), address }
    }

    fn accepts(&self, claim: &Claim) -> bool {
        let mut evm = Context::mainnet().with_db(self.database.clone()).build_mainnet();
        let call = TxEnv::builder().nonce(1).kind(TxKind::Call(self.address)).gas_limit(GAS).data(claim.call().into());
        match evm.transact(call.build().unwrap()).unwrap().result {
            ExecutionResult::Success { output, .. } => U256::from_be_slice(output.data()) == U256::ONE,
            other => panic!("{claim:?} was not judged: {other:?}"),
        }
    }
}

#[test]
fn rust_and_solidity_give_one_verdict_on_every_path() {
    let count = crate::common::setting("MERKLE_ACL_MUTATIONS", 10_000);
    let mut dice = Dice(crate::common::setting("MERKLE_ACL_SEED", 7));
    let (judge, range) = (Judge::deploy(), range(37));
    let claims: Vec<_> = (0..37).map(|index| Claim::honest(&range, index)).collect();
    for claim in &claims {
        assert!(claim.rust_accepts() && judge.accepts(claim), "{claim:?}");
    }
    let mut accepted = 0;
    for number in 0..count {
        let mut claim = claims[dice.roll(claims.len())].clone();
        for _ in 0..=dice.roll(2) {
            let other = &claims[dice.roll(claims.len())];
            claim.damage(&mut dice, other);
        }
        let verdict = claim.rust_accepts();
        assert_eq!(verdict, judge.accepts(&claim), "mutation {number}: {claim:?}");
        accepted += u64::from(verdict);
        // Under the range's own count and peak, what is accepted is a grant in its own place.
        let level = covering_level(claim.index, claim.count).ok();
        if verdict && claim.count == range.count() && level.and_then(|level| range.peak(level)) == Some(claim.peak) {
            let found = Grant::from_leaf(claim.kind, claim.handle, claim.subject).unwrap();
            assert_eq!(found, grant(claim.index), "mutation {number}");
        }
    }
    assert!(accepted * 5 < count, "{accepted} of {count} accepted: the mutations do too little");
}
