//! Who signed: the address behind an ECDSA signature over secp256k1, as contracts find it.
//!
//! The library's own recovery verifies the signature with the key that it has just computed from it, which doubles the cost and
//! holds by construction: with Q = r⁻¹·(s·R − z·G), s⁻¹·(z·G + r·Q) = R. A node looks at one signature for every ciphertext, so
//! here it is computed once (SEC 1, section 4.1.6).

use alloy_primitives::{Address, B256};
use k256::ecdsa::VerifyingKey;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::group::Group as _;
use k256::elliptic_curve::ops::{Invert as _, LinearCombination as _, Reduce};
use k256::elliptic_curve::point::DecompressPoint as _;
use k256::elliptic_curve::scalar::IsHigh as _;
use k256::{AffinePoint, FieldBytes, ProjectivePoint, Scalar, U256};

/// The signer of a digest from 65 bytes r ‖ s ‖ v with v 27 or 28 and low s. `None`: not such a signature.
#[must_use]
pub fn recover(digest: B256, signature: &[u8]) -> Option<Address> {
    let (body, [v]) = signature.split_last_chunk::<1>()?;
    let odd = match v {
        27 => false,
        28 => true,
        _ => return None,
    };
    recover_from(&digest.0, body.try_into().ok()?, odd)
}

/// The same from 64 bytes as in ERC-2098: r, then s with the parity of the nonce's point in its top bit.
#[must_use]
pub fn recover_short(digest: &[u8; 32], signature: &[u8; 64]) -> Option<Address> {
    let mut body = *signature;
    let (_, s) = body.split_first_chunk_mut::<32>()?;
    let first = s.first_mut()?;
    let odd = *first & 0x80 != 0;
    *first &= 0x7f;
    recover_from(digest, &body, odd)
}

fn recover_from(digest: &[u8; 32], body: &[u8; 64], odd: bool) -> Option<Address> {
    let (r_bytes, s_bytes) = body.split_first_chunk::<32>()?;
    let (r_bytes, s_bytes) = (FieldBytes::from(*r_bytes), FieldBytes::from(*s_bytes.first_chunk::<32>()?));
    let scalar = |bytes: FieldBytes| Option::<Scalar>::from(Scalar::from_repr(bytes));
    let (r, s) = (scalar(r_bytes)?, scalar(s_bytes)?);
    if bool::from(r.is_zero()) || bool::from(s.is_zero()) || bool::from(s.is_high()) {
        return None;
    }
    let nonce = AffinePoint::decompress(&r_bytes, u8::from(odd).into());
    let nonce = Option::<AffinePoint>::from(nonce)?;
    let z = <Scalar as Reduce<U256>>::reduce_bytes(&FieldBytes::from(*digest));
    let inverse = Option::<Scalar>::from(r.invert_vartime())?;
    let key = ProjectivePoint::lincomb(
        &ProjectivePoint::GENERATOR,
        &-(inverse * z),
        &ProjectivePoint::from(nonce),
        &(inverse * s),
    );
    if bool::from(key.is_identity()) {
        return None;
    }
    Some(Address::from_public_key(&VerifyingKey::from_affine(key.to_affine()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use k256::ecdsa::SigningKey;

    fn cases() -> impl Iterator<Item = (B256, [u8; 65], Address)> {
        (1u8..=40).map(|number| {
            let key = SigningKey::from_slice(keccak256([number]).as_slice()).unwrap();
            let digest = keccak256([number, 1]);
            let signature = tkms_wire::signature::sign(&key, digest).unwrap();
            (digest, signature, Address::from_public_key(key.verifying_key()))
        })
    }

    #[test]
    fn the_signer_is_found_in_either_form() {
        for (digest, signature, signer) in cases() {
            assert_eq!(recover(digest, &signature), Some(signer));
            let mut short: [u8; 64] = signature[..64].try_into().unwrap();
            short[32] |= (signature[64] - 27) << 7;
            assert_eq!(recover_short(&digest.0, &short), Some(signer));
        }
    }

    #[test]
    fn it_says_what_the_library_says_of_altered_signatures() {
        for (digest, signature, signer) in cases() {
            for place in 0..65 {
                let mut altered = signature;
                altered[place] ^= if place == 64 { 7 } else { 1 << (place % 8) };
                let found = recover(digest, &altered);
                assert_eq!(found, tkms_types::typed_data::recover(digest, &altered), "byte {place}");
                assert_ne!(found, Some(signer));
            }
            assert_ne!(recover(keccak256(digest), &signature), Some(signer));
        }
    }

    #[test]
    fn what_is_no_signature_has_no_signer() {
        let (digest, signature, _) = cases().next().unwrap();
        let order = alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        let with = |from: usize, bytes: [u8; 32]| {
            let mut altered = signature;
            altered[from..from + 32].copy_from_slice(&bytes);
            recover(digest, &altered)
        };
        for from in [0, 32] {
            assert_eq!(with(from, [0; 32]), None);
            assert_eq!(with(from, order), None);
            assert_eq!(with(from, [0xff; 32]), None);
        }
        // the other root: the library's twin of the signature with s negated
        let s: [u8; 32] = signature[32..64].try_into().unwrap();
        let s = Scalar::from_repr(s.into()).unwrap();
        assert_eq!(with(32, (-s).to_bytes().into()), None, "high s");
        assert_eq!(recover(digest, &signature[..64]), None);
        assert_eq!(recover(digest, &[signature.as_slice(), &[27]].concat()), None);
        assert_eq!(recover_short(&digest.0, &[0; 64]), None);
        assert_eq!(recover_short(&digest.0, &[0xff; 64]), None);
    }
}
