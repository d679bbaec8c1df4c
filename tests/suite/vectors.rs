//! The vectors of the mask format (`tests/data/vectors.json`), made by an independent program: through Rust with every
//! instruction set, and through WGSL on the adapter. Philox and bricks alone through WGSL are in
//! `src/gpu/tests/wgsl/`.

use std::num::NonZeroU32;

use crate::common::*;
use dropconnect::mask::brick::Brick;
use dropconnect::mask::philox::philox4x32;
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, cpu, reference,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Vectors {
    mask_format: u32,
    kats: Vec<KnownAnswer>,
    keys: Vec<Key>,
    thresholds: Vec<Threshold>,
    bricks: Vec<Planes>,
    small: Vec<Layer>,
    large: Vec<Layer>,
    gaussian: Vec<Gaussian>,
    passes: Vec<PassKey>,
}

/// The bit planes of a brick, most significant first.
#[derive(Deserialize)]
struct Planes {
    block: [u32; 3],
    key: [String; 2],
    bits: u32,
    planes: Vec<[String; 4]>,
}

/// The key of a pass of a Monte-Carlo call.
#[derive(Deserialize)]
struct PassKey {
    seed: String,
    layer: u32,
    step: String,
    t: u32,
    key: [String; 2],
}

/// One call of the generator for Gaussian samples, and the four samples in it.
#[derive(Deserialize)]
struct Gaussian {
    seed: String,
    layer: u32,
    step: String,
    output: u32,
    sample: u32,
    call: u32,
    key: [String; 2],
    words: [String; 4],
    samples: [f64; 4],
}

#[derive(Deserialize)]
struct KnownAnswer {
    counter: [String; 4],
    key: [String; 2],
    output: [String; 4],
}

#[derive(Deserialize)]
struct Key {
    seed: String,
    layer: u32,
    step: String,
    key: [String; 2],
}

#[derive(Deserialize)]
struct Threshold {
    p: f64,
    max_bits: u32,
    threshold: u32,
    bits: u32,
    scale: f64,
}

/// A layer call. The operands are [`Data::ramps`]; small ones list their results, large ones the sums and
/// norms of them.
#[derive(Deserialize)]
struct Layer {
    n: usize,
    l: usize,
    d: usize,
    p: f64,
    seed: String,
    layer: u32,
    step: String,
    offsets: [u32; 3],
    max_bits: u32,
    masked_bias: bool,
    /// 0 is the whole batch.
    examples_per_mask: u32,
    threshold: u32,
    bits: u32,
    scale: f64,
    kept: usize,
    mask_sha256: String,
    mask_hex: Option<String>,
    bias_mask_hex: Option<String>,
    sums: Four<f64>,
    norms: Four<f64>,
    #[serde(flatten)]
    results: Option<Four<Vec<f64>>>,
}

#[derive(Deserialize)]
struct Four<T> {
    y: T,
    dx: T,
    dw: T,
    db: T,
}

impl<T> Four<T> {
    fn in_order(&self) -> [&T; 4] {
        [&self.y, &self.dx, &self.dw, &self.db]
    }
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../data/vectors.json")).unwrap()
}

fn layers() -> impl Iterator<Item = Layer> {
    let Vectors { small, large, .. } = vectors();
    small.into_iter().chain(large)
}

fn words<const N: usize>(hex: &[String; N]) -> [u32; N] {
    std::array::from_fn(|index| u32::from_str_radix(&hex[index], 16).unwrap())
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

impl Layer {
    fn shape(&self) -> Shape {
        shape([self.n, self.l, self.d])
    }

    fn mask(&self) -> Mask {
        let key = MaskKey::new(number(&self.seed), self.layer).at_step(number(&self.step));
        let probability = DropProbability::with_bits(self.p, self.max_bits).unwrap();
        assert_eq!((probability.threshold(), probability.bits()), (self.threshold, self.bits));
        assert_eq!(probability.scale(), self.scale);
        let [example, output, input] = self.offsets;
        let sharing = NonZeroU32::new(self.examples_per_mask).map_or(Sharing::Batch, Sharing::Group);
        Mask::new(key, probability).shared(sharing).at(origin(example, output, input))
    }

    fn call(&self) -> Case {
        let bias = if self.masked_bias { Bias::Masked(()) } else { Bias::Plain(()) };
        Case { bias, ..Case::new(self.shape(), Some(self.mask())) }
    }

    /// Whether `bits`, one a byte, is the mask.
    fn is_mask(&self, bits: &[u8]) -> bool {
        bits.iter().all(|&bit| bit <= 1)
            && bits.iter().map(|&bit| usize::from(bit)).sum::<usize>() == self.kept
            && hex(&Sha256::digest(pack(bits))) == self.mask_sha256
            && self.mask_hex.as_ref().is_none_or(|want| hex(&pack(bits)) == *want)
    }

    fn is_bias_mask(&self, bits: &[u8]) -> bool {
        self.bias_mask_hex.as_ref().is_none_or(|want| hex(&pack(bits)) == *want)
    }

    /// Whether the results are right to a relative error: element by element where the vectors list them,
    /// else their norms, and their sums in units of the norm times the square root of the length.
    fn wrong(&self, results: [&[f64]; 4], bound: f64) -> Option<&'static str> {
        let near = |got: f64, want: f64, unit: f64| (got - want).abs() <= bound * unit;
        for (index, name) in ["y", "dx", "dw", "db"].into_iter().enumerate() {
            let got = results[index];
            let (sum, norm) = (*self.sums.in_order()[index], *self.norms.in_order()[index]);
            if let Some(listed) = &self.results {
                let want = listed.in_order()[index];
                let unit = want.iter().fold(0.0f64, |most, value| most.max(value.abs()));
                let all = got.len() == want.len()
                    && got.iter().zip(want).all(|(&got, &want)| near(got, want, unit));
                if !all {
                    return Some(name);
                }
            }
            let got_norm = got.iter().map(|value| value * value).sum::<f64>().sqrt();
            let root = (got.len() as f64).sqrt();
            if !near(got_norm, norm, norm) || !near(got.iter().sum(), sum, norm * root) {
                return Some(name);
            }
        }
        None
    }
}

