//! `dropconnect verify --soak`: random calls against float64, each made from a seed that brings it back.

mod draw;
#[cfg(test)]
mod tests;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use dropconnect::ElementType;
use dropconnect::cpu::Backend;
use dropconnect::gpu::{Gpu, KernelOptions, Kernels, MaskOp, Tile};
use dropconnect::reference::mask;
use dropconnect_testing::verify::Check;
use dropconnect_testing::{Failure, Kind, LAYER, Target, bound, differences, error_in_units};
use indicatif::ProgressBar;

use crate::device::Selected;
use crate::error::CliError;
use crate::output::{progress, say};
use draw::{Drawn, case_seed};

/// What is tried in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Mask,
    BiasMask,
    Call(Kind),
}

impl Trial {
    fn all() -> impl Iterator<Item = Self> {
        [Self::Mask, Self::BiasMask].into_iter().chain(Kind::ALL.map(Self::Call))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::BiasMask => "bias mask",
            Self::Call(kind) => kind.name(),
        }
    }
}

/// The results of a trial.
type Run<'a> = dyn Fn(Trial, &Drawn) -> Result<Vec<Vec<f32>>, CliError> + 'a;

/// Runs so many cases on the device. Without a seed one is taken from the clock.
pub fn run(selected: &Selected, cases: u64, seed: Option<u64>) -> Result<Vec<Check>, CliError> {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let seed = seed.unwrap_or_else(clock);
    say(&format!("soak: {cases} cases from seed {seed}"));
    let bar = progress(cases);
    let others = selected.gpu().map_or(Ok(Vec::new()), other_kernels)?;
    let targets: Vec<Target<'_>> = match selected.gpu() {
        // Half of the cases go to the kernels that users get.
        Some(gpu) => {
            let others = others.iter().map(|kernels| Target::Adapter { gpu, kernels });
            let own = others.clone().map(|_| Target::adapter(gpu));
            others.chain(own).collect()
        }
        None => every_backend(),
    };
    let run = |trial, drawn: &Drawn| {
        let results = results(&targets, trial, drawn)?;
        selected.check()?;
        Ok(results)
    };
    let checks = soak(&run, cases, seed, &bar);
    bar.finish_and_clear();
    Ok(checks)
}

/// Every instruction set of this processor.
fn every_backend() -> Vec<Target<'static>> {
    Backend::available().into_iter().map(Target::Cpu).collect()
}

/// Kernels that an adapter would not get by itself.
fn other_kernels(gpu: &Gpu) -> Result<Vec<Kernels>, CliError> {
    let own = *gpu.kernels().tuning();
    let mask_op = if own.mask_op == MaskOp::And { MaskOp::Select } else { MaskOp::And };
    let small = own.with_tiles(Tile::new(1, 1, [8, 4])).with_unrolled(false);
    let tunings = [
        // Dispatches that hold little, and so are many.
        small.with_iterations(4096).with_connections(1 << 20),
        // Sums split among threads.
        small.with_threads(u32::MAX).with_mask_op(mask_op),
    ];
    let make = |tuning| {
        let options = KernelOptions { tuning: Some(tuning), ..KernelOptions::default() };
        Ok(Kernels::new(gpu.device(), &options)?)
    };
    tunings.into_iter().map(make).collect()
}

/// The results of a trial on the target that the case chooses.
fn results(targets: &[Target<'_>], trial: Trial, drawn: &Drawn) -> Result<Vec<Vec<f32>>, Failure> {
    let (target, case) = (&targets[drawn.kernels as usize % targets.len()], &drawn.case);
    let of_bias = match trial {
        Trial::Call(kind) => return Ok(target.run(&[kind], case, &drawn.data)?.results),
        trial => trial == Trial::BiasMask,
    };
    let mask = case.mask.expect("a mask in every case");
    let kept = target.mask(case.shape, &mask, of_bias, case.placement)?;
    Ok(vec![kept.into_iter().map(f32::from).collect()])
}

/// A check for each kind of call. It ends at the first case that fails: what comes after would rarely say more, and
/// might wait long for a device that is gone.
fn soak(run: &Run<'_>, cases: u64, seed: u64, bar: &ProgressBar) -> Vec<Check> {
    let mut checks = Vec::new();
    for index in 0..cases {
        let seed = case_seed(seed, index);
        bar.set_message(format!("seed {seed}"));
        let drawn = match Drawn::new(seed) {
            Ok(drawn) => drawn,
            Err(error) => {
                // Cases are drawn within the library's limits.
                let mut check = Check::count("soak: cases".to_owned());
                check.fail(&format!("seed {seed} makes none: {error}"));
                checks.push(check);
                break;
            }
        };
        for trial in Trial::all() {
            if let Err(error) = one(run, trial, &drawn, &mut checks) {
                let check = find(&mut checks, trial, drawn.case.element);
                check.fail(&format!("{error}, at {}; again with --soak 1 --seed {seed}", drawn.describe()));
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
fn one(run: &Run<'_>, trial: Trial, drawn: &Drawn, checks: &mut Vec<Check>) -> Result<(), CliError> {
    let (start, case) = (Instant::now(), &drawn.case);
    let got = run(trial, drawn)?;
    let check = find(checks, trial, case.element);
    let errors: Vec<f64> = match (trial, &case.mask) {
        (Trial::Call(kind), _) => {
            let expected = case.expected(kind, &drawn.data)?;
            let each = got.iter().zip(&expected).enumerate();
            each.map(|(at, (got, want))| error_in_units(got, want, drawn.unit(kind, at))).collect()
        }
        (trial, Some(of)) => {
            let shape = &case.shape;
            let want = if trial == Trial::Mask { mask::mask(shape, of) } else { mask::bias_mask(shape, of) };
            let want: Vec<_> = want?.into_iter().map(|kept| f32::from(u8::from(kept))).collect();
            got.iter().map(|got| differences(got, &want)).collect()
        }
        (_, None) => Vec::new(),
    };
    for error in errors {
        check.case(error, || format!("{}; again with --soak 1 --seed {}", drawn.describe(), drawn.seed));
    }
    check.seconds += start.elapsed().as_secs_f64();
    Ok(())
}

/// The check of such calls.
fn find(checks: &mut Vec<Check>, trial: Trial, element: ElementType) -> &mut Check {
    let check = match trial {
        Trial::Mask | Trial::BiasMask => Check::count(format!("soak: {}", trial.name())),
        Trial::Call(kind) if LAYER.contains(&kind) => {
            Check::error(format!("soak: {kind}, {element}"), bound(element))
        }
        // What is said over masks is f32 always.
        Trial::Call(kind) => {
            let [_, stored] = kind.stored(element, element);
            Check::error(format!("soak: {kind}"), bound(stored))
        }
    };
    let at = checks.iter().position(|other| other.name == check.name).unwrap_or_else(|| {
        checks.push(check);
        checks.len() - 1
    });
    &mut checks[at]
}
