//! Signals: nothing is left behind, and what `bench` has measured is kept.

use std::fs;
use std::io::Read;
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

#[test]
fn an_interrupted_mask_leaves_nothing_and_spoils_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129), ("QUIT", -libc::SIGQUIT)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask");
        fs::write(&path, "old").unwrap();
        let large = ["mask", "--device", "cpu", "--shape", "8000,1000,1000", "--out", text(&path)];
        let mut running = Running::new(&large);
        // The one that is looked for beforehand goes away; the one that is written grows.
        let written =
            |name: &String| fs::metadata(folder.path().join(name)).is_ok_and(|found| found.len() > 3);
        while !names(folder.path()).iter().any(written) {
            assert!(running.0.try_wait().unwrap().is_none(), "it ended before it was told to");
            sleep(Duration::from_millis(1));
        }
        running.signal(signal);
        assert_eq!(running.end(), code, "{signal}");
        assert_eq!(names(folder.path()), ["mask"], "{signal}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

/// A benchmark whose first shape takes a moment, and its second minutes.
const LONG: [&str; 13] = [
    "bench",
    "--device",
    "cpu",
    "--p",
    "0.5",
    "--repeats",
    "20",
    "--rival",
    "none",
    "--shape",
    "4,4,8",
    "--shape",
    "4096,4096,4096",
];

/// Interrupts [`LONG`] with more options after as many seconds as it takes until `kept` is content with it.
fn interrupt(more: &[&str], mut kept: impl FnMut(Running) -> bool) {
    for seconds in [1, 3, 9, 27, 81] {
        let running = Running::new(&[&LONG[..], more].concat());
        sleep(Duration::from_secs(seconds));
        running.signal("INT");
        if kept(running) {
            return;
        }
    }
    panic!("no row after minutes");
}

#[test]
fn an_interrupted_benchmark_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (json, html) = (folder.path().join("json"), folder.path().join("html"));
    interrupt(&["--json", text(&json), "--html", text(&html)], |mut running| {
        assert_eq!(running.end(), 130);
        let mut table = String::new();
        running.0.stdout.take().unwrap().read_to_string(&mut table).unwrap();
        // Without a row there is nothing to keep, and nothing is touched.
        assert_eq!(json.exists(), table.contains("forward"), "{table}");
        assert_eq!(json.exists(), html.exists());
        // The legend has it once, too.
        json.exists() && table.matches("both gradients").count() > 1 && table.contains("STOPPED")
    });
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["stopped"], "interrupted");
    assert_eq!(
        (&report["results"][0]["batch"], &report["results"][0]["passes"][3]["pass"]),
        (&Value::from(4), &Value::from("both gradients"))
    );
    assert!(fs::read_to_string(&html).unwrap().contains("Stopped before all was measured: interrupted"));
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn a_second_signal_ends_a_benchmark_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Without a reader the report waits for ever.
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    interrupt(&["--json", text(&pipe)], |mut running| {
        let (mut stdout, mut table) = (running.0.stdout.take().unwrap(), Vec::new());
        while !String::from_utf8_lossy(&table).contains("STOPPED") {
            let mut bytes = [0; 1000];
            match stdout.read(&mut bytes).unwrap() {
                0 => return false,
                read => table.extend_from_slice(&bytes[..read]),
            }
        }
        running.signal("INT");
        assert_eq!(running.end(), 130);
        true
    });
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
