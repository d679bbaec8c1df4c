//! The standard normal distribution in float32: its tail, and samples.

use std::f32::consts::TAU;

use crate::mask::philox::philox4x32;

/// `1 / sqrt(2 pi)`.
const DENSITY_AT_0: f32 = 0.398_942_3;

/// Chebyshev interpolation of `(t + 1) P(z > t) / phi(t)` in `(t - 3) / (t + 3)`, as powers, lowest first.
/// Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc(x) in 0 <= x < infinity"
/// (Math. Comp. 36, 1981), is the method; the coefficients are our own, for 2.3e-8.
pub(crate) const MILLS: [f32; 11] = [
    1.218_361_1,
    -0.241_956_64,
    -0.041_189_72,
    0.113_207_77,
    -0.056_967_527,
    0.002_918_530_7,
    0.007_502_594_5,
    -0.000_916_795_86,
    -0.001_206_409_5,
    9.006_732_6e-5,
    0.000_156_963_68,
];

/// `max(u, 0)` that keeps NaN, which `f32::max` would make 0.
pub(super) fn rectified(u: f32) -> f32 {
    if u < 0.0 { 0.0 } else { u }
}

/// Density phi(t) and upper tail P(z > t) for t >= 0. The tail's relative error is below 2e-7 in units of
/// the density.
pub(super) fn density_and_tail(t: f32) -> (f32, f32) {
    let density = DENSITY_AT_0 * (-0.5 * t * t).exp();
    let s = (t - 3.0) / (t + 3.0);
    let mills = MILLS.iter().rev().fold(0.0, |sum, coefficient| sum * s + coefficient) / (t + 1.0);
    (density, density * mills)
}

/// Four standard normal samples, numbers `4 * call..` of global example n and output o.
pub(super) fn samples(key: [u32; 2], n: u32, o: u32, call: u32) -> [f32; 4] {
    let [a, b, c, d] = philox4x32([o, n, call, 0], key);
    let [[e, f], [g, h]] = [box_muller(a, b), box_muller(c, d)];
    [e, f, g, h]
}

fn box_muller(a: u32, b: u32) -> [f32; 2] {
    // 24 bits each: exact in float32, and the logarithm never sees 0.
    const UNIT: f32 = 1.0 / (1 << 24) as f32;
    let radius = (-2.0 * (((a >> 8) + 1) as f32 * UNIT).ln()).sqrt();
    let (sin, cos) = (TAU * ((b >> 8) as f32 * UNIT)).sin_cos();
    [radius * cos, radius * sin]
}

/// The variance of a single value: 0, and NaN where it is not finite.
pub(super) fn none_of(value: f32) -> f32 {
    if value.is_finite() { 0.0 } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// exp(-t^2 / 2) is rounded in its argument, so far tails are compared through Mills' ratio.
    #[test]
    fn tails_are_good_to_two_parts_in_ten_million() {
        // P(z > t) / phi(t), from 30 digits.
        for (t, want) in [
            (0.0, 1.253_314_137_315_500_3),
            (0.5, 0.876_364_456_453_692_3),
            (1.0, 0.655_679_542_418_798_5),
            (2.0, 0.421_369_229_288_054_5),
            (5.0, 0.192_808_104_715_315_8),
            (10.0, 0.099_028_596_471_731_92),
        ] {
            let (density, tail) = density_and_tail(t);
            let ratio = f64::from(tail) / f64::from(density);
            assert!((ratio / want - 1.0).abs() < 3e-7, "{t}: {ratio} {want}");
        }
    }
}
