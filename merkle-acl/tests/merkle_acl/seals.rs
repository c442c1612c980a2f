//! Blocks sealed by their validators: as a real network published one, and re-sealed here in both formats.

use std::path::Path;

use crate::common::{NUMBER, TIME, address, addresses, header_fields, list, sign};
use alloy_primitives::{Address, B256, Bytes, hex, keccak256};
use alloy_rlp::encode;
use merkle_acl::{
    HeaderError,
    trust::{
        AnchorHistory, AnchorRules, Finality, HeaderEvidence, HeaderTrust, MAX_SEALED_HEADER_BYTES, SealFormat,
        TrustError, TrustedAnchor, Unattested, ValidatorSeals, Witness, accept,
    },
};
use proptest::prelude::*;

const FORMATS: [SealFormat; 2] = [SealFormat::Qbft, SealFormat::Ibft2];
const RULES: AnchorRules =
    AnchorRules { checkpoint_number: 1, min_finality: Finality::Finalized, max_age: 600, max_lag: 20, clock_skew: 15 };

/// The extra data with these items; the last two are left out where the format has it so.
struct Extra {
    format: SealFormat,
    validators: Vec<Address>,
    vote: Vec<u8>,
    round: u32,
}

impl Extra {
    fn of(format: SealFormat) -> Self {
        let vote = if format == SealFormat::Qbft { vec![0xc0] } else { vec![0x80] };
        Self { format, validators: addresses(4), vote, round: 3 }
    }

    fn agreed(&self) -> Vec<Vec<u8>> {
        let validators: Vec<_> = self.validators.iter().map(encode).collect();
        vec![encode([7u8; 32].as_slice()), list(&validators), self.vote.clone()]
    }

    fn round(&self) -> Vec<u8> {
        match self.format {
            SealFormat::Qbft => encode(self.round),
            SealFormat::Ibft2 => encode(self.round.to_be_bytes().as_slice()),
        }
    }

    fn with_seals(&self, seals: &[Vec<u8>]) -> Vec<u8> {
        let seals: Vec<_> = seals.iter().map(|seal| encode(seal.as_slice())).collect();
        list(&[self.agreed(), vec![self.round(), list(&seals)]].concat())
    }

    fn committed(&self) -> Vec<u8> {
        match self.format {
            SealFormat::Qbft => list(&[self.agreed(), vec![self.round(), list(&[])]].concat()),
            SealFormat::Ibft2 => list(&[self.agreed(), vec![self.round()]].concat()),
        }
    }

    fn hashed(&self) -> Vec<u8> {
        match self.format {
            SealFormat::Qbft => list(&[self.agreed(), vec![vec![0x80], list(&[])]].concat()),
            SealFormat::Ibft2 => list(&self.agreed()),
        }
    }

    /// The header sealed by these validators.
    fn sealed(&self, signers: &[u8]) -> Bytes {
        let digest = keccak256(header(&self.committed()));
        let seals: Vec<_> = signers.iter().map(|i| sign(*i, digest, 0)).collect();
        header(&self.with_seals(&seals))
    }
}

fn header(extra: &[u8]) -> Bytes {
    let mut fields = header_fields(B256::repeat_byte(1), NUMBER, TIME);
    fields[12] = encode(extra);
    list(&fields).into()
}

fn judge(format: SealFormat, header: Bytes) -> Result<TrustedAnchor, TrustError> {
    let trust = ValidatorSeals::new(format, addresses(4)).unwrap();
    let evidence = HeaderEvidence { header, witness: Witness::Seals };
    accept(&evidence, &trust, &RULES, &AnchorHistory::default(), Finality::Finalized, TIME)
}

fn refused(format: SealFormat, header: Bytes, reason: Unattested) {
    assert_eq!(judge(format, header), Err(reason.into()));
}

#[test]
fn a_block_of_a_real_network_is_accepted_with_its_published_bytes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/qbft.json");
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let row = &json["blocks"][0];
    let text = |name: &str| row[name].as_str().unwrap();
    let validators: Vec<Address> = serde_json::from_value(row["validators"].clone()).unwrap();
    let bytes: Bytes = text("header").parse().unwrap();
    let time: u64 = text("timestamp").parse().unwrap();
    let evidence = HeaderEvidence { header: bytes.clone(), witness: Witness::Seals };
    let trust = ValidatorSeals::new(SealFormat::Qbft, validators.clone()).unwrap();
    let history = AnchorHistory::default();
    let trusted = accept(&evidence, &trust, &RULES, &history, Finality::Finalized, time + 5).unwrap();
    let anchor = trusted.anchor();
    assert_eq!(
        (anchor.number().to_string(), anchor.state_root().to_string()),
        (text("number").into(), text("stateRoot").into())
    );
    assert_ne!(anchor.hash(), keccak256(&bytes), "seals and round are outside of the hash");
    // One other validator on record, or the wrong format, and it is nobody's.
    let mut others = validators;
    others[0] = Address::repeat_byte(1);
    let other = ValidatorSeals::new(SealFormat::Qbft, others).unwrap();
    let found = accept(&evidence, &other, &RULES, &history, Finality::Finalized, time);
    assert_eq!(found, Err(Unattested::OtherValidators.into()));
    assert!(matches!(judge(SealFormat::Ibft2, bytes), Err(TrustError::HeaderMalformed(HeaderError::Extra(_)))));
}

