//! `dropconnect verify`: mask bits against the CPU, every pass against float64, in named checks.

mod bits;
mod check;
mod data;
mod long;
mod masks;
mod passes;
mod plan;
mod soak;
mod variants;

use dropconnect::cpu::Backend;
use dropconnect::gpu::{Gpu, KernelOptions, Kernels, ModuleMaker, Multiply};
use dropconnect::wgpu;
use dropconnect_testing::{Pass, Target};

use crate::cli::{DeviceOptions, VerifyOptions};
use crate::error::CliError;
use crate::output::{note, print, progress, table};
use crate::{compiler, device, output};
use check::Check;
use plan::Plan;
use variants::Variants;

const LEFT_OUT: &str = "--quick leaves out: all shapes but two, and most probabilities and biases of each; variants and \
                        pooled tensors of 16 bits; sums past 600,000; 900 of 1,000 Monte-Carlo passes";

/// Runs the command.
pub fn run(command: &VerifyOptions, options: &DeviceOptions) -> Result<(), CliError> {
    let modules = command.compiler.as_deref().map(compiler::by);
    let device = device::select_with(options, modules.clone())?;
    if device.gpu().is_none() && modules.is_some() {
        return Err(CliError::Usage("--compiler is about an adapter; add --device gpu".to_owned()));
    }
    if let Some(least) = command.masks {
        return masks::run(&device, least);
    }
    if let Some(cases) = command.soak {
        return report(&soak::run(&device, cases, command.seed)?);
    }
    let adapter = device.gpu().map(|gpu| Adapter::new(gpu, command.quick, modules)).transpose()?;
    let mut plan = Plan::new(command.quick);
    bits::known_answers(&mut plan);
    let cpu = Target::Cpu(Backend::detect());
    if let Some(Adapter { gpu, multiplies, variants }) = &adapter {
        let target = Target::adapter(gpu);
        for kernels in multiplies {
            bits::philox_in_wgsl(&mut plan, gpu, kernels);
            let name = format!("mask kernel, {}", multiply_name(kernels.multiply()));
            bits::written(&mut plan, Target::Adapter { gpu, kernels }, &name);
        }
        bits::inside_passes(&mut plan, target, &Pass::ALL, "");
        passes::against_float64(&mut plan, target, "");
        passes::properties(&mut plan, target);
        variants::all(&mut plan, gpu, variants);
        long::sums(&mut plan, target, "");
        long::inference(&mut plan, &device.device);
        check::self_test(&mut plan, target);
    } else {
        check::self_test(&mut plan, cpu);
    }
    bits::written(&mut plan, cpu, "CPU");
    bits::inside_passes(&mut plan, cpu, &Pass::ALL, "CPU: ");
    passes::against_float64(&mut plan, cpu, "CPU: ");
    long::sums(&mut plan, cpu, "CPU: ");
    if device.gpu().is_none() {
        passes::properties(&mut plan, cpu);
    }
    let bar = progress(plan.len() as u64);
    let checks = plan.run(&bar);
    bar.finish_and_clear();
    device.check()?;
    if command.quick {
        note(LEFT_OUT);
    }
    report(&checks)
}

/// An adapter, and kernels of it that are checked beside those it gets by itself.
struct Adapter<'a> {
    gpu: &'a Gpu,
    /// One for each way to multiply.
    multiplies: Vec<Kernels>,
    variants: Variants,
}

impl<'a> Adapter<'a> {
    fn new(gpu: &'a Gpu, quick: bool, modules: Option<ModuleMaker>) -> Result<Self, CliError> {
        let base = KernelOptions { modules, ..KernelOptions::default() };
        let mut ways = vec![Multiply::Wide, Multiply::Split];
        if !gpu.device().features().contains(wgpu::Features::SHADER_INT64) {
            output::note("NOT RUN: Philox with 64-bit integers: the adapter lacks SHADER_INT64");
            ways.remove(0);
        }
        let kernels = |multiply| {
            Kernels::new(gpu.device(), &KernelOptions { multiply: Some(multiply), ..base.clone() })
        };
        let multiplies = ways.into_iter().map(kernels).collect::<Result<_, _>>()?;
        Ok(Self { gpu, multiplies, variants: Variants::new(gpu, quick, &base)? })
    }
}

/// The name of a way to multiply.
fn multiply_name(multiply: Multiply) -> &'static str {
    match multiply {
        Multiply::Wide => "wide multiply",
        Multiply::Split => "split multiply",
    }
}

fn report(checks: &[Check]) -> Result<(), CliError> {
    let mut table = table(&["check", "cases", "worst", "bound", "s", ""], 1..5);
    for check in checks {
        let ok = if check.ok() { "ok" } else { "FAILED" };
        table.add_row([
            check.name.clone(),
            check.cases.to_string(),
            check.worst_text(),
            check.bound_text(),
            format!("{:.1}", check.seconds),
            ok.to_owned(),
        ]);
    }
    print(&format!("{}\n", table.trim_fmt()))?;
    let failed: Vec<_> = checks.iter().filter(|check| !check.ok()).collect();
    for check in &failed {
        note(&format!("FAILED {}: {}", check.name, check.reason()));
    }
    let cases: u64 = checks.iter().map(|check| check.cases).sum();
    if failed.is_empty() {
        return print(&format!("{} checks, {cases} cases: all good\n", checks.len()));
    }
    Err(CliError::Check(format!("{} of {} checks failed", failed.len(), checks.len())))
}
