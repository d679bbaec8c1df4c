//! A recording that is used again: as it is, and with the masks of another step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::common::*;
use dropconnect::call::{Activate, WeightGradient};
use dropconnect::gpu::{Gpu, Kernels, Method, Recording, Tensor, WriteMask};
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
        kernels.record(operands.forward(some, result(0)))?,
        kernels.record(operands.input_gradient(some, result(1)))?,
        kernels.record(operands.weight_gradient(some, result(2)))?,
        kernels.record(operands.bias_gradient(some, result(3)))?,
        kernels.write_mask(&WriteMask { shape, mask, result: bytes, offset, size })?,
        kernels.record(operands.monte_carlo(mask, 3, [result(5), result(6)]))?,
        kernels.record(Activate {
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
        submit(&recordings.iter().map(|recording| recording.at_key(key).unwrap()).collect::<Vec<_>>());
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
/// The results of each of the others.
const DRAWN: [usize; 6] = [0, 1, 2, 3, 4, 7];
const KEYS: [MaskKey; 3] = [KEY, KEY.at_step(4), MaskKey::new(u64::MAX, 7).at_step(1 << 40)];

/// Every call that takes a key from device memory, prepared with a key that is used nowhere, and what each gives with
/// each of [`KEYS`], by key and call.
struct Steps<'g> {
    gpu: &'g Gpu,
    arena: Arena<'g>,
    recordings: Vec<Recording>,
    want: Vec<Vec<Vec<u8>>>,
}

impl Steps<'static> {
    fn new(gpu: &'static Gpu, seed: u64) -> Self {
        let shape = shape([9, 14, 21]);
        let data = Data::random(&shape, ElementType::F32, seed);
        let prepare = |key, arena: &Arena| {
            let mut recordings = record(plain_kernels(gpu), shape, key, arena).unwrap();
            drop(recordings.remove(MONTE_CARLO));
            recordings
        };
        let want = KEYS.map(|key| {
            let arena = arena_of(gpu, shape, &data);
            prepare(key, &arena).iter().for_each(|recording| gpu.submit(recording).unwrap());
            let results = arena.results().unwrap();
            DRAWN.map(|result| results[result].clone()).into()
        });
        for (step, results) in want.iter().enumerate() {
            assert!(
                want[..step].iter().all(|earlier: &Vec<_>| earlier.iter().zip(results).all(|(a, b)| a != b))
            );
        }
        let arena = arena_of(gpu, shape, &data);
        let recordings = prepare(KEY.at_step(77), &arena);
        Self { gpu, arena, recordings, want: want.into() }
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device().create_command_encoder(&Default::default())
    }

    /// What a call has computed by here, copied before the next one writes over it.
    fn save(&self, encoder: &mut wgpu::CommandEncoder, call: usize) -> wgpu::Buffer {
        let Tensor { buffer, offset, size, .. } = self.arena.tensor(6 + DRAWN[call], ElementType::F32);
        let size = size.next_multiple_of(4);
        let copy = self.gpu.buffer(size).unwrap();
        encoder.copy_buffer_to_buffer(buffer, offset, &copy, 0, size);
        copy
    }

    /// That a copy holds what a call gives with one of the keys.
    #[track_caller]
    fn check(&self, copy: &wgpu::Buffer, key: usize, call: usize) {
        let want = &self.want[key][call];
        let got = self.gpu.read(copy, 0..want.len() as u64).unwrap();
        let of = |got: &[u8]| self.want.iter().position(|results| results[call] == got);
        assert!(got == *want, "call {call} with key {key}: it drew that of {:?}", of(&got));
    }
}

#[test]
fn steps_in_one_submission_are_those_of_a_submission_each() {
    let Some(gpu) = adapter("steps_in_one_submission_are_those_of_a_submission_each") else { return };
    let steps = Steps::new(gpu, 8);
    let (mut encoder, mut saved) = (steps.encoder(), Vec::new());
    let at_keys: Vec<_> = steps.recordings.iter().map(|call| call.at_keys(&KEYS).unwrap()).collect();
    for key in 0..KEYS.len() {
        for (call, at_keys) in at_keys.iter().enumerate() {
            at_keys[key].encode(&mut encoder);
            saved.push((steps.save(&mut encoder, call), key, call));
        }
    }
    gpu.queue().submit([encoder.finish()]);
    saved.iter().for_each(|(copy, key, call)| steps.check(copy, *key, *call));
    assert!(steps.recordings[0].at_keys(&[]).unwrap().is_empty());
}

