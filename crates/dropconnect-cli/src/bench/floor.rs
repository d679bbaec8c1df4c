//! The floor under a pass on an adapter: the issue slots that it cannot do without, at the rate at which this adapter
//! was seen to issue independent multiply-adds. `docs/performance.md` derives the slots.

use dropconnect::gpu::Gpu;
use dropconnect::wgpu;
use dropconnect::{DropProbability, Rounds, Shape};
use dropconnect_testing::Pass;
use minijinja::context;

use super::stopwatch::{Stopwatch, Timer};
use super::template::render;
use crate::error::CliError;

/// Connections that one run of the generator decides.
const DECISIONS: f64 = 128.0;
/// Issue slots of a round, two wide products and two three-way exclusive ors; and of the counter before the first.
const ROUND_SLOTS: f64 = 4.0;
const COUNTER_SLOTS: f64 = 4.0;
/// Of a plane's part in the decisions, a three-input operation for each of four words; and of the rotation that makes
/// one of the seven lowest of 16 planes, where words are not their own plane.
const PLANE_SLOTS: f64 = 4.0;
const ROTATION_SLOTS: f64 = 4.0;
/// The multiply-add itself, a quarter slot for the test of its bit, its share of the loads.
const CONNECTION_SLOTS: f64 = 1.0 + 0.25 + 0.12;

/// Multiply-adds of a thread: eight sums, four times in the text, so often in a loop.
const SUMS: u32 = 8;
const TEXT: u32 = 4;
const LOOP: u32 = 256;
const WORKGROUP: u32 = 64;

/// Issue slots for each connection of a layer with this probability, with so many multiply-adds for each.
fn slots(probability: &DropProbability, products: usize) -> f64 {
    let rounds = f64::from(probability.rounds(Rounds::Ten));
    let (planes, rotated) = (f64::from(probability.bits()), f64::from(probability.bits().saturating_sub(9)));
    let counter = if probability.drops() { COUNTER_SLOTS } else { 0.0 };
    let drawn = counter + rounds * ROUND_SLOTS + planes * PLANE_SLOTS + rotated * ROTATION_SLOTS;
    products as f64 * CONNECTION_SLOTS + drawn / DECISIONS
}

/// What a pass takes at least, in milliseconds: its mask is drawn once.
pub fn floor_ms(
    probability: &DropProbability,
    pass: Pass,
    shape: &Shape,
    multiply_adds_per_second: f64,
) -> f64 {
    slots(probability, pass.parts().len()) * shape.connections() as f64 / multiply_adds_per_second * 1e3
}

/// Independent f32 multiply-adds a second, from registers, on all of the adapter: the best of some runs.
pub fn multiply_adds_per_second(gpu: &Gpu, timer: Timer) -> Result<f64, CliError> {
    let device = gpu.device();
    // A few milliseconds on either.
    let software = gpu.info().device_type == wgpu::DeviceType::Cpu;
    let groups: u32 = if software { 1 << 8 } else { 1 << 15 };
    let label = Some("dropconnect.bench.floor");
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label,
        source: wgpu::ShaderSource::Wgsl(source().into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let result = gpu.buffer(u64::from(groups * WORKGROUP) * 4)?;
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[wgpu::BindGroupEntry { binding: 0, resource: result.as_entire_binding() }],
    });
    let stopwatch = Stopwatch::new(gpu, timer);
    let multiply_adds = u64::from(groups) * u64::from(WORKGROUP * SUMS * TEXT * LOOP);
    let mut fastest = f64::INFINITY;
    for _ in 0..7 {
        let taken = stopwatch.time(1, false, |pass, _| {
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            pass.dispatch_workgroups(groups, 1, 1);
        })?;
        fastest = fastest.min(taken.as_secs_f64().max(1e-9));
    }
    Ok(multiply_adds as f64 / fastest)
}

fn source() -> String {
    let values = context! { sums => SUMS, text => TEXT, loops => LOOP, workgroup => WORKGROUP };
    render(include_str!("floor.wgsl"), &values)
}
