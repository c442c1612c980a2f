//! Ids carry their kind, handles their metadata.

use alloy_primitives::{B256, U256, b256, keccak256};
use tkms_types::{ContextId, EpochId, FheType, Handle, HandleError, Id, IdTag, KeyId};

#[test]
fn the_first_ids_are_the_number_one_below_their_tag() {
    assert_eq!(
        ContextId::numbered(1).bytes(),
        b256!("0x0700000000000000000000000000000000000000000000000000000000000001")
    );
    assert_eq!(EpochId::numbered(1).bytes()[0], 8);
    assert_eq!(KeyId::numbered(1).number(), (U256::from(4) << 248) + U256::ONE);
    let largest = KeyId::numbered(u64::MAX).bytes();
    assert_eq!((largest[0], &largest[24..]), (4, [0xff; 8].as_slice()));
}

#[test]
fn an_id_of_another_kind_is_refused() {
    let context = ContextId::numbered(1).bytes();
    let error = KeyId::parse(context).unwrap_err();
    assert_eq!((error.id, error.found, error.expected), (context, 7, IdTag::Key));
    EpochId::parse(B256::ZERO).unwrap_err();
    assert_eq!(ContextId::parse(context).unwrap(), ContextId::numbered(1));
    serde_json::from_str::<KeyId>(&format!("\"{context}\"")).unwrap_err();
}

#[test]
fn a_handle_says_chain_type_index_and_version() {
    let hash = keccak256("hash");
    for kind in FheType::ALL {
        let handle = Handle::new(hash, 3, 0x0102_0304_0506_0708, kind);
        assert_eq!(handle.0[..21], hash[..21]);
        assert_eq!(handle.0[21..], [3, 1, 2, 3, 4, 5, 6, 7, 8, kind as u8, 0]);
        assert_eq!((handle.chain_id(), handle.index()), (0x0102_0304_0506_0708, 3));
        assert_eq!(handle.check().unwrap(), kind);
    }
}

#[test]
fn a_handle_of_another_version_or_type_is_refused() {
    let good = Handle::new(B256::ZERO, 0, 1, FheType::Uint8);
    let mut version = good;
    version.0.0[31] = 1;
    assert_eq!(version.check().unwrap_err(), HandleError::Version { handle: version, version: 1 });
    for number in [1, 9, 255] {
        let mut kind = good;
        kind.0.0[30] = number;
        assert_eq!(kind.check().unwrap_err(), HandleError::Type { handle: kind, number });
    }
}

#[test]
fn types_have_the_numbers_and_widths_of_the_contracts() {
    let table = [
        (0, 1, 2, 1),
        (2, 8, 8, 2),
        (3, 16, 16, 4),
        (4, 32, 32, 8),
        (5, 64, 64, 16),
        (6, 128, 128, 32),
        (7, 160, 160, 40),
        (8, 256, 256, 64),
    ];
    assert_eq!(table.len(), FheType::ALL.len());
    for (kind, (number, bits, counted, blocks)) in FheType::ALL.into_iter().zip(table) {
        assert_eq!(
            (kind as u8, kind.bits(), kind.counted_bits(), kind.squashed_blocks()),
            (number, bits, counted, blocks)
        );
        assert_eq!(FheType::from_number(number), Some(kind));
    }
    // euint4 is dead
    assert_eq!(FheType::from_number(1), None);
}
