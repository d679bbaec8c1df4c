//! `dropconnect mask` against the library's reference.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::common::{devices, fail, read_tensors, succeed, text, write_tensors};
use dropconnect::{DropProbability, Mask, MaskKey, Origin, Shape, Sharing, reference};
use safetensors::Dtype;

#[test]
fn the_file_holds_the_mask_of_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let key = MaskKey::new(u64::MAX - 4, 7).at_step(1 << 40);
    let probability = DropProbability::with_bits(0.3, 9).unwrap();
    let origin = Origin { example: 5, output: 6, input: 13 };
    let mask = Mask::new(key, probability).at(origin);
    let shape = Shape::new(11, 13, 29).unwrap();
    for device in devices("the_file_holds_the_mask_of_the_reference") {
        succeed(&[
            "mask",
            "--device",
            device,
            "--shape",
            "11,13,29",
            "--p",
            "0.3",
            "--bits",
            "9",
            "--seed",
            "18446744073709551611",
            "--layer",
            "7",
            "--step",
            "1099511627776",
            "--origin",
            "5,6,13",
            "--bias",
            "--out",
            text(&path),
        ]);
        let tensors = read_tensors(&path);
        let bytes = |kept: Vec<bool>| kept.into_iter().map(u8::from).collect::<Vec<_>>();
        let want = bytes(reference::mask::mask(&shape, &mask).unwrap());
        assert_eq!(tensors["mask"], (Dtype::U8, vec![11, 13, 29], want), "{device}");
        let want = bytes(reference::mask::bias_mask(&shape, &mask).unwrap());
        assert_eq!(tensors["bias_mask"], (Dtype::U8, vec![11, 13], want), "{device}");
        assert_eq!(tensors.len(), 2);
    }
}

/// The mask that the metadata of a file describes, as a reader in another language would make it.
fn from_metadata(metadata: &HashMap<String, String>) -> Mask {
    let number = |key: &str| metadata[key].parse::<u64>().unwrap();
    assert_eq!(metadata["mask_format"], "2");
    let key = MaskKey::new(number("seed"), number("layer") as u32).at_step(number("step"));
    let p = metadata["p_drop"].parse().unwrap();
    let probability = DropProbability::with_bits(p, number("p_drop_bits") as u32).unwrap();
    assert_eq!(u64::from(probability.threshold()), number("threshold"));
    assert_eq!(u64::from(probability.bits()), number("threshold_bits"));
    let scale = 2f64.powi(number("threshold_bits") as i32) / number("threshold") as f64;
    assert_eq!(metadata["scale"].parse(), Ok(scale));
    let realised: f64 = metadata["p_drop_realised"].parse().unwrap();
    assert!((realised - (1.0 - 1.0 / scale)).abs() < 1e-15);
    let origin: Vec<u32> = metadata["origin"].split(',').map(|part| part.parse().unwrap()).collect();
    let sharing = match metadata["examples_per_mask"].as_str() {
        "batch" => Sharing::Batch,
        "1" => Sharing::Example,
        count => Sharing::Group(count.parse().unwrap()),
    };
    Mask::new(key, probability).shared(sharing).at(Origin {
        example: origin[0],
        output: origin[1],
        input: origin[2],
    })
}

