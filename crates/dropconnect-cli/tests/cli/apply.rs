//! `dropconnect apply` against the library's reference, and what it refuses.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use crate::common::{devices, fail, ramp, read_tensors, run, some, succeed, text, write_tensors};
use dropconnect::call::{BiasGradient, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, Write, reference,
};
use dropconnect_testing::full;
use safetensors::Dtype;

const TYPES: [(Dtype, ElementType, f64); 3] = [
    (Dtype::F32, ElementType::F32, 1e-5),
    (Dtype::F16, ElementType::F16, 1e-3),
    (Dtype::BF16, ElementType::BF16, 8e-3),
];

fn stored(element: ElementType, values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| element.round(value).into()).collect()
}

fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let difference: f64 = got.iter().zip(want).map(|(&g, w)| (f64::from(g) - w).powi(2)).sum();
    let norm: f64 = want.iter().map(|w| w * w).sum();
    if difference == 0.0 { 0.0 } else { (difference / norm).sqrt() }
}

#[test]
fn results_are_those_of_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let shape = Shape::new(6, 7, 19).unwrap();
    let (x, w, b, g) = (ramp(6 * 19, 31, 7), ramp(7 * 19, 57, 3), ramp(7, 13, 1), ramp(6 * 7, 91, 5));
    let key = MaskKey::new(9, 2).at_step(3);
    let mask = Mask::new(key, DropProbability::new(0.25).unwrap());
    for device in devices("results_are_those_of_the_reference") {
        for (at, (dtype, element, bound)) in TYPES.into_iter().enumerate() {
            // Two leading dimensions.
            write_tensors(
                &input,
                dtype,
                &[
                    ("x", &[2, 3, 19], &x),
                    ("weight", &[7, 19], &w),
                    ("bias", &[7], &b),
                    ("grad_output", &[2, 3, 7], &g),
                ],
            );
            let modes = [(true, true), (false, true), (true, false), (false, false)];
            // On an adapter, which compiles a kernel for each result, each type once.
            let all = device == "cpu" || full();
            for (_, (masked, train)) in modes.into_iter().enumerate().filter(|&(mode, _)| all || mode == at) {
                let mut args = vec![
                    "apply",
                    "--device",
                    device,
                    "--input",
                    text(&input),
                    "--output",
                    text(&output),
                    "--p",
                    "0.25",
                    "--seed",
                    "9",
                    "--layer",
                    "2",
                    "--step",
                    "3",
                ];
                if masked {
                    args.push("--masked-bias");
                }
                args.extend(["--mode", if train { "train" } else { "eval" }]);
                succeed(&args);
                let tensors = read_tensors(&output);
                let mask = train.then_some(&mask);
                let [x, w, b, g] = [&x, &w, &b, &g].map(|values| stored(element, values));
                let bias = if masked { Bias::Masked(&b[..]) } else { Bias::Plain(&b[..]) };
                let (x, weight, grad_output, write) = (&x[..], &w[..], &g[..], Write::Overwrite);
                let bias_mask = mask.filter(|_| masked);
                let y = Forward { shape, mask, x, weight, bias, y: () };
                let dx = InputGradient { shape, mask, grad_output, weight, grad_input: (), write };
                let dw = WeightGradient { shape, mask, grad_output, x, grad_weight: (), write };
                let db = BiasGradient { shape, bias_mask, grad_output, grad_bias: (), write };
                let expected: [(&str, &[usize], Vec<f64>); 4] = [
                    ("y", &[2, 3, 7], reference::forward(&y).unwrap()),
                    ("grad_x", &[2, 3, 19], reference::input_gradient(&dx).unwrap()),
                    ("grad_weight", &[7, 19], reference::weight_gradient(&dw).unwrap()),
                    ("grad_bias", &[7], reference::bias_gradient(&db).unwrap()),
                ];
                assert_eq!(tensors.len(), 4);
                for (name, dims, want) in expected {
                    let (got_type, got_dims, bytes) = &tensors[name];
                    assert_eq!((*got_type, &got_dims[..]), (dtype, dims), "{name}");
                    let error = relative_error(&element.decode(bytes), &want);
                    assert!(error < bound, "{device}, {dtype}, {name}: {error:e}");
                }
            }
        }
    }
}