/// An engine that records ahead: nothing that is done with a recording later changes what it draws, in whatever order
/// its commands are submitted.
#[test]
fn what_is_recorded_keeps_its_key() {
    let Some(gpu) = adapter("what_is_recorded_keeps_its_key") else { return };
    let steps = Steps::new(gpu, 9);
    let block = |call: &Recording, key| {
        gpu.upload(&call.key_block(key).iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
            .unwrap()
    };
    for (call, recording) in steps.recordings.iter().enumerate() {
        let first = recording.at_key(KEYS[0]).unwrap();
        let (mut ahead, mut saved) = (steps.encoder(), Vec::new());
        first.encode(&mut ahead);
        saved.push((steps.save(&mut ahead, call), 0, call));
        // Then with other keys: one that the host has, one that the device has.
        let second = first.at_key(KEYS[1]).unwrap();
        let mut later = steps.encoder();
        for _ in 0..2 {
            first.encode_with_key_from(&mut later, &block(&first, KEYS[2]), 0).unwrap();
            saved.push((steps.save(&mut later, call), 2, call));
            for (recording, key) in [(&first, 0), (&second, 1)] {
                recording.encode(&mut later);
                saved.push((steps.save(&mut later, call), key, call));
            }
        }
        drop((first, second));
        gpu.queue().submit([later.finish(), ahead.finish()]);
        saved.iter().for_each(|(copy, key, call)| steps.check(copy, *key, *call));
    }
}

/// Frames that are not waited for, as an engine has them in flight: two with keys of their own in each, while another
/// thread makes calls with more keys.
#[test]
fn frames_in_flight_keep_their_keys() {
    let Some(gpu) = adapter("frames_in_flight_keep_their_keys") else { return };
    let steps = Steps::new(gpu, 10);
    let (mask, done) = (4, AtomicBool::new(false));
    let saved = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _made = steps.recordings[mask].at_keys(&KEYS).unwrap();
            }
        });
        let mut saved = Vec::new();
        for frame in 0..60 {
            let mut encoder = steps.encoder();
            for key in [frame % 3, (frame + 1) % 3] {
                steps.recordings[mask].at_key(KEYS[key]).unwrap().encode(&mut encoder);
                saved.push((steps.save(&mut encoder, mask), key));
            }
            gpu.queue().submit([encoder.finish()]);
        }
        done.store(true, Ordering::Relaxed);
        saved
    });
    saved.iter().for_each(|(copy, key)| steps.check(copy, *key, mask));
}

/// Steps in order, for which calls are made ahead; then back, another layer, and the last step there is.
#[test]
fn every_step_draws_its_own_mask() {
    let Some(gpu) = adapter("every_step_draws_its_own_mask") else { return };
    let (shape, mask) = (shape([4, 4, 8]), Mask::new(KEY, DropProbability::new(0.5).unwrap()));
    let result = gpu.buffer(128).unwrap();
    let call = WriteMask { shape, mask: &mask, result: &result, offset: 0, size: 128 };
    let recording = plain_kernels(gpu).write_mask(&call).unwrap();
    let other = MaskKey { layer: 9, ..KEY };
    let more = [KEY.at_step(6), KEY.at_step(7), other.at_step(8), other.at_step(9), KEY.at_step(10)];
    let last = [u64::MAX - 1, u64::MAX, 0, 1, 70].map(|step| KEY.at_step(step));
    for key in (4..150).map(|step| KEY.at_step(step)).chain(more).chain(last) {
        gpu.submit(&recording.at_key(key).unwrap()).unwrap();
        let want = dropconnect::reference::mask::mask(&shape, &Mask { key, ..mask }).unwrap();
        let got = gpu.read(&result, 0..128).unwrap();
        assert!(got.into_iter().eq(want.into_iter().map(u8::from)), "{key:?}");
    }
}

