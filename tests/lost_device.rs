//! A device that goes: before a call, between preparing and recording, while it is waited for, from another thread.
//! Every call ends in a result or in [`Error::DeviceLost`], and a new device can be taken.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use dropconnect::gpu::{
    Activate, AdapterChoice, Apply, BiasGradient, Forward, Gpu, Gradients, InputGradient, KernelOptions,
    Kernels, Method, Moments, MonteCarlo, Predictive, Recording, Tensor, Tuning, WeightGradient, WriteMask,
};
use dropconnect::{
    Activation, Bias, Device, DropConnect, ElementType, Error, Mask, MaskKey, Moments as HostMoments, Shape,
    Write, reference, wgpu,
};

/// A device of a test's own, to be destroyed. Small tiles compile soonest.
fn open() -> Gpu {
    let options = KernelOptions { tuning: Some(small_tiles(Apply::And)), ..Default::default() };
    Gpu::open(&AdapterChoice::default(), &options).expect("an adapter opens again and again")
}

fn lost<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(Error::DeviceLost { reason }) => assert!(!reason.is_empty(), "{what}"),
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what} on a lost device"),
    }
}

/// That a device taken now computes.
fn a_new_one_computes() {
    let (gpu, shape, mask) = (open(), SHAPE(), mask(0.3));
    let data = Data::random(&shape, F32, 5);
    let device = Device::Gpu(Arc::new(gpu));
    let y = device.forward(&shape, F32, Some(&mask), &data.x, &data.weight, Bias::None).unwrap();
    let want =
        reference::forward(&shape, Some(&mask), &wide(&data.x), &wide(&data.weight), Bias::None).unwrap();
    assert_close(&y, &want, bound(F32), "a new device");
}

const F32: ElementType = ElementType::F32;

#[allow(non_snake_case, reason = "as good as a constant")]
fn SHAPE() -> Shape {
    shape([3, 5, 9])
}

/// A buffer for every tensor of a call of any pass.
struct Buffers(Vec<wgpu::Buffer>);

impl Buffers {
    fn new(gpu: &Gpu) -> Self {
        Self((0..8).map(|_| gpu.upload(&[0; 4 * 5 * 9]).unwrap()).collect())
    }

    fn tensor(&self, index: usize, elements: usize) -> Tensor<'_> {
        Tensor { buffer: &self.0[index], offset: 0, size: 4 * elements as u64 }
    }
}

