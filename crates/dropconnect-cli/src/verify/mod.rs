//! `dropconnect verify`: mask bits against the CPU, every pass against float64, in named checks.

mod bits;
mod check;
mod data;
mod long;
mod passes;
mod soak;
mod variants;

use dropconnect::cpu::Backend;
use dropconnect::gpu::{KernelOptions, Kernels, Multiply};
use dropconnect::wgpu;
use dropconnect_testing::{Pass, Target};

use crate::cli::{DeviceOptions, VerifyOptions};
use crate::error::CliError;
use crate::output::{note, print, progress, table};
use crate::{device, output};
use check::Check;

/// What every group of checks gets.
pub struct Context<'a> {
    /// Fewer cases.
    pub quick: bool,
    /// Counts checks.
    pub bar: &'a indicatif::ProgressBar,
}

impl Context<'_> {
    /// Runs one check, which may stop at an error: that fails it and nothing else.
    pub fn check(
        &self,
        checks: &mut Vec<Check>,
        mut check: Check,
        run: impl FnOnce(&mut Check) -> Result<(), CliError>,
    ) {
        self.bar.set_message(check.name.clone());
        let start = std::time::Instant::now();
        if let Err(error) = run(&mut check) {
            check.fail(&error.to_string());
        }
        check.seconds = start.elapsed().as_secs_f64();
        self.bar.inc(1);
        checks.push(check);
    }
}

/// Runs the command.
pub fn run(command: &VerifyOptions, options: &DeviceOptions) -> Result<(), CliError> {
    let device = device::select(options)?;
    if let Some(cases) = command.soak {
        return report(&soak::run(&device, cases, command.seed)?);
    }
    let bar = progress(if device.gpu().is_some() { 40 } else { 20 });
    let context = Context { quick: command.quick, bar: &bar };
    let mut checks = Vec::new();
    bits::known_answers(&context, &mut checks);
    let cpu = Target::Cpu(Backend::detect());
    if let Some(gpu) = device.gpu() {
        let target = Target::adapter(gpu);
        for multiply in multiplies(gpu.device()) {
            let options = KernelOptions { multiply: Some(multiply), ..KernelOptions::default() };
            let kernels = Kernels::new(gpu.device(), &options)?;
            bits::philox_in_wgsl(&context, &mut checks, gpu, &kernels);
            let name = format!("mask kernel, {}", multiply_name(multiply));
            bits::written(&context, &mut checks, &Target::Adapter { gpu, kernels: &kernels }, &name);
        }
        bits::inside_passes(&context, &mut checks, &target, &Pass::ALL, "");
        passes::against_float64(&context, &mut checks, &target, "");
        passes::properties(&context, &mut checks, &target);
        variants::all(&context, &mut checks, gpu);
        long::sums(&context, &mut checks, &target, "");
        long::inference(&context, &mut checks, &device.device);
        check::self_test(&context, &mut checks, &target);
    } else {
        check::self_test(&context, &mut checks, &cpu);
    }
    bits::written(&context, &mut checks, &cpu, "CPU");
    bits::inside_passes(&context, &mut checks, &cpu, &Pass::ALL, "CPU: ");
    passes::against_float64(&context, &mut checks, &cpu, "CPU: ");
    long::sums(&context, &mut checks, &cpu, "CPU: ");
    if device.gpu().is_none() {
        passes::properties(&context, &mut checks, &cpu);
    }
    bar.finish_and_clear();
    device.check()?;
    report(&checks)
}

fn multiplies(device: &wgpu::Device) -> Vec<Multiply> {
    if device.features().contains(wgpu::Features::SHADER_INT64) {
        return vec![Multiply::Wide, Multiply::Split];
    }
    output::note("NOT RUN: Philox with 64-bit integers: the adapter lacks SHADER_INT64");
    vec![Multiply::Split]
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
