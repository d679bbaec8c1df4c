//! Running the binary, and files for it.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use dropconnect::ElementType;
use safetensors::tensor::{Dtype, TensorView, serialize};

/// Runs the binary.
pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dropconnect")).args(args).output().expect("the binary was built")
}

/// Runs the binary, which must succeed, and returns its standard output.
#[track_caller]
pub fn succeed(args: &[&str]) -> String {
    let output = run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {:?}\n{error}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs the binary, which must fail with `code` and a message that has all of `parts` in it.
#[track_caller]
pub fn fail(args: &[&str], code: i32, parts: &[&str]) {
    let output = run(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{error}");
    assert!(!error.contains("panicked"), "{args:?}\n{error}");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in\n{error}");
    }
}

/// The devices to test: the CPU always, an adapter where there is one. A missing adapter is announced,
/// and an error where `DROPCONNECT_REQUIRE_ADAPTER` is 1.
#[track_caller]
pub fn devices(test: &str) -> Vec<&'static str> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let found: serde_json::Value = serde_json::from_str(&succeed(&["adapters", "--json"])).expect("JSON");
        let mut adapters = found["adapters"].as_array().expect("a list").iter();
        adapters.any(|adapter| adapter["chosen_as_gpu"] == true)
    });
    if *found {
        return vec!["cpu", "gpu"];
    }
    assert!(std::env::var("DROPCONNECT_REQUIRE_ADAPTER").as_deref() != Ok("1"), "{test}: no adapter");
    println!("NOT RUN: {test}: no adapter");
    vec!["cpu"]
}

/// The cases of a table that are run on a device: all on the CPU, and all where every case is wanted; else, on an
/// adapter, which compiles a kernel for each, one in `every`.
pub fn some<T>(device: &str, every: usize, cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let every = if device == "cpu" || dropconnect_testing::full() { 1 } else { every };
    cases.into_iter().step_by(every)
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Writes tensors of one type.
pub fn write_tensors(path: &Path, dtype: Dtype, tensors: &[(&str, &[usize], &[f32])]) {
    let element = match dtype {
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::BF16,
        _ => ElementType::F32,
    };
    let bytes: Vec<_> = tensors.iter().map(|(_, _, values)| element.encode(values)).collect();
    let views: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| {
            (*name, TensorView::new(dtype, shape.to_vec(), bytes).expect("sizes"))
        })
        .collect();
    std::fs::write(path, serialize(views, None).expect("a file")).expect("writable");
}

/// Reads tensors back: type, shape, bytes.
pub fn read_tensors(path: &Path) -> HashMap<String, (Dtype, Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("readable");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensor = |(name, view): (String, TensorView)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    file.tensors().into_iter().map(tensor).collect()
}

/// Uneven values in -0.5..0.5.
pub fn ramp(length: usize, a: usize, c: usize) -> Vec<f32> {
    (0..length).map(|index| ((index * a + c) % 1009) as f32 / 1009.0 - 0.5).collect()
}
