use super::*;

const PRODUCTION: ExactBounds = ExactBounds::PRODUCTION;

/// 1 − (2^(L−7) − 1)²/2V · log2 e, in floating point.
fn by_formula(bounds: ExactBounds, residue: f64) -> f64 {
    let unit = 2f64.powi(64 - bounds.log_modulus as i32);
    let variance = f64::from(bounds.dimension) * residue / 4.0 + 17.0 * (bounds.noise as f64 / unit).powi(2);
    let margin = 2f64.powi(bounds.log_modulus as i32 - 7) - 1.0;
    1.0 - margin * margin / (2.0 * variance) * std::f64::consts::LOG2_E
}

#[test]
fn integer_arithmetic_gives_what_the_formula_gives_rounded_up() {
    for dimension in [100, 918, 2048, 4096] {
        for log_modulus in 10..=16 {
            for noise in [0, 1 << 40, PRODUCTION.noise, 1 << 52] {
                let bounds = ExactBounds { dimension, log_modulus, noise };
                for (masks, residue) in [(Masks::Honest, 1.0 / 12.0), (Masks::Any, 0.25)] {
                    let (found, exact) = (bounds.failure_log2(masks).unwrap(), by_formula(bounds, residue));
                    // one unit more of 48·V is at most a hundredth of it
                    let slack = 1.0 + exact.abs() / 90.0;
                    assert!((found as f64) >= exact - 0.01 && (found as f64) <= exact + slack, "{bounds:?} {exact}");
                }
            }
        }
    }
}

#[test]
fn fourteen_bits_hold_for_honest_masks_and_fifteen_for_any() {
    let of = |log_modulus| ExactBounds { log_modulus, ..PRODUCTION };
    assert!(of(13).failure_log2(Masks::Honest).unwrap() > -128);
    assert!(of(14).failure_log2(Masks::Honest).unwrap() < -128);
    assert!(of(14).failure_log2(Masks::Any).unwrap() > -128);
    assert!(of(15).failure_log2(Masks::Any).unwrap() < -300);
    assert!(of(14).check().is_err() && of(15).check().is_ok() && of(16).check().is_ok());
}

#[test]
fn the_smallest_modulus_is_found_and_too_much_noise_has_none() {
    assert_eq!(ExactBounds::smallest(2048, PRODUCTION.noise), Ok(Width::PRODUCTION));
    assert_eq!(ExactBounds::smallest(2048, 0).unwrap().log_modulus(), 15);
    assert_eq!(ExactBounds::smallest(512, 0).unwrap().log_modulus(), 14);
    let error = ExactBounds::smallest(2048, 1 << 54).unwrap_err();
    assert_eq!(error.bounds, ExactBounds { dimension: 2048, log_modulus: 16, noise: 1 << 54 });
    assert!(error.to_string().contains("2048") && error.to_string().contains("2^16"), "{error}");
}

#[test]
fn absurd_parameters_are_refused_without_overflow() {
    for bad in [
        ExactBounds { log_modulus: 0, ..PRODUCTION },
        ExactBounds { log_modulus: 7, ..PRODUCTION },
        ExactBounds { log_modulus: 17, ..PRODUCTION },
        ExactBounds { log_modulus: u32::MAX, ..PRODUCTION },
        ExactBounds { dimension: 0, ..PRODUCTION },
        ExactBounds { dimension: u32::MAX, ..PRODUCTION },
        ExactBounds { noise: u64::MAX, ..PRODUCTION },
        ExactBounds { noise: 1 << 55, ..PRODUCTION },
    ] {
        assert_eq!(bad.check(), Err(ExactBoundError { bounds: bad }));
    }
}

#[test]
fn a_width_of_fifteen_bits_has_masks_of_ten() {
    assert_eq!((Width::PRODUCTION.log_modulus(), Width::PRODUCTION.mask_bits()), (15, 10));
    assert_eq!(Width::PRODUCTION.shift(), 1);
}
