//! Kernel variants that this adapter would not get by itself, and layouts an engine would bring.

use dropconnect::gpu::{Gpu, KernelOptions, Kernels, MaskOp, Multiply, Tile, Tuning};
use dropconnect::{ElementType, Error, Write, wgpu};

use super::bits;
use super::check::Check;
use super::data::{SHAPES, shape, varied_mask};
use super::passes::case_of;
use super::plan::Plan;
use crate::{Case, Data, Failure, GRADIENTS, LAYER, Placement, Target, bit_differences, bound};

/// Kernels that this adapter would not get by itself.
pub struct Variants {
    one_brick: Kernels,
    split: Kernels,
    /// By what is different.
    others: Vec<(&'static str, Kernels)>,
    /// None where not wgpu translates.
    checked: Option<Kernels>,
    quick: bool,
    /// What is not checked on this adapter, and why.
    pub not_run: Vec<&'static str>,
}

impl Variants {
    /// Makes them, with what else the options say. None is compiled.
    pub fn new(gpu: &Gpu, quick: bool, options: &KernelOptions) -> Result<Self, Error> {
        let tuning = *gpu.kernels().tuning();
        let one_brick = tuning.with_tiles(Tile::new(1, 1, [8, 4]));
        // What has nothing to do with tiles is tried with the smallest where little time is: they compile fastest.
        let base = if quick { one_brick } else { tuning };
        let tuned = |tuning| KernelOptions { tuning: Some(tuning), ..options.clone() };
        let make = |options| Kernels::new(gpu.device(), &options);
        let mut others = vec![
            ("mask operation: select", base.with_mask_op(MaskOp::Select)),
            ("mask operation: and", base.with_mask_op(MaskOp::And)),
            ("sums split among threads", one_brick.with_threads(u32::MAX)),
        ];
        let mut not_run = Vec::new();
        if !gpu.kernels().has_k_tiles() {
            not_run.push("k tiles: FXC, which has no 64-bit integers, refuses the kernels");
        } else {
            let k_tile = Tile::new(1, 1, [8, 8]).with_k_tile(2);
            others.push(("operands tiled through workgroup memory", one_brick.with_tiles(k_tile)));
        }
        // Tiles of few bricks on a software adapter are there for its compiler.
        let few = tuning.forward.rows * tuning.forward.columns < 8;
        if few && gpu.info().device_type == wgpu::DeviceType::Cpu {
            not_run.push("wide tiles: the compiler of this adapter takes minutes for them");
        } else {
            others.push(("wide tiles", Tuning::software().with_mask_op(tuning.mask_op)));
        }
        // What is like the tiles that it starts from is checked with those.
        others.retain(|&(_, other)| other != base);
        if options.modules.is_some() {
            not_run
                .push("unchecked shaders beside checked ones: the checks are wgpu's, and another compiles");
        }
        let others = others.into_iter().map(|(name, tuning)| Ok((name, make(tuned(tuning))?)));
        Ok(Self {
            one_brick: make(tuned(one_brick))?,
            split: make(KernelOptions { multiply: Some(Multiply::Split), ..tuned(base) })?,
            others: others.collect::<Result<_, Error>>()?,
            checked: match options.modules {
                None => Some(make(KernelOptions { checked: true, ..tuned(base) })?),
                Some(_) => None,
            },
            quick,
            not_run,
        })
    }

    /// Those that are not what the adapter gets by itself, which is checked already.
    fn named<'a>(&'a self, gpu: &Gpu) -> impl Iterator<Item = (&'static str, &'a Kernels)> {
        let same = |kernels: &Kernels| kernels.tuning() == gpu.kernels().tuning();
        let split = self.other_multiply(gpu).map(|kernels| ("Philox by split multiply", kernels));
        std::iter::once(("one brick a thread", &self.one_brick))
            .chain(self.others.iter().map(|(name, kernels)| (*name, kernels)))
            .filter(move |(_, kernels)| !same(kernels))
            .chain(split)
    }

    /// Those that multiply otherwise than the adapter does by itself.
    fn other_multiply(&self, gpu: &Gpu) -> Option<&Kernels> {
        Some(&self.split).filter(|kernels| kernels.multiply() != gpu.kernels().multiply())
    }

    /// What `checked` is compared with: the same but for the checks.
    fn unchecked<'a>(&'a self, gpu: &'a Gpu) -> &'a Kernels {
        if self.quick { &self.one_brick } else { gpu.kernels() }
    }
}

/// Every variant against float64; some of them against each other, bit by bit.
pub fn all<'a>(plan: &mut Plan<'a>, gpu: &'a Gpu, variants: &'a Variants) {
    let quick = plan.quick;
    for (name, kernels) in variants.named(gpu) {
        let target = Target::Adapter { gpu, kernels };
        plan.check(Check::error(format!("variant: {name}"), bound(ElementType::F32)), async move |check| {
            for (call, data) in &cases(quick, &[ElementType::F32])? {
                for pass in LAYER {
                    case_of(check, &target, pass, call, data).await?;
                }
            }
            Ok(())
        });
    }
    if let Some(kernels) = variants.other_multiply(gpu).filter(|_| !quick) {
        bits::inside_passes(plan, Target::Adapter { gpu, kernels }, &LAYER, "split multiply: ");
    }

    let unchecked = variants.unchecked(gpu);
    let elements = if quick { &ElementType::ALL[..1] } else { &ElementType::ALL[..] };
    for &element in elements {
        let name = format!("tensors pooled in one buffer, {element}: nothing else written");
        plan.check(Check::error(name, bound(element)), async move |check| {
            let target = Target::Adapter { gpu, kernels: unchecked };
            // A browser takes tensors of one buffer only in blocks of their own.
            let placement =
                if cfg!(target_arch = "wasm32") { Placement::PooledAligned } else { Placement::PooledOdd };
            for (call, data) in &cases(quick, &[element])? {
                let call = Case { placement, ..*call };
                for pass in LAYER {
                    case_of(check, &target, pass, &call, data).await?;
                }
                let call = Case { write: [Write::Accumulate; 3], ..call };
                for pass in GRADIENTS {
                    case_of(check, &target, pass, &call, data).await?;
                }
            }
            Ok(())
        });
    }

    let Some(checked) = &variants.checked else {
        return;
    };
    let check = Check::count("unchecked shaders: the same bits as checked ones".to_owned());
    plan.check(check, async move |check| {
        for (call, data) in &cases(quick, elements)? {
            for pass in LAYER {
                let run =
                    async |kernels| Target::Adapter { gpu, kernels }.run_async(&[pass], call, data).await;
                let (unchecked, checked) = (run(unchecked).await?, run(checked).await?);
                check.case(bit_differences(&unchecked.results.concat(), &checked.results.concat()), || {
                    format!("{}, {}", pass.name(), call.shape)
                });
            }
        }
        Ok(())
    });
}

fn cases(quick: bool, elements: &[ElementType]) -> Result<Vec<(Case, Data)>, Failure> {
    let mut cases = Vec::new();
    // One uneven shape always; whole bricks and others when there is time.
    let shapes = if quick { &SHAPES[1..2] } else { &SHAPES[1..6] };
    for (case, &dims) in shapes.iter().enumerate() {
        let p = if quick { 0.875 } else { [0.5, 0.3, 0.875][case % 3] };
        for &element in elements {
            let shape = shape(dims)?;
            let (data, mask) = (Data::random(&shape, element, 1), varied_mask(p, 3 * case as u64)?);
            cases.push((Case { element, ..Case::new(shape, Some(mask)) }, data));
        }
    }
    Ok(cases)
}
