//! `extraData` names the current context or a given one.

use alloy_primitives::{B256, keccak256};
use tkms_types::{ContextId, ExtraData, ExtraDataError, Id};

#[test]
fn empty_and_version_zero_mean_the_current_context_and_are_answered_empty() {
    for bytes in [&[][..], &[0], &[0, 1, 2]] {
        let extra = ExtraData::parse(bytes).unwrap();
        assert_eq!(extra, ExtraData::Current);
        assert!(extra.normalised().is_empty());
    }
}

#[test]
fn version_one_names_a_context_and_is_echoed() {
    let context = ContextId::numbered(7);
    let bytes = [&[1], context.bytes().as_slice()].concat();
    let extra = ExtraData::parse(&bytes).unwrap();
    assert_eq!(extra, ExtraData::Context(context));
    assert_eq!(extra.normalised(), bytes);
}

#[test]
fn trailing_or_missing_bytes_are_refused() {
    let whole = [&[1], ContextId::numbered(7).bytes().as_slice()].concat();
    let longer = [whole.as_slice(), &[0]].concat();
    for wrong in [&whole[..32], &longer, &[1]] {
        assert_eq!(ExtraData::parse(wrong).unwrap_err(), ExtraDataError::Length(wrong.len()));
    }
}

#[test]
fn other_versions_and_other_ids_are_refused() {
    for version in [2, 3, 255] {
        assert_eq!(ExtraData::parse(&[version]).unwrap_err(), ExtraDataError::Version(version));
    }
    let mut id = keccak256("some id");
    id.0[0] = 4;
    let key = [&[1], B256::as_slice(&id)].concat();
    assert!(matches!(ExtraData::parse(&key).unwrap_err(), ExtraDataError::Context(_)));
}
