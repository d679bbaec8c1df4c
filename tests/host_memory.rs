//! Host memory that ends at any large vector of a call: an error, never an abort, and gradients as they were.
#![cfg(feature = "gpu")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::*;
use dropconnect::gpu::{Gpu, KernelOptions, MaskOp, Method};
use dropconnect::{
    Activation, Bias, Device, DropConnect, ElementType, Error, Init, MaskKey, Moments, Shape, Sharing, Write,
    cpu, reference,
};

/// What is larger is the caller's doing; what a unit of work holds is not.
const LARGE: usize = 1 << 18;
/// How many large allocations still succeed; none fails where this is negative.
static LEFT: AtomicI64 = AtomicI64::new(-1);

/// The system's allocator, with an end.
struct Ending;

fn ends(size: usize) -> bool {
    size > LARGE
        && LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left >= 0).then(|| left - 1))
            == Ok(0)
}

// SAFETY: every call goes to the system's allocator as it is, or returns null, which an allocator may do.
unsafe impl GlobalAlloc for Ending {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the system's conditions.
        if ends(layout.size()) { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        if ends(layout.size()) { std::ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        if ends(size) { std::ptr::null_mut() } else { unsafe { System.realloc(memory, layout, size) } }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Ending = Ending;

/// One test at a time: they share the allocator.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a call with memory that ends at its first large vector, then at its second, and so on until it succeeds.
/// There is a first one.
fn sweep<T>(what: &str, call: impl FnMut() -> Result<T, Error>) {
    assert!(sweep_with(what, call, |_| ()) > 0, "{what} allocates nothing large");
}

/// The same with a look at what each fault leaves. Returns how many there were.
fn sweep_with<T>(
    what: &str,
    mut call: impl FnMut() -> Result<T, Error>,
    mut after_fault: impl FnMut(i64),
) -> i64 {
    for left in 0..100 {
        LEFT.store(left, Ordering::Relaxed);
        let result = call();
        // Less than none: it has failed.
        let failed = LEFT.swap(-1, Ordering::Relaxed) < 0;
        match result {
            Err(Error::HostMemory { bytes }) => {
                assert!(failed && bytes as usize > LARGE, "{what}: {bytes} bytes");
                after_fault(left);
            }
            Err(error) => panic!("{what}: {error:?}"),
            Ok(_) => {
                assert!(!failed, "{what}: a failure that nobody saw");
                return left;
            }
        }
    }
    panic!("{what} does not end");
}

fn devices(test: &str) -> Vec<Device> {
    let options = KernelOptions { tuning: Some(small_tiles(MaskOp::And)), ..Default::default() };
    let gpu = adapter(test).map(|_| Gpu::open(&Default::default(), &options).unwrap());
    let gpu = gpu.map(|gpu| Device::Gpu(Arc::new(gpu)));
    [Some(Device::Cpu), gpu].into_iter().flatten().collect()
}

#[test]
fn calls_on_host_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let shape = Shape::new(160, 768, 520).unwrap();
    let data = Data::random(&shape, ElementType::F32, 3);
    let operands = data.operands(&shape, Bias::Plain(()));
    let u = Moments { mean: data.grad_output.clone(), variance: vec![1.0; data.grad_output.len()] };
    let small = Shape::new(16, 160, 130).unwrap();
    for device in devices("calls_on_host_memory: on the adapter") {
        for (element, mask) in
            [(ElementType::F32, mask(0.5)), (ElementType::F16, mask(0.5).shared(Sharing::Batch))]
        {
            let (some, p, two) = (Some(&mask), &mask.probability, operands.monte_carlo(&mask, 2, MADE));
            let sweep = |call, run: &mut dyn FnMut() -> Result<(), Error>| {
                // Kernels are compiled first, which takes memory of wgpu's own.
                run().unwrap();
                sweep(&format!("{device}, {element}, {call}"), run);
            };
            sweep("forward", &mut || device.run(element, operands.forward(some, ())).wait().map(drop));
            sweep("evaluation", &mut || device.run(element, operands.forward(None, ())).wait().map(drop));
            sweep("dX", &mut || device.run(element, operands.input_gradient(some, ())).wait().map(drop));
            sweep("dW", &mut || device.run(element, operands.weight_gradient(some, ())).wait().map(drop));
            sweep("mask", &mut || device.mask(&small, &mask).wait().map(drop));
            sweep("moments", &mut || device.run(element, operands.moments(p, MADE)).wait().map(drop));
            sweep("monte_carlo", &mut || device.run(element, two).wait().map(drop));
            sweep("pass_outputs", &mut || device.pass_outputs(element, two).wait().map(drop));
            sweep("predictive", &mut || device.predictive(element, two).wait().map(drop));
            let method = Method::Sampled { samples: 2, key: mask.key, origin: mask.origin };
            sweep("activate", &mut || activate_on(&device, shape, Activation::Tanh, method, &u).map(drop));
        }
    }
}

#[test]
fn the_reference_and_running_results() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (shape, mask) = (Shape::new(80, 500, 10).unwrap(), mask(0.5));
    let data = Data::random(&shape, ElementType::F32, 3);
    let (data, some) = (data.wide(), Some(&mask));
    let (operands, g) = (data.operands(&shape, Bias::Masked(())), &data.grad_output);
    sweep("forward", || reference::forward(&operands.forward(some, ())));
    sweep("input_gradient", || reference::input_gradient(&operands.input_gradient(some, ())));
    sweep("weight_gradient", || reference::weight_gradient(&operands.weight_gradient(some, ())));
    sweep("moments", || reference::moments(&operands.moments(&mask.probability, MADE)));
    sweep("monte_carlo", || reference::monte_carlo(&operands.monte_carlo(&mask, 2, MADE)));
    sweep("predictive", || reference::predictive(&operands.monte_carlo(&mask, 2, MADE)));
    sweep("closed_form", || reference::closed_form(&shape, Activation::Relu, g, g));
    let (tanh, key, origin) = (Activation::Tanh, mask.key, mask.origin);
    sweep("sampled", || reference::sampled(&shape, tanh, 2, key, origin, g, g));
    let one = Shape::new(1, 1, 1).unwrap();
    sweep("many samples", || reference::sampled(&one, tanh, 1 << 16, key, origin, &[0.0], &[1.0]));

    let values = vec![1.0; 1 << 17];
    sweep("RunningMoments", || cpu::RunningMoments::new(values.len()));
    let mut running = cpu::RunningMoments::new(values.len()).unwrap();
    running.add(&values).unwrap();
    sweep("variance", || running.variance());
    sweep("RunningPredictive", || cpu::RunningPredictive::new(1 << 17, 1));
    let mut running = cpu::RunningPredictive::new(1, values.len()).unwrap();
    sweep("add", || running.add(&values));
    assert_eq!(running.passes(), 1, "what failed was not counted");
}

/// What fails leaves the parameters and their gradients as they were.
#[test]
fn the_layer() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    const LONG: usize = LARGE / 4 + 1;
    for device in devices("the_layer: on the adapter") {
        for (element, sharing) in [(ElementType::F32, Sharing::Example), (ElementType::F16, Sharing::Batch)] {
            // The gradients of b and of X are large, one after the other.
            for [batch, outputs, inputs] in [[4, LONG, 3], [4, 3, LONG]] {
                let what = |call: &str| format!("{device}, {element}, {outputs} x {inputs}, {call}");
                let new = || DropConnect::new(&device, MaskKey::new(0, 0), inputs, outputs).element(element);
                for init in [Init::Linear, Init::Zeros] {
                    sweep(&what("build"), || new().init(init.clone()).build());
                }
                let mut layer = new().sharing(sharing).masked_bias(true).build().unwrap();
                let data = Data::random(&Shape::new(batch, outputs, inputs).unwrap(), element, 3);
                layer.backward(&data.x, &data.grad_output, Write::Overwrite).wait().unwrap();
                sweep(&what("weight"), || layer.weight().wait());

                let before = state(&layer);
                let layer = Mutex::new(layer);
                let own = || layer.lock().unwrap();
                let backward = || own().backward(&data.x, &data.grad_output, Write::Accumulate).wait();
                let faults = sweep_with(&what("backward"), backward, |left| {
                    assert!(state(&own()) == before, "{}, memory for {left} vectors", what("backward"));
                });
                assert!(faults > 0 || outputs > inputs, "{}", what("backward allocates nothing large"));
                assert!(state(&own())[2..] != before[2..], "then it did its work");
            }
        }
    }
}

/// W, b and their gradients.
fn state(layer: &DropConnect) -> [Vec<f32>; 4] {
    let some = |values: Option<Vec<f32>>| values.expect("a layer with a bias");
    [
        layer.weight().wait().unwrap(),
        some(layer.bias().wait().unwrap()),
        layer.grad_weight().wait().unwrap(),
        some(layer.grad_bias().wait().unwrap()),
    ]
}
