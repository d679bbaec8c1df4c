//! A device that goes: before a call, between preparing and recording, while it is waited for, from another thread.
//! Every call ends in a result or in [`Error::DeviceLost`], and a new device can be taken.
#![cfg(feature = "gpu")]

mod calls;
#[path = "../common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calls::*;
use common::*;
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Kernels, MaskOp, Tuning};
use dropconnect::{Bias, Device, DropConnect, Error, MaskKey, Write, reference, wgpu};

/// A device of a test's own, to be destroyed. Small tiles compile soonest.
fn open() -> Gpu {
    let options = KernelOptions { tuning: Some(small_tiles(MaskOp::And)), ..Default::default() };
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
    let call = data.operands(&shape, Bias::None).forward(Some(&mask), ());
    let y = device.run(F32, call).wait().unwrap();
    let want =
        reference::forward(&data.wide().operands(&shape, Bias::None).forward(Some(&mask), ())).unwrap();
    assert_close(&y, &want, bound(F32), "a new device");
}

#[test]
fn before_a_call() {
    let Some(_) = adapter("before_a_call") else { return };
    for polled in [false, true] {
        let gpu = Arc::new(open());
        let device = Device::Gpu(Arc::clone(&gpu));
        let (buffers, mask) = (Buffers::new(&gpu), mask(0.3));
        let mut layer = DropConnect::new(&device, MaskKey::new(0, 1), 9, 5).build().unwrap();
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
        lost("build", DropConnect::new(&device, MaskKey::new(0, 1), 9, 5).build());
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
            lost("Recording::at_key", recording.at_key(mask.key.at_step(1)));
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
    let call = data.operands(&shape, Bias::None).forward(Some(&mask), ());
    let want =
        reference::forward(&data.wide().operands(&shape, Bias::None).forward(Some(&mask), ())).unwrap();
    for round in 0..12 {
        let device = Device::Gpu(Arc::new(open()));
        let gpu = device.as_gpu().unwrap();
        let large = gpu.upload(&vec![7; 1 << 20]).unwrap();
        let started = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let forward = || {
                started.fetch_add(1, Ordering::Relaxed);
                loop {
                    match device.run(F32, call).wait() {
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

    let options = KernelOptions { tuning: Some(small_tiles(MaskOp::And)), ..Default::default() };
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

/// Threads that submit, wait and read beside each other on a device that is well are told nothing else. (wgpu takes
/// it amiss when one asks, without waiting, for a submission whose end another is noting.)
#[test]
fn a_device_that_is_well_is_not_lost() {
    let Some(_) = adapter("a_device_that_is_well_is_not_lost") else { return };
    let gpu = open();
    let (buffers, mask) = (Buffers::new(&gpu), mask(0.5));
    let recording = passes(gpu.kernels(), &buffers, &mask)[0].1().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (gpu, recording, buffers) = (&gpu, &recording, &buffers);
            scope.spawn(move || {
                for call in 0..1000 {
                    gpu.submit(recording).unwrap();
                    if (call + thread) % 4 == 0 {
                        gpu.read(&buffers.0[4], 0..60).unwrap();
                    }
                    if (call + thread) % 8 == 3 {
                        gpu.wait().unwrap();
                    }
                }
            });
        }
    });
}
