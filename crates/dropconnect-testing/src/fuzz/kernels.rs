//! Calls on an adapter, as far as they go without one: on wgpu's device that does nothing.

use std::sync::OnceLock;

use dropconnect::call::{
    BiasGradient, BothGradients, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient,
};
use dropconnect::gpu::{
    Activate, Apply, KernelOptions, Kernels, Method, ModuleMaker, PredictivePass, Recording, Tensor, Tile,
    Tuning, WriteMask,
};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Sharing, Write, wgpu,
};

use super::{Choices, is_message};
use crate::BiasKind;

/// Bytes of the buffer that tensors lie in.
const POOL: u64 = 1 << 20;
/// Connections of a call, at most: a dispatch may hold as few as 16.
const MOST: u64 = 1 << 14;

/// A device with its limits and buffers.
struct Machine {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Two for tensors, and one that was made for none.
    buffers: [wgpu::Buffer; 3],
}

/// WebGPU's limits, and two devices with little.
fn machines() -> &'static [Machine; 3] {
    static MACHINES: OnceLock<[Machine; 3]> = OnceLock::new();
    MACHINES.get_or_init(|| {
        let whole = wgpu::Limits::defaults();
        let narrow = wgpu::Limits {
            max_storage_buffer_binding_size: 1 << 12,
            max_compute_workgroups_per_dimension: 3,
            ..whole.clone()
        };
        let least = wgpu::Limits {
            max_storage_buffer_binding_size: 512,
            max_compute_workgroups_per_dimension: 1,
            max_uniform_buffer_binding_size: 512,
            ..whole.clone()
        };
        [whole, narrow, least].map(machine)
    })
}

fn machine(limits: wgpu::Limits) -> Machine {
    let noop = wgpu::NoopBackendOptions::enabled();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        backend_options: wgpu::BackendOptions { noop, ..Default::default() },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
    let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
    let opened = pollster::block_on(adapters[0].request_device(&descriptor));
    let (device, queue) = opened.expect("a device with these limits");
    let buffer = |usage, size| {
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffers = [
        buffer(storage, POOL),
        buffer(storage, POOL / 2),
        buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC, POOL),
    ];
    Machine { device, queue, buffers }
}

fn tuning(choices: &mut Choices) -> Tuning {
    let number = |choices: &mut Choices| match choices.byte() {
        0..200 => choices.of(&[1, 2, 4, 8, 16]),
        _ => choices.number_32(),
    };
    let tile = |choices: &mut Choices| {
        let [rows, columns, x, y, staged] = std::array::from_fn(|_| number(choices));
        Tile::new(rows, columns, [x, y]).with_staged(if choices.flag() { staged } else { 0 })
    };
    let mut tuning = Tuning::software()
        .with_forward(tile(choices))
        .with_input_gradient(tile(choices))
        .with_weight_gradient(tile(choices))
        .with_rolled(choices.flag())
        .with_apply(choices.of(&[Apply::Select, Apply::And]))
        .with_threads(choices.number_32());
    if choices.flag() {
        tuning = tuning.with_iterations(choices.number_32()).with_connections(choices.number());
    }
    tuning
}

/// A tensor of a call, and whether it is one of so many elements.
fn tensor<'m>(
    choices: &mut Choices,
    machine: &'m Machine,
    elements: usize,
    element: ElementType,
    at: &mut u64,
) -> (Tensor<'m>, bool) {
    let right = (elements as u64).saturating_mul(element.size() as u64);
    let whole = right.saturating_add(right.wrapping_neg() % 4);
    let mut tensor = Tensor {
        buffer: &machine.buffers[0],
        offset: *at,
        size: if choices.flag() { right } else { whole },
        element,
    };
    *at = at.saturating_add(whole).saturating_add(4 * u64::from(choices.byte() % 8));
    match choices.byte() {
        // As most engines do.
        0..200 => {}
        200..210 => tensor.buffer = &machine.buffers[1],
        210..216 => tensor.buffer = &machine.buffers[2],
        216..226 => tensor.offset = choices.number(),
        226..236 => tensor.size = choices.number(),
        236..242 => tensor.offset = tensor.offset.wrapping_add(u64::from(choices.byte())),
        242..248 => {
            tensor.offset = tensor.buffer.size().wrapping_sub(right).wrapping_add(choices.number() % 8)
        }
        _ => tensor.element = choices.of(&ElementType::ALL),
    }
    let right = (elements as u128) * tensor.element.size() as u128;
    let sized = [right, right.next_multiple_of(4)].contains(&tensor.size.into());
    let placed = right == 0 || tensor.offset.is_multiple_of(4) && usable(tensor.buffer, tensor.offset, right);
    (tensor, sized && placed)
}

