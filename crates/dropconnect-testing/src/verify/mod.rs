//! The checks of `dropconnect verify` and of the page: mask bits against the CPU, every pass against float64.

mod bits;
mod check;
mod data;
mod long;
mod passes;
mod plan;
mod variants;

use dropconnect::cpu::Backend;
use dropconnect::gpu::{Gpu, KernelOptions, Kernels, Multiply};
use dropconnect::{Device, Error, wgpu};

pub use check::Check;
pub use plan::Plan;
#[cfg(not(target_arch = "wasm32"))]
pub use plan::Progress;

use crate::{LAYER, Target};
use variants::Variants;

/// What [`Subject::plan`] leaves out when it is to be quick.
pub const LEFT_OUT: &str = "--quick leaves out: all shapes but two, and most probabilities and biases of each; \
                            variants and pooled tensors of 16 bits; sums past 600,000; 900 of 1,000 Monte-Carlo passes";

/// A device that is checked, with kernels of it that are checked beside those it gets by itself.
pub struct Subject<'a> {
    device: &'a Device,
    adapter: Option<Adapter<'a>>,
    quick: bool,
}

struct Adapter<'a> {
    gpu: &'a Gpu,
    /// One for each way to multiply.
    multiplies: Vec<Kernels>,
    variants: Variants,
}

impl<'a> Subject<'a> {
    /// Makes the kernels, with what the options say but for tuning and multiply. None is compiled.
    ///
    /// # Errors
    /// As [`Kernels::new`].
    pub fn new(device: &'a Device, quick: bool, options: &KernelOptions) -> Result<Self, Error> {
        let adapter = device.as_gpu().map(|gpu| Adapter::new(gpu, quick, options)).transpose()?;
        Ok(Self { device, adapter, quick })
    }

    /// What cannot be checked on this device, and why.
    pub fn not_run(&self) -> impl Iterator<Item = &'static str> {
        let int64 = "Philox with 64-bit integers: the adapter lacks SHADER_INT64";
        let adapter = self.adapter.as_ref();
        let int64 = adapter.filter(|adapter| adapter.multiplies.len() < 2).map(|_| int64);
        int64
            .into_iter()
            .chain(adapter.into_iter().flat_map(|adapter| adapter.variants.not_run.iter().copied()))
    }

    /// The checks: those of the adapter, if it is one, and those of the CPU backend.
    #[must_use]
    pub fn plan(&self) -> Plan<'_> {
        let mut plan = Plan::new(self.quick);
        bits::known_answers(&mut plan);
        let cpu = Target::Cpu(Backend::detect());
        if let Some(Adapter { gpu, multiplies, variants }) = &self.adapter {
            let target = Target::adapter(gpu);
            for kernels in multiplies {
                bits::philox_in_wgsl(&mut plan, gpu, kernels);
                let name = format!("mask kernel, {}", multiply_name(kernels.multiply()));
                bits::written(&mut plan, Target::Adapter { gpu, kernels }, &name);
            }
            bits::inside_passes(&mut plan, target, &LAYER, "");
            passes::against_float64(&mut plan, target, "");
            passes::properties(&mut plan, target);
            variants::all(&mut plan, gpu, variants);
            long::sums(&mut plan, target, "");
            long::inference(&mut plan, self.device);
            passes::self_test(&mut plan, target);
        } else {
            passes::self_test(&mut plan, cpu);
        }
        bits::written(&mut plan, cpu, "CPU");
        bits::inside_passes(&mut plan, cpu, &LAYER, "CPU: ");
        passes::against_float64(&mut plan, cpu, "CPU: ");
        long::sums(&mut plan, cpu, "CPU: ");
        if self.adapter.is_none() {
            passes::properties(&mut plan, cpu);
        }
        plan
    }
}

impl<'a> Adapter<'a> {
    fn new(gpu: &'a Gpu, quick: bool, options: &KernelOptions) -> Result<Self, Error> {
        let int64 = gpu.device().features().contains(wgpu::Features::SHADER_INT64);
        let ways = if int64 { &[Multiply::Wide, Multiply::Split][..] } else { &[Multiply::Split] };
        let kernels = |&multiply| {
            Kernels::new(gpu.device(), &KernelOptions { multiply: Some(multiply), ..options.clone() })
        };
        let multiplies = ways.iter().map(kernels).collect::<Result<_, _>>()?;
        Ok(Self { gpu, multiplies, variants: Variants::new(gpu, quick, options)? })
    }
}

/// The name of a way to multiply.
fn multiply_name(multiply: Multiply) -> &'static str {
    match multiply {
        Multiply::Wide => "wide multiply",
        Multiply::Split => "split multiply",
    }
}
