//! Checks, collected first and then run: nearly all their time goes to compiling kernels, which drivers do on the
//! caller's thread, so that several threads run them where there are threads.

use std::collections::VecDeque;
use std::pin::Pin;

use dropconnect::wgpu::WasmNotSend;
use web_time::Instant;

use super::check::Check;
use crate::Failure;

/// A check that has been run. It stays on the thread that began it.
type Running<'a> = Pin<Box<dyn Future<Output = Check> + 'a>>;
#[cfg(not(target_arch = "wasm32"))]
type Run<'a> = Box<dyn FnOnce(Check) -> Running<'a> + Send + 'a>;
#[cfg(target_arch = "wasm32")]
type Run<'a> = Box<dyn FnOnce(Check) -> Running<'a> + 'a>;

/// The checks that are to be run.
pub struct Plan<'a> {
    /// Fewer cases.
    pub quick: bool,
    checks: VecDeque<(Check, Run<'a>)>,
}

impl<'a> Plan<'a> {
    /// No checks yet.
    pub(super) fn new(quick: bool) -> Self {
        Self { quick, checks: VecDeque::new() }
    }

    /// Adds a check. It may stop at an error: that fails it and nothing else.
    pub(super) fn check(
        &mut self,
        check: Check,
        run: impl AsyncFnOnce(&mut Check) -> Result<(), Failure> + WasmNotSend + 'a,
    ) {
        let run = |mut check: Check| -> Running<'a> {
            Box::pin(async {
                let start = Instant::now();
                if let Err(error) = run(&mut check).await {
                    check.fail(&error.to_string());
                }
                check.seconds = start.elapsed().as_secs_f64();
                check
            })
        };
        self.checks.push_back((check, Box::new(run)));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.checks.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }

    /// What is claimed, in the order in which it is checked.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().map(|(check, _)| &*check.name)
    }

    /// Runs the next one; `None` when all are done.
    pub async fn next(&mut self) -> Option<Check> {
        let (check, run) = self.checks.pop_front()?;
        Some(run(check).await)
    }

    /// Runs them all, several at a time, and returns them in the order in which they were added. `watch` is told
    /// the name of each that begins, and of each that has ended the check.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(self, watch: impl Fn(Progress<'_>) + Sync) -> Vec<Check> {
        use std::sync::{Mutex, PoisonError};
        use std::thread;

        /// More would keep too much memory at once.
        const MOST_THREADS: usize = 4;
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let (waiting, done) = (Mutex::new(self.checks.into_iter().enumerate()), Mutex::new(Vec::new()));
        // A function's own statement, so that the lock is held no longer than this.
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some((at, (check, run))) = next() {
                watch(Progress::Begins(&check.name));
                let check = pollster::block_on(run(check));
                watch(Progress::Ended(&check));
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

/// What happens while checks run.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Copy)]
pub enum Progress<'a> {
    /// A check of this name begins.
    Begins(&'a str),
    /// This one has ended.
    Ended(&'a Check),
}
