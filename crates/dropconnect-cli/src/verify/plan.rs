//! Checks, collected first and then run side by side: nearly all their time goes to compiling kernels, which drivers do
//! on the caller's thread.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use indicatif::ProgressBar;

use super::check::Check;
use crate::error::CliError;

type Run<'a> = Box<dyn FnOnce(&mut Check) -> Result<(), CliError> + Send + 'a>;

/// More would keep too much memory at once.
const MOST_THREADS: usize = 4;

/// The checks that are to be run.
pub struct Plan<'a> {
    /// Fewer cases.
    pub quick: bool,
    checks: VecDeque<(usize, Check, Run<'a>)>,
}

impl<'a> Plan<'a> {
    /// No checks yet.
    pub fn new(quick: bool) -> Self {
        Self { quick, checks: VecDeque::new() }
    }

    /// Adds a check. It may stop at an error: that fails it and nothing else.
    pub fn check(&mut self, check: Check, run: impl FnOnce(&mut Check) -> Result<(), CliError> + Send + 'a) {
        self.checks.push_back((self.checks.len(), check, Box::new(run)));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Runs them all, and returns them in the order in which they were added.
    pub fn run(self, bar: &ProgressBar) -> Vec<Check> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let (waiting, done) = (Mutex::new(self.checks), Mutex::new(Vec::new()));
        let work = || {
            while let Some((at, mut check, run)) = next(&waiting) {
                bar.set_message(check.name.clone());
                let start = Instant::now();
                if let Err(error) = run(&mut check) {
                    check.fail(&error.to_string());
                }
                check.seconds = start.elapsed().as_secs_f64();
                bar.inc(1);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((at, check));
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, check)| check).collect()
    }
}

/// A function, so that the lock is held no longer than this.
fn next<T>(waiting: &Mutex<VecDeque<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}
