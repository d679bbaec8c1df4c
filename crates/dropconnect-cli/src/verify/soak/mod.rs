//! `dropconnect verify --soak`: random calls against float64, each made from a seed that brings it back.

mod device;
mod draw;
#[cfg(test)]
mod tests;
mod trial;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dropconnect::ElementType;
use dropconnect_testing::{Pool, bound, differences, error_in_units, wide};
use indicatif::ProgressBar;

use dropconnect_testing::verify::Check;

use crate::device::Selected;
use crate::error::CliError;
use crate::output::{progress, say};
use device::{Device, OnCpu, OnGpu};
use draw::{Case, case_seed};
use trial::{Stored, Trial};

/// Runs so many cases on the device. Without a seed one is taken from the clock.
pub fn run(selected: &Selected, cases: u64, seed: Option<u64>) -> Result<Vec<Check>, CliError> {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = seed.unwrap_or_else(clock);
    say(&format!("soak: {cases} cases from seed {seed}"));
    let bar = progress(cases);
    let fault = || selected.check();
    let checks = match selected.gpu() {
        Some(gpu) => soak(&OnGpu::new(gpu, &fault)?, cases, seed, &bar),
        None => soak(&OnCpu::new(), cases, seed, &bar),
    };
    bar.finish_and_clear();
    Ok(checks)
}

/// A check for each kind of call. It ends at the first case that fails: what comes after would rarely say more, and
/// might wait long for a device that is gone.
fn soak(device: &dyn Device, cases: u64, seed: u64, bar: &ProgressBar) -> Vec<Check> {
    let mut checks = Vec::new();
    for index in 0..cases {
        let seed = case_seed(seed, index);
        bar.set_message(format!("seed {seed}"));
        let case = match Case::new(seed) {
            Ok(case) => case,
            Err(error) => {
                // Cases are drawn within the library's limits.
                let mut check = Check::count("soak: cases".to_owned());
                check.fail(&format!("seed {seed} makes none: {error}"));
                checks.push(check);
                break;
            }
        };
        for trial in Trial::all() {
            if let Err(error) = one(device, trial, &case, &mut checks) {
                let check = find(&mut checks, trial, device.storage(case.element));
                check.fail(&format!("{error}, at {}; again with --soak 1 --seed {seed}", case.describe()));
            }
        }
        bar.inc(1);
        if checks.iter().any(|check| !check.ok()) {
            break;
        }
    }
    checks
}

/// One call of a case.
fn one(device: &dyn Device, trial: Trial, case: &Case, checks: &mut Vec<Check>) -> Result<(), CliError> {
    let element = device.storage(case.element);
    let start = Instant::now();
    let tensors = trial.tensors(case, element)?;
    let pool = Pool::new(case.call().placement, &tensors.operands, &tensors.results);
    let pool = device.run(trial, case, &tensors, pool)?;
    let check = find(checks, trial, element);
    for (got, expected) in pool.results()?.into_iter().zip(&tensors.expected) {
        let got = tensors.stored.decode(got);
        let error = match tensors.stored {
            Stored::Number(_) => error_in_units(&got, &expected.values, expected.unit),
            Stored::Bit => differences(&wide(&got), &expected.values),
        };
        check.case(error, || format!("{}; again with --soak 1 --seed {}", case.describe(), case.seed));
    }
    check.seconds += start.elapsed().as_secs_f64();
    Ok(())
}

/// The check of such calls.
fn find(checks: &mut Vec<Check>, trial: Trial, element: ElementType) -> &mut Check {
    let check = match trial {
        Trial::Mask | Trial::BiasMask => Check::count(format!("soak: {}", trial.name())),
        Trial::Layer(_) => Check::error(format!("soak: {}, {element}", trial.name()), bound(element)),
        // What is said over masks is f32 always.
        _ => Check::error(format!("soak: {}", trial.name()), bound(ElementType::F32)),
    };
    let at = checks.iter().position(|other| other.name == check.name).unwrap_or_else(|| {
        checks.push(check);
        checks.len() - 1
    });
    &mut checks[at]
}
