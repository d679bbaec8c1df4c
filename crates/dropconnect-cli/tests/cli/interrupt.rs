//! Signals: nothing is left behind, and what `bench` has measured is kept.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::text;
use serde_json::Value;

/// A running program, which does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts the program with signals at their default, whatever this test was started with.
    fn new(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dropconnect"));
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: between fork and exec only what is async-signal-safe may be called, and `signal` is.
        unsafe {
            command.pre_exec(|| {
                for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
                    libc::signal(signal, libc::SIG_DFL);
                }
                Ok(())
            });
        }
        Self(command.spawn().expect("the binary was built"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// The exit code, or minus the signal that ended the program.
    #[track_caller]
    fn end(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let start = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status.code().unwrap_or_else(|| -status.signal().expect("one of them"));
            }
            assert!(start.elapsed() < Duration::from_secs(120), "the program does not end");
            sleep(Duration::from_millis(5));
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder).unwrap().map(name).collect()
}

/// Whether the system has files that nothing is left of, whatever ends a program.
fn unnamed_files_are_there() -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        open(std::env::temp_dir(), OFlags::TMPFILE | OFlags::RDWR, Mode::empty()).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Whether a file in the folder grows, besides one of three bytes. The one that is looked for beforehand goes away.
fn is_written(running: &Running, folder: &Path) -> bool {
    let grows = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 3);
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    // One without a name has a descriptor, which leads to a path in its folder.
    let descriptors = format!("/proc/{}/fd", running.0.id());
    entries(folder).any(|entry| grows(&entry.path()))
        || entries(Path::new(&descriptors)).any(|entry| {
            let inside = |path: std::path::PathBuf| path.starts_with(folder);
            fs::read_link(entry.path()).is_ok_and(inside) && grows(&entry.path())
        })
}

#[test]
fn an_interrupted_mask_leaves_nothing_and_spoils_nothing() {
    let mut signals = vec![("INT", 130), ("TERM", 143), ("HUP", 129)];
    if unnamed_files_are_there() {
        signals.extend([("QUIT", -libc::SIGQUIT), ("KILL", -libc::SIGKILL)]);
    } else {
        println!("NOT RUN: QUIT and KILL: a temporary file has a name here");
    }
    for (signal, code) in signals {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask");
        fs::write(&path, "old").unwrap();
        let large = ["mask", "--device", "cpu", "--shape", "8000,1000,1000", "--out", text(&path)];
        let mut running = Running::new(&large);
        while !is_written(&running, folder.path()) {
            assert!(running.0.try_wait().unwrap().is_none(), "it ended before it was told to");
            sleep(Duration::from_millis(1));
        }
        running.signal(signal);
        assert_eq!(running.end(), code, "{signal}");
        assert_eq!(names(folder.path()), ["mask"], "{signal}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

/// A benchmark with a program beside it that waits for ever once it is asked for the second shape, `options` and the
/// file that is there then.
fn stuck(folder: &Path, options: &[&str]) -> Running {
    let (program, asked) = (folder.join("program"), folder.join("asked"));
    let script = format!(
        "#!/bin/sh\nwhile read -r line; do case \"$line\" in\n\
         *hello*) echo '{{\"hello\":{{\"protocol\":1,\"name\":\"stuck\",\"version\":\"1\",\"adapter\":\"A\",\
         \"kernels\":\"\",\"timer\":\"T\"}}}}';;\n\
         *'\"batch\":5'*) : > '{}'; sleep 1000;;\n\
         *prepare*) echo '{{\"ready\":0}}';;\n*) echo '{{\"milliseconds\":0.001}}';;\nesac; done\n",
        text(&asked)
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let bench =
        ["bench", "--device", "cpu", "--p", "0.5", "--repeats", "2", "--warmup", "0", "--rival", "none"];
    let shapes = ["--shape", "4,4,8", "--shape", "5,4,8", "--beside", text(&program)];
    let mut running = Running::new(&[&bench[..], &shapes, options].concat());
    let start = Instant::now();
    while !asked.exists() {
        assert!(running.0.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(120));
        sleep(Duration::from_millis(5));
    }
    running.signal("INT");
    running
}

#[test]
fn an_interrupted_benchmark_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("json"), folder.path().join("html"));
    let mut running = stuck(folder.path(), &["--json", text(&json), "--html", text(&html)]);
    assert_eq!(running.end(), 130);
    let mut table = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut table).unwrap();
    assert!(table.contains("STOPPED") && table.contains("4 x 4 x 8"), "{table}");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["stopped"], "interrupted");
    assert_eq!(
        (&report["results"][0]["batch"], &report["results"][0]["passes"][3]["pass"]),
        (&Value::from(4), &Value::from("both gradients"))
    );
    assert!(fs::read_to_string(&html).unwrap().contains("Stopped before all was measured: interrupted"));
    // The program and its sign, and the two reports.
    assert_eq!(names(folder.path()).len(), 4);
}

#[test]
fn a_second_signal_ends_a_benchmark_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Without a reader the report waits for ever.
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut running = stuck(folder.path(), &["--json", text(&pipe)]);
    let (mut stdout, mut table) = (running.0.stdout.take().unwrap(), Vec::new());
    while !String::from_utf8_lossy(&table).contains("STOPPED") {
        let mut bytes = [0; 1000];
        let read = stdout.read(&mut bytes).unwrap();
        assert!(read > 0, "it ended before it was told to");
        table.extend_from_slice(&bytes[..read]);
    }
    running.signal("INT");
    assert_eq!(running.end(), 130);
}

#[test]
fn a_benchmark_that_fails_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("json");
    let mut running = Running::new(&[
        "bench",
        "--device",
        "cpu",
        "--p",
        "0.5",
        "--repeats",
        "1",
        "--shape",
        "4,4,8",
        "--shape",
        "4294967295,4294967295,4294967295",
        "--json",
        text(&json),
    ]);
    assert_eq!(running.end(), 2);
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert!(report["stopped"].as_str().unwrap().contains("memory"), "{}", report["stopped"]);
    assert_eq!(report["results"].as_array().unwrap().len(), 1);
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = "trap '' HUP; exec \"$0\" mask --device cpu --shape 2,3,4 --out pipe";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_dropconnect")]).current_dir(folder.path());
    let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    // It has said which device, so it is the program by now, and it waits for a reader.
    let mut byte = [0];
    running.0.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
    running.signal("HUP");
    assert!(!fs::read(&pipe).unwrap().is_empty());
    assert_eq!(running.end(), 0);
}
