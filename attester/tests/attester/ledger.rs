//! The ledger alone: one hash for each number, for ever.

use alloy_primitives::{Address, B256, Bytes};
use merkle_acl::trust::Finality;
use tkms_attester::ledger::{Candidate, Contradiction, Ledger, LedgerError, Vouched};

const HOST: B256 = B256::repeat_byte(0x40);
const SIGNER: Address = Address::repeat_byte(0x51);

fn vouched(number: u64, finality: Finality) -> Vouched {
    Vouched {
        number,
        hash: B256::with_last_byte(number as u8),
        state_root: B256::repeat_byte(0x77),
        time: 1_000 + 10 * number,
        finality,
        header: Bytes::from_static(b"header"),
        signature: Bytes::from(vec![number as u8; 65]),
    }
}

/// A header of the history that [`vouched`] makes, but for its hash and time.
fn candidate(number: u64, hash: B256, time: u64) -> Candidate {
    Candidate { number, hash, parent: B256::with_last_byte((number - 1) as u8), time }
}

fn with(numbers: &[u64]) -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&dir.path().join("ledger.redb"), HOST, SIGNER).unwrap();
    for number in numbers {
        ledger.record(&vouched(*number, Finality::Finalized)).unwrap();
    }
    (dir, ledger)
}

#[test]
fn a_second_hash_for_a_number_is_a_contradiction_also_after_a_restart() {
    let (dir, ledger) = with(&[5]);
    drop(ledger);
    let ledger = Ledger::open(&dir.path().join("ledger.redb"), HOST, SIGNER).unwrap();
    let (signed, found) = (vouched(5, Finality::Finalized).hash, B256::repeat_byte(9));
    assert_eq!(ledger.check(&candidate(5, signed, 1_050)).unwrap(), Ok(()));
    assert_eq!(
        ledger.check(&candidate(5, found, 1_050)).unwrap(),
        Err(Contradiction::TwoHashes { number: 5, signed, found })
    );
}

#[test]
fn a_child_of_another_block_than_the_signed_one_is_a_contradiction() {
    let (_dir, ledger) = with(&[5, 8]);
    let (signed, found) = (vouched(5, Finality::Finalized).hash, B256::repeat_byte(9));
    let child = |number, parent| {
        let header = Candidate { parent, ..candidate(number, B256::repeat_byte(6), 1_060) };
        ledger.check(&header).unwrap()
    };
    assert_eq!(child(6, signed), Ok(()));
    assert_eq!(child(6, found), Err(Contradiction::OtherParent { number: 5, signed, found }));
    assert_eq!(child(7, found), Ok(()), "its parent was not signed: only a neighbour can tell");
}

#[test]
fn even_who_skips_the_check_cannot_record_a_second_hash() {
    let (_dir, ledger) = with(&[5]);
    let second = Vouched { hash: B256::repeat_byte(9), ..vouched(5, Finality::Finalized) };
    assert!(matches!(ledger.record(&second), Err(LedgerError::SecondHash(5))));
    assert_eq!(ledger.vouched(5).unwrap().unwrap(), vouched(5, Finality::Finalized));
}

#[test]
fn time_never_falls_with_the_number_on_either_side() {
    let (_dir, ledger) = with(&[5, 8]);
    let check = |number, time| ledger.check(&candidate(number, B256::repeat_byte(9), time)).unwrap();
    for good in [(6, 1_060), (6, 1_050), (6, 1_080), (9, 1_080), (4, 1_050)] {
        assert_eq!(check(good.0, good.1), Ok(()), "block {} at {}", good.0, good.1);
    }
    for (number, time, other, other_time) in
        [(6, 1_049, 5, 1_050), (6, 1_081, 8, 1_080), (9, 1_079, 8, 1_080), (4, 1_051, 5, 1_050)]
    {
        let wrong = Contradiction::TimeRunsBack { number, time, other, other_time };
        assert_eq!(check(number, time), Err(wrong), "block {number} at {time}");
    }
}

#[test]
fn a_weaker_class_never_replaces_a_stronger_one() {
    let (_dir, ledger) = with(&[]);
    ledger.record(&vouched(5, Finality::Depth(3))).unwrap();
    assert_eq!(ledger.newest(Finality::Finalized).unwrap(), None);
    ledger.record(&vouched(5, Finality::Finalized)).unwrap();
    ledger.record(&vouched(5, Finality::Depth(3))).unwrap();
    assert_eq!(ledger.vouched(5).unwrap().unwrap().finality, Finality::Finalized);
    ledger.record(&vouched(6, Finality::Depth(3))).unwrap();
    assert_eq!(ledger.newest(Finality::Finalized).unwrap(), Some(5));
    assert_eq!(ledger.newest(Finality::Depth(3)).unwrap(), Some(6));
    assert_eq!(ledger.newest(Finality::Depth(4)).unwrap(), Some(5), "finality is deep enough for every depth");
}

#[test]
fn another_key_or_another_chain_needs_a_ledger_of_its_own() {
    let (dir, ledger) = with(&[5]);
    drop(ledger);
    let path = dir.path().join("ledger.redb");
    let open = |host, signer| Ledger::open(&path, host, signer).map(drop);
    assert!(matches!(open(B256::ZERO, SIGNER), Err(LedgerError::Foreign("host"))));
    assert!(matches!(open(HOST, Address::ZERO), Err(LedgerError::Foreign("signer"))));
    assert!(open(HOST, SIGNER).is_ok());
}

#[test]
fn old_texts_go_and_old_hashes_stay() {
    let (_dir, ledger) = with(&[]);
    for number in 1..=4_100 {
        ledger.record(&vouched(number, Finality::Finalized)).unwrap();
    }
    assert_eq!(ledger.vouched(1).unwrap(), None);
    assert!(ledger.vouched(4_100).unwrap().is_some());
    assert!(ledger.check(&candidate(1, B256::repeat_byte(9), 1_010)).unwrap().is_err(), "its hash is known for ever");
}

#[test]
fn a_halt_survives_a_restart() {
    let (dir, ledger) = with(&[5]);
    assert_eq!(ledger.halted().unwrap(), None);
    ledger.halt("two histories").unwrap();
    drop(ledger);
    let again = Ledger::open(&dir.path().join("ledger.redb"), HOST, SIGNER).unwrap();
    assert_eq!(again.halted().unwrap().as_deref(), Some("two histories"));
}
