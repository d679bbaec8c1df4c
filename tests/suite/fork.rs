//! A host that forks: its child has none of the threads, and computes all the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Data, mask, shape};
use dropconnect::{Bias, Error, cpu};

/// Set in the process of a test's own that is to fork: this one has other tests' threads.
const ROLE: &str = "DROPCONNECT_TEST_FORKS";

/// The role of one whose threads do not fit into its memory.
const REFUSED: &str = "refused";

/// Whether `work` returns and is true in a child, within a minute.
fn in_a_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child has this thread alone. What it computes locks nothing that a thread of the parent's may hold,
    // which is what is tested, and glibc's allocator is made ready for it. It never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let good = catch_unwind(AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: it ends the process, and runs nothing of the parent's.
        unsafe { libc::_exit(if good { 0 } else { 1 }) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let (start, mut status) = (Instant::now(), 0);
    loop {
        // SAFETY: `status` is an integer of the type asked for, and `child` our own.
        if unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child {
            return status == 0;
        }
        if start.elapsed() > Duration::from_secs(60) {
            // SAFETY: the child has not been waited for, and so the number is still its.
            unsafe { libc::kill(child, libc::SIGKILL) };
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn output() -> Result<Vec<f32>, Error> {
    let (shape, mask) = (shape([70, 130, 300]), mask(0.3));
    let data = Data::ramps(&shape);
    let mut y = vec![0.0; shape.output_len()];
    cpu::run(data.operands(&shape, Bias::None).forward(Some(&mask), &mut y[..]))?;
    Ok(y)
}

/// With the threads of every kind that a host may ask for.
fn computes(want: &[f32]) -> bool {
    let all = [3, 1, 2, 3].map(|threads| cpu::with_threads(threads, output).and_then(|result| result));
    all.into_iter().chain([output()]).all(|result| result.is_ok_and(|result| result == want))
}

fn run_apart(test: &str, role: &str) {
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    let own = std::env::current_exe().unwrap();
    let mut command = Command::new(own);
    command.args(["--exact", &name, "--nocapture"]).env(ROLE, role);
    if role == REFUSED {
        command.env("RUST_MIN_STACK", (1u32 << 30).to_string()).env("RAYON_NUM_THREADS", "8");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{role}: {output:?}");
}

#[test]
fn a_forked_child_computes() {
    match std::env::var(ROLE).as_deref() {
        Err(_) => ["library", "host"].into_iter().for_each(|role| run_apart("a_forked_child_computes", role)),
        Ok("library") => {
            let want = output().unwrap();
            assert!(computes(&want));
            let grandchild = || in_a_child(|| computes(&want));
            assert!(in_a_child(|| grandchild() && computes(&want) && grandchild()));
            assert!(computes(&want) && in_a_child(|| computes(&want)));
        }
        // The host has used rayon, and its child is the first to use the library.
        Ok(_) => {
            rayon::join(|| (), || ());
            assert!(in_a_child(|| output().is_ok()));
            let want = output().unwrap();
            assert!(computes(&want));
        }
    }
}

/// Neither by a panic nor for ever.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn threads_that_the_system_refuses_are_an_error() {
    if std::env::var(ROLE).is_err() {
        return run_apart("threads_that_the_system_refuses_are_an_error", REFUSED);
    }
    let limit = libc::rlimit { rlim_cur: 4 << 30, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads a structure of the type asked for.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    for _ in 0..2 {
        for refused in [output().map(drop), cpu::with_threads(8, || ())] {
            assert!(matches!(refused, Err(Error::Threads { threads: 8, .. })), "{refused:?}");
        }
    }
    assert!(cpu::with_threads(1, output).unwrap().is_ok());
}

#[test]
fn threads_are_refused_by_name() {
    for (threads, words) in [(0, "`threads` is 0; it must be 1 to 1024"), (1025, "`threads` is 1025")] {
        let error = cpu::with_threads(threads, || ()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
