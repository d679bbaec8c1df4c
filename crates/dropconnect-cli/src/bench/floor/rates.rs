//! What an adapter does in a second, measured in the run that uses it.

use std::time::Duration;

use dropconnect::gpu::{Gpu, Multiply};
use dropconnect::wgpu;
use minijinja::context;
use serde::Serialize;

use crate::bench::rounds::{TimeBudget, contest};
use crate::bench::stopwatch::{Stopwatch, Timer};
use crate::bench::template::render;
use crate::error::CliError;

/// Independent chains of a thread, how often they are in the text, and in a loop.
const CHAINS: u32 = 8;
const TEXT: u32 = 8;
const LOOPS: u32 = 128;
/// Generators of a thread where Philox runs alone: enough that none waits for itself.
const GENERATORS: u32 = 4;
/// Of the mixture: multiply-adds to one product, about as in a pass at p = 1/2.
const MIXED_EVERY: u32 = 6;
const WORKGROUP: u32 = 64;
/// Quads that a thread reads.
const QUADS: u32 = 8;
/// A buffer that caches hold, and one that they mostly do not.
const SMALL: u64 = 8 << 20;
const LARGE: u64 = 128 << 20;
const ROUNDS: u32 = 7;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// Operations a second on all of an adapter; bytes a second.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
    pub multiply_adds_per_second: f64,
    /// How a product of two words is formed: `wide`, or `split` into 16-bit halves.
    pub product: &'static str,
    /// Products of two words to 64 bits, each with a three-way exclusive or.
    pub products_per_second: f64,
    /// Three-way exclusive ors.
    pub logic_per_second: f64,
    /// Tests of a bit: a bit field, an `and` and an `or`.
    pub tests_per_second: f64,
    /// How much of its own time the shorter of multiply-adds and products adds to the longer, when mixed as in a pass:
    /// 0 where they run side by side, 1 where one waits for the other.
    pub shared: f64,
    /// Reading a buffer of 8 MiB and of 128 MiB (or the largest binding), time after time.
    pub cached_bytes_per_second: f64,
    pub bytes_per_second: f64,
    /// Rounds of Philox, alone: what they would do at the rate of products, and what they do.
    pub philox_rounds_predicted_per_second: f64,
    pub philox_rounds_per_second: f64,
}

impl Rates {
    /// The best of both: measured at another time, a machine may have been faster.
    pub fn best(self, other: &Self) -> Self {
        Self {
            multiply_adds_per_second: self.multiply_adds_per_second.max(other.multiply_adds_per_second),
            product: self.product,
            products_per_second: self.products_per_second.max(other.products_per_second),
            logic_per_second: self.logic_per_second.max(other.logic_per_second),
            tests_per_second: self.tests_per_second.max(other.tests_per_second),
            shared: self.shared.min(other.shared),
            cached_bytes_per_second: self.cached_bytes_per_second.max(other.cached_bytes_per_second),
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
            ..self
        }
    }
}

/// A kernel, and what it is bound to.
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: u32,
}

/// The kernels, which are compiled once.
pub struct Meter<'a> {
    stopwatch: Stopwatch<'a>,
    kernels: Vec<Kernel>,
    product: &'static str,
    /// Threads of a kernel of operations, bytes of the two of reading.
    threads: f64,
    bytes: [f64; 2],
}

/// The kinds of `operations.wgsl`, in the order of the kernels.
const KINDS: [&str; 6] = ["multiply_add", "product", "logic", "test", "mixed", "philox"];

impl<'a> Meter<'a> {
    pub fn new(gpu: &'a Gpu, timer: Timer) -> Result<Self, CliError> {
        // A fraction of a millisecond to a few of them on either.
        let software = gpu.info().device_type == wgpu::DeviceType::Cpu;
        let groups: u32 = if software { 1 << 7 } else { 1 << 15 };
        let wide = gpu.kernels().multiply() == Multiply::Wide;
        let limits = gpu.device().limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let per_group = u64::from(WORKGROUP * QUADS * 16);
        let most_groups = u64::from(limits.max_compute_workgroups_per_dimension);
        let reading = [SMALL, LARGE].map(|bytes| (bytes.min(most) / per_group).min(most_groups) as u32);
        let results = gpu.buffer(u64::from(groups.max(reading[1]) * WORKGROUP) * 4)?;
        let source = gpu.buffer(u64::from(reading[1]) * per_group)?;
        let mut kernels = Vec::new();
        for kind in KINDS {
            kernels.push(Kernel::new(gpu, &operations(kind, wide), &[&results], groups));
        }
        for groups in reading {
            kernels.push(Kernel::new(gpu, &read(), &[&results, &source], groups));
        }
        let bytes = reading.map(|groups| f64::from(groups) * per_group as f64);
        let threads = f64::from(groups) * f64::from(WORKGROUP);
        let product = if wide { "wide" } else { "split" };
        Ok(Self { stopwatch: Stopwatch::new(gpu, timer), kernels, product, threads, bytes })
    }

