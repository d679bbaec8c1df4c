//! The threads of the processor.

use std::sync::mpsc;
use std::{env, io, thread};

use dropconnect::cpu;
use rayon::{ThreadBuilder, ThreadPoolBuilder};

use crate::error::CliError;

/// Bytes for each thread's stack, where `RUST_MIN_STACK` does not say: what the standard library has then.
const STACK: usize = 2 << 20;
/// Bytes that a thread takes before the first line of ours: a stack for signals, and what its start allocates.
#[cfg(unix)]
const START: usize = 256 << 10;

/// Starts rayon's threads, here where it can fail: the first call that needs them would panic.
pub fn start() -> Result<(), CliError> {
    let threads = cpu::default_threads()?;
    let stack = env::var("RUST_MIN_STACK").ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(STACK);
    let pool = ThreadPoolBuilder::new().num_threads(threads).spawn_handler(|worker| spawn(worker, stack));
    pool.build_global().map_err(CliError::Threads)
}

/// Starts one thread with such a stack, and waits until it runs.
///
/// A thread that has room for its stack and no more aborts the process: the standard library panics where it cannot
/// allocate the one for signals. So there has to be room for all of it, and no other thread that is about to take it.
fn spawn(worker: ThreadBuilder, stack: usize) -> io::Result<()> {
    // Mapped for itself: an allocator may have as much put by, where no stack can come from.
    #[cfg(unix)]
    drop(memmap2::MmapMut::map_anon(stack.saturating_add(START))?);
    let (started, starts) = mpsc::channel();
    thread::Builder::new().stack_size(stack).spawn(move || {
        // The receiver is there: it waits.
        let _ = started.send(());
        worker.run();
    })?;
    // An error is a thread that has ended already.
    let _ = starts.recv();
    Ok(())
}
