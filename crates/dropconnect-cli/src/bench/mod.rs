//! `dropconnect bench`: all passes beside a dense layer and a stored mask, checked before they are timed.

mod beside;
mod engine;
mod environment;
mod floor;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
mod machine;
mod on_cpu;
mod page;
mod plan;
mod problem;
mod process;
mod protocol;
mod rounds;
mod sample;
mod serve;
mod served;
mod statistics;
mod stopwatch;
mod stored_mask;
mod table;
mod targets;
mod template;
mod words;

pub use serve::run as serve;

use std::path::PathBuf;

use dropconnect::gpu::Tuning;
use dropconnect::{DropProbability, ElementType, Mask, MaskKey, Shape, Sharing};
use dropconnect_testing::Kind;
use indicatif::ProgressBar;

use crate::cli::{BenchOptions, DeviceKind, DeviceOptions, Rival};
use crate::device::{self, Selected};
use crate::error::CliError;
use crate::interrupt;
use crate::output::{note, progress};
use crate::probability::warn_of_rounding;
use beside::Programs;
use engine::Engine;
use environment::Environment;
use floor::{Floor, Meter};
use json::{Beside, Entry, Memory, PassEntry, Report, Samples};
use machine::Watch;
use plan::Plan;
use problem::{Implementation, Problem, moved_elements, multiply_adds};
use process::Prepared;
use protocol::Task;
use served::{Pair, Start};
use statistics::Verdict;
use stopwatch::Timer;
use targets::Targets;

/// Runs the command.
pub fn run(options: &BenchOptions, given: &DeviceOptions) -> Result<(), CliError> {
    let plan = Plan::new(options)?;
    let targets = Targets::new(options)?;
    plan.probabilities.iter().for_each(warn_of_rounding);
    let mut device_options = given.clone();
    if options.tune && device_options.device == DeviceKind::Auto {
        // Kernel shapes are an adapter's: what would be found here is nothing to the CPU backend.
        device_options.device = DeviceKind::Gpu;
    }
    let mut device = device::select(&device_options)?;
    if device.gpu().is_none() && plan.elements.iter().any(|&element| element != ElementType::F32) {
        return Err(CliError::Usage(
            "--element: the CPU backend computes in f32; f16 and bf16 need an adapter, such as one of \
             --device gpu"
                .to_owned(),
        ));
    }
    if options.tune {
        let Some(gpu) = device.gpu() else {
            return Err(CliError::Usage(
                "--tune is for adapters (--device gpu); the CPU backend has one implementation".to_owned(),
            ));
        };
        let (shape, p) = (&plan.shapes[0], plan.probabilities[0]);
        let tuning = Tuning::measured(gpu.device(), gpu.queue(), shape, p)?;
        device.check()?;
        note(&format!("fastest for {shape}, p = {}: --tuning {tuning}", p.requested()));
        device_options.tuning = Some(tuning);
        device = device::select(&device_options)?;
    }
    let timer = Timer::of(device.gpu());
    let mut report = Report::new(Environment::of(&device.device), timer);
    let start = |program: &PathBuf| {
        Pair::start(Start {
            program: program.clone(),
            options: [given.clone(), device_options.clone()],
            environment: report.environment.clone(),
            timer,
            timeout: options.timeout,
        })
    };
    let mut pair = options.baseline.as_ref().map(start).transpose()?;
    report.baseline = pair.as_ref().map(|pair| pair.earlier.about.clone());
    let mut programs = Programs::start(&options.beside, given, &report.environment, options.timeout)?;
    report.beside = programs.about();
    let watch = Watch::start(device.gpu());
    let meter = device.gpu().map(|gpu| Meter::new(gpu, timer)).transpose()?;
    device.check()?;
    report.rates = meter.as_ref().map(Meter::rates).transpose()?;
    device.check()?;
    let bar = progress(plan.steps());
    let outcome = problems(&device, timer, &plan, (pair.as_mut(), &mut programs), &mut report, &bar);
    bar.finish_and_clear();
    let passes = report.results.iter().flat_map(|entry| &entry.passes);
    let samples = passes.flat_map(|pass| pass.implementations()).map(|(_, samples)| &samples.samples_ms[..]);
    report.machine = Some(watch.stop(samples));
    if let (Ok(()), Some(meter), Some(rates)) = (&outcome, &meter, report.rates.take()) {
        // Again: a floor from rates of a slower moment would be none.
        report.rates = Some(rates.best(&meter.rates()?));
    }
    floors(&device, &plan, &mut report)?;
    if let Err(error) = &outcome {
        if report.results.is_empty() {
            return outcome;
        }
        // What was measured before stays right, and may have taken hours.
        report.stopped = Some(error.to_string());
    }
    let written = targets.write(&report);
    match (outcome, written) {
        (Ok(()), Ok(())) => interrupt::check(),
        (Ok(()), Err(error)) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(unwritten)) => {
            note(&format!("error: {unwritten}"));
            Err(error)
        }
    }
}

