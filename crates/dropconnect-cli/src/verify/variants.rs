//! Kernel variants that this adapter would not get by itself, and layouts an engine would bring.

use dropconnect::gpu::{Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Multiply, Tile, Tuning};
use dropconnect::{ElementType, Write, wgpu};
use dropconnect_testing::{Call, Data, Pass, Placement, Target, bit_differences, bound};

use super::bits;
use super::check::Check;
use super::data::{SHAPES, shape, varied_mask};
use super::passes::case_of;
use super::plan::Plan;
use crate::error::CliError;
use crate::output::note;

const WIDE: &str = "wide tiles";
const ONE: &str = "one brick a thread";
const SPLIT: &str = "Philox by split multiply";

/// Kernels that this adapter would not get by itself.
pub struct Variants {
    /// By what is different.
    named: Vec<(&'static str, Kernels)>,
    one_pass: Kernels,
    unchecked: Kernels,
    checked: Kernels,
}

impl Variants {
    /// Makes them. None is compiled.
    pub fn new(gpu: &Gpu, quick: bool) -> Result<Self, CliError> {
        let tuning = *gpu.kernels().tuning();
        let one_brick = tuning.with_tiles(Tile::new(1, 1, [8, 4]));
        // What has nothing to do with tiles is tried with the smallest where little time is: they compile fastest.
        let base = if quick { one_brick } else { tuning };
        // Whatever the probability and however few the threads.
        let one_pass = |workgroup| {
            let both = BothGradientsTuning::new(Tile::new(1, 1, workgroup), 1, 0);
            one_brick.with_both_gradients(Some(both))
        };
        let tuned = |tuning| KernelOptions { tuning: Some(tuning), ..KernelOptions::default() };
        let split = KernelOptions { multiply: Some(Multiply::Split), ..tuned(base) };
        let make = |options| Kernels::new(gpu.device(), &options);
        // Tiles of few bricks on a software adapter are there for its compiler.
        let slow_compiler = gpu.info().device_type == wgpu::DeviceType::Cpu
            && tuning.forward.rows * tuning.forward.columns < 8;
        let mut named = Vec::new();
        for (name, options) in [
            ("mask bits applied by select", tuned(base.with_apply(Apply::Select))),
            ("mask bits applied by and", tuned(base.with_apply(Apply::And))),
            (ONE, tuned(one_brick)),
            ("sums split among threads", tuned(one_brick.with_threads(u32::MAX))),
            ("both gradients in one pass", tuned(one_pass([2, 64]))),
            ("both gradients in one pass, sums split", tuned(one_pass([1, 32]).with_threads(u32::MAX))),
            (WIDE, tuned(Tuning::software().with_apply(tuning.apply))),
            (SPLIT, split),
        ] {
            // What the adapter gets by itself is checked already.
            let usual = match name {
                SPLIT => gpu.kernels().multiply() == Multiply::Split,
                _ => options.tuning.is_some_and(|other| other == tuning || name != ONE && other == one_brick),
            };
            if name == WIDE && slow_compiler {
                note("NOT RUN: wide tiles: the compiler of this adapter takes minutes for them");
            } else if !usual {
                named.push((name, make(options)?));
            }
        }
        Ok(Self {
            named,
            one_pass: make(tuned(one_pass([2, 64])))?,
            unchecked: make(tuned(base))?,
            checked: make(KernelOptions { checked: true, ..tuned(base) })?,
        })
    }
}

/// Every variant against float64; some of them against each other, bit by bit.
pub fn all<'a>(plan: &mut Plan<'a>, gpu: &'a Gpu, variants: &'a Variants) {
    let quick = plan.quick;
    for (name, kernels) in &variants.named {
        let target = Target::Adapter { gpu, kernels };
        plan.check(Check::error(format!("variant: {name}"), bound(ElementType::F32)), move |check| {
            each(quick, &[ElementType::F32], |call, data| {
                Pass::ALL.into_iter().try_for_each(|pass| case_of(check, &target, pass, call, data))
            })
        });
    }
    let one_pass = Target::Adapter { gpu, kernels: &variants.one_pass };
    bits::inside_passes(plan, one_pass, &[Pass::BothGradients], "in one pass: ");
    let split = variants.named.iter().find(|(name, _)| *name == SPLIT);
    if let Some((_, kernels)) = split.filter(|_| !quick) {
        bits::inside_passes(plan, Target::Adapter { gpu, kernels }, &Pass::ALL, "split multiply: ");
    }

    let elements = if quick { &ElementType::ALL[..1] } else { &ElementType::ALL[..] };
    for &element in elements {
        let name = format!("tensors pooled in one buffer, {element}: nothing else written");
        plan.check(Check::error(name, bound(element)), move |check| {
            let target = Target::Adapter { gpu, kernels: &variants.unchecked };
            each(quick, &[element], |call, data| {
                let call = Call { placement: Placement::PooledOdd, ..*call };
                for pass in Pass::ALL {
                    case_of(check, &target, pass, &call, data)?;
                }
                let call = Call { write: [Write::Accumulate; 3], ..call };
                for pass in Pass::GRADIENTS {
                    case_of(check, &target, pass, &call, data)?;
                }
                Ok(())
            })
        });
    }

    let check = Check::count("unchecked shaders: the same bits as checked ones".to_owned());
    plan.check(check, move |check| {
        each(quick, elements, |call, data| {
            for pass in Pass::ALL {
                let run = |kernels| Target::Adapter { gpu, kernels }.run(&[pass], call, data);
                let [unchecked, checked] =
                    [run(&variants.unchecked)?, run(&variants.checked)?].map(|ran| ran.results.concat());
                check.case(bit_differences(&unchecked, &checked), || {
                    format!("{}, {}", pass.name(), call.shape)
                });
            }
            Ok(())
        })
    });
}

fn each(
    quick: bool,
    elements: &[ElementType],
    mut test: impl FnMut(&Call, &Data) -> Result<(), CliError>,
) -> Result<(), CliError> {
    // One uneven shape always; whole bricks and others when there is time.
    let shapes = if quick { &SHAPES[1..2] } else { &SHAPES[1..6] };
    for (case, &dims) in shapes.iter().enumerate() {
        let p = if quick { 0.875 } else { [0.5, 0.3, 0.875][case % 3] };
        for &element in elements {
            let shape = shape(dims)?;
            let (data, mask) = (Data::random(&shape, element, 1), varied_mask(p, 3 * case as u64)?);
            test(&Call { element, ..Call::new(shape, Some(mask)) }, &data)?;
        }
    }
    Ok(())
}
