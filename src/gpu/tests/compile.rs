//! Kernels that are compiled ahead are those that the calls take.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wgsl::adapter::adapter;
use crate::call::{Call, Kind, Operand};
use crate::gpu::run::allocate::zeroed;
use crate::gpu::run::pipeline::tests::Hook;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::Variant;
use crate::gpu::{AdapterChoice, Gpu, KernelOptions, Kernels, Tensor, Tile, Tuning};
use crate::{
    Bias, Device, DropConnect, DropProbability, ElementType, Error, Mask, MaskKey, Shape, Sharing, Write,
};

/// Calls without tensors: those of a layer, the forward pass without a mask, too.
fn calls(shape: Shape, mask: &Mask, bias: Bias<()>, write: Write) -> Vec<Call<'_, (), ()>> {
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind != Kind::BiasGradient || bias != Bias::None);
    let drawn = kinds.filter_map(|kind| Call::of(kind, shape, Some(mask), bias, write));
    drawn.chain(Call::of(Kind::Forward, shape, None, bias, write)).collect()
}

fn compile(
    kernels: &Kernels,
    calls: &[Call<'_, (), ()>],
    stored: [ElementType; 2],
) -> Result<Duration, Error> {
    let calls: Vec<_> = calls
        .iter()
        .map(|call| {
            let [operand, result] = call.kind().stored(stored[0], stored[1]);
            call.map(|_| operand, |_| result)
        })
        .collect();
    kernels.compile(&calls)
}

/// Records the calls on tensors in buffers of their own.
fn record(kernels: &Kernels, calls: &[Call<'_, (), ()>], stored: [ElementType; 2]) {
    for call in calls {
        let (shape, [operand_type, result_type]) = (call.shape(), call.kind().stored(stored[0], stored[1]));
        let buffer = |elements: usize, element: ElementType| {
            let bytes = (elements * element.size()) as u64;
            zeroed(&kernels.device, "test", bytes, wgpu::BufferUsages::STORAGE).unwrap()
        };
        let tensors = call.operands();
        let operands: Vec<_> =
            tensors.operands.iter().map(|of| buffer(of.elements(&shape), operand_type)).collect();
        let results: Vec<_> =
            tensors.results.iter().map(|of| buffer(of.elements(&shape), result_type)).collect();
        fn tensor<'b, T>(
            of: Operand<T>,
            shape: &Shape,
            buffer: &'b wgpu::Buffer,
            element: ElementType,
        ) -> Tensor<'b> {
            let size = (of.elements(shape) * element.size()) as u64;
            Tensor { buffer, offset: 0, size, element }
        }
        let (mut operands, mut results) = (operands.iter(), results.iter());
        let call = call.map(
            |of| tensor(of, &shape, operands.next().unwrap(), operand_type),
            |of| tensor(of, &shape, results.next().unwrap(), result_type),
        );
        let _ready = kernels.record(call).unwrap();
    }
}

/// Kernels of their own, and the list of what they compile.
pub(in crate::gpu) fn watched(gpu: &Gpu, tuning: Tuning) -> (Kernels, Arc<Mutex<Vec<Variant>>>) {
    let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
    let mut kernels = Kernels::new(gpu.device(), &options).unwrap();
    let list = Arc::new(Mutex::new(Vec::new()));
    let compiled = Arc::clone(&list);
    let hook = Hook::new(move |_, variant| compiled.lock().unwrap().push(*variant));
    kernels.pipelines.compiling = Some(hook);
    (kernels, list)
}