fn metadata(path: &Path) -> HashMap<String, String> {
    let bytes = fs::read(path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    header.metadata().clone().expect("metadata")
}

#[test]
fn a_file_says_all_that_its_mask_is_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let layer = folder.path().join("layer.safetensors");
    write_tensors(&layer, Dtype::F32, &[("x", &[1, 1], &[1.0]), ("weight", &[1, 1], &[1.0])]);
    for options in [
        "",
        "--p 0.3 --bits 9 --seed 0xffffffffffffffff --layer 4294967295 --step 18446744073709551615",
        "--p 0.7 --examples-per-mask 3 --origin 5,6,7",
        "--p 0.1 --bits 3 --examples-per-mask batch --origin 4294967000,1,2",
        "--p 1e-6 --examples-per-mask 4294967295",
        "--p 0.30000000000000004 --bits 16",
    ] {
        let options: Vec<_> = options.split_whitespace().collect();
        let args = ["mask", "--device", "cpu", "--shape", "9,6,17", "--bias", "--out", text(&path)];
        succeed(&[&args[..], &options].concat());
        let mask = from_metadata(&metadata(&path));
        let tensors = read_tensors(&path);
        let shape = Shape::new(9, 6, 17).unwrap();
        let bytes = |kept: Vec<bool>| kept.into_iter().map(u8::from).collect::<Vec<_>>();
        assert_eq!(tensors["mask"].2, bytes(reference::mask::mask(&shape, &mask).unwrap()), "{options:?}");
        assert_eq!(tensors["bias_mask"].2, bytes(reference::mask::bias_mask(&shape, &mask).unwrap()));

        // What `apply` makes of a mask says which, too.
        let described = metadata(&path);
        let args = ["apply", "--device", "cpu", "--input", text(&layer), "--output", text(&path)];
        succeed(&[&args[..], &options].concat());
        assert_eq!(from_metadata(&metadata(&path)), mask);
        assert!(described.iter().all(|(key, value)| metadata(&path)[key] == *value));
        let mc = ["--mode", "mc", "--passes", "3", "--masked-bias"];
        let with_bias = [("x", &[1, 1][..], &[1.0][..]), ("weight", &[1, 1], &[1.0]), ("bias", &[1], &[1.0])];
        write_tensors(&layer, Dtype::F32, &with_bias);
        succeed(&[&args[..], &options, &mc].concat());
        let said = metadata(&path);
        assert_eq!(["mode", "passes", "masked_bias"].map(|key| said[key].as_str()), ["mc", "3", "true"]);
    }
}

#[test]
fn a_row_longer_than_a_piece_is_written_in_parts() {
    // 80 MB: two and a half pieces.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let args = ["mask", "--device", "cpu", "--shape", "1,2,40000003", "--bias", "--origin", "3,2,5", "--out"];
    succeed(&[&args[..], &[text(&path)]].concat());
    let tensors = read_tensors(&path);
    let origin = Origin { example: 3, output: 2, input: 5 };
    let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5).unwrap()).at(origin);
    let (_, shape, bytes) = &tensors["mask"];
    assert_eq!(shape, &[1, 2, 40_000_003]);
    for at in (0..bytes.len()).step_by(99_991).chain([bytes.len() - 1, 32 << 20, (32 << 20) - 1]) {
        let kept = mask.keep(0, (at / 40_000_003) as u32, (at % 40_000_003) as u32);
        assert_eq!(bytes[at], u8::from(kept), "byte {at}");
    }
    assert_eq!(tensors["bias_mask"].2, [0, 1].map(|o| u8::from(mask.keep_bias(0, o))));
}

#[test]
fn a_pass_has_a_mask_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let mask = Mask::new(MaskKey::new(8, 1).at_step(2), DropProbability::new(0.5).unwrap());
    let shape = Shape::new(5, 6, 7).unwrap();
    let command = ["mask", "--shape", "5,6,7", "--seed", "8", "--layer", "1", "--step", "2"];
    for device in devices("a_pass_has_a_mask_of_its_own") {
        for (options, mask) in [(&[][..], mask), (&["--pass", "3"][..], mask.pass(3))] {
            succeed(&[&command[..], &["--device", device, "--out", text(&path)], options].concat());
            let want: Vec<_> =
                reference::mask::mask(&shape, &mask).unwrap().into_iter().map(u8::from).collect();
            assert_eq!(read_tensors(&path)["mask"], (Dtype::U8, vec![5, 6, 7], want), "{device} {options:?}");
            let bytes = std::fs::read(&path).unwrap();
            let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
            let metadata = header.metadata().as_ref().unwrap();
            assert_eq!(metadata.get("pass"), mask.key.pass.map(|pass| pass.to_string()).as_ref());
        }
    }
}

