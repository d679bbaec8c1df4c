//! A recording that is used again: as it is, and with the masks of another step.

mod common;

use common::*;
use dropconnect::gpu::{Activate, Kernels, Method, Recording, Tensor, WriteMask};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Write,
};

const KEY: MaskKey = MaskKey::new(1, 2).at_step(3);

/// Every call that draws, each into results of its own.
fn record(kernels: &Kernels, shape: Shape, key: MaskKey, arena: &Arena) -> Result<Vec<Recording>, Error> {
    let mask = &Mask::new(key, DropProbability::new(0.3)?);
    let tensor = |index| arena.tensor(index, ElementType::F32);
    let [x, weight, bias, grad_output, u_mean, u_variance] = std::array::from_fn(tensor);
    let result = |index: usize| tensor(6 + index);
    let (bias, some, write) = (Bias::Masked(bias), Some(mask), Write::Overwrite);
    let operands = Operands { shape, x, weight, bias, grad_output, write };
    let Tensor { buffer: bytes, offset, size, .. } = result(4);
    let method = Method::Sampled { samples: 5, key, origin: Origin::default() };
    Ok(vec![
        kernels.forward(&operands.forward(some, result(0)))?,
        kernels.input_gradient(&operands.input_gradient(some, result(1)))?,
        kernels.weight_gradient(&operands.weight_gradient(some, result(2)))?,
        kernels.bias_gradient(&operands.bias_gradient(some, result(3)))?,
        kernels.write_mask(&WriteMask { shape, mask, result: bytes, offset, size })?,
        kernels.monte_carlo(&operands.monte_carlo(mask, 3, [result(5), result(6)]))?,
        kernels.activate(&Activate {
            shape,
            activation: Activation::Tanh,
            method,
            u_mean,
            u_variance,
            mean: result(7),
            variance: result(8),
        })?,
    ])
}

#[test]
fn another_key_draws_what_a_new_call_draws() {
    let Some(gpu) = adapter("another_key_draws_what_a_new_call_draws") else { return };
    let shape = shape([9, 14, 21]);
    let data = Data::random(&shape, ElementType::F32, 7);
    let poison = |bytes: usize| vec![POISON; bytes];
    let outputs = 4 * shape.output_len();
    let arena = || {
        let f32s = |values: &[f32]| ElementType::F32.encode(values);
        let variance = vec![0.7; shape.output_len()];
        let operands = [&data.x, &data.weight, &data.bias, &data.grad_output, &data.grad_output, &variance];
        let sizes = [
            outputs,
            4 * shape.input_len(),
            4 * shape.weight_len(),
            4 * shape.outputs(),
            shape.output_len() * shape.inputs(),
        ];
        let results: Vec<_> = sizes.into_iter().chain([outputs; 4]).map(poison).collect();
        common::arena(gpu, Placement::Separate, &operands.map(|values| f32s(values)), &results)
    };
    let submit =
        |recordings: &[Recording]| recordings.iter().for_each(|recording| gpu.submit(recording).unwrap());
    let read = |arena: &Arena| arena.results().unwrap();
    let kernels = plain_kernels(gpu);

    let mut seen = Vec::new();
    let reused = arena();
    let recordings = record(kernels, shape, KEY, &reused).unwrap();
    for key in [KEY, KEY.at_step(4), MaskKey::new(u64::MAX, 0).at_step(1 << 40), KEY, KEY.pass(1)] {
        recordings.iter().for_each(|recording| recording.set_key(gpu.queue(), key).unwrap());
        submit(&recordings);
        let fresh = arena();
        submit(&record(kernels, shape, key, &fresh).unwrap());
        let (got, want) = (read(&reused), read(&fresh));
        assert!(got == want, "{key:?}");
        seen.push(got);
    }
    assert!(seen[0] == seen[3], "the first key again");
    for (result, (first, second)) in seen[0].iter().zip(&seen[1]).enumerate() {
        assert!(first != second, "result {result} does not depend on the key");
    }
}
