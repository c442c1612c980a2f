//! Digits to typed values.

use alloy_primitives::{U256, address};
use tkms_types::{FheType, Plaintext, PlaintextError};
use zeroize::Zeroize;

#[test]
fn digits_are_put_together_lowest_first() {
    let value = Plaintext::from_digits(FheType::Uint16, &[4, 3, 2, 1]).unwrap();
    assert_eq!(value.value(), U256::from(0x1234));
    assert_eq!(value.le_bytes(), [0x34, 0x12]);
    assert_eq!(value.abi_word()[28..], [0, 0, 0x12, 0x34]);
}

#[test]
fn the_widest_values_fit_every_type() {
    for kind in FheType::ALL {
        let all = Plaintext::from_digits(kind, &vec![15; kind.squashed_blocks()]).unwrap();
        assert_eq!(all.value().bit_len(), kind.bits());
        assert_eq!(all, Plaintext::new(kind, all.value()).unwrap());
        assert_eq!(all.le_bytes().len(), kind.bits().div_ceil(8));
        if let Some(over) = all.value().checked_add(U256::ONE) {
            assert_eq!(Plaintext::new(kind, over).unwrap_err(), PlaintextError::TooLarge { kind });
        }
    }
}

#[test]
fn carries_above_the_width_are_dropped() {
    assert_eq!(Plaintext::from_digits(FheType::Bool, &[0b1110]).unwrap().value(), U256::ZERO);
    assert_eq!(Plaintext::from_digits(FheType::Bool, &[0b0011]).unwrap().value(), U256::ONE);
    // A digit is four bits whatever stands above them
    assert_eq!(Plaintext::from_digits(FheType::Uint8, &[0xf1, 0x02]).unwrap().value(), U256::from(0x21));
}

#[test]
fn another_number_of_digits_is_refused() {
    for found in [0, 1, 3] {
        let error = Plaintext::from_digits(FheType::Uint8, &vec![0; found]).unwrap_err();
        assert_eq!(error, PlaintextError::Digits { kind: FheType::Uint8, found });
    }
}

#[test]
fn an_address_is_the_low_twenty_bytes() {
    let owner = address!("0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D");
    let value = Plaintext::new(FheType::Uint160, owner.into_word().into()).unwrap();
    assert_eq!(value.address(), owner);
}

#[test]
fn a_value_is_redacted_and_wipes_itself() {
    let mut value = Plaintext::new(FheType::Uint64, U256::from(4242)).unwrap();
    assert!(!format!("{value:?}").contains("4242"));
    value.zeroize();
    assert_eq!(value.value(), U256::ZERO);
}
