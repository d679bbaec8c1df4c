//! Kernel variants that this adapter would not get by itself, and layouts an engine would bring.

use dropconnect::gpu::{Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Multiply, Tile, Tuning};
use dropconnect::{ElementType, Write};
use dropconnect_testing::{Call, Data, Pass, Placement, Target, bit_differences, bound};

use super::check::Check;
use super::data::{SHAPES, shape, varied_mask};
use super::passes::case_of;
use super::{Context, bits};
use crate::error::CliError;

/// Every variant against float64; some of them against each other, bit by bit.
pub fn all(context: &Context, checks: &mut Vec<Check>, gpu: &Gpu) {
    let device = gpu.device();
    let tuning = *gpu.kernels().tuning();
    let one_brick = tuning.with_tiles(Tile::new(1, 1, [8, 4]));
    // Whatever the probability and however few the threads.
    let one_pass = |workgroup| {
        one_brick.with_both_gradients(Some(BothGradientsTuning::new(Tile::new(1, 1, workgroup), 1, 0)))
    };
    let tuned = |tuning| KernelOptions { tuning: Some(tuning), ..KernelOptions::default() };
    let split = KernelOptions { multiply: Some(Multiply::Split), ..KernelOptions::default() };
    // What the adapter gets by itself has been checked already.
    let usual = |options: &KernelOptions| {
        options.tuning.is_none_or(|other| other == tuning)
            && options.multiply.is_none_or(|other| other == gpu.kernels().multiply())
    };
    for (name, options) in [
        ("mask bits applied by select", tuned(tuning.with_apply(Apply::Select))),
        ("mask bits applied by and", tuned(tuning.with_apply(Apply::And))),
        ("one brick a thread", tuned(one_brick)),
        ("sums split among threads", tuned(one_brick.with_threads(u32::MAX))),
        ("both gradients in one pass", tuned(one_pass([2, 64]))),
        ("both gradients in one pass, sums split", tuned(one_pass([1, 32]).with_threads(u32::MAX))),
        ("software tiles", tuned(Tuning::software().with_apply(tuning.apply))),
        ("Philox by split multiply", split.clone()),
    ] {
        if usual(&options) {
            continue;
        }
        let check = Check::error(format!("variant: {name}"), bound(ElementType::F32));
        context.check(checks, check, |check| {
            let kernels = Kernels::new(device, &options)?;
            let target = Target::Adapter { gpu, kernels: &kernels };
            each(context, &[ElementType::F32], |call, data| {
                Pass::ALL.into_iter().try_for_each(|pass| case_of(check, &target, pass, call, data))
            })
        });
    }
    let mut inside = vec![("in one pass: ", &[Pass::BothGradients][..], tuned(one_pass([2, 64])))];
    if !context.quick && gpu.kernels().multiply() != Multiply::Split {
        inside.push(("split multiply: ", &Pass::ALL[..], split));
    }
    for (prefix, passes, options) in inside {
        match Kernels::new(device, &options) {
            Ok(kernels) => {
                let target = Target::Adapter { gpu, kernels: &kernels };
                bits::inside_passes(context, checks, &target, passes, prefix);
            }
            Err(error) => checks.push({
                let mut check = Check::count(format!("{prefix}kernels"));
                check.fail(&error.to_string());
                check
            }),
        }
    }

    let elements = if context.quick { &ElementType::ALL[..1] } else { &ElementType::ALL[..] };
    for &element in elements {
        let name = format!("tensors pooled in one buffer, {element}: nothing else written");
        context.check(checks, Check::error(name, bound(element)), |check| {
            let target = Target::adapter(gpu);
            each(context, &[element], |call, data| {
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
    context.check(checks, check, |check| {
        let checked = Kernels::new(device, &KernelOptions { checked: true, ..KernelOptions::default() })?;
        each(context, elements, |call, data| {
            for pass in Pass::ALL {
                let run = |kernels| Target::Adapter { gpu, kernels }.run(&[pass], call, data);
                let [unchecked, checked] =
                    [run(gpu.kernels())?, run(&checked)?].map(|ran| ran.results.concat());
                check.case(bit_differences(&unchecked, &checked), || {
                    format!("{}, {}", pass.name(), call.shape)
                });
            }
            Ok(())
        })
    });
}

fn each(
    context: &Context,
    elements: &[ElementType],
    mut test: impl FnMut(&Call, &Data) -> Result<(), CliError>,
) -> Result<(), CliError> {
    // One uneven shape always; whole bricks and others when there is time.
    let shapes = if context.quick { &SHAPES[1..2] } else { &SHAPES[1..6] };
    for (case, &dims) in shapes.iter().enumerate() {
        let p = if context.quick { [0.5, 0.3][case % 2] } else { [0.5, 0.3, 0.875][case % 3] };
        for &element in elements {
            let shape = shape(dims)?;
            let (data, mask) = (Data::random(&shape, element, 1), varied_mask(p, 3 * case as u64)?);
            test(&Call { element, ..Call::new(shape, Some(mask)) }, &data)?;
        }
    }
    Ok(())
}