#[test]
fn three_of_four_validators_make_an_anchor_in_both_formats() {
    for format in FORMATS {
        let extra = Extra::of(format);
        for signers in [[1, 2, 3], [4, 2, 1]] {
            let trusted = judge(format, extra.sealed(&signers)).unwrap();
            assert_eq!((trusted.anchor().number(), trusted.finality()), (NUMBER, Finality::Finalized));
            // Who committed, and in which round, is no part of the block's name.
            assert_eq!(trusted.anchor().hash(), keccak256(header(&extra.hashed())));
        }
    }
}

#[test]
fn the_hash_does_not_depend_on_seals_or_round_and_does_on_all_else() {
    for format in FORMATS {
        let hash = |extra: &Extra, signers: &[u8]| judge(format, extra.sealed(signers)).unwrap().anchor().hash();
        let plain = hash(&Extra::of(format), &[1, 2, 3]);
        assert_eq!(plain, hash(&Extra { round: 0, ..Extra::of(format) }, &[1, 2, 3, 4]));
        let vote = list(&[encode(address(9)), vec![0x80]]);
        assert_ne!(plain, hash(&Extra { vote, ..Extra::of(format) }, &[1, 2, 3]));
    }
}

#[test]
fn too_few_distinct_validators_are_no_quorum() {
    for format in FORMATS {
        let extra = Extra::of(format);
        let quorum = |found| Unattested::Quorum { found, needed: 3 };
        refused(format, extra.sealed(&[]), quorum(0));
        refused(format, extra.sealed(&[1, 2]), quorum(2));
        refused(format, extra.sealed(&[1, 2, 2, 1]), quorum(2));
        refused(format, extra.sealed(&[1, 2, 9]), quorum(2));
        refused(format, extra.sealed(&[1, 2, 3, 4, 1]), Unattested::TooMany { len: 5, max: 4 });
    }
}

#[test]
fn seals_of_another_round_or_another_block_do_not_count() {
    for format in FORMATS {
        let extra = Extra::of(format);
        let mut other = Extra::of(format);
        other.round = 4;
        let digest = keccak256(header(&other.committed()));
        let seals: Vec<_> = [1, 2, 3].map(|i| sign(i, digest, 0)).into();
        refused(format, header(&extra.with_seals(&seals)), Unattested::Quorum { found: 0, needed: 3 });
        // Sealed over the block's hash instead of over what is committed.
        let digest = keccak256(header(&extra.hashed()));
        let seals: Vec<_> = [1, 2, 3].map(|i| sign(i, digest, 0)).into();
        refused(format, header(&extra.with_seals(&seals)), Unattested::Quorum { found: 0, needed: 3 });
    }
}

#[test]
fn a_list_that_is_not_the_pinned_one_is_not_followed() {
    for format in FORMATS {
        let mut extra = Extra::of(format);
        extra.validators = addresses(5);
        refused(format, extra.sealed(&[1, 2, 3, 4]), Unattested::OtherValidators);
        extra.validators = [5, 6, 7, 8].map(address).into();
        refused(format, extra.sealed(&[5, 6, 7]), Unattested::OtherValidators);
        // In the order of the chain, and not named at all: the seals say it.
        extra.validators = addresses(4).into_iter().rev().collect();
        assert!(judge(format, extra.sealed(&[1, 2, 3])).is_ok());
        extra.validators = Vec::new();
        assert!(judge(format, extra.sealed(&[1, 2, 3])).is_ok());
        refused(format, extra.sealed(&[5, 6, 7]), Unattested::Quorum { found: 0, needed: 3 });
    }
}

