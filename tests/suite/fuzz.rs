//! What the fuzz targets in `fuzz/` look for, on inputs that are drawn and texts that are mutated: the same on every
//! run.

use std::cell::RefCell;

use dropconnect_testing::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Runs a property on so many inputs. One that fails is printed, made small.
fn holds(cases: u32, inputs: impl Strategy<Value = Vec<u8>>, property: impl FnMut(&[u8])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[23; 32]));
    let property = RefCell::new(property);
    let result = runner.run(&inputs, |input| {
        property.borrow_mut()(&input);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_arguments_give_a_result_or_an_error_that_names_them() {
    // Small ones are choices of what there is, and numbers that can be computed with.
    let bytes = prop_oneof![3 => 0..24u8, 1 => any::<u8>()];
    holds(20_000, vec(bytes, 0..120), fuzz::arguments);
}

#[cfg(feature = "gpu")]
#[test]
fn any_call_is_prepared_or_refused() {
    let bytes = prop_oneof![5 => 0..12u8, 1 => any::<u8>()];
    holds(1000, vec(bytes, 0..160), fuzz::kernels);
}

#[cfg(feature = "gpu")]
#[test]
fn what_parses_as_a_tuning_is_what_it_prints() {
    use dropconnect::gpu::{MaskOp, Tile, Tuning};
    use dropconnect_testing::fuzz::Choices;

    let mut parsed = 0;
    holds(4000, vec(any::<u8>(), 100), |bytes| {
        let choices = &mut Choices::new(bytes);
        let tile = |choices: &mut Choices| {
            let [rows, columns, x, y, k_tile] = std::array::from_fn(|_| choices.number_32());
            Tile::new(rows, columns, [x, y]).with_k_tile(if choices.flag() { k_tile } else { 0 })
        };
        let tuning = Tuning::software()
            .with_forward(tile(choices))
            .with_weight_gradient(tile(choices))
            .with_mask_op(choices.of(&[MaskOp::Select, MaskOp::And]))
            .with_unrolled(choices.flag())
            .with_connections(choices.number());
        let text = choices.mutated(tuning.to_string().as_bytes());
        parsed += usize::from(std::str::from_utf8(&text).is_ok_and(|text| text.parse::<Tuning>().is_ok()));
        fuzz::tuning(&text);
    });
    assert!(
        (400..3600).contains(&parsed),
        "{parsed} of 4000 parse: neither texts nor changes are what is tried"
    );
}