/// The floors of all passes, once all rates are known.
fn floors(device: &Selected, plan: &Plan, report: &mut Report) -> Result<(), CliError> {
    let (Some(gpu), Some(rates)) = (device.gpu(), &report.rates) else { return Ok(()) };
    let mask_op = gpu.kernels().tuning().mask_op;
    for entry in &mut report.results {
        let shape = Shape::new(entry.batch, entry.outputs, entry.inputs)?;
        let probability = DropProbability::new(entry.p)?;
        let element = ElementType::ALL.into_iter().find(|element| element.name() == entry.element);
        let element = element.unwrap_or(ElementType::F32);
        for pass in &mut entry.passes {
            let Some(&of) = plan.passes.iter().find(|of| of.name() == pass.pass) else { continue };
            let bytes = [entry.memory.tensors, moved_elements(of, &shape) * element.size() as u64];
            pass.floor = Some(Floor::of(rates, mask_op, &probability, of, &shape, bytes));
        }
    }
    Ok(())
}

/// All problems of a plan, into the report: what stands there when one fails is good.
fn problems(
    device: &Selected,
    timer: Timer,
    plan: &Plan,
    (mut pair, programs): (Option<&mut Pair>, &mut Programs),
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<(), CliError> {
    for &shape in &plan.shapes {
        for &element in &plan.elements {
            let outcome = Problem::new(shape, element, device.gpu().is_some()).and_then(|problem| {
                let mut engine = Engine::new(device.gpu(), timer, &problem)?;
                plan.probabilities.iter().try_for_each(|&probability| {
                    let pair = pair.as_deref_mut();
                    let (problem, engine, programs) = (&problem, &mut engine, &mut *programs);
                    let mut bench = Bench { device, plan, problem, engine, pair, programs, bar };
                    bench.entry(probability, &mut report.results)
                })
            });
            device.checked(outcome)?;
        }
    }
    Ok(())
}

/// One problem on a device.
struct Bench<'a, 'e> {
    device: &'a Selected,
    plan: &'a Plan,
    problem: &'a Problem,
    engine: &'a mut Engine<'e>,
    pair: Option<&'a mut Pair>,
    programs: &'a mut Programs,
    bar: &'a ProgressBar,
}

impl Bench<'_, '_> {
    /// All passes at one p.
    fn entry(&mut self, probability: DropProbability, results: &mut Vec<Entry>) -> Result<(), CliError> {
        let mask = Mask::new(MaskKey::new(42, 0).at_step(1), probability);
        let shared = mask.shared(Sharing::Batch);
        let missing = if self.plan.has(Rival::Stored) { self.engine.store_mask(&mask)? } else { None };
        let mut implementations = vec![Implementation::Ours(&mask)];
        for (rival, implementation, there) in [
            (Rival::Dense, Implementation::Dense, true),
            (Rival::Shared, Implementation::Shared(&shared), true),
            (Rival::Stored, Implementation::Stored(&mask), missing.is_none()),
        ] {
            implementations.extend((self.plan.has(rival) && there).then_some(implementation));
        }
        let mut passes = Vec::new();
        let outcome = self.plan.passes.iter().try_for_each(|&pass| {
            passes.push(self.pass(pass, &implementations, probability)?);
            self.bar.inc(1);
            // There is something to keep now.
            interrupt::defer();
            Ok::<_, CliError>(())
        });
        let memory = Memory {
            tensors: self.problem.tensor_bytes(),
            ours_extra: self.engine.parameter_bytes(),
            stored_mask_extra: self.engine.stored_bytes(),
        };
        // The device's own word on these passes, before they count.
        self.device.check()?;
        if !passes.is_empty() {
            let (shape, element) = (&self.problem.shape, self.problem.element);
            results.push(Entry::new(shape, element, &probability, memory, missing, passes));
        }
        outcome
    }

    /// Checks all implementations of a pass, and has them take turns. The first is ours.
    fn pass(
        &mut self,
        pass: Kind,
        implementations: &[Implementation],
        probability: DropProbability,
    ) -> Result<PassEntry, CliError> {
        let Problem { shape, element, .. } = self.problem;
        let (mut timed, mut errors) = (Vec::new(), Vec::new());
        for &implementation in implementations {
            interrupt::check()?;
            self.bar.set_message(format!("{}: {}, {shape}, {element}", pass.name(), implementation.name()));
            errors.push(checked(self.engine, self.problem, pass, implementation)?);
            timed.push(self.engine.timed(pass, implementation)?);
        }
        let task = Task::new(shape, *element, probability.requested(), pass);
        let prepared = self.programs.prepare(&task)?;
        let ready = |(which, one): (usize, &Prepared)| matches!(one, Prepared::Ready(_)).then_some(which);
        let able: Vec<_> = prepared.iter().enumerate().filter_map(ready).collect();
        let others = implementations.len() + able.len();
        if let Some(pair) = &mut self.pair {
            pair.prepare(&task)?;
        }
        let baseline = self.pair.is_some().then_some(others);
        let count = others + usize::from(baseline.is_some());
        let time_budget = &self.plan.time_budget;
        let mut series =
            rounds::contest(time_budget, count, baseline, |implementation, calls, warm_up| match &mut self
                .pair
            {
                Some(pair) if implementation == 0 => pair.ours.sample(calls, warm_up),
                Some(pair) if implementation == others => pair.earlier.sample(calls, warm_up),
                _ if implementation < implementations.len() => {
                    self.engine.sample(&timed[implementation], calls, warm_up)
                }
                _ => self.programs.sample(able[implementation - implementations.len()], calls, warm_up),
            })?;
        let mut verdicts =
            baseline.map_or_else(Vec::new, |baseline| vec![series[0].verdict(&series[baseline])]);
        while let (Some(pair), Some(baseline), true) =
            (&mut self.pair, baseline, Verdict::needs_another(&verdicts))
        {
            pair.restart()?;
            pair.prepare(&task)?;
            let again = rounds::contest(time_budget, 2, Some(1), |implementation, calls, warm_up| {
                [&mut pair.ours, &mut pair.earlier][implementation].sample(calls, warm_up)
            })?;
            verdicts.push(again[0].verdict(&again[1]));
            series[0].milliseconds.extend(&again[0].milliseconds);
            series[baseline].milliseconds.extend(&again[1].milliseconds);
        }
        let products = multiply_adds(pass, shape);
        let ours = Samples::new(&series[0], products);
        let mut entry = PassEntry::new(pass.name(), errors[0], ours);
        for (implementation, series_of) in implementations.iter().zip(&series).skip(1) {
            let samples = Some(Samples::beside(series_of, products, &series[0]));
            match implementation {
                Implementation::Ours(_) => {}
                Implementation::Dense => entry.dense = samples,
                Implementation::Shared(_) => entry.shared_mask = samples,
                Implementation::Stored(_) => entry.stored_mask = samples,
            }
        }
        let mut timed =
            series[implementations.len()..].iter().map(|one| Samples::beside(one, products, &series[0]));
        for (program, prepared) in self.programs.about().into_iter().zip(prepared) {
            let (error, missing) = match prepared {
                Prepared::Ready(error) => (Some(error), None),
                Prepared::Unable(reason) => (None, Some(reason)),
            };
            let samples = error.and_then(|_| timed.next());
            entry.beside.push(Beside { name: program.name, error, missing, samples });
        }
        entry.baseline =
            baseline.map(|baseline| Samples::of_baseline(&series[baseline], products, &series[0], &verdicts));
        Ok(entry)
    }
}

/// Compares a sample of each of a pass's results with float64. Returns the largest relative error.
fn checked(
    engine: &mut Engine,
    problem: &Problem,
    pass: Kind,
    implementation: Implementation,
) -> Result<f64, CliError> {
    let mut largest = 0.0f64;
    for (&part, got) in problem::parts(pass).iter().zip(engine.results(pass, implementation)?) {
        let error = sample::relative_error(problem, part, implementation.mask(), &got);
        let bound = sample::bound(problem, part);
        if error.is_nan() || error > bound {
            return Err(CliError::Check(format!(
                "{}, {}, {}, {}: relative error {error:.1e} against float64, of {bound:.1e} allowed; nothing \
                 more is timed",
                pass.name(),
                implementation.name(),
                problem.shape,
                problem.element
            )));
        }
        largest = largest.max(error);
    }
    Ok(largest)
}
