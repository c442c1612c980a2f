//! Bytes and numbers as they stand in JSON: hex with or without `0x`, integers inside strings.

use alloy_primitives::{Bytes, hex};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::str::FromStr;

/// Bytes written with `0x`; read with or without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hex(pub Bytes);

/// Bytes written without `0x`; read with or without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlainHex(pub Bytes);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_prefixed(&self.0))
    }
}

impl Serialize for PlainHex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

// A string and nothing else: the library's own reader also takes arrays of numbers.
fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    hex::decode(&text).map(Into::into).map_err(|error| D::Error::custom(format!("not a hex string: {error}")))
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_hex(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for PlainHex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_hex(deserializer).map(Self)
    }
}

/// A chain id written as `0x…`; read in hex or decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub u64);

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:#x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = match text.strip_prefix("0x") {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                u64::from_str_radix(digits, 16).ok()
            }
            Some(_) => None,
            None => parse_decimal(&text),
        };
        number.map(Self).ok_or_else(|| D::Error::custom(format!("not a number: {text:?}")))
    }
}

/// Digits and nothing else: no sign, no blanks.
fn parse_decimal<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// An unsigned integer inside a decimal string, for serde's `with`.
pub(crate) mod decimal {
    use super::{Deserialize, Deserializer, Error, FromStr, Serializer, parse_decimal};
    use std::fmt::Display;

    pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_decimal(&text).ok_or_else(|| D::Error::custom(format!("not a decimal number in range: {text:?}")))
    }
}
