//! Calls under other floating-point settings of their thread.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::flags::{DEFAULT, Flags, are_default, get, set};
use super::with_default;
use crate::call::{Activate, Call, Kind, Operand};
use crate::cpu::{self, with_threads};
use crate::{
    Activation, Bias, DropConnect, DropProbability, ElementType, Mask, MaskKey, Method, Origin, Shape,
    Sharing, Write,
};

/// Subnormal numbers are 0; down; up.
#[cfg(target_arch = "x86_64")]
const HOSTS: [Flags; 3] = [DEFAULT | 0x8040, DEFAULT | 0x2000, DEFAULT | 0x4000];
#[cfg(target_arch = "aarch64")]
const HOSTS: [Flags; 3] = [1 << 24, 2 << 22, 1 << 22];

/// What a thread with such flags computes.
fn under<R>(host: Flags, work: impl FnOnce() -> R) -> R {
    /// Arithmetic that is not to be moved out from between.
    #[inline(never)]
    fn apart<R>(work: impl FnOnce() -> R) -> R {
        work()
    }
    set(host);
    let result = apart(work);
    let after = get();
    set(DEFAULT);
    assert!(are_default(host ^ after ^ DEFAULT), "{host:x} became {after:x}");
    result
}

#[test]
fn a_thread_gets_its_own_flags_back() {
    for host in HOSTS {
        under(host, || assert!(are_default(with_default(get))));
        under(host, || {
            catch_unwind(|| with_default(|| std::panic::resume_unwind(Box::new(())))).unwrap_err()
        });
    }
    let tiny = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
    assert_eq!(
        (under(HOSTS[0], tiny), under(HOSTS[0], || with_default(tiny))),
        (0.0, 0.5 * f32::MIN_POSITIVE)
    );
}

fn ramp(count: usize, scale: f32) -> Vec<f32> {
    (0..count).map(|k| ((k * 37 % 101) as f32 - 50.0) * scale).collect()
}

/// Of everything that is computed on the host, from numbers so small that products are subnormal.
fn bits(tensors: &[Vec<f32>; 5]) -> Vec<u64> {
    let shape = Shape::new(9, 40, 70).unwrap();
    let [x, w, b, g, values] = tensors.each_ref().map(|tensor| &tensor[..]);
    // Half a step of the threshold, and a little more.
    let edge = DropProbability::new(2f64.powi(-17) + 2f64.powi(-69)).unwrap();
    let mut bits = vec![u64::from(edge.threshold()), u64::from(edge.bits())];
    let p = DropProbability::new(0.3).unwrap();
    let of = |p: DropProbability| Mask::new(MaskKey::new(1, 2), p);
    for drawn in [of(p), of(p).shared(Sharing::Batch), of(DropProbability::new(0.0).unwrap())] {
        let of = |kind| Call::of(kind, shape, Some(&drawn), Bias::Masked(()), Write::Overwrite);
        let mut calls: Vec<_> = Kind::ALL.into_iter().filter_map(of).collect();
        let (key, origin, activation) = (MaskKey::new(3, 4), Origin::default(), Activation::Tanh);
        calls.extend(of(Kind::Activation).map(|call| match call {
            Call::Activate(call) => {
                let method = Method::Sampled { samples: 9, key, origin };
                Activate { activation, method, ..call }.into()
            }
            call => call,
        }));
        let positive: Vec<f32> = g.iter().map(|value| value.abs()).collect();
        for call in calls {
            let elements = |of: Operand<()>| vec![0.0; of.elements(&shape)];
            let mut results: Vec<_> = call.operands().results.into_iter().map(elements).collect();
            let mut each = results.iter_mut();
            let tensor = |of: Operand<()>| match of.name {
                "x" => x,
                "weight" => w,
                "bias" => b,
                "u_variance" => &positive[..],
                _ => g,
            };
            cpu::run(call.map(tensor, |_| &mut each.next().unwrap()[..])).unwrap();
            bits.extend(results.iter().flatten().map(|value| u64::from(value.to_bits())));
        }
        let mask = &drawn;
        bits.push(mask.scale().to_bits());
        bits.push(mask.probability.spread().to_bits());
    }
    let layer = DropConnect::new(&crate::Device::Cpu, MaskKey::new(1, 0), 7, 5).build().unwrap();
    let mut keep = |results: &[f32]| bits.extend(results.iter().map(|value| u64::from(value.to_bits())));
    keep(&layer.weight().wait().unwrap());
    for element in ElementType::ALL {
        keep(&element.decode(&element.encode(values)));
        keep(&values.iter().map(|&value| element.round(value)).collect::<Vec<_>>());
    }
    bits
}

/// The caller computes itself, in a pool that it has started, and through one that it has not.
#[test]
fn results_are_the_same_whoever_calls() {
    let values = ramp(300, 0.011).into_iter().chain(ramp(300, 1e-9)).collect();
    let tensors = [ramp(630, 3e-20), ramp(2800, 7e-20), ramp(40, 3e-39), ramp(360, 3e-20), values];
    let bits = || bits(&tensors);
    let want = with_threads(1, bits).unwrap();
    assert!(with_threads(2, bits).unwrap() == want && bits() == want);
    for host in HOSTS {
        for threads in [1, 2, 3, 2] {
            assert!(
                under(host, || with_threads(threads, bits)).unwrap() == want,
                "{host:x}, {threads} threads"
            );
        }
        assert!(under(host, bits) == want, "{host:x}");
        let pool = under(host, || rayon::ThreadPoolBuilder::new().num_threads(2).build()).unwrap();
        assert!(pool.install(bits) == want, "{host:x}, a pool of the host's");
    }
    let broken = catch_unwind(AssertUnwindSafe(|| with_threads(1, || panic!("of the caller")))).is_err();
    assert!(broken && with_threads(2, bits).unwrap() == want);
}