/// Every pass of [`Kernels`].
fn passes<'a>(
    kernels: &'a Kernels,
    buffers: &'a Buffers,
    mask: &'a Mask,
) -> Vec<(&'static str, Box<dyn Fn() -> Result<Recording, Error> + 'a>)> {
    let (shape, element, write) = (SHAPE(), F32, Write::Overwrite);
    let [input, weights, output, outputs, batch] =
        [shape.input_len(), shape.weight_len(), shape.output_len(), shape.outputs(), shape.batch()];
    let at = |index, elements| buffers.tensor(index, elements);
    let (x, weight, grad_output) = (at(0, input), at(1, weights), at(2, output));
    let (bias, some) = (Bias::Plain(at(3, outputs)), Some(mask));
    let pair = [at(4, output), at(5, output)];
    vec![
        (
            "forward",
            Box::new(move || {
                let y = pair[0];
                kernels.forward(&Forward { shape, element, mask: some, x, weight, bias, y })
            }),
        ),
        (
            "input_gradient",
            Box::new(move || {
                let grad_input = at(4, input);
                let mask = some;
                kernels.input_gradient(&InputGradient {
                    shape,
                    element,
                    mask,
                    grad_output,
                    weight,
                    grad_input,
                    write,
                })
            }),
        ),
        (
            "weight_gradient",
            Box::new(move || {
                let (grad_weight, mask) = (at(4, weights), some);
                kernels.weight_gradient(&WeightGradient {
                    shape,
                    element,
                    mask,
                    grad_output,
                    x,
                    grad_weight,
                    write,
                })
            }),
        ),
        (
            "gradients",
            Box::new(move || {
                let (grad_input, grad_weight) = ((at(4, input), write), (at(5, weights), write));
                kernels.gradients(&Gradients {
                    shape,
                    element,
                    mask: some,
                    grad_output,
                    x,
                    weight,
                    grad_input,
                    grad_weight,
                })
            }),
        ),
        (
            "bias_gradient",
            Box::new(move || {
                let grad_bias = at(4, outputs);
                let bias_mask = some;
                kernels.bias_gradient(&BiasGradient {
                    shape,
                    element,
                    bias_mask,
                    grad_output,
                    grad_bias,
                    write,
                })
            }),
        ),
        (
            "write_mask",
            Box::new(move || {
                let result = Tensor { size: shape.connections(), ..at(4, 0) };
                kernels.write_mask(&WriteMask { shape, mask, result })
            }),
        ),
        (
            "write_bias_mask",
            Box::new(move || {
                let result = Tensor { size: output as u64, ..at(4, 0) };
                kernels.write_bias_mask(&WriteMask { shape, mask, result })
            }),
        ),
        (
            "moments",
            Box::new(move || {
                let (probability, [mean, variance]) = (&mask.probability, pair);
                kernels.moments(&Moments { shape, element, probability, x, weight, bias, mean, variance })
            }),
        ),
        (
            "activate",
            Box::new(move || {
                let [mean, variance] = pair;
                kernels.activate(&Activate {
                    shape,
                    element,
                    activation: Activation::Tanh,
                    method: Method::Sampled { samples: 3, key: mask.key, origin: mask.origin },
                    u_mean: grad_output,
                    u_variance: at(6, output),
                    mean,
                    variance,
                })
            }),
        ),
        (
            "monte_carlo",
            Box::new(move || {
                let [mean, variance] = pair;
                let passes = 3;
                kernels.monte_carlo(&MonteCarlo {
                    shape,
                    element,
                    mask,
                    passes,
                    x,
                    weight,
                    bias,
                    mean,
                    variance,
                })
            }),
        ),
        (
            "predictive",
            Box::new(move || {
                kernels.predictive(&Predictive {
                    shape,
                    element,
                    pass: 0,
                    passes: 1,
                    logits: grad_output,
                    mean: pair[0],
                    entropy: at(5, batch),
                    information: at(6, batch),
                })
            }),
        ),
    ]
}

/// Every call of [`Device`] with host memory.
fn device_calls(device: &Device) -> Vec<(&'static str, Result<(), Error>)> {
    let (shape, mask) = (SHAPE(), mask(0.3));
    let data = Data::random(&shape, F32, 7);
    let (x, weight, grad, bias) =
        (&data.x[..], &data.weight[..], &data.grad[..], Bias::Plain(&data.bias[..]));
    let (mask, p) = (&mask, &mask.probability);
    let u = HostMoments { mean: data.grad.clone(), variance: vec![1.0; data.grad.len()] };
    let drop = |_| ();
    vec![
        ("forward", device.forward(&shape, F32, Some(mask), x, weight, bias).map(drop)),
        ("input_gradient", device.input_gradient(&shape, F32, Some(mask), grad, weight).map(drop)),
        ("weight_gradient", device.weight_gradient(&shape, F32, Some(mask), grad, x).map(drop)),
        ("bias_gradient", device.bias_gradient(&shape, F32, Some(mask), grad).map(drop)),
        ("mask", device.mask(&shape, mask).map(|_| ())),
        ("bias_mask", device.bias_mask(&shape, mask).map(|_| ())),
        ("moments", device.moments(&shape, F32, p, x, weight, bias).map(|_| ())),
        ("activate", device.activate(&shape, Activation::Relu, Method::Closed, &u).map(|_| ())),
        ("monte_carlo", device.monte_carlo(&shape, F32, mask, 3, x, weight, bias).map(|_| ())),
        ("samples", device.samples(&shape, F32, mask, 2, x, weight, bias).map(drop)),
        ("predictive", device.predictive(&shape, F32, mask, 2, x, weight, bias).map(|_| ())),
    ]
}