/// Least significant bit first.
fn pack(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn widened(results: &Results<f32>) -> [Vec<f64>; 4] {
    results.named().map(|(_, values)| wide(values))
}

fn slices(results: &[Vec<f64>; 4]) -> [&[f64]; 4] {
    std::array::from_fn(|index| &results[index][..])
}

#[test]
fn the_file_holds_what_these_tests_expect() {
    let vectors = vectors();
    assert_eq!(vectors.mask_format, 2);
    let counts = [vectors.kats.len(), vectors.keys.len(), vectors.thresholds.len(), vectors.bricks.len()];
    assert_eq!((counts, vectors.small.len(), vectors.large.len()), ([3, 5, 20, 5], 12, 7));
    assert_eq!([vectors.gaussian.len(), vectors.passes.len()], [4, 5]);
    for layer in &vectors.small {
        assert!(layer.results.is_some() && layer.mask_hex.is_some());
        assert!(layer.masked_bias == layer.bias_mask_hex.is_some());
    }
}

#[test]
fn philox_gives_the_known_answers() {
    for answer in vectors().kats {
        let got = philox4x32(words(&answer.counter), words(&answer.key));
        assert_eq!(got, words(&answer.output));
    }
}

#[test]
fn keys_are_derived_as_in_the_vectors() {
    for row in vectors().keys {
        let key = MaskKey::new(number(&row.seed), row.layer).at_step(number(&row.step));
        assert_eq!(key.words(), words(&row.key), "{key:?}");
    }
}

#[test]
fn passes_have_the_keys_of_the_vectors() {
    for row in vectors().passes {
        let key = MaskKey::new(number(&row.seed), row.layer).at_step(number(&row.step)).pass(row.t);
        assert_eq!(key.words(), words(&row.key), "{key:?}");
    }
}

#[test]
fn gaussian_samples_are_those_of_the_vectors() {
    for row in vectors().gaussian {
        let key = MaskKey::new(number(&row.seed), row.layer).at_step(number(&row.step));
        assert_eq!(key.gaussian_words(), words(&row.key), "{key:?}");
        let counter = [row.output, row.sample, row.call, 0];
        assert_eq!(philox4x32(counter, key.gaussian_words()), words(&row.words), "{key:?}");
        // The first four samples of an output, by their running means.
        for count in 1..=4 * usize::from(row.call == 0) {
            let at = origin(row.sample, row.output, 0);
            let one = shape([1, 1, 1]);
            let identity = Activation::Identity;
            let (mean, _) =
                reference::sampled(&one, identity, count as u32, key, at, &[0.0], &[1.0]).unwrap();
            let want = row.samples[..count].iter().sum::<f64>() / count as f64;
            assert!((mean[0] - want).abs() < 1e-12, "{key:?}: {mean:?}, {want}");
        }
    }
}

#[test]
fn probabilities_become_the_thresholds_of_the_vectors() {
    for row in vectors().thresholds {
        let got = DropProbability::with_bits(row.p, row.max_bits).unwrap();
        assert_eq!((got.threshold(), got.bits(), got.scale()), (row.threshold, row.bits, row.scale));
    }
}

/// At thresholds of all the bits that were drawn: with the lowest and the highest u, and with many between.
#[test]
fn bricks_compare_the_planes_of_the_vectors() {
    for case in vectors().bricks {
        assert_eq!(case.planes.len(), case.bits as usize);
        let planes: Vec<[u32; 4]> = case.planes.iter().map(words).collect();
        let u = |n: usize, bit: u32| planes.iter().fold(0, |u, plane| u << 1 | (plane[n] >> bit & 1));
        let levels = 1u32 << case.bits;
        let thresholds = (0..256).map(|k| (k * levels / 256) | 1).chain([levels - 1]);
        for threshold in thresholds {
            let p = f64::from(levels - threshold) / f64::from(levels);
            let probability = DropProbability::with_bits(p, case.bits).unwrap();
            assert_eq!((probability.threshold(), probability.bits()), (threshold, case.bits));
            let brick = Brick::decide(case.block, words(&case.key), &probability);
            for n in 0..4 {
                for bit in 0..32 {
                    let kept = brick.word(n) >> bit & 1 == 1;
                    assert_eq!(kept, u(n as usize, bit) < threshold, "{} bits, {threshold}", case.bits);
                }
            }
        }
    }
}

#[test]
fn masks_are_those_of_the_vectors() {
    let bytes = |bits: Vec<bool>| bits.into_iter().map(u8::from).collect::<Vec<_>>();
    for layer in layers() {
        let (shape, mask) = (layer.shape(), layer.mask());
        assert!(layer.is_mask(&bytes(reference::mask::mask(&shape, &mask).unwrap())));
        assert!(layer.is_bias_mask(&bytes(reference::mask::bias_mask(&shape, &mask).unwrap())));
        for target in Target::cpus() {
            let read = |bias| target.mask(shape, &mask, bias, Placement::Separate).unwrap();
            assert!(layer.is_mask(&read(false)) && layer.is_bias_mask(&read(true)), "{}", target.name());
        }
    }
}

#[test]
fn the_reference_gives_the_results_of_the_vectors() {
    for layer in layers() {
        let (call, data) = (layer.call(), Data::ramps(&layer.shape()));
        let got = expected(&call, &data);
        assert_eq!(layer.wrong(got.named().map(|(_, values)| values), 1e-13), None, "{call:?}");
    }
}

#[test]
fn the_cpu_backend_gives_the_results_of_the_vectors() {
    for layer in layers() {
        let (call, data) = (layer.call(), Data::ramps(&layer.shape()));
        for target in Target::cpus() {
            let got = widened(&run_on(&target, &call, &data));
            assert_eq!(
                layer.wrong(slices(&got), bound(ElementType::F32)),
                None,
                "{} {call:?}",
                target.name()
            );
        }
    }
}

/// The comparisons above, shown to fail.
#[test]
fn wrong_masks_and_results_are_seen() {
    for layer in layers() {
        let (shape, mut mask) = (layer.shape(), layer.mask());
        let mut bits = vec![2; shape.output_len() * shape.inputs()];
        cpu::mask(&shape, &mask, &mut bits).unwrap();
        for wrong in [1 - bits[0], 2] {
            let mut bits = bits.clone();
            bits[0] = wrong;
            assert!(!layer.is_mask(&bits));
        }
        let right = expected(&layer.call(), &Data::ramps(&shape));
        for index in 0..4 {
            let mut wrong = right.named().map(|(_, values)| values.to_vec());
            let norm = wrong[index].iter().map(|v| v * v).sum::<f64>().sqrt();
            if norm > 0.0 {
                // All of one sign: neither the norm nor the sum may hide it.
                wrong[index].iter_mut().for_each(|value| *value += 1e-3 * norm);
                assert!(layer.wrong(slices(&wrong), bound(ElementType::F32)).is_some());
                wrong[index][0] = f64::NAN;
                assert!(layer.wrong(slices(&wrong), bound(ElementType::F32)).is_some());
            }
        }
        mask.key.step ^= 1;
        if layer.bits > 0 && shape.connections() > 100 {
            let other = Case { mask: Some(mask), ..layer.call() };
            let wrong = expected(&other, &Data::ramps(&shape));
            assert!(layer.wrong(wrong.named().map(|(_, v)| v), bound(ElementType::F32)).is_some());
        }
    }
}

#[cfg(feature = "gpu")]
mod adapter {
    use super::*;

    #[test]
    fn the_mask_kernel_writes_the_masks_of_the_vectors() {
        let Some(gpu) = adapter("the_mask_kernel_writes_the_masks_of_the_vectors") else { return };
        for layer in layers() {
            let (shape, mask) = (layer.shape(), layer.mask());
            for placement in [Placement::Separate, Placement::PooledOdd] {
                let read = |bias| written_mask(gpu, gpu.kernels(), shape, &mask, bias, placement);
                assert!(layer.is_mask(&read(false)), "{shape} {mask:?}");
                assert!(layer.is_bias_mask(&read(true)), "{shape} {mask:?}");
            }
        }
    }

    #[test]
    fn the_adapter_gives_the_results_of_the_vectors() {
        let Some(gpu) = adapter("the_adapter_gives_the_results_of_the_vectors") else { return };
        for layer in layers() {
            let (call, data) = (layer.call(), Data::ramps(&layer.shape()));
            let got = widened(&run(gpu, plain_kernels(gpu), &call, &data));
            assert_eq!(layer.wrong(slices(&got), bound(ElementType::F32)), None, "{call:?}");
        }
    }
}