/// Whether a buffer has so many bytes from there on, as whole words, for kernels.
fn usable(buffer: &wgpu::Buffer, offset: u64, bytes: u128) -> bool {
    u128::from(offset) + bytes.next_multiple_of(4) <= buffer.size().into()
        && buffer.usage().contains(wgpu::BufferUsages::STORAGE)
}

/// The bytes that a pass may touch of a tensor.
fn bytes(tensor: &Tensor) -> std::ops::Range<u64> {
    tensor.offset..tensor.offset.saturating_add(tensor.size.checked_next_multiple_of(4).unwrap_or(u64::MAX))
}

/// Whether the results touch nothing else, and the types go together: operands in one, results in f32 or, where they
/// may, in the same.
fn go_together(operands: &[Tensor], results: &[Tensor], same: bool) -> bool {
    let apart = results.iter().enumerate().all(|(at, result)| {
        operands.iter().chain(&results[..at]).all(|other| {
            let (a, b) = (bytes(result), bytes(other));
            other.buffer != result.buffer || a.start.max(b.start) >= a.end.min(b.end)
        })
    });
    let element = operands[0].element;
    apart
        && operands.iter().all(|operand| operand.element == element)
        && results
            .iter()
            .all(|result| result.element == ElementType::F32 || same && result.element == element)
}

/// Kernels of any shape are made or refused by the number that is wrong, and a call is prepared and submitted, or
/// refused for an argument that is wrong. wgpu checks every binding and dispatch of what is prepared, and finds no
/// fault.
pub fn kernels(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let machine = &machines()[usize::from(choices.byte()) % 3];
    let Some(kernels) = made(choices, machine) else { return };
    let sizes: [usize; 3] = std::array::from_fn(|_| choices.size());
    let Ok(shape) = Shape::new(sizes[0], sizes[1], sizes[2]) else { return };
    let Ok(p) = DropProbability::with_bits(f64::from(choices.byte()) / 256.0, 16) else { return };
    let origin = match choices.flag() {
        true => {
            Origin { example: choices.number_32(), output: choices.number_32(), input: choices.number_32() }
        }
        false => Origin::default(),
    };
    let sharing =
        choices.of(&[Sharing::Example, Sharing::Batch, Sharing::Group(3.try_into().expect("not 0"))]);
    let mask = Mask::new(MaskKey::new(choices.word(), 1), p).shared(sharing).at(origin);
    call(choices, machine, &kernels, &shape, &mask);
}

fn made(choices: &mut Choices, machine: &Machine) -> Option<Kernels> {
    // Of no matter here, and compiled in no time.
    let modules = ModuleMaker::new(|device, _, _| {
        let source = wgpu::ShaderSource::Wgsl("@compute @workgroup_size(1) fn main() {}".into());
        Ok(device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source }))
    });
    let tuning = tuning(choices);
    let options = KernelOptions { tuning: Some(tuning), modules: Some(modules), ..Default::default() };
    match Kernels::new(&machine.device, &options) {
        Ok(kernels) => Some(kernels),
        Err(error) => {
            let known = match error {
                Error::Count { value, least, most, .. } => {
                    !(least..=most).contains(&value) || tuning.connections < 1 << 20
                }
                Error::DeviceLimits { ref unmet } => unmet.iter().all(|limit| limit.actual < limit.needed),
                _ => false,
            };
            assert!(known, "{tuning}: {error:?}");
            is_message(&error.to_string());
            None
        }
    }
}