/// Every call of the layer that computes or copies.
fn layer_calls(layer: &mut DropConnect) -> Vec<(&'static str, Result<(), Error>)> {
    let data = Data::random(&SHAPE(), F32, 9);
    let x = &data.x[..];
    vec![
        ("forward", layer.forward(x).map(|_| ())),
        ("eval", layer.eval(x).map(|_| ())),
        ("backward", layer.backward(x, &data.grad, Write::Accumulate).map(|_| ())),
        ("moments", layer.moments(x).map(|_| ())),
        ("gaussian", layer.gaussian(x, Activation::Relu, None).map(|_| ())),
        ("gaussian, sampled", layer.gaussian(x, Activation::Tanh, Some(2)).map(|_| ())),
        ("monte_carlo", layer.monte_carlo(x, 2).map(|_| ())),
        ("samples", layer.samples(x, 2).map(|_| ())),
        ("predictive", layer.predictive(x, 2).map(|_| ())),
        ("weight", layer.weight().map(|_| ())),
        ("bias", layer.bias().map(|_| ())),
        ("grad_weight", layer.grad_weight().map(|_| ())),
        ("grad_bias", layer.grad_bias().map(|_| ())),
        ("set_weight", layer.set_weight(&data.weight)),
        ("set_bias", layer.set_bias(&data.bias)),
    ]
}

#[test]
fn before_a_call() {
    let Some(_) = adapter("before_a_call") else { return };
    for polled in [false, true] {
        let gpu = Arc::new(open());
        let device = Device::Gpu(Arc::clone(&gpu));
        let (buffers, mask) = (Buffers::new(&gpu), mask(0.3));
        let mut layer = DropConnect::new(&device, 9, 5).layer(1).build().unwrap();
        gpu.wait().unwrap();
        gpu.device().destroy();
        if polled {
            // Then wgpu has told of the loss, and has freed what it knows.
            gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        lost("wait", gpu.wait());
        lost("buffer", gpu.buffer(64));
        lost("upload", gpu.upload(&[1; 64]));
        lost("an empty upload", gpu.upload(&[]));
        lost("read", gpu.read(&buffers.0[0], 0..16));
        lost("Kernels::new", Kernels::new(gpu.device(), &KernelOptions::default()));
        lost("measured", Tuning::measured(gpu.device(), gpu.queue(), &SHAPE(), mask.probability));
        for (pass, prepare) in passes(gpu.kernels(), &buffers, &mask) {
            lost(pass, prepare());
        }
        for (call, result) in device_calls(&device) {
            lost(call, result);
        }
        for (call, result) in layer_calls(&mut layer) {
            lost(&format!("layer, {call}"), result);
        }
        lost("build", DropConnect::new(&device, 9, 5).build());
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let (x, y) = (buffers.tensor(0, 27), buffers.tensor(4, 15));
        lost("encode_forward", layer.encode_forward(&mut encoder, 3, x, y));
        lost("encode_backward", layer.encode_backward(&mut encoder, 3, x, y, None, Write::Overwrite));
        let Error::DeviceLost { reason } = gpu.wait().unwrap_err() else { unreachable!() };
        assert_eq!(reason, "it was destroyed");
    }
    a_new_one_computes();
}

/// A host records into an encoder that it had before, and finishes and submits it under wgpu's own handler, which
/// panics: what it was given is sound, so that nothing reaches that.
#[test]
fn between_preparing_and_recording() {
    let Some(_) = adapter("between_preparing_and_recording") else { return };
    for polled in [false, true] {
        let gpu = open();
        let (buffers, mask) = (Buffers::new(&gpu), mask(0.5));
        let recordings: Vec<_> = passes(gpu.kernels(), &buffers, &mask)
            .into_iter()
            .map(|(_, prepare)| prepare().unwrap())
            .collect();
        let mut before = gpu.device().create_command_encoder(&Default::default());
        recordings[0].encode(&mut before);
        gpu.device().destroy();
        if polled {
            gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        let mut after = gpu.device().create_command_encoder(&Default::default());
        for recording in &recordings {
            recording.encode(&mut before);
            recording.encode(&mut after);
            let _ = recording.set_key(gpu.queue(), MaskKey { step: 1, ..mask.key });
            lost("Gpu::submit", gpu.submit(recording));
            lost("Recording::submit", recording.submit(gpu.queue()));
        }
        gpu.queue().submit([before.finish(), after.finish()]);
        lost("wait", gpu.wait());
    }
    a_new_one_computes();
}

/// Work is under way, and may or may not be seen to its end.
#[test]
fn while_waiting() {
    let Some(_) = adapter("while_waiting") else { return };
    let gpu = open();
    let (buffers, mask) = (Buffers::new(&gpu), mask(0.5));
    let recording = passes(gpu.kernels(), &buffers, &mask)[0].1().unwrap();
    gpu.submit(&recording).unwrap();
    gpu.device().destroy();
    lost("read", gpu.read(&buffers.0[4], 0..60));
    lost("wait", gpu.wait());
    a_new_one_computes();
}

/// Some threads compute, read and wait on one device, and another destroys it, sooner or later.
#[test]
fn from_another_thread() {
    let Some(_) = adapter("from_another_thread") else { return };
    let (shape, mask) = (SHAPE(), mask(0.5));
    let data = Data::random(&shape, F32, 3);
    let want =
        reference::forward(&shape, Some(&mask), &wide(&data.x), &wide(&data.weight), Bias::None).unwrap();
    for round in 0..12 {
        let device = Device::Gpu(Arc::new(open()));
        let gpu = device.as_gpu().unwrap();
        let large = gpu.upload(&vec![7; 1 << 20]).unwrap();
        let started = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let forward = || {
                started.fetch_add(1, Ordering::Relaxed);
                loop {
                    match device.forward(&shape, F32, Some(&mask), &data.x, &data.weight, Bias::None) {
                        Ok(y) => assert_close(&y, &want, bound(F32), "a result before the loss"),
                        error => return lost("forward", error),
                    }
                }
            };
            let read = || {
                started.fetch_add(1, Ordering::Relaxed);
                loop {
                    match gpu.read(&large, 0..1 << 20) {
                        Ok(bytes) => assert!(bytes.iter().all(|&byte| byte == 7)),
                        error => return lost("read", error),
                    }
                }
            };
            let wait = || {
                started.fetch_add(1, Ordering::Relaxed);
                while match gpu.wait() {
                    Ok(()) => true,
                    error => {
                        lost("wait", error);
                        false
                    }
                } {}
            };
            let threads = [scope.spawn(forward), scope.spawn(forward), scope.spawn(read), scope.spawn(wait)];
            while started.load(Ordering::Relaxed) < threads.len() {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_micros(700 * round * round));
            gpu.device().destroy();
        });
        lost("afterwards", gpu.wait());
    }
    a_new_one_computes();
}