/// Within one compute pass of the host's, where nothing can be copied: sums over steps, which add up in a gradient.
#[test]
fn keys_within_a_compute_pass() {
    let Some(gpu) = adapter("keys_within_a_compute_pass") else { return };
    let shape = shape([9, 14, 21]);
    let data = Data::random(&shape, ElementType::F32, 11);
    let sums = |keys: &[usize], together: bool| {
        let arena = arena_of(gpu, shape, &data);
        let result = arena.tensor(6 + 2, ElementType::F32);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        encoder.clear_buffer(result.buffer, result.offset, Some(result.size));
        let [x, grad_output] = [0, 3].map(|index| arena.tensor(index, ElementType::F32));
        let (mask, write) = (Mask::new(KEY, DropProbability::new(0.3).unwrap()), Write::Accumulate);
        let (mask, grad_weight) = (Some(&mask), result);
        let call = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
        let at_keys = plain_kernels(gpu).record(call).unwrap().at_keys(&KEYS).unwrap();
        if together {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            keys.iter().for_each(|&key| at_keys[key].record(&mut pass));
        }
        gpu.queue().submit([encoder.finish()]);
        if !together {
            keys.iter().for_each(|&key| gpu.submit(&at_keys[key]).unwrap());
        }
        arena.results().unwrap().swap_remove(2)
    };
    let (together, apart) = (sums(&[0, 1, 2], true), sums(&[0, 1, 2], false));
    assert!(together == apart && together != sums(&[2, 2, 2], false) && together != sums(&[0, 0, 0], false));
}

/// A buffer of the host's, which its own work changes between the steps.
#[test]
fn a_key_is_read_from_a_buffer_of_the_hosts() {
    let Some(gpu) = adapter("a_key_is_read_from_a_buffer_of_the_hosts") else { return };
    let steps = Steps::new(gpu, 12);
    let current = gpu.buffer(4 + Recording::KEY_BYTES).unwrap();
    let (mut encoder, mut saved) = (steps.encoder(), Vec::new());
    for (key, &words) in KEYS.iter().enumerate() {
        for (call, recording) in steps.recordings.iter().enumerate() {
            let words = [&[0xdead_beef][..], &recording.key_block(words)].concat();
            let words =
                gpu.upload(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>()).unwrap();
            encoder.copy_buffer_to_buffer(&words, 0, &current, 0, current.size());
            recording.encode_with_key_from(&mut encoder, &current, 4).unwrap();
            saved.push((steps.save(&mut encoder, call), key, call));
        }
    }
    gpu.queue().submit([encoder.finish()]);
    saved.iter().for_each(|(copy, key, call)| steps.check(copy, *key, *call));
}

/// The first words of a block are the key's, and those of round r follow from them.
#[test]
fn a_block_has_the_words_of_every_round() {
    let Some(gpu) = adapter("a_block_has_the_words_of_every_round") else { return };
    let steps = Steps::new(gpu, 13);
    let [masks, samples] = [0, 5].map(|call| steps.recordings[call].key_block(KEY));
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
    let bytes = Recording::KEY_BYTES;
    let buffer = gpu.buffer(bytes).unwrap();
    let usage = wgpu::BufferUsages::STORAGE;
    let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
    let sealed = gpu.device().create_buffer(&descriptor);
    let encoder = &mut gpu.device().create_command_encoder(&Default::default());
    let mut from =
        |call: usize, buffer, offset| recordings[call].encode_with_key_from(encoder, buffer, offset);
    refused!(from(0, &buffer, 2), Error::Misaligned { .. }, ["`key`", "byte 2"]);
    for offset in [4, u64::MAX - 3] {
        refused!(from(0, &buffer, offset), Error::OutOfBounds { .. }, ["`key`"]);
    }
    refused!(from(0, &sealed, 0), Error::Usage { .. }, ["`key`", "COPY_SRC"]);
    refused!(from(MONTE_CARLO, &buffer, 0), Error::PassKeys, ["Monte-Carlo"]);
}
