//! That the soak finds what is wrong, and brings it back.

use std::cell::Cell;

use super::trial::Tensors;
use super::*;

/// The CPU backend, with one fault in one call of one case.
struct Faulty {
    inner: OnCpu,
    trial: Trial,
    /// The case, counted from 0.
    at: u64,
    fault: fn(&mut Pool),
    calls: Cell<u64>,
}

impl Device for Faulty {
    fn storage(&self, element: ElementType) -> ElementType {
        self.inner.storage(element)
    }

    fn run(&self, trial: Trial, case: &Case, tensors: &Tensors, pool: Pool) -> Result<Pool, CliError> {
        let mut pool = self.inner.run(trial, case, tensors, pool)?;
        if trial == self.trial {
            if self.calls.get() == self.at {
                (self.fault)(&mut pool);
            }
            self.calls.set(self.calls.get() + 1);
        }
        Ok(pool)
    }
}

/// A seed whose first cases have examples, so that all results have elements.
const SEED: u64 = 0x0123_4567_89ab_cdef;
const CASES: u64 = 3;

fn run_with(trial: Trial, seed: u64, at: u64, fault: fn(&mut Pool)) -> Vec<Check> {
    let device = Faulty { inner: OnCpu::new(), trial, at, fault, calls: Cell::new(0) };
    soak(&device, at + 1, seed, &ProgressBar::hidden())
}

/// A bit of the last result's first element: of a number the highest of its exponent that is not its sign.
fn flip_a_bit(pool: &mut Pool) {
    let (_, mut results) = pool.tensors();
    let bytes = results.last_mut().unwrap();
    let at = if bytes.len().is_multiple_of(4) { 3 } else { 0 };
    bytes[at] ^= 0x40;
}

fn write_before(pool: &mut Pool) {
    let first = pool.tensors().0.len();
    *pool.byte_at(first, -1) ^= 1;
}

fn write_after(pool: &mut Pool) {
    let (operands, results) = pool.tensors();
    let (last, length) = (operands.len() + results.len() - 1, results.last().unwrap().len());
    *pool.byte_at(last, length as isize) = 0;
}

fn leave_it_unwritten(pool: &mut Pool) {
    pool.tensors().1[0].fill(0xff);
}

fn write_an_operand(pool: &mut Pool) {
    if pool.tensors().0.is_empty() {
        return write_before(pool);
    }
    *pool.byte_at(0, 0) ^= 1;
}

#[test]
fn cases_on_the_cpu_pass() {
    let checks = soak(&OnCpu::new(), 60, SEED, &ProgressBar::hidden());
    for check in &checks {
        assert!(check.ok(), "{}: {}", check.name, check.reason());
    }
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    for trial in Trial::all() {
        assert!(names.iter().any(|name| name.contains(trial.name())), "{} was not tried", trial.name());
    }
}

/// Every fault in every kind of call is found, named with its case's seed, and found again from that seed alone.
#[test]
fn faults_are_found_and_come_back_from_their_seed() {
    type Fault = (&'static str, fn(&mut Pool));
    let faults: [Fault; 5] = [
        ("a flipped bit", flip_a_bit),
        ("a byte before a result", write_before),
        ("a byte after a result", write_after),
        ("a result that nobody wrote", leave_it_unwritten),
        ("a changed operand", write_an_operand),
    ];
    let at = CASES - 1;
    let seed = case_seed(SEED, at);
    for trial in Trial::all() {
        for (name, fault) in faults {
            let what = format!("{name}, {}", trial.name());
            for (soak_seed, at) in [(SEED, at), (seed, 0)] {
                let checks = run_with(trial, soak_seed, at, fault);
                let failed: Vec<_> = checks.iter().filter(|check| !check.ok()).collect();
                assert_eq!(failed.len(), 1, "{what}");
                assert!(failed[0].name.contains(trial.name()), "{what}: {}", failed[0].name);
                let reason = failed[0].reason();
                assert!(reason.contains(&format!("--soak 1 --seed {seed}")), "{what}: {reason}");
            }
        }
    }
}

#[test]
fn a_case_is_its_seed_and_cases_of_a_block_share_their_kernels() {
    let seeds: Vec<_> = (0..100).map(|index| case_seed(SEED, index)).collect();
    assert_eq!(seeds[0], SEED);
    assert!((1..100).all(|at| !seeds[..at].contains(&seeds[at])));
    for (at, &seed) in seeds.iter().enumerate() {
        let (case, again, first) = (Case::new(seed), Case::new(seed), Case::new(seeds[at / 50 * 50]));
        let (case, again, first) = (case.unwrap(), again.unwrap(), first.unwrap());
        assert_eq!(case.describe(), again.describe());
        assert_eq!(case.data.x, again.data.x);
        let kernels = |case: &Case| (case.kernels, case.element, case.activation, case.aligned);
        assert_eq!(kernels(&case), kernels(&first));
        assert!(at % 50 == 0 || case.describe() != first.describe());
    }
}
