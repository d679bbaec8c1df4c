//! Input that wants to command the terminal, and machines with little memory.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use dropconnect_testing::full;

use crate::common::{fail, run, text, write_tensors};
use safetensors::tensor::{Dtype, TensorView, serialize};

/// What a terminal would act upon, and what turns the text around or hides in it.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\r\n\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}";

/// Asserts that the output of a command is text and nothing else, and returns it.
#[track_caller]
fn harmless(args: &[&str], code: i32) -> String {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said:?}");
    let acts = |c: char| c != '\n' && (c.is_control() || ('\u{200b}'..'\u{2070}').contains(&c));
    assert!(!said.contains(acts), "{args:?}: {said:?}");
    said.into_owned()
}

fn raw(path: &Path, header: &str) {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn names_out_of_a_file_do_not_command_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(&output)];
    let bytes = [0; 8];
    let view = |shape: &[usize]| TensorView::new(Dtype::F32, shape.to_vec(), &bytes[..4 * shape[0]]).unwrap();
    let name = format!("a{HOSTILE}");
    let metadata = Some(HashMap::from([(name.clone(), name.clone())]));
    let write = |names: &[&str]| {
        let tensors: Vec<_> = names.iter().map(|name| (*name, view(&[1, 1]))).collect();
        fs::write(&input, serialize(tensors, metadata.clone()).unwrap()).unwrap();
    };
    // In the list of what is there, and of what is not used.
    write(&[&name]);
    let said = harmless(&args, 2);
    assert!(said.contains("it holds a\\u{1b}[2J"), "{said}");
    // One line for the error: no name makes a line of its own.
    assert_eq!(said.lines().count(), 1, "{said}");
    write(&["x", "weight", &name]);
    let said = harmless(&args, 0);
    assert!(said.contains("not used of the input: a\\u{1b}[2J"), "{said}");
    // In what the parsers quote.
    let escaped = serde_json::to_string(&name).unwrap();
    raw(&input, &format!(r#"{{"x":{{"dtype":{escaped},"shape":[1],"data_offsets":[0,0]}}}}"#));
    let said = harmless(&args, 2);
    assert!(said.contains("holds `x` [1] as a\\u{1b}[2J"), "{said}");
    for header in [
        format!(r#"{{{escaped}:{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}"#),
        format!(r#"{{"x":{escaped}}}"#),
        HOSTILE.to_owned(),
    ] {
        raw(&input, &header);
        let said = harmless(&args, 2);
        assert!(said.contains("is not a whole safetensors file"), "{said}");
    }
}

#[test]
fn messages_stay_short_whatever_a_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let output = folder.path().join("out");
    let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(&output)];
    let ones = vec!["1"; 100_000].join(",");
    let empty = format!(r#"{{"dtype":"F32","shape":[0,{ones}],"data_offsets":[0,0]}}"#);
    let many: Vec<_> = (0..10_000)
        .map(|k| format!(r#""tensor {k}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#))
        .collect();
    for header in [
        format!("{{{}}}", many.join(",")),
        format!(r#"{{"x":{{"dtype":"U8","shape":[0,{ones}],"data_offsets":[0,0]}}}}"#),
        format!(r#"{{"weight":{empty},"x":{empty}}}"#),
        format!(r#"{{"{}":1}}"#, "n".repeat(100_000)),
        format!(r#"{{"x":{{"dtype":"{}","shape":[0],"data_offsets":[0,0]}}}}"#, "n".repeat(100_000)),
    ] {
        raw(&input, &header);
        let said = harmless(&args, 2);
        assert!(said.len() < 2000, "{} bytes: {}", said.len(), &said[..500]);
    }
}

#[test]
fn a_probability_that_rounds_to_another_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let layer = folder.path().join("layer");
    write_tensors(&layer, Dtype::F32, &[("x", &[1, 1], &[1.0]), ("weight", &[1, 1], &[1.0])]);
    let mask = ["mask", "--device", "cpu", "--shape", "1,2,3", "--out", text(&path)];
    let apply = ["apply", "--device", "cpu", "--input", text(&layer), "--output", text(&path)];
    let bench = ["bench", "--device", "cpu", "--shape", "1,2,3", "--repeats", "1", "--warmup", "0"];
    let said = |command: &[&str], more: &[&str]| {
        let said = harmless(&[command, more].concat(), 0);
        said.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    for command in [&mask[..], &apply, &bench] {
        let warnings = said(command, &["--p", "1e-6"]);
        assert!(warnings.len() == 1 && warnings[0].contains("--p 1e-6 rounds to 0"), "{warnings:?}");
        assert_eq!(said(command, &["--p", "0.3"]), [""; 0]);
        if command[0] != "bench" {
            let warnings = said(command, &["--p", "0.3", "--bits", "1"]);
            assert!(warnings.len() == 1 && warnings[0].contains("--p 0.3 rounds to 0.5"), "{warnings:?}");
        }
    }
    // Where there is no mask, p is nothing to warn of.
    assert_eq!(said(&apply, &["--p", "1e-6", "--mode", "eval"]), [""; 0]);
    fail(&[&mask[..], &["--p", "0.999999"]].concat(), 2, &["0.999999", "at most"]);
}

/// What a shell's `exec "$0" ...` comes to, `$0` being the program and `$1` the input, with so many KiB of addresses
/// and so many threads.
///
/// glibc reserves 64 MiB of addresses for each thread that allocates, where there are so many: then more memory can be
/// less, and what is left may be too little for a message. With one arena for all, memory is what the limit says.
#[cfg(target_os = "linux")]
fn limited(kib: u32, threads: &str, exec: &str, input: &Path) -> std::process::Output {
    let script = format!("ulimit -v {kib}; {exec}");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_dropconnect"), text(input)]);
    command.env("RAYON_NUM_THREADS", threads).env("MALLOC_ARENA_MAX", "1").output().unwrap()
}

/// Runs `apply` on one file in many sizes of memory, from too little for the input to enough for all.
#[cfg(target_os = "linux")]
fn in_little_memory(input: &Path, options: &str) {
    let (mut codes, mut refused) = (Vec::new(), 0);
    // KiB of addresses: `ulimit -v`. How many of them the program itself takes depends on how it was compiled: small
    // steps, half of the least output, up to what is enough.
    let mut limit = 30_000;
    while limit <= 430_000 {
        let exec = format!("exec \"$0\" apply --device cpu --input \"$1\" --output \"$1.out\" {options}");
        let output = limited(limit, "2", &exec, input);
        let error = String::from_utf8_lossy(&output.stderr);
        // The least is too little for the stacks of threads where the program itself is large.
        let named = ["memory does not hold", "the threads cannot start"];
        let typed = output.status.success() || named.iter().any(|name| error.contains(name));
        assert!(typed && !error.contains("allocation"), "{options}, {limit}: {:?}\n{error}", output.status);
        refused += usize::from(error.contains(named[0]));
        codes.push(output.status.code().unwrap());
        let (enough, more) = if full() { (40_000, 8_000) } else { (400_000, 16_000) };
        limit += if output.status.success() { enough } else { more };
    }
    assert_eq!((codes[0], codes[codes.len() - 1]), (2, 0), "{options}: {codes:?}");
    assert!(refused > 0, "{options}: {codes:?}, and no want of memory");
}

#[cfg(target_os = "linux")]
#[test]
fn a_mode_that_memory_does_not_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (folder.path().join("small"), folder.path().join("large"));
    // Little input for much output, 16 MB.
    let (x, w) = (vec![0.5; 4000 * 2], vec![0.5; 1000 * 2]);
    write_tensors(&small, Dtype::F32, &[("x", &[4000, 2], &x), ("weight", &[1000, 2], &w)]);
    for options in
        ["", "--mode gaussian", "--mode gaussian --activation tanh --samples 1", "--mode mc --passes 1"]
    {
        in_little_memory(&small, options);
    }
    in_little_memory(&small, "--mode mc --passes 1 --softmax");
    // Input that is twice as large once it is decoded, and gradients.
    let (x, w, g) = (vec![0.5; 2000 * 2], vec![0.5; 2000 * 2], vec![0.5; 2000 * 2000]);
    let tensors: [(&str, &[usize], &[f32]); 3] =
        [("x", &[2000, 2], &x), ("weight", &[2000, 2], &w), ("grad_output", &[2000, 2000], &g)];
    write_tensors(&large, Dtype::F16, &tensors);
    in_little_memory(&large, "");
}

/// What a pipe only says to come takes no memory.
#[cfg(target_os = "linux")]
#[test]
fn what_a_pipe_promises_is_not_made_room_for() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let exec = "cat \"$1\" | exec \"$0\" apply --device cpu --input /dev/stdin --output \"$1.out\"";
    let ends_too_early = || {
        let output = limited(300_000, "2", exec, &input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("it ends too early"), "{:?}: {error}", output.status);
    };
    // A header of almost 100 MB, and a tensor of 4 TB.
    fs::write(&input, 99_000_000u64.to_le_bytes()).unwrap();
    ends_too_early();
    raw(&input, r#"{"x":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}"#);
    ends_too_early();
}

#[cfg(target_os = "linux")]
#[test]
fn a_row_longer_than_memory_is_written_in_parts() {
    let exec = "exec \"$0\" mask --device cpu --shape 1,1,400000000 --out /dev/fd/1 > /dev/null";
    let output = limited(350_000, "2", exec, Path::new(""));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_system_without_threads_to_spare_is_an_error() {
    // What is left beside the last stack that fits goes from nothing to almost one more, 2 MiB.
    for kib in (100_000..102_100).step_by(if full() { 10 } else { 150 }) {
        let output = limited(kib, "1000", "exec \"$0\" verify --quick --device cpu", Path::new(""));
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{kib}: {error}");
        assert!(error.contains("RAYON_NUM_THREADS") && !error.contains("panicked"), "{kib}: {error}");
    }
}

/// They are not started one after the other for minutes, and not at all for what only prints.
#[test]
fn more_threads_than_any_machine_has_use_for_are_refused() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dropconnect"));
        command.args(arguments).env("RAYON_NUM_THREADS", "4000").output().unwrap()
    };
    let refused = run(&["verify", "--quick", "--device", "cpu"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("`RAYON_NUM_THREADS` is 4000; it must be 1 to 1024"), "{error}");
    for arguments in [&["man"][..], &["completions", "bash"], &["shader", "forward", "--p", "0.5"]] {
        let printed = run(arguments);
        assert!(printed.status.success() && !printed.stdout.is_empty(), "{arguments:?}");
    }
}
