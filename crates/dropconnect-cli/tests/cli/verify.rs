//! `dropconnect verify`, `dropconnect adapters`, and the choice of a device.

use dropconnect_testing::full;

use crate::common::{devices, fail, run, succeed};

#[test]
fn the_cpu_backend_is_verified() {
    let output = run(&["verify", "--quick", "--quiet", "--device", "cpu"]);
    let [table, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    // What qualifies a result is no noise.
    assert!(said.starts_with("--quick leaves out: ") && said.lines().count() == 1, "{said}");
    assert!(output.status.success(), "{table}");
    for check in [
        "known answers",
        "mask bits inside forward",
        "mask bits inside both gradients",
        "self-test",
        "adjoint",
        "all good",
    ] {
        assert!(table.contains(check), "no `{check}` in\n{table}");
    }
    assert!(!table.contains("FAILED"), "{table}");
}

/// Hundreds of kernels, of which the library's own tests compile the most.
#[test]
fn the_adapter_is_verified() {
    if !full() {
        println!("NOT RUN without DROPCONNECT_TEST_FULL=1: the_adapter_is_verified");
    } else if devices("the_adapter_is_verified").contains(&"gpu") {
        let table = succeed(&["verify", "--quick", "--device", "gpu"]);
        assert!(table.contains("Philox in WGSL") && table.contains("all good"), "{table}");
    }
}

#[test]
fn a_soak_passes_and_says_its_seed() {
    for device in devices("a_soak_passes_and_says_its_seed") {
        let cases = if device == "cpu" { "200" } else { "2" };
        let output = run(&["verify", "--soak", cases, "--seed", "77", "--device", device]);
        let table = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && table.contains("all good"), "{table}\n{said}");
        assert!(said.contains(&format!("soak: {cases} cases from seed 77")), "{said}");
        for call in
            ["mask", "forward", "both gradients", "moments", "activation", "Monte Carlo", "predictive"]
        {
            assert!(table.contains(&format!("soak: {call}")), "no `{call}` in\n{table}");
        }
    }
    fail(&["verify", "--soak", "0"], 2, &["--soak", "0"]);
    fail(&["verify", "--seed", "1"], 2, &["--soak"]);
    fail(&["verify", "--soak", "1", "--quick"], 2, &["--quick"]);
}

#[test]
fn an_adapter_that_is_named_must_be_there() {
    let nothing = "no adapter has this name";
    fail(&["mask", "--shape", "1,1,1", "--out", "x", "--adapter", nothing], 2, &[nothing]);
    fail(&["adapters", "--adapter", nothing], 2, &[nothing]);
    fail(&["verify", "--device", "tpu"], 2, &["--device", "tpu", "auto"]);
    fail(&["verify", "--backend", "glide"], 2, &["--backend", "glide", "vulkan"]);
}

#[test]
fn help_is_there_for_every_command() {
    for command in ["bench", "verify", "adapters", "mask", "apply"] {
        let help = succeed(&[command, "--help"]);
        assert!(help.contains("Example") && help.contains("--device"), "{command}:\n{help}");
    }
    assert!(succeed(&["--help"]).contains("Exit codes"));
    fail(&["frobnicate"], 2, &["frobnicate"]);
}

#[test]
fn mask_bits_are_counted_on_every_device() {
    for device in devices("mask_bits_are_counted_on_every_device") {
        let text = succeed(&["verify", "--masks", "1", "--device", device]);
        let digests: Vec<_> =
            text.lines().filter_map(|line| line.split_once("digest ")?.1.get(..16)).collect();
        assert!(!digests.is_empty() && text.lines().count() == digests.len(), "{text}");
        // Of the first piece, with p = 1/2: the same on every device, and another one in another mask format.
        assert!(digests.iter().all(|digest| *digest == DIGEST), "{text}");
        assert!(text.contains("33554432 mask bits, 0 differ"), "{text}");
    }
    fail(&["verify", "--masks", "1", "--quick"], 2, &["--masks", "--quick"]);
}

/// What docs/portability.md says of the first piece.
const DIGEST: &str = "62a36314f7a87f16";

#[cfg(unix)]
#[test]
fn another_compiler_is_asked_and_its_faults_are_told() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let compiler = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let refuses = compiler("refuses", "cat >/dev/null; echo 'line 7: no' >&2; exit 3");
    let [silent, gone] =
        [compiler("silent", "exit 0"), folder.path().join("gone").to_str().unwrap().to_owned()];
    if devices("another_compiler_is_asked_and_its_faults_are_told").contains(&"gpu") {
        let with = |program: &str, parts: &[&str]| {
            let command =
                ["verify", "--masks", "1", "--device", "gpu", "--backend", "vulkan", "--compiler", program];
            fail(&command, 2, &[&["dropconnect.mask"], parts].concat());
        };
        with(&refuses, &["refuses", "3", "line 7: no"]);
        with(&silent, &["silent", "0 bytes", "SPIR-V"]);
        with(&gone, &["gone"]);
    }
    fail(
        &["verify", "--masks", "1", "--device", "cpu", "--compiler", &silent],
        2,
        &["--compiler", "--device gpu"],
    );
}
