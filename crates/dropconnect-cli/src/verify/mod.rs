//! `dropconnect verify`: mask bits against the CPU, every pass against float64, in named checks.

mod masks;
mod soak;

use dropconnect::gpu::KernelOptions;
use dropconnect_testing::verify::{Check, LEFT_OUT, Progress, Subject};

use crate::cli::{DeviceOptions, VerifyOptions};
use crate::error::CliError;
use crate::output::{note, print, progress, table};
use crate::{compiler, device};

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
    let subject =
        Subject::new(&device.device, command.quick, &KernelOptions { modules, ..KernelOptions::default() })?;
    subject.not_run().for_each(|what| note(&format!("NOT RUN: {what}")));
    let plan = subject.plan();
    let bar = progress(plan.len() as u64);
    let checks = plan.run(|progress| match progress {
        Progress::Begins(name) => bar.set_message(name.to_owned()),
        Progress::Ended(_) => bar.inc(1),
    });
    bar.finish_and_clear();
    device.check()?;
    if command.quick {
        note(LEFT_OUT);
    }
    report(&checks)
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