/// A call that waits to be made.
type Waiting<'c> = Box<dyn FnOnce() -> Result<Recording, Error> + 'c>;

fn call(choices: &mut Choices, machine: &Machine, kernels: &Kernels, shape: &Shape, mask: &Mask) {
    let shape = *shape;
    let kind = choices.byte() % 10;
    let bias_kind = choices.of(&BiasKind::ALL);
    let (element, f32) = (choices.of(&ElementType::ALL), ElementType::F32);
    let write = if choices.flag() { Write::Accumulate } else { Write::Overwrite };
    let count = choices.number_32();
    let mut at = 4 * u64::from(choices.byte());
    let mut fit = true;
    let mut place = |choices: &mut Choices, elements: usize, element| {
        let (tensor, fits) = tensor(choices, machine, elements, element, &mut at);
        fit &= fits;
        tensor
    };
    let [front, top, side] = [shape.input_len(), shape.weight_len(), shape.output_len()];
    let dims = [shape.batch(), shape.outputs(), shape.inputs()].map(|dim| dim as u64);
    let origin = [mask.origin.example, mask.origin.output, mask.origin.input];
    let exist = origin.into_iter().zip(dims).all(|(first, size)| u64::from(first) + size <= 1 << 32);
    let connections = shape.connections();
    let masked = Some(mask);

    // Whether all but sizes and places is right, how much is to be done, and how.
    let (good, steps, made): (bool, u64, Waiting) = match kind {
        0 | 7 | 8 => {
            let [x, weight] = [front, top].map(|elements| place(choices, elements, element));
            let mut operands = vec![x, weight];
            let bias = match bias_kind {
                BiasKind::None => Bias::None,
                kind => kind.with(place(choices, shape.outputs(), element)),
            };
            operands.extend(bias.tensor().copied());
            if kind == 0 {
                let y = place(choices, side, element);
                let good = exist && go_together(&operands, &[y], true);
                let call = Forward { shape, mask: masked, x, weight, bias, y };
                (good, connections, Box::new(move || kernels.forward(&call)))
            } else {
                let [mean, variance] = [side; 2].map(|elements| place(choices, elements, f32));
                let good = go_together(&operands, &[mean, variance], false);
                let (probability, passes) = (&mask.probability, count);
                if kind == 7 {
                    let call = OutputMoments { shape, probability, x, weight, bias, mean, variance };
                    (good, connections, Box::new(move || kernels.moments(&call)))
                } else {
                    let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
                    let good = good && exist && (1..=1 << 16).contains(&passes);
                    let steps = connections.saturating_mul(passes.into());
                    (good, steps, Box::new(move || kernels.monte_carlo(&call)))
                }
            }
        }
        1..4 => {
            let grad_output = place(choices, side, element);
            // A tensor that the call has not is none that is judged.
            let x = if kind == 1 { grad_output } else { place(choices, front, element) };
            let weight = if kind == 2 { grad_output } else { place(choices, top, element) };
            if kind == 1 {
                let grad_input = place(choices, front, element);
                let good = exist && go_together(&[grad_output, weight], &[grad_input], true);
                let call = InputGradient { shape, mask: masked, grad_output, weight, grad_input, write };
                (good, connections, Box::new(move || kernels.input_gradient(&call)))
            } else if kind == 2 {
                let grad_weight = place(choices, top, element);
                let good = exist && go_together(&[grad_output, x], &[grad_weight], true);
                let call = WeightGradient { shape, mask: masked, grad_output, x, grad_weight, write };
                (good, connections, Box::new(move || kernels.weight_gradient(&call)))
            } else {
                let [dx, dw] = [front, top].map(|elements| place(choices, elements, element));
                let good = exist && go_together(&[grad_output, x, weight], &[dx, dw], true);
                let (grad_input, grad_weight, mask) = ((dx, write), (dw, Write::Overwrite), masked);
                let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
                (good, connections, Box::new(move || kernels.both_gradients(&call)))
            }
        }
        4 => {
            let [grad_output, grad_bias] =
                [side, shape.outputs()].map(|elements| place(choices, elements, element));
            let bias_mask = masked.filter(|_| bias_kind == BiasKind::Masked);
            let good = (exist || bias_mask.is_none()) && go_together(&[grad_output], &[grad_bias], true);
            let call = BiasGradient { shape, bias_mask, grad_output, grad_bias, write };
            (good, side as u64, Box::new(move || kernels.bias_gradient(&call)))
        }
        5 => {
            let [u_mean, u_variance, mean, variance] =
                [side; 4].map(|elements| place(choices, elements, f32));
            let (key, origin, samples) = (mask.key, mask.origin, count);
            let activation =
                choices.of(&[Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh]);
            let (method, known) = match choices.flag() {
                true => (Method::Sampled { samples, key, origin }, exist && (1..=1 << 24).contains(&samples)),
                false => (Method::Closed, matches!(activation, Activation::Identity | Activation::Relu)),
            };
            let all = [u_mean, u_variance, mean, variance];
            let good = known && go_together(&all[..2], &all[2..], false) && u_mean.element == f32;
            let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
            (good, side as u64, Box::new(move || kernels.activate(&call)))
        }
        6 => {
            let (logits, mean) = (place(choices, side, element), place(choices, side, f32));
            let [entropy, information] = [shape.batch(); 2].map(|elements| place(choices, elements, f32));
            let (pass, passes) = (choices.number_32(), count);
            let known = (1..=1 << 24).contains(&passes) && pass < passes;
            let good = known && go_together(&[logits], &[mean, entropy, information], false);
            let call = PredictivePass { shape, pass, passes, logits, mean, entropy, information };
            (good, side as u64, Box::new(move || kernels.predictive(&call)))
        }
        _ => {
            let of_bias = choices.flag();
            let bytes = (side as u128) * if of_bias { 1 } else { shape.inputs() as u128 };
            // Whole words of them.
            let elements = usize::try_from(bytes.div_ceil(4)).unwrap_or(usize::MAX);
            let Tensor { buffer: result, offset, mut size, .. } = place(choices, elements, f32);
            if choices.flag() {
                size = bytes as u64;
            }
            let call = WriteMask { shape, mask, result, offset, size };
            let sized = [bytes, bytes.next_multiple_of(4)].contains(&size.into());
            let placed = bytes == 0 || offset.is_multiple_of(4) && usable(result, offset, bytes);
            fit = sized && placed;
            let made =
                move || if of_bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) };
            (exist, u64::try_from(bytes).unwrap_or(u64::MAX), Box::new(made))
        }
    };
    let right = good && fit;
    if right && steps > MOST {
        return;
    }
    judge(machine, made(), right, kind);
}

fn judge(machine: &Machine, result: Result<Recording, Error>, right: bool, kind: u8) {
    match result {
        Ok(recording) => {
            assert!(right, "call {kind} has a wrong argument and is prepared");
            if let Err(error) = recording.submit(&machine.queue) {
                panic!("call {kind}: {error}");
            }
        }
        Err(error) => {
            let argument = matches!(
                error,
                Error::Origin { .. }
                    | Error::TensorSize { .. }
                    | Error::ByteSize { .. }
                    | Error::Misaligned { .. }
                    | Error::OutOfBounds { .. }
                    | Error::Usage { .. }
                    | Error::Overlap { .. }
                    | Error::Element { .. }
                    | Error::Count { .. }
                    | Error::NoClosedForm { .. }
            );
            // A device may be too small for what is right.
            let limit = matches!(error, Error::RowTooLarge { .. } | Error::TooLarge { .. });
            assert!(limit || argument && !right, "call {kind} is right: {right}; {error:?}");
            is_message(&error.to_string());
        }
    }
}
