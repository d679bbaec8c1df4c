//! Comparison with float64, which refuses loose bounds.

use dropconnect::ElementType;

use super::Results;

/// Relative L2 errors that rounding explains: f32 sums of up to a few hundred products, and one rounding of
/// the result to 16 bits (half a unit in the last place: 2^-11 of the value for f16, 2^-8 for bf16).
pub fn bound(element: ElementType) -> f64 {
    match element {
        ElementType::F32 => 1e-5,
        ElementType::F16 => 1e-3,
        ElementType::BF16 => 1e-2,
    }
}

/// The relative L2 error of `got`: infinite where `want` is zero and `got` is not.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let difference: f64 = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum();
    let norm: f64 = want.iter().map(|want| want * want).sum();
    if difference == 0.0 { 0.0 } else { (difference / norm).sqrt() }
}

/// Whether `got` is right; NaN is not. Bounds that would let a wrong result pass are refused.
pub fn close(got: &[f32], want: &[f64], bound: f64) -> bool {
    assert!(bound > 0.0 && bound <= 2e-2, "a bound of {bound} proves nothing");
    relative_error(got, want) < bound
}

#[track_caller]
pub fn assert_close(got: &[f32], want: &[f64], bound: f64, what: &str) {
    assert!(
        close(got, want, bound),
        "{what}: relative error {:e}, allowed {bound:e}",
        relative_error(got, want)
    );
}

#[track_caller]
pub fn assert_all_close(got: &Results<f32>, want: &Results<f64>, bound: f64, what: &str) {
    for ((name, got), (_, want)) in got.named().into_iter().zip(want.named()) {
        assert_close(got, want, bound, &format!("{what}: {name}"));
    }
}
