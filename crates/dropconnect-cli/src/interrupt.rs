//! Signals that end the program. Temporary files go with it, and `bench` gets to keep what it has measured.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{NamedTempFile, TempPath};

use crate::error::CliError;

struct State {
    /// Files that must not outlive the program.
    temporaries: Vec<PathBuf>,
    /// Whether the first signal is left to [`check`].
    deferred: bool,
}

static STATE: Mutex<State> = Mutex::new(State { temporaries: Vec::new(), deferred: false });
/// The signal that [`check`] reports; 0 before there is one.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on the first signal does not end the program: [`check`] reports it, and a second one ends it.
pub fn defer() {
    state().deferred = true;
}

/// Fails once a signal has come.
pub fn check() -> Result<(), CliError> {
    match SIGNAL.load(Ordering::Relaxed) {
        0 => Ok(()),
        signal => Err(CliError::Interrupted { signal }),
    }
}

/// Runs on a thread of its own, so it may lock and remove files. It never prints: a terminal or pipe that takes
/// nothing would keep the program from ending.
fn caught(signal: i32) {
    let state = state();
    if state.deferred && !must_end(signal) && SIGNAL.swap(signal, Ordering::Relaxed) == 0 {
        return;
    }
    for path in &state.temporaries {
        let _ = fs::remove_file(path);
    }
    // With the lock still held: no other file is made before the end, and none is put into place.
    end(signal)
}

/// Starts to watch for signals.
#[cfg(unix)]
pub fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};

    // Caught, so that a file that passes `ulimit -f` is a failed write and not the end.
    let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
    // Who starts the program with a signal ignored (`nohup`, `&` in a script) wants it ignored.
    let watched: Vec<_> =
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU].into_iter().filter(|&signal| !ignored(signal)).collect();
    let (ready, started) = std::sync::mpsc::channel();
    // Signals are taken over on the thread that answers them: without it they keep their default.
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let signals = signal_hook::iterator::Signals::new(watched);
        let _ = ready.send(());
        if let Ok(mut signals) = signals {
            signals.forever().for_each(caught);
        }
    });
    if thread.is_ok() {
        let _ = started.recv();
    }
}

#[cfg(unix)]
fn ignored(signal: i32) -> bool {
    // SAFETY: without a new action `sigaction` changes nothing. `old` is plain data, for which all zeros is a
    // value, and it outlives the call that writes it.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
    }
}

/// Whether even the first of these ends the program: who sends it wants a core dump of this moment.
#[cfg(unix)]
fn must_end(signal: i32) -> bool {
    signal == signal_hook::consts::SIGQUIT
}

#[cfg(unix)]
fn end(signal: i32) -> ! {
    if must_end(signal) {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    // Without destructors and handlers of `exit`: other threads are in the middle of their work.
    signal_hook::low_level::exit(128 + signal)
}

/// Starts to watch for Ctrl-C.
#[cfg(windows)]
pub fn install() {
    // Without it Ctrl-C ends the program as it does by default.
    let _ = ctrlc::set_handler(|| caught(2));
}

#[cfg(not(any(unix, windows)))]
pub fn install() {}

#[cfg(not(unix))]
fn must_end(_: i32) -> bool {
    false
}

#[cfg(not(unix))]
fn end(signal: i32) -> ! {
    std::process::exit(128 + signal)
}

/// A file that is put into place when it is whole, and is gone otherwise, signals included.
pub struct Temporary {
    /// To write to.
    pub file: File,
    /// Removes the file when dropped.
    path: Option<TempPath>,
}

impl Temporary {
    /// What `make` makes.
    pub fn new(make: impl FnOnce() -> io::Result<NamedTempFile>) -> io::Result<Self> {
        // The lock is held so that no signal finds a file that is not on the list.
        let mut state = state();
        let (file, path) = make()?.into_parts();
        state.temporaries.push(path.to_path_buf());
        Ok(Self { file, path: Some(path) })
    }

    /// Puts the file in the place of `to`.
    pub fn persist(mut self, to: &Path) -> io::Result<()> {
        self.finish(|path| path.persist(to).map_err(|error| error.error))
    }

    fn finish(&mut self, how: impl FnOnce(TempPath) -> io::Result<()>) -> io::Result<()> {
        let Some(path) = self.path.take() else { return Ok(()) };
        let mut state = state();
        let at = path.to_path_buf();
        let result = how(path);
        state.temporaries.retain(|temporary| *temporary != at);
        result
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Removing fails only where the file is gone already, or cannot go.
        let _ = self.finish(TempPath::close);
    }
}