#[test]
fn only_what_the_input_allows_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let names = || {
        succeed(&["apply", "--device", "cpu", "--input", text(&input), "--output", text(&output)]);
        let mut names: Vec<_> =
            read_tensors(&output).into_iter().map(|(name, tensor)| (name, tensor.1)).collect();
        names.sort();
        names
    };
    let (x, w) = (ramp(8, 3, 1), ramp(12, 5, 2));
    let named = |name: &str, dims: &[usize]| (name.to_owned(), dims.to_vec());
    write_tensors(&input, Dtype::F32, &[("x", &[2, 4], &x), ("weight", &[3, 4], &w)]);
    assert_eq!(names(), [named("y", &[2, 3])]);
    // One example without a batch dimension, and no bias.
    let layer: [(&str, &[usize], &[f32]); 3] =
        [("x", &[4], &x[..4]), ("weight", &[3, 4], &w), ("grad_output", &[3], &x[..3])];
    write_tensors(&input, Dtype::F32, &layer);
    assert_eq!(names(), [named("grad_weight", &[3, 4]), named("grad_x", &[4]), named("y", &[3])]);
    // An empty batch.
    let layer: [(&str, &[usize], &[f32]); 3] =
        [("x", &[5, 0, 4], &[]), ("weight", &[3, 4], &w), ("grad_output", &[5, 0, 3], &[])];
    write_tensors(&input, Dtype::F32, &layer);
    assert_eq!(names(), [named("grad_weight", &[3, 4]), named("grad_x", &[5, 0, 4]), named("y", &[5, 0, 3])]);
}

#[test]
fn bad_input_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let (x, w) = (ramp(8, 3, 1), ramp(12, 5, 2));
    let good: [(&str, &[usize], &[f32]); 2] = [("x", &[2, 4], &x), ("weight", &[3, 4], &w)];
    let refused = |parts: &[&str]| {
        let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(&output)];
        fail(&args, 2, parts);
        assert!(!output.exists());
    };
    let with = |tensors: &[(&str, &[usize], &[f32])], parts: &[&str]| {
        write_tensors(&input, Dtype::F32, tensors);
        refused(parts);
    };
    with(&good[..1], &["weight", "holds x"]);
    with(&good[1..], &["`x`", "holds weight"]);
    with(&[], &["`x`", "no tensors"]);
    with(&[good[0], ("weight", &[12], &w)], &["weight", "[12]", "[outputs, inputs]"]);
    with(&[good[0], ("weight", &[1, 3, 4], &w)], &["weight", "[1, 3, 4]"]);
    with(&[("x", &[4, 2], &x), good[1]], &["`x`", "[4, 2]", "[3, 4]"]);
    with(&[("x", &[], &x[..1]), good[1]], &["`x`", "[]"]);
    with(&[good[0], good[1], ("bias", &[4], &x[..4])], &["bias", "[4]", "[3]"]);
    with(&[good[0], good[1], ("bias", &[1, 3], &x[..3])], &["bias", "[1, 3]", "[3]"]);
    with(&[good[0], good[1], ("grad_output", &[3, 2], &x[..6])], &["grad_output", "[3, 2]", "[2, 3]"]);
    with(&[("x", &[2, 0], &[]), ("weight", &[3, 0], &[])], &["inputs", "0"]);
    with(&[good[0], ("weight", &[0, 4], &[])], &["outputs", "0"]);

    write_tensors(&input, Dtype::F64, &[]);
    let doubles = [0u8; 64];
    let view = safetensors::tensor::TensorView::new(Dtype::F64, vec![2, 4], &doubles).unwrap();
    fs::write(&input, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
    refused(&["`x`", "F64", "F32, F16 and BF16"]);

    let halves = ElementType::F16.encode(&w);
    let whole = ElementType::F32.encode(&x);
    let view = |dtype, shape: [usize; 2], bytes| {
        safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap()
    };
    let mixed = [("x", view(Dtype::F32, [2, 4], &whole)), ("weight", view(Dtype::F16, [3, 4], &halves))];
    fs::write(&input, safetensors::serialize(mixed, None).unwrap()).unwrap();
    refused(&["`x` as F32", "`weight` as F16"]);

    write_tensors(&input, Dtype::F32, &good);
    let bytes = fs::read(&input).unwrap();
    for broken in [&bytes[..bytes.len() - 1], &bytes[..20], &bytes[..3], &[][..], b"not a tensor file at all"]
    {
        fs::write(&input, broken).unwrap();
        refused(&["in.safetensors", "safetensors file"]);
    }
    fs::remove_file(&input).unwrap();
    refused(&["in.safetensors", "cannot read"]);
}

