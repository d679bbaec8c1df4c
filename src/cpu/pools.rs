//! The pools of threads that the library starts, and what becomes of them at a fork.
//!
//! A child of a fork has its parent's memory and none of its threads: a pool in it would wait for ever. So everything
//! that is known of pools is forgotten in a child, and rayon's global pool, of which a process has only one, is not
//! used there. Process numbers would not do: two namespaces have the same.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Error;

pub(super) use imp::{default, of};

/// The threads that calls have outside rayon's pools: `RAYON_NUM_THREADS`, if it is a number above 0, else as many as
/// the system lets run at a time, which a container's quota may make fewer than there are processors.
///
/// # Errors
/// [`Error::Count`] where `RAYON_NUM_THREADS` is above 1024.
pub fn default_threads() -> Result<usize, Error> {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse::<u64>().ok());
    match asked.filter(|&threads| threads > 0) {
        Some(threads) => check("RAYON_NUM_THREADS", threads),
        None => Ok(std::thread::available_parallelism().map_or(1, |threads| threads.get()).min(MOST)),
    }
}

/// More than any machine has use for: past it a number is a slip, and starting them takes minutes.
const MOST: usize = 1024;

pub(super) fn check(argument: &'static str, threads: u64) -> Result<usize, Error> {
    Error::check_count(argument, threads, 1..=MOST as u64)?;
    Ok(threads as usize)
}

/// Where there is no fork, and a page or the host makes the threads, if any.
#[cfg(target_family = "wasm")]
mod imp {
    use super::*;

    /// Makes the caller's thread rayon's only one where a target has no others, unless the host has made a pool
    /// already.
    ///
    /// Rayon does the same, but only where the standard library says that threads are unsupported. That of Rust 1.95
    /// says on WASI that there are no resources for one just now (`WouldBlock`), and rayon panics.
    pub fn default() -> Result<Option<Arc<ThreadPool>>, Error> {
        #[cfg(not(target_feature = "atomics"))]
        {
            static ONCE: std::sync::Once = std::sync::Once::new();
            ONCE.call_once(|| {
                // The error is that there is a pool.
                let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
            });
        }
        Ok(None)
    }

    pub fn of(threads: usize) -> Result<Arc<ThreadPool>, Error> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(Arc::new).map_err(|error| Error::Threads { threads, reason: error.to_string() })
    }
}

#[cfg(not(target_family = "wasm"))]
mod imp {
    use std::ptr;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
    use std::time::Duration;

    use super::*;

    /// What this process knows.
    #[derive(Default)]
    struct Known {
        /// Whether rayon's global pool is there, with threads.
        global: OnceLock<bool>,
        /// The last pool of our own.
        own: Mutex<Option<Arc<ThreadPool>>>,
    }

    /// Null, or a [`Known`] that is leaked. A lock in it may be held, at a fork, by a thread that the child does not
    /// have; so the child begins with another.
    static KNOWN: AtomicPtr<Known> = AtomicPtr::new(ptr::null_mut());
    /// Whether an ancestor has used the global pool, or may have.
    static FORKED: AtomicBool = AtomicBool::new(false);
    /// The threads of the global pool, which a child is to have, too. 0: it was not used.
    static GLOBAL: AtomicUsize = AtomicUsize::new(0);

    /// In a child, before `fork` returns. Only what a signal handler may do.
    #[cfg(unix)]
    extern "C" fn forget() {
        FORKED.store(true, Ordering::Release);
        KNOWN.store(ptr::null_mut(), Ordering::Release);
    }

    /// Has [`forget`] called in every child from now on.
    #[cfg(unix)]
    fn watch_forks() -> Result<(), Error> {
        static WATCHED: AtomicBool = AtomicBool::new(false);
        if !WATCHED.load(Ordering::Acquire) {
            // SAFETY: `forget` is a function of the type asked for, which stays: it stores two atomics, which is
            // allowed in the child of a process with threads. Nothing is called before a fork. Two threads here at a
            // time register it twice, which does no harm.
            let code = unsafe { libc::pthread_atfork(None, None, Some(forget)) };
            if code != 0 {
                let reason = std::io::Error::from_raw_os_error(code).to_string();
                return Err(Error::Threads { threads: 1, reason });
            }
            WATCHED.store(true, Ordering::Release);
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn watch_forks() -> Result<(), Error> {
        Ok(())
    }

    fn known() -> Result<&'static Known, Error> {
        watch_forks()?;
        let mut known = KNOWN.load(Ordering::Acquire);
        if known.is_null() {
            let new = Box::into_raw(Box::<Known>::default());
            known = match KNOWN.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => new,
                // The other thread's. Ours is leaked, this once.
                Err(other) => other,
            };
        }
        // SAFETY: it is not null, and so of a box that was leaked above and is never freed or changed but through
        // shared references; a child has a copy of the memory.
        Ok(unsafe { &*known })
    }

    /// The pool for calls outside any; none where it is rayon's global one.
    pub fn default() -> Result<Option<Arc<ThreadPool>>, Error> {
        let known = known()?;
        if !FORKED.load(Ordering::Acquire) {
            let threads = if known.global.get().is_none() { default_threads()? } else { 0 };
            if *known.global.get_or_init(|| global_lives(threads)) {
                return Ok(None);
            }
        }
        let threads = match GLOBAL.load(Ordering::Acquire) {
            0 => default_threads()?,
            threads => threads,
        };
        of(threads).map(Some)
    }

    /// Starts the global pool, or asks that of the host whether it has threads: the host may have started it, and
    /// forked, before this library was used.
    fn global_lives(threads: usize) -> bool {
        let lives = match ThreadPoolBuilder::new().num_threads(threads).build_global() {
            Ok(()) => true,
            // They could not be started, and rayon does not try again.
            Err(error) if std::error::Error::source(&error).is_some() => false,
            Err(_) => {
                let (alive, answer) = mpsc::channel();
                rayon::spawn(move || {
                    let _ = alive.send(());
                });
                // Threads that are busy for so long are left alone.
                answer.recv_timeout(Duration::from_secs(1)).is_ok()
            }
        };
        if lives {
            GLOBAL.store(rayon::current_num_threads(), Ordering::Release);
        }
        lives
    }

    /// A pool of so many threads: the last one where it fits.
    pub fn of(threads: usize) -> Result<Arc<ThreadPool>, Error> {
        let mut own = known()?.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = own.as_ref().filter(|pool| pool.current_num_threads() == threads) {
            return Ok(pool.clone());
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("dropconnect-{index}"))
            .build()
            .map_err(|error| Error::Threads { threads, reason: error.to_string() })?;
        let pool = Arc::new(pool);
        *own = Some(pool.clone());
        Ok(pool)
    }
}
