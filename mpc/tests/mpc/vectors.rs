//! `vectors/shamir.json`, made by another implementation.

use serde_json::Value;
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr128;
use tkms_mpc::shamir::{evaluate, reconstruct};
use tkms_mpc::user::{Assurance, combine_user_shares};
use tkms_types::{Committee, PartyId, SessionId};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../vectors/shamir.json")).unwrap()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a Vec<Value> {
    of[name].as_array().unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn element(hex: &Value) -> Gr128 {
    Gr128::from_le_bytes(&bytes(hex.as_str().unwrap()).try_into().unwrap())
}

fn elements(of: &Value, name: &str) -> Vec<Gr128> {
    list(of, name).iter().map(element).collect()
}

fn committee(of: &Value) -> Committee {
    Committee::new(of["n"].as_u64().unwrap() as usize).unwrap()
}

#[test]
fn products_and_inverses_are_those_of_the_other_implementation() {
    for case in list(&vectors(), "products") {
        assert_eq!(element(&case["a"]) * element(&case["b"]), element(&case["product"]));
    }
    for case in list(&vectors(), "inverses") {
        assert_eq!(element(&case["a"]).inverse(), Some(element(&case["inverse"])));
    }
}

#[test]
fn shares_are_those_of_the_other_implementation() {
    for case in list(&vectors(), "sharings") {
        let (polynomial, shares) = (elements(case, "polynomial"), elements(case, "shares"));
        let parties: Vec<PartyId> = committee(case).parties().collect();
        assert_eq!(parties.len(), shares.len());
        let both: Vec<_> = parties.into_iter().zip(shares).collect();
        for (party, share) in &both {
            assert_eq!(evaluate(&polynomial, Gr128::point(*party)), *share);
        }
        let last = &both[both.len() - polynomial.len()..];
        assert_eq!(reconstruct(last), Some(element(&case["secret"])));
    }
}

#[test]
fn liars_and_digits_are_those_of_the_other_implementation() {
    for case in list(&vectors(), "decodings") {
        let answers: Vec<_> = committee(case)
            .parties()
            .zip(elements(case, "received"))
            .map(|(party, share)| (party, vec![share]))
            .collect();
        let combined = combine_user_shares(committee(case), 4, &answers).unwrap();
        let numbers = |name| list(case, name).iter().map(|n| n.as_u64().unwrap() as u8).collect::<Vec<_>>();
        let mut liars: Vec<_> = combined.faults.iter().map(|fault| fault.culprit.number()).collect();
        liars.sort_unstable();
        assert_eq!(liars, numbers("liars"));
        assert_eq!(combined.opened.words().collect::<Vec<_>>(), element(&case["opened"]).coefficients());
        assert_eq!(combined.opened.digits().unwrap(), numbers("digits"));
        assert_eq!(combined.assurance, Assurance::Proven);
    }
}

#[test]
fn masks_are_those_of_the_other_implementation() {
    for case in list(&vectors(), "masks") {
        let session: [u8; 32] = bytes(case["session"].as_str().unwrap()).try_into().unwrap();
        let session = SessionId(session.into());
        let blocks: Vec<usize> = list(case, "blocks").iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let mut shares: Vec<(PartyId, Vec<Gr128>)> = Vec::new();
        for (party, of_party) in committee(case).parties().zip(list(case, "parties")) {
            let keys = PrssKeys::from_secret_bytes(&bytes(of_party["stored_keys"].as_str().unwrap())).unwrap();
            let all = keys.mask_shares(&session, blocks.last().unwrap() + 1);
            let chosen: Vec<_> = blocks.iter().map(|block| all[*block]).collect();
            assert_eq!(chosen, elements(of_party, "shares"));
            shares.push((party, chosen));
        }
        let base = committee(case).threshold().faults() + 1;
        for (i, mask) in list(case, "masks").iter().enumerate() {
            let column: Vec<_> = shares.iter().take(base).map(|(party, shares)| (*party, shares[i])).collect();
            let mask: i128 = mask.as_str().unwrap().parse().unwrap();
            assert_eq!(reconstruct(&column), Some(Gr128::constant(mask.cast_unsigned())));
        }
    }
}