#[test]
fn what_is_compiled_is_all_that_the_calls_need() {
    let Some(gpu) = adapter("what_is_compiled_is_all_that_the_calls_need") else { return };
    let small = Tuning::software().with_tiles(Tile::new(2, 1, [4, 2])).with_unrolled(false);
    // Long sums of 16 bits go through scratch memory; a batch in pieces of several kernels.
    let short = small.with_iterations(1 << 12).with_connections(1 << 20);
    let mask = |p| Mask::new(MaskKey::new(1, 2), DropProbability::new(p).unwrap());
    let (f32, bf16) = (ElementType::F32, ElementType::BF16);
    let (masked, plain) = (Bias::Masked(()), Bias::Plain(()));
    for (tuning, dims, mask, bias, stored, pass) in [
        (small, [9, 14, 21], mask(0.5), masked, [f32; 2], Pass::InputGradient),
        (small, [12, 8, 16], mask(0.2).shared(Sharing::Batch), Bias::None, [bf16, f32], Pass::WeightGradient),
        (short, [6, 20, 30_000], mask(0.25), masked, [bf16; 2], Pass::Round),
        (small, [0, 8, 16], mask(0.0), plain, [bf16; 2], Pass::BiasGradient),
    ] {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let other = Mask { key: mask.key.at_step(9), ..mask };
        let [(kernels, compiled), (uncompiled, needed)] = [(), ()].map(|()| watched(gpu, tuning));
        let own = calls(shape, &mask, bias, Write::Overwrite);
        let took = thread::scope(|scope| scope.spawn(|| compile(&kernels, &own, stored)).join().unwrap());
        assert!(took.unwrap() > Duration::ZERO);
        let ready = compiled.lock().unwrap().clone();
        assert!(ready.iter().any(|variant| variant.pass == pass), "{dims:?}: no {pass:?} in {ready:?}");
        for write in [Write::Overwrite, Write::Accumulate] {
            let another_step = calls(shape, &other, bias, write);
            compile(&kernels, &another_step, stored).unwrap();
            record(&kernels, &another_step, stored);
        }
        assert_eq!(compiled.lock().unwrap().len(), ready.len(), "{dims:?}: the calls compile, too");
        record(&uncompiled, &own, stored);
        let of = |variants: &[Variant]| variants.iter().copied().collect::<HashSet<_>>();
        assert_eq!(of(&ready), of(&needed.lock().unwrap()), "{dims:?}");
    }
}

#[test]
fn a_prepared_layer_compiles_nothing() {
    if adapter("a_prepared_layer_compiles_nothing").is_none() {
        return;
    }
    // On a device of its own: kernels of the shared one are compiled by other tests meanwhile.
    let device = Device::gpu(&AdapterChoice::default()).unwrap();
    for (masked, element) in [(false, ElementType::F32), (true, ElementType::BF16)] {
        let builder = DropConnect::new(&device, MaskKey::new(1, 2), 21, 14).element(element);
        let mut layer = builder.masked_bias(masked).build().unwrap();
        let compiled = |layer: &DropConnect| layer.gpu().unwrap().kernels().pipelines.count();
        let before = compiled(&layer);
        layer.prepare(9).unwrap();
        let ready = compiled(&layer);
        assert!(ready > before);
        let (x, grad_output) = (vec![1.0; 9 * 21], vec![1.0; 9 * 14]);
        layer.forward(&x).wait().unwrap();
        layer.eval(&x).wait().unwrap();
        layer.backward(&x, &grad_output, Write::Overwrite).wait().unwrap();
        assert_eq!(compiled(&layer), ready);
    }
    let layer = DropConnect::new(&Device::Cpu, MaskKey::new(1, 2), 21, 14).build().unwrap();
    assert_eq!(layer.prepare(9).unwrap(), Duration::ZERO);
}

#[test]
fn what_no_call_would_take_is_refused() {
    let Some(gpu) = adapter("what_no_call_would_take_is_refused") else { return };
    let shape = Shape::new(2, 3, 4).unwrap();
    let mask = Mask::new(MaskKey::new(1, 2), DropProbability::new(0.5).unwrap());
    let far = mask.at(crate::Origin { example: u32::MAX, ..Default::default() });
    let compile = |mask, results| {
        let calls = calls(shape, mask, Bias::None, Write::Overwrite);
        compile(gpu.kernels(), &calls, [ElementType::F32, results])
    };
    let refused = compile(&mask, ElementType::BF16);
    assert!(matches!(refused, Err(Error::Element { argument: "y", .. })), "{refused:?}");
    let refused = compile(&far, ElementType::F32);
    assert!(matches!(refused, Err(Error::Origin { .. })), "{refused:?}");
}
