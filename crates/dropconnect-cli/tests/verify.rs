//! `dropconnect verify`, `dropconnect adapters`, and the choice of a device.

mod common;

use common::{devices, fail, run, succeed};

#[test]
fn the_cpu_backend_is_verified() {
    let table = succeed(&["verify", "--quick", "--device", "cpu"]);
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

#[test]
fn the_adapter_is_verified() {
    if devices("the_adapter_is_verified").contains(&"gpu") {
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
            ["mask", "forward", "both gradients", "moments", "activation", "Monte Carlo", "classifier"]
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
