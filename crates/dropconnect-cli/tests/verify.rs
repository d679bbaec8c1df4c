//! `dropconnect verify`, `dropconnect adapters`, and the choice of a device.

mod common;

use common::{devices, fail, succeed};

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
