//! Calls on an adapter, as far as they go without one: on wgpu's device that does nothing.

use std::sync::OnceLock;

use dropconnect::call::Call;
use dropconnect::gpu::{
    KernelOptions, Kernels, MaskOp, Method, ModuleMaker, Recording, Tensor, Tile, Tuning, WriteMask,
};
use dropconnect::{
    Activation, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Sharing, Write, wgpu,
};

use super::numbers::exists;
use super::{Choices, is_message};
use crate::{BIASES, Case, Kind, LAYER};

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
        let [rows, columns, x, y, k_tile] = std::array::from_fn(|_| number(choices));
        Tile::new(rows, columns, [x, y]).with_k_tile(if choices.flag() { k_tile } else { 0 })
    };
    let mut tuning = Tuning::software()
        .with_forward(tile(choices))
        .with_input_gradient(tile(choices))
        .with_weight_gradient(tile(choices))
        .with_unrolled(choices.flag())
        .with_mask_op(choices.of(&[MaskOp::Select, MaskOp::And]))
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

fn call(choices: &mut Choices, machine: &Machine, kernels: &Kernels, shape: &Shape, mask: &Mask) {
    let mut at = 4 * u64::from(choices.byte());
    if choices.byte().is_multiple_of(8) {
        return write_mask(choices, machine, kernels, shape, mask);
    }
    let (kind, element, count) = (choices.of(&Kind::ALL), choices.of(&ElementType::ALL), choices.number_32());
    let (key, origin) = (mask.key, mask.origin);
    let sampled = choices.flag();
    let case = Case {
        bias: choices.of(&BIASES),
        write: [if choices.flag() { Write::Accumulate } else { Write::Overwrite }; 3],
        passes: count,
        activation: choices.of(&[
            Activation::Identity,
            Activation::Relu,
            Activation::Sigmoid,
            Activation::Tanh,
        ]),
        method: if sampled { Method::Sampled { samples: count, key, origin } } else { Method::Closed },
        ..Case::new(*shape, Some(*mask))
    };
    let mut call = case.call(kind);
    if let Call::Predictive(call) = &mut call {
        call.pass = choices.number_32();
    }
    let [operand_type, result_type] = kind.stored(element, element);
    let (mut fit, mut operands, mut results) = (true, Vec::new(), Vec::new());
    let tensors = call.operands();
    let operand_sizes = tensors.operands.iter().map(|of| (true, of.elements(shape), operand_type));
    let result_sizes = tensors.results.iter().map(|of| (false, of.elements(shape), result_type));
    for (is_operand, elements, element) in operand_sizes.chain(result_sizes) {
        let (tensor, fits) = tensor(choices, machine, elements, element, &mut at);
        fit &= fits;
        if is_operand { operands.push(tensor) } else { results.push(tensor) }
    }
    let known = match (kind, call) {
        (Kind::MonteCarlo, _) => (1..=1 << 16).contains(&count),
        (_, Call::Predictive(call)) => (1..=1 << 24).contains(&count) && call.pass < count,
        (Kind::Activation, _) if sampled => (1..=1 << 24).contains(&count),
        (Kind::Activation, _) => matches!(case.activation, Activation::Identity | Activation::Relu),
        _ => true,
    };
    let placed = call.mask().is_some() || kind == Kind::Activation && sampled;
    let types = kind != Kind::Activation || operands[0].element == ElementType::F32;
    let together = go_together(&operands, &results, LAYER.contains(&kind));
    let right = fit && known && types && together && (!placed || exists(shape, &mask.origin));
    let steps = match kind {
        Kind::MonteCarlo => shape.connections().saturating_mul(count.into()),
        Kind::BiasGradient | Kind::Activation | Kind::Predictive => shape.output_len() as u64,
        _ => shape.connections(),
    };
    if right && steps > MOST {
        return;
    }
    let (mut operands, mut results) = (operands.into_iter(), results.into_iter());
    let call = call.map(|_| operands.next().expect("its own"), |_| results.next().expect("its own"));
    judge(machine, kernels.record(call), right, kind.name());
}

fn write_mask(choices: &mut Choices, machine: &Machine, kernels: &Kernels, shape: &Shape, mask: &Mask) {
    let (shape, of_bias) = (*shape, choices.flag());
    let bytes = (shape.output_len() as u128) * if of_bias { 1 } else { shape.inputs() as u128 };
    // Whole words of them.
    let elements = usize::try_from(bytes.div_ceil(4)).unwrap_or(usize::MAX);
    let (tensor, _) = tensor(choices, machine, elements, ElementType::F32, &mut 0);
    let Tensor { buffer: result, offset, mut size, .. } = tensor;
    if choices.flag() {
        size = bytes as u64;
    }
    let call = WriteMask { shape, mask, result, offset, size };
    let sized = [bytes, bytes.next_multiple_of(4)].contains(&size.into());
    let placed = bytes == 0 || offset.is_multiple_of(4) && usable(result, offset, bytes);
    let right = sized && placed && exists(&shape, &mask.origin);
    if right && bytes > MOST.into() {
        return;
    }
    let made = if of_bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) };
    judge(machine, made, right, "mask");
}

fn judge(machine: &Machine, result: Result<Recording, Error>, right: bool, kind: &str) {
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
