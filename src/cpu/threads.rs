//! The threads that rayon has.

/// Where a target has no threads, makes the caller's rayon's only one, unless the host has made a pool already. Has to
/// come before anything in parallel.
///
/// Rayon does the same, but only where the standard library says that threads are unsupported. That of Rust 1.95 says
/// on WASI that there are no resources for one just now (`WouldBlock`), and rayon panics.
pub(super) fn ready() {
    #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            // The error is that there is a pool.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
        });
    }
}

/// How many there are.
pub(crate) fn count() -> usize {
    ready();
    rayon::current_num_threads()
}