/// On a host's own device its callback for the loss stays, and its handler hears of nothing that we do.
#[test]
fn a_hosts_handlers_are_left_alone() {
    let Some(_) = adapter("a_hosts_handlers_are_left_alone") else { return };
    let adapter = AdapterChoice::default().adapters().swap_remove(0);
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
    let (told, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (tell, hear) = (Arc::clone(&told), Arc::clone(&heard));
    device.set_device_lost_callback(move |_, _| tell.store(true, Ordering::Relaxed));
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        hear.lock().unwrap().push(error.to_string())
    }));

    let options = KernelOptions { tuning: Some(small_tiles(Apply::And)), ..Default::default() };
    let kernels = Kernels::new(&device, &options).unwrap();
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor { label: None, size: 180, usage, mapped_at_creation: false };
    let buffers = Buffers((0..8).map(|_| device.create_buffer(&descriptor)).collect());
    let mask = mask(0.5);
    for (pass, prepare) in passes(&kernels, &buffers, &mask) {
        prepare().unwrap_or_else(|error| panic!("{pass}: {error}")).submit(&queue).unwrap();
    }
    // A buffer that is destroyed, and one of another device of the same instance, are faults of the call.
    let gone = device.create_buffer(&descriptor);
    gone.destroy();
    let (other, _) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
    for (what, wrong) in [("destroyed", gone), ("of another device", other.create_buffer(&descriptor))] {
        let mut buffers = Buffers(buffers.0.clone());
        buffers.0[0] = wrong;
        let fault = passes(&kernels, &buffers, &mask)[0].1().and_then(|recording| recording.submit(&queue));
        assert!(matches!(fault, Err(Error::DeviceFault { .. })), "{what}: {fault:?}");
    }
    let recording = passes(&kernels, &buffers, &mask)[0].1().unwrap();
    recording.submit(&queue).unwrap();
    device.destroy();
    for (pass, prepare) in passes(&kernels, &buffers, &mask) {
        lost(pass, prepare());
    }
    lost("submit", recording.submit(&queue));
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    assert!(told.load(Ordering::Relaxed), "the host's callback was called");
    assert_eq!(*heard.lock().unwrap(), Vec::<String>::new());
}
