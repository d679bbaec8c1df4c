//! The floor under a pass on an adapter: the operations that it cannot do without, at the rates that were measured on
//! this adapter in the same run. `docs/performance.md`, "The floor", derives the operations.

mod rates;

use dropconnect::gpu::MaskOp;
use dropconnect::{DropProbability, Shape};
use dropconnect_testing::Kind;
use serde::Serialize;

use super::problem::multiply_adds;
pub use rates::{Meter, Rates};

/// Connections that one run of the generator decides.
const DECISIONS: f64 = 128.0;
/// Products of a round, each with its exclusive or.
const ROUND_PRODUCTS: f64 = 2.0;
/// Logic: of the counter before the first round; of a plane's part in the decisions, an operation of three operands for
/// each of four words; of the rotation that makes one of the seven lowest of 16 planes.
const COUNTER_LOGIC: f64 = 4.0;
const PLANE_LOGIC: f64 = 4.0;
const ROTATION_LOGIC: f64 = 4.0;
/// Where the sum is kept or replaced by a predicate: NVIDIA's R2P makes predicates of eight bits at once, out of a
/// byte that has to be moved there.
const SELECT_LOGIC: f64 = 0.25;
/// Where the weight is kept or made zero: a bit field and an `and`, which with the `or` that makes the measured chain
/// are three operations, or four where a bit field is two.
const AND_TESTS: f64 = 0.75;

/// What a pass takes at least, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
    /// The longer of the two below.
    pub ms: f64,
    /// Of multiply-adds and of everything else that is computed.
    pub multiply_adds_ms: f64,
    pub integers_ms: f64,
    /// Both, as far as the adapter does them side by side.
    pub operations_ms: f64,
    /// Of reading operands and writing results once.
    pub memory_ms: f64,
}

impl Floor {
    /// Of a pass whose mask is drawn once; `tensors` are the bytes of all tensors of the problem, which decide whether
    /// caches hold them, and `moved` those that the pass reads and writes.
    pub fn of(
        rates: &Rates,
        mask_op: MaskOp,
        probability: &DropProbability,
        pass: Kind,
        shape: &Shape,
        [tensors, moved]: [u64; 2],
    ) -> Self {
        let connections = shape.connections() as f64;
        let products = multiply_adds(pass, shape) as f64;
        let bricks = connections / DECISIONS;
        let rounds = f64::from(probability.rounds());
        let (planes, rotated) =
            (f64::from(probability.bits()), f64::from(probability.bits().saturating_sub(9)));
        let mut integers = 0.0;
        if probability.drops() {
            integers += bricks * rounds * ROUND_PRODUCTS / rates.products_per_second;
            let logic = COUNTER_LOGIC + planes * PLANE_LOGIC + rotated * ROTATION_LOGIC;
            integers += bricks * logic / rates.logic_per_second;
            integers += match mask_op {
                MaskOp::Select => products * SELECT_LOGIC / rates.logic_per_second,
                _ => products * AND_TESTS / rates.tests_per_second,
            };
        }
        let multiply_adds = products / rates.multiply_adds_per_second;
        let operations = multiply_adds.max(integers) + rates.shared * multiply_adds.min(integers);
        // Between the two buffers that were read, the faster rate: a floor is one from below.
        let rate = if tensors >= 128 << 20 {
            rates.bytes_per_second
        } else {
            rates.cached_bytes_per_second.max(rates.bytes_per_second)
        };
        let memory = moved as f64 / rate;
        let [multiply_adds_ms, integers_ms, operations_ms, memory_ms] =
            [multiply_adds, integers, operations, memory].map(|seconds| 1e3 * seconds);
        Self { ms: operations_ms.max(memory_ms), multiply_adds_ms, integers_ms, operations_ms, memory_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        multiply_adds_per_second: 1e12,
        product: "wide",
        products_per_second: 1e11,
        logic_per_second: 1e12,
        tests_per_second: 1e12,
        shared: 1.0,
        cached_bytes_per_second: 1e12,
        bytes_per_second: 1e11,
        philox_rounds_predicted_per_second: 5e10,
        philox_rounds_per_second: 5e10,
    };

    fn floor(rates: &Rates, mask_op: MaskOp, p: f64, pass: Kind, moved: u64) -> Floor {
        let shape = Shape::new(128, 1024, 1024).unwrap();
        Floor::of(rates, mask_op, &DropProbability::new(p).unwrap(), pass, &shape, [moved, moved])
    }

    #[test]
    fn operations_add_up_as_far_as_they_share() {
        let connections = 128.0 * 1024.0 * 1024.0;
        // At p = 1/2 ten rounds and one plane for each 128 connections, in nanoseconds of 10^12 connections.
        let integers = (10.0 * 2.0 * 10.0 + 4.0 + 4.0) / 128.0 + 0.25;
        let both = floor(&RATES, MaskOp::Select, 0.5, Kind::Forward, 0);
        let close =
            |ms: f64, want: f64| assert!((ms / (want * connections / 1e9) - 1.0).abs() < 1e-12, "{ms}");
        close(both.ms, 1.0 + integers);
        close(floor(&Rates { shared: 0.0, ..RATES }, MaskOp::Select, 0.5, Kind::Forward, 0).ms, integers);
        close(floor(&RATES, MaskOp::And, 0.5, Kind::Forward, 0).ms, 1.5 + integers);
        // One drawing for both gradients.
        close(floor(&RATES, MaskOp::Select, 0.5, Kind::BothGradients, 0).ms, 2.25 + integers);
        // 34 rounds, 16 planes, seven of them rotated.
        let nine = (34.0 * 20.0 + 4.0 + 64.0 + 28.0) / 128.0 + 0.25;
        close(floor(&RATES, MaskOp::Select, 0.2, Kind::Forward, 0).ms, 1.0 + nine);
        close(floor(&RATES, MaskOp::Select, 0.0, Kind::Forward, 0).ms, 1.0);
    }

    #[test]
    fn memory_counts_where_it_takes_longer() {
        let large = floor(&RATES, MaskOp::Select, 0.5, Kind::Forward, 1 << 40);
        assert!(large.ms == large.memory_ms && large.ms > large.operations_ms);
        let cached = floor(&RATES, MaskOp::Select, 0.5, Kind::Forward, 1 << 20);
        assert_eq!(cached.memory_ms, (1u64 << 20) as f64 / 1e12 * 1e3);
    }
}
