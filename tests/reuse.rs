//! A recording that is used again: as it is, and with the masks of another step.

mod common;

use common::*;
use dropconnect::gpu::{
    Activate, BiasGradient, Forward, InputGradient, Kernels, Method, MonteCarlo, Recording, WeightGradient,
    WriteMask,
};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Write,
};

const KEY: MaskKey = MaskKey::new(1, 2).at_step(3);

/// Every call that draws, each into results of its own.
fn record(kernels: &Kernels, shape: Shape, key: MaskKey, arena: &Arena) -> Result<Vec<Recording>, Error> {
    let mask = &Mask::new(key, DropProbability::new(0.3)?);
    let (element, write) = (ElementType::F32, Write::Overwrite);
    let [x, weight, bias, grad_output, u_mean, u_variance] = std::array::from_fn(|index| arena.tensor(index));
    let result = |index: usize| arena.tensor(6 + index);
    let (bias, bias_mask) = (Bias::Masked(bias), Some(mask));
    let method = Method::Sampled { samples: 5, key, origin: Origin::default() };
    Ok(vec![
        kernels.forward(&Forward { shape, element, mask: Some(mask), x, weight, bias, y: result(0) })?,
        kernels.input_gradient(&InputGradient {
            shape,
            element,
            mask: Some(mask),
            grad_output,
            weight,
            grad_input: result(1),
            write,
        })?,
        kernels.weight_gradient(&WeightGradient {
            shape,
            element,
            mask: Some(mask),
            grad_output,
            x,
            grad_weight: result(2),
            write,
        })?,
        kernels.bias_gradient(&BiasGradient {
            shape,
            element,
            bias_mask,
            grad_output,
            grad_bias: result(3),
            write,
        })?,
        kernels.write_mask(&WriteMask { shape, mask, result: result(4) })?,
        kernels.monte_carlo(&MonteCarlo {
            shape,
            element,
            mask,
            passes: 3,
            x,
            weight,
            bias,
            mean: result(5),
            variance: result(6),
        })?,
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
        let mut contents = vec![f32s(&data.x), f32s(&data.weight), f32s(&data.bias), f32s(&data.grad)];
        contents.extend([f32s(&data.grad), f32s(&vec![0.7; shape.output_len()])]);
        let sizes = [
            outputs,
            4 * shape.input_len(),
            4 * shape.weight_len(),
            4 * shape.outputs(),
            shape.output_len() * shape.inputs(),
        ];
        contents.extend(sizes.into_iter().map(poison));
        contents.extend([outputs; 4].into_iter().map(poison));
        Arena::new(gpu, Placement::Separate, &contents)
    };
    let submit =
        |recordings: &[Recording]| recordings.iter().for_each(|recording| gpu.submit(recording).unwrap());
    let read = |arena: &Arena| arena.results(&[6, 7, 8, 9, 10, 11, 12, 13, 14]).unwrap();
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