#[test]
fn extra_data_of_another_shape_is_refused() {
    for format in FORMATS {
        let extra = Extra::of(format);
        let malformed = |bytes: &[u8]| {
            let found = judge(format, header(bytes));
            assert!(matches!(found, Err(TrustError::HeaderMalformed(HeaderError::Extra(_)))), "{format:?}: {found:?}");
        };
        let (agreed, seals) = (extra.agreed(), list(&[]));
        let items = [agreed.clone(), vec![extra.round(), seals.clone()]].concat();
        assert!(
            judge(format, header(&list(&items))).is_err_and(|error| matches!(error, TrustError::HeaderUnattested(_)))
        );
        malformed(b"");
        malformed(b"extra");
        (0..5).for_each(|kept| malformed(&list(&items[..kept])));
        malformed(&list(&[items.clone(), vec![vec![0x80]]].concat()));
        malformed(&[list(&items), vec![0]].concat());
        let with = |place: usize, item: Vec<u8>| {
            let mut items = items.clone();
            items[place] = item;
            list(&items)
        };
        malformed(&with(0, encode([7u8; 31].as_slice())));
        malformed(&with(1, list(&[encode([7u8; 21].as_slice())])));
        malformed(&with(2, encode([7u8; 3].as_slice())));
        malformed(&with(2, list(&[encode(address(1))])));
        malformed(&with(2, list(&[encode(address(1)), vec![0x80], vec![0x80]])));
        malformed(&with(3, encode([0u8, 0, 1].as_slice())));
        malformed(&with(3, encode([1u8; 5].as_slice())));
        malformed(&with(4, list(&[encode([7u8; 64].as_slice())])));
        malformed(&with(4, list(&[list(&[])])));
    }
    // What is a form of no vote and of a round here is none there.
    assert!(judge(SealFormat::Qbft, Extra::of(SealFormat::Ibft2).sealed(&[1, 2, 3])).is_err());
    assert!(judge(SealFormat::Ibft2, Extra::of(SealFormat::Qbft).sealed(&[1, 2, 3])).is_err());
}

#[test]
fn genesis_of_a_published_configuration_reads_and_is_refused() {
    // The extra data of the example in Besu's documentation of IBFT 2.0: one validator, no vote, round 0, no seals.
    let extra = hex!(
        "f83ea00000000000000000000000000000000000000000000000000000000000000000d594c2ab482b506de561668e07f04547232a72897daf808400000000c0"
    );
    let trust = ValidatorSeals::new(SealFormat::Ibft2, addresses(1)).unwrap();
    let mut fields = header_fields(B256::repeat_byte(1), 0, TIME);
    fields[12] = encode(extra.as_slice());
    assert_eq!(trust.anchor(&list(&fields)), Err(HeaderError::Genesis));
    assert!(trust.anchor(&header(&extra)).is_ok());
}

#[test]
fn a_sealed_header_may_be_longer_and_is_bounded_still() {
    let trust = ValidatorSeals::new(SealFormat::Qbft, addresses(4)).unwrap();
    let crowd = Extra { validators: (0..64).map(Address::with_last_byte).collect(), ..Extra::of(SealFormat::Qbft) };
    let seals = vec![vec![1; 65]; 64];
    assert!(trust.anchor(&header(&crowd.with_seals(&seals))).is_ok());
    let long = header(&vec![1; MAX_SEALED_HEADER_BYTES]);
    assert!(matches!(trust.anchor(&long), Err(HeaderError::TooLong { .. })));
}

#[test]
fn other_witnesses_do_not_replace_seals() {
    let header = Extra::of(SealFormat::Qbft).sealed(&[1, 2, 3]);
    let trust = ValidatorSeals::new(SealFormat::Qbft, addresses(4)).unwrap();
    let evidence =
        HeaderEvidence { header, witness: Witness::Attestations { set: B256::ZERO, attestations: Vec::new() } };
    let found = accept(&evidence, &trust, &RULES, &AnchorHistory::default(), Finality::Finalized, TIME);
    assert_eq!(found, Err(Unattested::WrongWitness.into()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_extra_data_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), as_list in any::<bool>()) {
        let extra = if as_list { list(&[bytes]) } else { bytes };
        for format in FORMATS {
            prop_assert!(judge(format, header(&extra)).is_err());
        }
    }

    #[test]
    fn a_changed_byte_makes_another_block_or_none(place in any::<usize>(), change in 1u8..) {
        for format in FORMATS {
            let sealed = Extra::of(format).sealed(&[1, 2, 3]);
            let honest = judge(format, sealed.clone()).unwrap();
            let mut bytes = sealed.to_vec();
            let place = place % bytes.len();
            bytes[place] ^= change;
            if let Ok(found) = judge(format, bytes.into()) {
                // Only what the hash leaves out may differ, and three seals are the fewest there can be.
                prop_assert_eq!(found.anchor(), honest.anchor());
            }
        }
    }
}