/// Readers differ in which of two tensors with one name they take; types are added to the format now and then.
#[test]
fn names_are_there_once_and_types_may_be_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(&output)];
    let tensor = |name: &str, dtype: &str, shape: &str, start: u32, end: u32| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let write = |tensors: &[String]| {
        let header = format!("{{{}}}", tensors.join(","));
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 32]].concat();
        fs::write(&input, bytes).unwrap();
    };
    let (x, weight) = (tensor("x", "F32", "[2]", 0, 8), tensor("weight", "F32", "[1,2]", 8, 16));
    let unknown = |name| tensor(name, "F3_E9", "[7, 9]", 16, 32);
    write(&[x.clone(), weight.clone(), unknown("scales")]);
    succeed(&args);
    assert_eq!(read_tensors(&output)["y"].1, [1]);
    write(&[x.clone(), weight.clone(), unknown("bias")]);
    fail(&args, 2, &["`bias` [7, 9] as F3_E9", "F32, F16 and BF16"]);
    write(&[x.clone(), weight.clone(), tensor("x", "F32", "[1,1,4]", 16, 32)]);
    fail(&args, 2, &["not a whole safetensors file", "two tensors with the name `x`"]);
    let metadata = |value| format!(r#""__metadata__":{{"a":"{value}"}}"#);
    write(&[metadata(1), x, metadata(2), weight, unknown("scales")]);
    fail(&args, 2, &["not a whole safetensors file", "__metadata__"]);
}

#[test]
fn a_masked_bias_needs_a_bias() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    write_tensors(&input, Dtype::F32, &[("x", &[1, 2], &[1.0, 2.0]), ("weight", &[1, 2], &[1.0, 2.0])]);
    let args =
        ["apply", "--device", "cpu", "--masked-bias", "--input", text(&input), "--output", text(&output)];
    fail(&args, 2, &["--masked-bias", "bias"]);
}

#[test]
fn the_input_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.safetensors");
    write_tensors(&input, Dtype::F32, &[("x", &[1, 2], &[1.0, 2.0]), ("weight", &[1, 2], &[1.0, 2.0])]);
    let before = fs::read(&input).unwrap();
    let dotted = folder.path().join(".").join("in.safetensors");
    for output in [&input, &dotted] {
        let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(output)];
        fail(&args, 2, &["--output", "is the input file"]);
    }
    assert_eq!(fs::read(&input).unwrap(), before);
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.safetensors");
    write_tensors(&input, Dtype::F32, &[("x", &[1, 2], &[1.0, 2.0]), ("weight", &[1, 2], &[1.0, 2.0])]);
    let missing = folder.path().join("no/such/out.safetensors");
    for output in [missing.as_path(), folder.path(), Path::new("")] {
        let args = ["apply", "--device", "cpu", "--input", text(&input), "--output", text(output)];
        assert_eq!(run(&args).status.code(), Some(2), "{}", output.display());
    }
    let files: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["in.safetensors"]);
}

