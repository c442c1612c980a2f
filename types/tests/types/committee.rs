//! n = 3t + 1 and nothing else.

use tkms_types::{Committee, CommitteeError, PartyId};

#[test]
fn only_sizes_of_the_form_3t_plus_1_up_to_13_make_a_committee() {
    for n in 0..100 {
        let expected = matches!(n, 1 | 4 | 7 | 10 | 13);
        assert_eq!(Committee::new(n).is_ok(), expected, "{n}");
        assert_eq!(serde_json::from_str::<Committee>(&n.to_string()).is_ok(), expected, "{n}");
    }
    assert_eq!(Committee::new(269).unwrap_err(), CommitteeError::Size(269));
}

#[test]
fn faults_and_quorum_follow_from_the_size() {
    for (n, t) in [(1, 0), (4, 1), (7, 2), (10, 3), (13, 4)] {
        let threshold = Committee::new(n).unwrap().threshold();
        assert_eq!((threshold.faults(), threshold.quorum()), (t, 2 * t + 1));
    }
}

#[test]
fn parties_are_numbered_from_one_in_order() {
    let committee = Committee::new(7).unwrap();
    let numbers: Vec<_> = committee.parties().map(PartyId::number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    assert!(committee.parties().enumerate().all(|(i, party)| party.index() == i));
}

#[test]
fn the_point_of_the_secret_is_no_party() {
    assert_eq!(PartyId::new(0).unwrap_err(), CommitteeError::NoSuchParty(0));
    assert_eq!(PartyId::new(14).unwrap_err(), CommitteeError::NoSuchParty(14));
    for json in ["0", "14", "256", "-1", "\"1\""] {
        serde_json::from_str::<PartyId>(json).unwrap_err();
    }
    assert_eq!(serde_json::from_str::<PartyId>("13").unwrap().number(), 13);
}

#[test]
fn a_party_of_a_larger_committee_is_not_a_member() {
    let committee = Committee::new(4).unwrap();
    assert_eq!(committee.party(4).unwrap().number(), 4);
    for number in [0, 5, 13, 200] {
        assert_eq!(committee.party(number).unwrap_err(), CommitteeError::NotAMember { number, size: 4 });
    }
    assert!(!committee.contains(PartyId::new(5).unwrap()));
}
