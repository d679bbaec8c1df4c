//! A recording that is used again: as it is, and with the masks of another step.

use crate::common::*;
use dropconnect::gpu::{Activate, Gpu, Kernels, MaskKeys, Method, Recording, Tensor, WriteMask};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Write, wgpu,
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

/// Operands of [`record`], and places for its results.
fn arena_of<'g>(gpu: &'g Gpu, shape: Shape, data: &Data) -> Arena<'g> {
    let poison = |bytes: usize| vec![POISON; bytes];
    let outputs = 4 * shape.output_len();
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
    crate::common::arena(gpu, Placement::Separate, &operands.map(|values| f32s(values)), &results)
}

#[test]
fn another_key_draws_what_a_new_call_draws() {
    let Some(gpu) = adapter("another_key_draws_what_a_new_call_draws") else { return };
    let shape = shape([9, 14, 21]);
    let data = Data::random(&shape, ElementType::F32, 7);
    let arena = || arena_of(gpu, shape, &data);
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

/// Which of the recordings has a key for each of its passes.
const MONTE_CARLO: usize = 5;
/// The results of the others.
const DRAWN: [usize; 7] = [0, 1, 2, 3, 4, 7, 8];

/// Three steps in one submission, each key recorded by `encode`; the same steps in a submission each.
#[track_caller]
fn steps_in_one_submission(
    gpu: &'static Gpu,
    keys: &[MaskKey],
    encode: impl Fn(&mut wgpu::CommandEncoder, usize, &Recording, u32) -> Result<(), Error>,
) {
    let shape = shape([9, 14, 21]);
    let data = Data::random(&shape, ElementType::F32, 8);
    let kernels = plain_kernels(gpu);
    let (together, apart) = (arena_of(gpu, shape, &data), arena_of(gpu, shape, &data));
    let drawing = |arena| {
        let mut recordings = record(kernels, shape, KEY.at_step(77), arena).unwrap();
        drop(recordings.remove(MONTE_CARLO));
        recordings
    };
    let recordings = drawing(&together);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let mut saved = Vec::new();
    for step in 0..keys.len() as u32 {
        for (at, recording) in recordings.iter().enumerate() {
            encode(&mut encoder, at, recording, step).unwrap();
            recording.encode(&mut encoder);
        }
        // Before the next step writes over them.
        for result in DRAWN {
            let Tensor { buffer, offset, size, .. } = together.tensor(6 + result, ElementType::F32);
            let size = size.next_multiple_of(4);
            let copy = gpu.buffer(size).unwrap();
            encoder.copy_buffer_to_buffer(buffer, offset, &copy, 0, size);
            saved.push(copy);
        }
    }
    gpu.queue().submit([encoder.finish()]);

    let recordings = drawing(&apart);
    let mut seen = Vec::new();
    for (step, &key) in keys.iter().enumerate() {
        for recording in &recordings {
            recording.set_key(gpu.queue(), key).unwrap();
            gpu.submit(recording).unwrap();
        }
        let want = apart.results().unwrap();
        for (result, copy) in DRAWN.into_iter().zip(&saved[step * DRAWN.len()..]) {
            let got = gpu.read(copy, 0..want[result].len() as u64).unwrap();
            assert!(got == want[result], "step {step}, result {result}");
            assert!(!seen.contains(&got), "step {step}, result {result} is that of another step");
            seen.push(got);
        }
    }
}

#[test]
fn steps_in_one_submission_are_those_of_a_submission_each() {
    let Some(gpu) = adapter("steps_in_one_submission_are_those_of_a_submission_each") else { return };
    let list = [KEY, KEY.at_step(4), MaskKey::new(u64::MAX, 7).at_step(1 << 40)];
    let keys = MaskKeys::new(gpu.device(), &list).unwrap();
    assert_eq!(keys.len(), 3);
    steps_in_one_submission(gpu, &list, |encoder, _, recording, step| {
        recording.encode_key(encoder, &keys, step)
    });
}

#[test]
fn a_key_is_read_from_a_buffer_of_the_hosts() {
    let Some(gpu) = adapter("a_key_is_read_from_a_buffer_of_the_hosts") else { return };
    let list = [KEY, KEY.at_step(4)];
    // In one place, which the host's own work changes between the steps.
    let current = gpu.buffer(4 + 2 * MaskKeys::BLOCK_BYTES).unwrap();
    let of_steps = list.map(|key| {
        let words = [&[0xdead_beef][..], &MaskKeys::mask_block(key), &MaskKeys::gaussian_block(key)].concat();
        gpu.upload(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>()).unwrap()
    });
    steps_in_one_submission(gpu, &list, |encoder, at, recording, step| {
        encoder.copy_buffer_to_buffer(&of_steps[step as usize], 0, &current, 0, current.size());
        // The last one samples.
        let offset = if at == 5 { 4 + MaskKeys::BLOCK_BYTES } else { 4 };
        recording.encode_key_from(encoder, &current, offset)
    });
}

/// The first words of a block are the key's, and those of round r follow from them.
#[test]
fn a_block_has_the_words_of_every_round() {
    let (masks, samples) = (MaskKeys::mask_block(KEY), MaskKeys::gaussian_block(KEY));
    for (block, [first, second]) in [(masks, KEY.words()), (samples, KEY.gaussian_words())] {
        assert_eq!(block.len(), 2 * 34);
        for (round, words) in block.chunks(2).enumerate() {
            let grown = |word: u32, step: u32| word.wrapping_add(step.wrapping_mul(round as u32));
            assert_eq!(words, [grown(first, 0x9E37_79B9), grown(second, 0xBB67_AE85)], "round {round}");
        }
    }
}

#[test]
fn keys_that_are_not_there_are_refused() {
    let Some(gpu) = adapter("keys_that_are_not_there_are_refused") else { return };
    let shape = shape([9, 14, 21]);
    let arena = arena_of(gpu, shape, &Data::random(&shape, ElementType::F32, 9));
    let recordings = record(plain_kernels(gpu), shape, KEY, &arena).unwrap();
    let keys = MaskKeys::new(gpu.device(), &[KEY]).unwrap();
    let bytes = MaskKeys::BLOCK_BYTES;
    let buffer = gpu.buffer(bytes).unwrap();
    let usage = wgpu::BufferUsages::STORAGE;
    let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
    let sealed = gpu.device().create_buffer(&descriptor);
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let (forward, encoder) = (&recordings[0], &mut encoder);
    refused!(MaskKeys::new(gpu.device(), &[]), Error::Count { .. }, ["`keys` is 0"]);
    refused!(forward.encode_key(encoder, &keys, 1), Error::Count { .. }, ["`index` is 1", "0 to 0"]);
    refused!(forward.encode_key_from(encoder, &buffer, 2), Error::Misaligned { .. }, ["`key`", "byte 2"]);
    for offset in [4, u64::MAX - 3] {
        refused!(forward.encode_key_from(encoder, &buffer, offset), Error::OutOfBounds { .. }, ["`key`"]);
    }
    refused!(forward.encode_key_from(encoder, &sealed, 0), Error::Usage { .. }, ["`key`", "COPY_SRC"]);
    let passes = &recordings[MONTE_CARLO];
    refused!(passes.encode_key(encoder, &keys, 0), Error::PassKeys, ["Monte-Carlo"]);
    refused!(passes.encode_key_from(encoder, &buffer, 0), Error::PassKeys, ["Monte-Carlo"]);
}