#[test]
fn moments_are_those_of_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.safetensors"), folder.path().join("out.safetensors"));
    let shape = Shape::new(6, 7, 19).unwrap();
    let (x, w, b) = (ramp(6 * 19, 31, 7), ramp(7 * 19, 57, 3), ramp(7, 13, 1));
    let key = MaskKey::new(9, 0).at_step(3);
    let group = Sharing::Group(NonZeroU32::new(2).unwrap());
    let mask = Mask::new(key, DropProbability::new(0.25).unwrap()).shared(group);
    for device in devices("moments_are_those_of_the_reference") {
        for (dtype, element, _) in some(device, 2, TYPES) {
            write_tensors(
                &input,
                dtype,
                &[("x", &[2, 3, 19], &x), ("weight", &[7, 19], &w), ("bias", &[7], &b)],
            );
            let [x, w, b] = [&x, &w, &b].map(|values| stored(element, values));
            let bias = Bias::Masked(&b[..]);
            let run = |options: &[&str]| {
                let mut args =
                    vec!["apply", "--device", device, "--input", text(&input), "--output", text(&output)];
                args.extend(["--p", "0.25", "--seed", "9", "--step", "3", "--examples-per-mask", "2"]);
                succeed(&[&args[..], &["--masked-bias"], options].concat());
                read_tensors(&output)
            };
            let check = |options: &[&str], want: &[(&str, &[usize], &[f64])]| {
                let tensors = run(options);
                assert_eq!(tensors.len(), want.len(), "{options:?}");
                for (name, dims, want) in want {
                    let (got_type, got_dims, bytes) = &tensors[*name];
                    assert_eq!((*got_type, &got_dims[..]), (Dtype::F32, *dims), "{name}");
                    let error = relative_error(&ElementType::F32.decode(bytes), want);
                    assert!(error < 1e-4, "{device}, {dtype}, {options:?}, {name}: {error:e}");
                }
            };
            let dims: &[usize] = &[2, 3, 7];
            let (x, weight, probability) = (&x[..], &w[..], &mask.probability);
            let call = OutputMoments { shape, probability, x, weight, bias, mean: (), variance: () };
            let u = reference::moments(&call).unwrap();
            check(&["--mode", "gaussian"], &[("mean", dims, &u.0), ("variance", dims, &u.1)]);
            let relu = reference::closed_form(&shape, Activation::Relu, &u.0, &u.1).unwrap();
            let options = ["--mode", "gaussian", "--activation", "relu"];
            check(&options, &[("mean", dims, &relu.0), ("variance", dims, &relu.1)]);
            let tanh =
                reference::sampled(&shape, Activation::Tanh, 30, key, mask.origin, &u.0, &u.1).unwrap();
            let options = ["--mode", "gaussian", "--activation", "tanh", "--samples", "30"];
            check(&options, &[("mean", dims, &tanh.0), ("variance", dims, &tanh.1)]);
            let (mask, passes, mean, variance) = (&mask, 20, (), ());
            let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
            let drawn = reference::monte_carlo(&call).unwrap();
            let said = reference::predictive(&call).unwrap();
            let mut want: Vec<(&str, &[usize], &[f64])> =
                vec![("mean", dims, &drawn.0), ("variance", dims, &drawn.1)];
            check(&["--mode", "mc", "--passes", "20"], &want);
            want.push(("probabilities", dims, &said.mean));
            want.push(("entropy", &[2, 3], &said.entropy));
            want.push(("mutual_information", &[2, 3], &said.mutual_information));
            check(&["--mode", "mc", "--passes", "20", "--softmax"], &want);
        }
    }
    let refused = |options: &[&str], parts: &[&str]| {
        let args = ["apply", "--input", text(&input), "--output", text(&output)];
        fail(&[&args[..], options].concat(), 2, parts);
    };
    refused(&["--passes", "3"], &["--passes", "mc", "train"]);
    refused(&["--mode", "mc", "--activation", "relu"], &["--activation", "gaussian", "mc"]);
    refused(&["--mode", "gaussian", "--activation", "tanh"], &["tanh", "--samples"]);
    refused(&["--mode", "mc", "--pass", "3"], &["--pass", "--mode mc"]);
    refused(&["--mode", "mc", "--passes", "0"], &["--passes", "0", "65536"]);
    refused(&["--examples-per-mask", "0"], &["--examples-per-mask", "0", "batch"]);
}