    /// Measures, all kernels in turn; the fastest of some rounds counts.
    pub fn rates(&self) -> Result<Rates, CliError> {
        let time_budget =
            TimeBudget { warmup: Some(1), repeats: Some(ROUNDS), budget: Duration::from_millis(50) };
        let series = contest(&time_budget, self.kernels.len(), None, |at, calls, _| {
            let kernel = &self.kernels[at];
            self.stopwatch.time(calls, false, |pass, calls| {
                pass.set_pipeline(&kernel.pipeline);
                pass.set_bind_group(0, &kernel.bindings, &[]);
                (0..calls).for_each(|_| pass.dispatch_workgroups(kernel.groups, 1, 1));
            })
        })?;
        let seconds: Vec<_> = series
            .iter()
            .map(|series| series.milliseconds.iter().copied().fold(f64::INFINITY, f64::min) / 1e3)
            .collect();
        let all = self.threads * f64::from(CHAINS * TEXT * LOOPS);
        let rounds = self.threads * f64::from(GENERATORS * TEXT * LOOPS);
        // Times of one operation; of the mixture, for each of its multiply-adds.
        let [multiply_add, product, mixed] =
            [seconds[0], seconds[1], seconds[4]].map(|seconds| seconds / all);
        let products = product * f64::from((CHAINS * TEXT).div_ceil(MIXED_EVERY)) / f64::from(CHAINS * TEXT);
        let (longer, shorter) = (multiply_add.max(products), multiply_add.min(products));
        Ok(Rates {
            multiply_adds_per_second: 1.0 / multiply_add,
            product: self.product,
            products_per_second: 1.0 / product,
            logic_per_second: all / seconds[2],
            tests_per_second: all / seconds[3],
            shared: ((mixed - longer) / shorter).clamp(0.0, 1.0),
            cached_bytes_per_second: self.bytes[0] / seconds[6],
            bytes_per_second: self.bytes[1] / seconds[7],
            philox_rounds_predicted_per_second: 0.5 / product,
            philox_rounds_per_second: rounds / seconds[5],
        })
    }
}

impl Kernel {
    fn new(gpu: &Gpu, source: &str, buffers: &[&wgpu::Buffer], groups: u32) -> Self {
        let device = gpu.device();
        let label = Some("dropconnect.bench.floor");
        let descriptor =
            wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
        // SAFETY: loops have constant bounds; a thread's index is below the threads of the dispatch, for which the
        // buffers of `Meter::new` have a word and so many quads each.
        let module = unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let layout = &pipeline.get_bind_group_layout(0);
        let bindings =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries });
        Self { pipeline, bindings, groups }
    }
}

fn operations(kind: &str, wide: bool) -> String {
    let values = context! {
        kind,
        int64 => wide,
        multipliers => MULTIPLIERS,
        chains => CHAINS,
        text => TEXT,
        loops => LOOPS,
        generators => GENERATORS,
        mixed_every => MIXED_EVERY,
        workgroup => WORKGROUP,
    };
    render(include_str!("operations.wgsl"), &values)
}

fn read() -> String {
    render(include_str!("read.wgsl"), &context! { workgroup => WORKGROUP, quads => QUADS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_renders_what_is_counted() {
        for (kind, text) in [("multiply_add", "= fma("), ("product", "= product("), ("test", "& ones_if(")] {
            for wide in [false, true] {
                let source = operations(kind, wide);
                assert!(!source.contains("//%") && !source.contains('$'), "{source}");
                naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{error}\n{source}"));
                assert_eq!(source.matches(text).count() as u32, CHAINS * TEXT, "{source}");
            }
        }
        assert_eq!(operations("logic", true).matches(" ^= s_").count() as u32, CHAINS * (TEXT + 1));
        assert_eq!(operations("philox", true).matches("= philox_round(").count() as u32, GENERATORS * TEXT);
        for source in
            [operations("logic", false), operations("philox", false), operations("mixed", false), read()]
        {
            naga::front::wgsl::parse_str(&source).unwrap_or_else(|error| panic!("{error}\n{source}"));
        }
        let mixed = operations("mixed", true);
        assert_eq!(mixed.matches("= fma(").count() as u32, CHAINS * TEXT);
        assert_eq!(mixed.matches("= product(").count() as u32, (CHAINS * TEXT).div_ceil(MIXED_EVERY));
        assert_eq!(read().matches("source[").count() as u32, QUADS);
    }
}