#[test]
fn pieces_make_the_same_file_as_the_whole() {
    // 40 MB: more than the program computes at once.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    succeed(&["mask", "--device", "cpu", "--shape", "5,2001,4003", "--out", text(&path)]);
    let tensors = read_tensors(&path);
    let (_, shape, bytes) = &tensors["mask"];
    assert_eq!(shape, &[5, 2001, 4003]);
    let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5).unwrap());
    for at in (0..bytes.len()).step_by(99_991) {
        let (n, rest) = (at / (2001 * 4003), at % (2001 * 4003));
        let kept = mask.keep(n as u32, (rest / 4003) as u32, (rest % 4003) as u32);
        assert_eq!(bytes[at], u8::from(kept), "byte {at}");
    }
}

#[test]
fn an_empty_batch_is_an_empty_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    for device in devices("an_empty_batch_is_an_empty_tensor") {
        succeed(&["mask", "--device", device, "--shape", "0,3,4", "--bias", "--out", text(&path)]);
        let tensors = read_tensors(&path);
        assert_eq!(tensors["mask"], (Dtype::U8, vec![0, 3, 4], vec![]));
        assert_eq!(tensors["bias_mask"], (Dtype::U8, vec![0, 3], vec![]));
    }
}

#[test]
fn bad_arguments_are_named_with_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.safetensors");
    let with = |extra: &[&str], parts: &[&str]| {
        let mut args = vec!["mask", "--device", "cpu", "--out", text(&path)];
        if !extra.contains(&"--shape") {
            args.extend(["--shape", "2,3,4"]);
        }
        args.extend(extra);
        fail(&args, 2, parts);
        assert!(!path.exists());
    };
    with(&["--p", "NaN"], &["--p", "NaN", "at least 0 and below 1"]);
    with(&["--p", "1"], &["--p", "at least 0 and below 1"]);
    with(&["--p", "-0.1"], &["--p", "-0.1", "at least 0 and below 1"]);
    with(&["--p", "0.99999999"], &["--p", "0.99999999", "at most"]);
    with(&["--p", "half"], &["--p", "half"]);
    with(&["--bits", "17"], &["--bits", "17", "16"]);
    with(&["--bits", "0"], &["--bits", "0", "1"]);
    with(&["--seed", "18446744073709551616"], &["--seed", "18446744073709551616", "below 2^64"]);
    with(&["--layer", "4294967296"], &["--layer", "4294967296", "below 2^32"]);
    with(&["--layer", "0x100000000"], &["--layer", "0x100000000", "below 2^32"]);
    with(&["--shape", "-1,2,3"], &["--shape", "-1,2,3"]);
    with(&["--origin", "0,-1,3"], &["--origin", "0,-1,3"]);
    for name in ["--seed", "--layer", "--step", "--pass", "--bits", "--examples-per-mask"] {
        with(&[name, "-1"], &[name, "-1"]);
        with(&[name, "half"], &[name, "half"]);
    }
    with(&["--shape", "2,3"], &["--shape", "2,3", "three"]);
    with(&["--shape", "2,x,3,4"], &["--shape"]);
    with(&["--shape", "2,0,4"], &["--shape", "`outputs` is 0"]);
    with(&["--shape", "2,3,4294967296"], &["--shape", "`inputs`", "4294967295"]);
    with(&["--shape", "18446744073709551616,3,4"], &["--shape", "18446744073709551616"]);
    with(&["--shape", "4294967295,4294967295,4294967295"], &["--shape", "at most"]);
    with(&["--shape", "100000,100000,100000"], &["--shape", "at most", "--origin"]);
    with(&["--origin", "4294967295,0,0"], &["--origin", "4294967295", "4294967296"]);
    with(&["--origin", "4294967296,0,0"], &["--origin", "4294967296"]);
    with(&["--origin", "0,0"], &["--origin", "three"]);
}

/// In any folder.
#[cfg(windows)]
#[test]
fn devices_of_windows_are_written_where_they_are() {
    for name in ["NUL", "CON", "nul.safetensors"] {
        succeed(&["mask", "--device", "cpu", "--shape", "2,3,4", "--out", name]);
        assert!(!Path::new(&format!(r"\\?\{}\{name}", std::env::current_dir().unwrap().display())).exists());
    }
}
