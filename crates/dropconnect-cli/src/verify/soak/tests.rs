//! That the soak finds what is wrong, and brings it back.

use std::cell::Cell;

use super::*;

/// A seed whose first cases have examples, so that all results have elements.
const SEED: u64 = 0x0123_4567_89ab_cdef;
const CASES: u64 = 3;

fn on_the_cpu(trial: Trial, drawn: &Drawn) -> Result<Vec<Vec<f32>>, CliError> {
    Ok(results(&every_backend(), trial, drawn)?)
}

#[test]
fn cases_on_the_cpu_pass() {
    let checks = soak(&on_the_cpu, 60, SEED, &ProgressBar::hidden());
    for check in &checks {
        assert!(check.ok(), "{}: {}", check.name, check.reason());
    }
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    for trial in Trial::all() {
        assert!(names.iter().any(|name| name.contains(trial.name())), "{} was not tried", trial.name());
    }
}

/// Every fault in every kind of call is found, named with its case's seed, and found again from that seed alone. Bytes
/// that are written where no result is are found by the harness, whose own tests show it.
#[test]
fn faults_are_found_and_come_back_from_their_seed() {
    type Fault = fn(&mut Vec<Vec<f32>>) -> Result<(), CliError>;
    let faults: [(&str, Fault); 4] = [
        ("a wrong number", |results| {
            let number = &mut results.last_mut().unwrap()[0];
            *number = if *number == 0.0 { 1.0 } else { 0.0 };
            Ok(())
        }),
        ("a result that nobody wrote", |results| {
            results[0].fill(f32::NAN);
            Ok(())
        }),
        ("a result that is short", |results| {
            results[0].pop();
            Ok(())
        }),
        ("damage", |_| Err(Failure::Damage { buffer: 0, byte: 3 }.into())),
    ];
    let at = CASES - 1;
    let seed = case_seed(SEED, at);
    for trial in Trial::all() {
        for (name, fault) in faults {
            let what = format!("{name}, {}", trial.name());
            for (soak_seed, at) in [(SEED, at), (seed, 0)] {
                let calls = Cell::new(0);
                let faulty = |of: Trial, drawn: &Drawn| {
                    let mut results = on_the_cpu(of, drawn)?;
                    if of == trial && calls.replace(calls.get() + 1) == at {
                        fault(&mut results)?;
                    }
                    Ok(results)
                };
                let checks = soak(&faulty, at + 1, soak_seed, &ProgressBar::hidden());
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
        let (drawn, again, first) = (Drawn::new(seed), Drawn::new(seed), Drawn::new(seeds[at / 50 * 50]));
        let (drawn, again, first) = (drawn.unwrap(), again.unwrap(), first.unwrap());
        assert_eq!(drawn.describe(), again.describe());
        assert_eq!(drawn.data.x, again.data.x);
        let kernels = |drawn: &Drawn| (drawn.kernels, drawn.case.element, drawn.case.activation);
        assert_eq!(kernels(&drawn), kernels(&first));
        assert!(at % 50 == 0 || drawn.describe() != first.describe());
    }
}
