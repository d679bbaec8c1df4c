//! Signals that end the program. Temporary files go with it, and `bench` gets to keep what it has measured.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, TempPath};

use crate::error::CliError;
use crate::target::folder;

struct State {
    /// The file that must not outlive the program, if it has a name. Dropped, it is removed.
    temporary: Option<TempPath>,
    /// Whether the first signal is left to [`check`].
    deferred: bool,
}

static STATE: Mutex<State> = Mutex::new(State { temporary: None, deferred: false });
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
    let mut state = state();
    if state.deferred && SIGNAL.swap(signal, Ordering::Relaxed) == 0 {
        return;
    }
    state.temporary = None;
    // With the lock still held: no other file is made before the end, and none is put into place.
    end(signal)
}

/// Starts to watch for signals.
#[cfg(unix)]
pub fn install() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXCPU, SIGXFSZ};

    // Caught, so that a file that passes `ulimit -f` is a failed write and not the end.
    let _ = signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default());
    // Who starts the program with a signal ignored (`nohup`, `&` in a script) wants it ignored. Who sends SIGQUIT wants
    // a core dump of that moment.
    let watched: Vec<_> =
        [SIGHUP, SIGINT, SIGTERM, SIGXCPU].into_iter().filter(|&signal| !ignored(signal)).collect();
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

#[cfg(unix)]
fn end(signal: i32) -> ! {
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
fn end(signal: i32) -> ! {
    std::process::exit(128 + signal)
}

/// A file that is put into place when it is whole, and is gone otherwise. One at a time.
pub struct Temporary(pub File);

impl Temporary {
    /// In `folder`. On Linux it has no name, so that it is gone whatever ends the program; elsewhere signals remove it.
    pub fn new(folder: &Path, mode: u32) -> io::Result<Self> {
        if let Ok(file) = unnamed(folder, mode) {
            return Ok(Self(file));
        }
        // The lock is held so that no signal finds a file that it does not remove.
        let mut state = state();
        let mut builder = named();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        // The error's text would have the name of the file, which nobody has asked for.
        let made = builder.tempfile_in(folder).map_err(|error| io::Error::from(error.kind()))?;
        let (file, path) = made.into_parts();
        state.temporary = Some(path);
        Ok(Self(file))
    }

    /// Replaces `to`. What cannot be replaced (a file that is mounted by itself) is overwritten.
    pub fn persist(mut self, to: &Path) -> io::Result<()> {
        let mut state = state();
        let path = match state.temporary.take() {
            Some(path) => Ok(path),
            None => named().make_in(folder(to), |path| link(&self.0, path)).map(|made| made.into_temp_path()),
        };
        if path.and_then(|path| path.persist(to).map_err(|error| error.error)).is_ok() {
            return Ok(());
        }
        self.0.rewind()?;
        let mut file = File::create(to)?;
        io::copy(&mut self.0, &mut file)?;
        match file.sync_all() {
            // A file that is no file of a disk.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        state().temporary = None;
    }
}

fn named() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".dropconnect-");
    builder
}

#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, mode: u32) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(open(folder, flags, Mode::from_raw_mode(mode))?.into())
}

/// Gives an unnamed file a name.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: u32) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn link(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::Temporary;

    /// As a mounted file refuses to be replaced, so does one of another file system: here the name of this process.
    #[test]
    fn what_cannot_be_replaced_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut temporary = Temporary::new(folder.path(), 0o600).unwrap();
        temporary.0.write_all(b"whole").unwrap();
        temporary.persist(Path::new("/proc/self/comm")).unwrap();
        assert_eq!(fs::read_to_string("/proc/self/comm").unwrap(), "whole\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
