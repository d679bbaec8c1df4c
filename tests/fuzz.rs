//! What the fuzz targets in `fuzz/` look for, on inputs that are drawn and texts that are mutated: the same on every
//! run.

use dropconnect_testing::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Runs a property on so many inputs. One that fails is printed, made small.
fn holds(cases: u32, inputs: impl Strategy<Value = Vec<u8>>, property: fn(&[u8])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[23; 32]));
    let result = runner.run(&inputs, |input| {
        property(&input);
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

/// A text that parses, of numbers of any kind.
#[cfg(feature = "gpu")]
fn tunings() -> impl Strategy<Value = Vec<u8>> {
    use dropconnect::gpu::{Apply, BothGradientsTuning, Tile, Tuning};
    let number = || prop_oneof![1..257u32, any::<u32>()];
    let tile = || [number(), number(), number(), number()].prop_map(|[a, b, x, y]| Tile::new(a, b, [x, y]));
    let both = prop::option::of((tile(), number(), number()));
    let both = both
        .prop_map(|both| both.map(|(tile, rounds, threads)| BothGradientsTuning::new(tile, rounds, threads)));
    let rest = (both, any::<[bool; 2]>(), number(), number(), any::<u64>());
    ([tile(), tile(), tile()], rest).prop_map(
        |(tiles, (both, [select, rolled], threads, iterations, connections))| {
            let tuning = Tuning::software()
                .with_forward(tiles[0])
                .with_input_gradient(tiles[1])
                .with_weight_gradient(tiles[2])
                .with_both_gradients(both)
                .with_apply(if select { Apply::Select } else { Apply::And })
                .with_rolled(rolled)
                .with_threads(threads)
                .with_iterations(iterations)
                .with_connections(connections);
            tuning.to_string().into_bytes()
        },
    )
}

/// A few changes of a text: a byte more, another one, a part left out or taken twice.
#[cfg(feature = "gpu")]
fn mutated(texts: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<[prop::sample::Index; 2]>(), any::<u8>(), 0..4);
    (texts, vec(change, 0..4)).prop_map(|(mut text, changes)| {
        for ([at, to], byte, kind) in changes {
            let (at, to) = (at.index(text.len() + 1), to.index(text.len() + 1));
            let part = at.min(to)..at.max(to);
            match kind {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                2 => drop(text.drain(part)),
                _ => text.extend_from_within(part),
            }
        }
        text
    })
}

#[cfg(feature = "gpu")]
#[test]
fn what_parses_as_a_tuning_is_what_it_prints() {
    holds(2000, mutated(tunings()), fuzz::tuning);
}
