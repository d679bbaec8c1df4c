//! Comparisons with float64 that refuse loose bounds, and wrong results to show that they bite.

use dropconnect::{DropProbability, ElementType, Mask, MaskKey, Shape};

use crate::{Case, Data, Failure, LAYER, Results, Target};

/// What storing a result in this type, and summing it in f32, may cost: half a unit in the last place for storage, and
/// 1e-5 for sums, however long: they are summed in blocks.
pub fn bound(element: ElementType) -> f64 {
    let storage = match element {
        ElementType::F32 => 0.0,
        ElementType::F16 => 1.0 / 2048.0,
        ElementType::BF16 => 1.0 / 256.0,
    };
    storage + 1e-5
}

/// The same bound, if it is one.
///
/// # Panics
/// For bounds that would let a wrong result pass.
#[track_caller]
pub fn demanding(bound: f64) -> f64 {
    assert!(bound > 0.0 && bound <= 2e-2, "a bound of {bound} proves nothing");
    bound
}

/// The relative L2 error. Infinite for a NaN anywhere, for a wrong length, and where all of `want` is zero and
/// something of `got` is not.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    error_in_units(got, want, 0.0)
}

/// The same, relative to no less than as many elements of size `unit`: the terms of few sums may cancel by chance, and
/// rounding is that of the terms.
pub fn error_in_units(got: &[f32], want: &[f64], unit: f64) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let difference: f64 = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum();
    let norm: f64 = want.iter().map(|want| want * want).sum();
    match difference {
        d if d.is_nan() => f64::INFINITY,
        0.0 => 0.0,
        _ => (difference / norm.max(unit * unit * want.len() as f64)).sqrt(),
    }
}

/// Whether `got` is right; NaN is not, nor is anything of another length.
///
/// # Panics
/// For a bound that is not [`demanding`].
#[track_caller]
pub fn close(got: &[f32], want: &[f64], bound: f64) -> bool {
    relative_error(got, want) < demanding(bound)
}

/// Asserts that `got` is right.
///
/// # Panics
/// Where it is not, and as [`close`].
#[track_caller]
pub fn assert_close(got: &[f32], want: &[f64], bound: f64, what: &str) {
    let error = relative_error(got, want);
    assert!(close(got, want, bound), "{what}: relative error {error:e}, allowed {bound:e}");
}

/// Asserts that each result is right.
///
/// # Panics
/// As [`assert_close`].
#[track_caller]
pub fn assert_all_close(got: &Results<f32>, want: &Results<f64>, bound: f64, what: &str) {
    for ((name, got), (_, want)) in got.named().into_iter().zip(want.named()) {
        assert_close(got, want, bound, &format!("{what}: {name}"));
    }
}

/// How many values differ.
pub fn differences<T: PartialEq>(got: &[T], want: &[T]) -> f64 {
    let missing = got.len().abs_diff(want.len());
    (got.iter().zip(want).filter(|(got, want)| got != want).count() + missing) as f64
}

/// How many values differ in some bit.
pub fn bit_differences(got: &[f32], want: &[f32]) -> f64 {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    differences(&bits(got), &bits(want))
}

/// A result made wrong. The number is its norm.
type Fault = (&'static str, fn(&mut Vec<f32>, f32));

const FAULTS: [Fault; 6] = [
    ("a value never written", |got, _| got[7] = f32::NAN),
    ("an infinite value", |got, _| got[7] = f32::INFINITY),
    ("a value off by a twentieth of the norm", |got, norm| got[7] += norm / 20.0),
    ("a wrong scale", |got, _| got.iter_mut().for_each(|value| *value *= 1.01)),
    ("two values exchanged", |got, _| exchange(got)),
    ("a short result", |got, _| got.truncate(got.len() - 1)),
];

/// Exchanges the least and the greatest value. Any two might be as good as equal.
fn exchange(values: &mut [f32]) {
    let order = |&a: &usize, &b: &usize| values[a].total_cmp(&values[b]);
    if let (Some(least), Some(greatest)) = ((0..values.len()).min_by(order), (0..values.len()).max_by(order))
    {
        values.swap(least, greatest);
    }
}

/// Feeds right and wrong results of a target to the comparisons, every pass in each element type. Returns how many it
/// fed, and those on which a comparison was wrong.
///
/// # Errors
/// As [`Target::run_async`].
pub async fn self_test_async(target: &Target<'_>) -> Result<(u64, Vec<String>), Failure> {
    let shape = Shape::new(31, 33, 100)?;
    let key = MaskKey::new(0x1234_5678_9abc_def0, 3).at_step(1);
    let mask = Mask::new(key, DropProbability::new(0.5)?);
    let (mut fed, mut missed) = (0, Vec::new());
    for element in ElementType::ALL {
        let call = Case { element, ..Case::new(shape, Some(mask)) };
        let other = Case { mask: Some(Mask { key: key.at_step(2), ..mask }), ..call };
        let data = Data::random(&shape, element, 1);
        for pass in LAYER {
            let right = target.run_async(&[pass], &call, &data).await?.results;
            let others = target.run_async(&[pass], &other, &data).await?.results;
            for ((right, others), want) in right.iter().zip(others).zip(call.expected(pass, &data)?) {
                let mut feed = |what: &str, got: &[f32], is_right: bool| {
                    fed += 1;
                    if close(got, &want, bound(element)) != is_right {
                        missed.push(format!("{what} in {}, {element}", pass.name()));
                    }
                };
                feed("the right answer", right, true);
                feed("the mask of another step", &others, false);
                let norm = want.iter().map(|value| value * value).sum::<f64>().sqrt() as f32;
                for (what, spoil) in FAULTS {
                    let mut got = right.clone();
                    spoil(&mut got, norm);
                    feed(what, &got, false);
                }
            }
        }
    }
    Ok((fed, missed))
}

/// As [`self_test_async`], on a thread that may wait.
///
/// # Errors
/// As [`Target::run_async`].
#[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
pub fn self_test(target: &Target) -> Result<(u64, Vec<String>), Failure> {
    pollster::block_on(self_test_async(target))
}
