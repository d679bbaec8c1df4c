//! The properties on inputs that are drawn, and on good ones with a few changes: the same on every run.

use std::cell::RefCell;

use dropconnect::ElementType;
use dropconnect_testing::fuzz::Choices;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::tensors::{Entry, dtype, write_header, write_values};

/// Runs a property on so many rows of choices. One that fails is printed, made small.
fn holds(cases: u32, property: impl FnMut(&mut Choices)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[29; 32]));
    let property = RefCell::new(property);
    let result = runner.run(&vec(any::<u8>(), 0..160), |input| {
        property.borrow_mut()(&mut Choices::new(&input));
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_file_of_tensors_is_read_or_refused() {
    let mut read = 0;
    holds(2000, |choices| {
        let (mut file, mut entries, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for name in ["x", "another", "weight", "bias"] {
            let element = choices.of(&ElementType::ALL);
            let shape: Vec<_> = (0..choices.byte() % 3).map(|_| usize::from(choices.byte() % 4)).collect();
            let elements = shape.iter().product::<usize>();
            entries.push(Entry {
                name,
                dtype: dtype(element),
                shape,
                bytes: (elements * element.size()) as u64,
            });
            values.push((
                element,
                (0..elements).map(|_| f32::from_bits(choices.word() as u32)).collect::<Vec<_>>(),
            ));
        }
        write_header(&mut file, &entries, &[("a", "b".to_owned())]).unwrap();
        for (element, values) in values {
            write_values(&mut file, element, &values).unwrap();
        }
        let file = choices.mutated(&file);
        read += u32::from(safetensors::SafeTensors::deserialize(&file).is_ok());
        super::tensors(&file);
    });
    assert!((200..1800).contains(&read), "{read} of 2000 are files of tensors");
}

#[test]
fn any_line_of_another_build_is_understood_or_refused() {
    let lines = [
        r#"{"hello":1}"#,
        r#"{"hello":{"protocol":1,"version":"0.1.0","adapter":"a","kernels":"k","timer":"t"}}"#,
        r#"{"prepare":{"batch":4,"outputs":5,"inputs":6,"element":"f32","p":0.5,"pass":"forward"}}"#,
        r#"{"ready":1e-7}"#,
        r#"{"sample":{"calls":7,"lead":true}}"#,
        r#"{"milliseconds":1.5}"#,
        r#"{"unable":"no such \u001b[2J pass"}"#,
        r#"{"fault":"the device is lost"}"#,
    ];
    lines.iter().for_each(|line| super::protocol(line.as_bytes()));
    holds(4000, |choices| {
        let line = choices.of(&lines);
        super::protocol(&choices.mutated(line.as_bytes()));
    });
}

#[test]
fn any_command_line_is_understood_or_refused() {
    let lines = [
        "mask\n--shape\n8,16,32\n--p\n0.3\n--seed\n0x2a\n--out\nmask.safetensors\n--bias",
        "mask\n--shape=4294967295,1,1\n--origin\n0,4294967295,7\n--examples-per-mask\n3\n--out\no",
        "apply\n--input\na\n--output\nb\n--mode\nmc\n--passes\n10\n--softmax\n--bits\n8",
        "bench\n--shape\n128,1024,1024\n--p\n0.5\n--seconds\n0.5\n--sweep\nbatch\n--rival\nnone\n--tuning\n\
         1x1x8x8,1x1x8x8,1x1x8x8,select,unrolled,65536,32768,4294967296",
        "verify\n--soak\n10\n--seed\n0xffffffffffffffff\n--device\ncpu",
        "shader\nforward\n--class\nnvidia\n--as\nmsl\n--layer\n4294967295\n--step\n1",
    ];
    lines.iter().for_each(|line| super::options(line.as_bytes()));
    holds(600, |choices| {
        let line = choices.of(&lines);
        super::options(&choices.mutated(line.as_bytes()));
    });
}
