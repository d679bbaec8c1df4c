//! Where parallel loops run: on which threads, and under which floating-point environment.

use std::cell::Cell;

use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::prelude::*;

use super::pools::{self, check};
use crate::{Error, fenv};

thread_local! {
    /// Whether this thread is to compute by itself.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, whose calls of this module have so many threads: the calling one alone, or a pool that is kept for the
/// next call with as many. A child of a fork starts its own.
///
/// # Errors
/// [`Error::Count`] for 0 threads and for more than 1024; [`Error::Threads`] where they cannot be started.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    if check("threads", threads as u64)? == 1 {
        let _restore = Restore(ALONE.replace(true));
        return Ok(work());
    }
    Ok(pools::of(threads)?.install(work))
}

/// Runs a call: where its loops find threads, and under the default floating-point environment.
pub(super) fn run<R: Send>(call: impl FnOnce() -> Result<R, Error> + Send) -> Result<R, Error> {
    let call = || fenv::with_default(call);
    // The caller's choice of a pool.
    if ALONE.get() || rayon::current_thread_index().is_some() {
        return call();
    }
    match pools::default()? {
        Some(pool) => pool.install(call),
        None => call(),
    }
}

/// Does `work` for every item, within [`run`].
pub(super) fn for_each<I: IntoParallelIterator<Iter: IndexedParallelIterator>>(
    items: I,
    work: impl Fn(I::Item) + Send + Sync,
) {
    for_each_init(items, || (), |(), item| work(item));
}

/// The same with scratch memory, which one item uses after the other.
pub(super) fn for_each_init<I: IntoParallelIterator<Iter: IndexedParallelIterator>, S>(
    items: I,
    init: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, I::Item) + Send + Sync,
) {
    // A thread's own flags: it may be anyone's.
    let work = |scratch: &mut S, item: I::Item| fenv::with_default(|| work(scratch, item));
    if ALONE.get() {
        let mut scratch = init();
        items.into_par_iter().with_producer(Sequential(|item| work(&mut scratch, item)));
    } else {
        items.into_par_iter().for_each_init(init, work);
    }
}

struct Sequential<F>(F);

impl<T, F: FnMut(T)> ProducerCallback<T> for Sequential<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, items: P) {
        items.into_iter().for_each(self.0);
    }
}

/// How many threads a call has.
pub(crate) fn count() -> usize {
    if ALONE.get() { 1 } else { run(|| Ok(rayon::current_num_threads())).unwrap_or(1) }
}
