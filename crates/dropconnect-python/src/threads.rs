//! A pool of threads of our own. Rayon's global one does not survive `fork`: the child has its queues, without threads
//! that would ever empty them, and the first call there waits for ever.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

struct Pool {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

/// Only locked while the interpreter is held, and so never by a thread that `os.fork` leaves behind.
static POOL: Mutex<Option<Pool>> = Mutex::new(None);

/// A pool of so many threads, in this process: the last one where it fits.
pub fn pool(_held: Python<'_>, threads: usize) -> PyResult<Arc<ThreadPool>> {
    let process = std::process::id();
    let mut last = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = &*last
        && (last.process, last.threads) == (process, threads)
    {
        return Ok(last.pool.clone());
    }
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("dropconnect-{index}"))
        .build()
        .map_err(|error| {
            PyRuntimeError::new_err(format!("{threads} threads could not be started: {error}"))
        })?;
    let pool = Arc::new(pool);
    if let Some(parents) = last.replace(Pool { process, threads, pool: pool.clone() })
        && parents.process != process
    {
        // To end it would take locks that the parent's threads may have held at the fork.
        mem::forget(parents);
    }
    Ok(pool)
}
