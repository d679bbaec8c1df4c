//! `dropconnect shader --export`: what is written is what the library would dispatch.

use std::path::Path;

use crate::common::{fail, succeed, text};
use serde_json::Value;

/// Exports into a folder of its own, and reads the list.
fn export(folder: &Path, options: &[&str]) -> Value {
    succeed(&[&["shader", "--export", text(folder)], options].concat());
    serde_json::from_str(&std::fs::read_to_string(folder.join("export.json")).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn passes(export: &Value) -> Vec<&str> {
    list(&export["passes"]).iter().map(|pass| pass["pass"].as_str().unwrap()).collect()
}

/// The word of a field of a dispatch's parameters.
fn word(export: &Value, dispatch: &Value, field: &str) -> u32 {
    let fields = list(&export["parameters"]["fields"]);
    let field = fields.iter().find(|one| one["name"] == field).unwrap();
    let at = 2 * number(&field["offset"]) as usize;
    u32::from_str_radix(&dispatch["parameters"].as_str().unwrap()[at..at + 8], 16).unwrap().swap_bytes()
}

#[test]
fn every_dispatch_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let calls = [
        &["--class", "integrated", "--shape", "16,24,40", "--bias", "masked", "--p", "0.3"][..],
        &["--class", "nvidia", "--shape", "9,15,33", "--element", "f16", "--p", "0.3"],
    ];
    for (call, options) in calls.into_iter().enumerate() {
        let at = folder.path().join(format!("a/{call}"));
        let export = export(&at, options);
        assert_eq!(export["schema"], 1);
        for pass in list(&export["passes"]) {
            let tensors = list(&pass["tensors"]);
            assert!(tensors.iter().any(|tensor| tensor["role"] == "result"), "{pass}");
            for dispatch in list(&pass["dispatches"]) {
                let source = std::fs::read_to_string(at.join(dispatch["shader"].as_str().unwrap())).unwrap();
                let module = naga::front::wgsl::parse_str(&source).unwrap();
                assert_eq!(module.entry_points[0].name, dispatch["entry_point"]);
                for (axis, &size) in module.entry_points[0].workgroup_size.iter().enumerate() {
                    assert_eq!(dispatch["workgroup_size"][axis], size);
                    assert!(number(&dispatch["workgroups"][axis]) > 0);
                }
                let bytes = number(&export["parameters"]["bytes"]);
                assert_eq!(dispatch["parameters"].as_str().unwrap().len() as u64, 2 * bytes);
                for (binding, bound) in list(&dispatch["bindings"]).iter().enumerate() {
                    assert_eq!((&bound["group"], &bound["binding"]), (&0.into(), &binding.into()));
                    let end = number(&bound["offset"]) + number(&bound["bytes"]);
                    let held = match tensors.iter().find(|tensor| tensor["name"] == bound["holds"]) {
                        Some(tensor) => number(&tensor["bytes"]),
                        None => {
                            assert_eq!(bound["holds"], "parameters");
                            bytes
                        }
                    };
                    assert!(end <= held, "{bound}");
                }
                // Standard WGSL, unless something else is asked for.
                assert!(!source.contains("u64"), "{source}");
            }
        }
    }
}

#[test]
fn parameters_are_those_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let shape = ["--class", "integrated", "--shape", "6,12,24", "--p", "0.25", "--bits", "8"];
    let key = ["--seed", "42", "--layer", "3", "--step", "7", "--origin", "4,8,16"];
    let export = export(folder.path(), &[&shape[..], &key].concat());
    assert_eq!(
        passes(&export),
        ["mask", "forward", "input_gradient", "weight_gradient", "both_gradients", "bias_gradient"]
    );
    let key = dropconnect::MaskKey::new(42, 3);
    for (known, step) in list(&export["key"]["known"]).iter().zip([7, 8]) {
        assert_eq!(known["step"], step);
        let of = |words: [u32; 2]| Value::from(words.to_vec());
        assert_eq!(known["masks"], of(key.at_step(step).words()));
        assert_eq!(known["gaussian"], of(key.at_step(step).gaussian_words()));
    }
    let forward = &export["passes"][1]["dispatches"][0];
    let fields = [
        "examples",
        "outputs",
        "inputs",
        "example_block",
        "output_block",
        "input_block",
        "threshold",
        "bits",
    ];
    assert_eq!(fields.map(|field| word(&export, forward, field)), [6, 12, 24, 1, 2, 2, 3, 2]);
    assert_eq!(f32::from_bits(word(&export, forward, "scale")), 4.0 / 3.0);
    assert_eq!(word(&export, forward, "round_keys"), key.at_step(7).words()[0]);
    assert_eq!(forward["draws"], "masks");
    for field in list(&export["parameters"]["fields"]) {
        assert!(field["meaning"].as_str().unwrap().ends_with('.'), "{field}");
    }
}

#[test]
fn several_dispatches_are_several_entries() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--class", "software", "--shape", "1,4,1200000", "--element", "f16"];
    let long = export(&folder.path().join("long"), &[&["forward"], &options[..]].concat());
    let [pass] = list(&long["passes"]) else { panic!("{long}") };
    let dispatches = list(&pass["dispatches"]);
    assert!(dispatches.len() > 2, "{pass}");
    // Sums of f16 go through memory of the pass's own, and are rounded at the end.
    assert_eq!(pass["memory"][0]["name"], "scratch_0");
    assert_eq!(dispatches.last().unwrap()["shader"], "round.wgsl");
    assert_eq!([0, 1].map(|at| word(&long, &dispatches[at], "accumulate")), [0, 1]);

    let options = ["--class", "nvidia", "--shape", "2,4,8", "--bias", "masked", "--multiply", "wide"];
    let wide = export(&folder.path().join("wide"), &options);
    assert_eq!(wide["needs"]["features"], serde_json::json!(["shader-int64"]));
    assert_eq!(passes(&wide)[1], "bias_mask");

    let options = ["monte-carlo", "--class", "nvidia", "--shape", "2,4,8", "--seed", "5"];
    let drawn = export(&folder.path().join("drawn"), &options);
    let words = dropconnect::MaskKey::new(5, 0).pass(0).words();
    let memory = &drawn["passes"][0]["memory"][0];
    assert_eq!((&memory["name"], &memory["words"]), (&"pass_keys_0".into(), &words.to_vec().into()));
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = text(folder.path());
    fail(&["shader", "--class", "nvidia"], 2, &["PASS"]);
    fail(&["shader", "--export", path, "--class", "nvidia", "--as", "msl"], 2, &["--export", "--as"]);
    fail(
        &["shader", "--export", path, "--class", "fxc", "--multiply", "wide"],
        2,
        &["--multiply wide", "64-bit"],
    );
    let shape = "100000,100000,1";
    fail(&["shader", "--export", path, "--class", "nvidia", "--shape", shape], 2, &["--shape", "1073741824"]);
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    fail(&["shader", "--export", text(&file), "--class", "nvidia"], 2, &["file", "folder"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
}
