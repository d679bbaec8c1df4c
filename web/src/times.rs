//! How long a layer's passes take on the visitor's device.
//!
//! A browser rounds timestamps and may keep a page waiting, so that a sample is many calls in a row: so many that they
//! take a twentieth of a second. Masked and dense samples take turns.

use dropconnect::call::{BothGradients, Forward};
use dropconnect::cpu;
use dropconnect::gpu::{Gpu, Recording, Tensor};
use dropconnect::{Bias, Device, ElementType, Error, Mask, Shape, Write};
use dropconnect_testing::Data;
use serde::Serialize;
use wasm_bindgen::JsError;
use web_time::Instant;

use crate::inputs::Layer;

/// Milliseconds that a sample takes at least, and how many there are.
const SAMPLE: f64 = 50.0;
const SAMPLES: usize = 5;
/// More calls than this are not put into one submission.
const MOST_CALLS: u32 = 1 << 12;

/// Milliseconds of a call: fastest, median and slowest sample.
#[derive(Serialize)]
pub struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

/// A pass, under the mask and without one.
#[derive(Serialize)]
pub struct Timed {
    pass: &'static str,
    masked: Spread,
    dense: Spread,
    /// Connections of the batch, a second, under the mask.
    connections: f64,
}

/// What is timed.
enum Work<'a> {
    Adapter { gpu: &'a Gpu, recording: Recording },
    Cpu(Box<dyn FnMut() -> Result<(), Error> + 'a>),
}

impl Work<'_> {
    /// Milliseconds of so many calls.
    async fn run(&mut self, calls: u32) -> Result<f64, Error> {
        let start = Instant::now();
        match self {
            Self::Adapter { gpu, recording } => {
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                (0..calls).for_each(|_| recording.encode(&mut encoder));
                gpu.queue().submit([encoder.finish()]);
                gpu.wait_async().await?;
            }
            Self::Cpu(call) => (0..calls).try_for_each(|_| call())?,
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    /// Calls that a sample takes.
    async fn calls(&mut self) -> Result<u32, Error> {
        // The first one compiles.
        self.run(1).await?;
        let mut calls = 1;
        while self.run(calls).await? < SAMPLE && calls < MOST_CALLS {
            calls *= 2;
        }
        Ok(calls)
    }
}

/// Times forward pass and both gradients.
pub async fn of(device: &Device, layer: Layer) -> Result<Vec<Timed>, JsError> {
    let (shape, mask) = (layer.shape()?, layer.mask()?);
    let data = Data::random(&shape, ElementType::F32, 1);
    let connections =
        [shape.batch(), shape.outputs(), shape.inputs()].map(|n| n as f64).iter().product::<f64>();
    let mut timed = Vec::new();
    match device.as_gpu() {
        Some(gpu) => {
            let tensors = OnAdapter::new(gpu, shape, &data)?;
            let work = |recording: Result<Recording, Error>| {
                Ok::<_, Error>(Work::Adapter { gpu, recording: recording? })
            };
            let [masked, dense] = [Some(&mask), None].map(|mask| work(tensors.forward(mask)));
            timed.push(turns("forward", connections, masked?, dense?).await?);
            let [masked, dense] = [Some(&mask), None].map(|mask| work(tensors.gradients(mask)));
            timed.push(turns("both gradients", connections, masked?, dense?).await?);
        }
        None => {
            let forward = |mask| Work::Cpu(cpu_forward(shape, &data, mask));
            timed.push(turns("forward", connections, forward(Some(&mask)), forward(None)).await?);
            let gradients = |mask| Work::Cpu(cpu_gradients(shape, &data, mask));
            timed.push(turns("both gradients", connections, gradients(Some(&mask)), gradients(None)).await?);
        }
    }
    Ok(timed)
}

async fn turns(
    pass: &'static str,
    connections: f64,
    mut masked: Work<'_>,
    mut dense: Work<'_>,
) -> Result<Timed, Error> {
    let calls = [masked.calls().await?, dense.calls().await?];
    let mut samples = [const { Vec::new() }; 2];
    for _ in 0..SAMPLES {
        samples[0].push(masked.run(calls[0]).await? / f64::from(calls[0]));
        samples[1].push(dense.run(calls[1]).await? / f64::from(calls[1]));
    }
    let [masked, dense] = samples.map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        Spread { least: samples[0], median: samples[SAMPLES / 2], most: samples[SAMPLES - 1] }
    });
    Ok(Timed { pass, connections: connections / masked.median * 1e3, masked, dense })
}

/// A layer's tensors on an adapter: X, W, G, Y, dX, dW.
struct OnAdapter<'a> {
    gpu: &'a Gpu,
    shape: Shape,
    tensors: [dropconnect::wgpu::Buffer; 6],
}

impl<'a> OnAdapter<'a> {
    fn new(gpu: &'a Gpu, shape: Shape, data: &Data) -> Result<Self, Error> {
        let upload = |values: &[f32]| gpu.upload(&ElementType::F32.encode(values));
        let [x, weight, grad] = [upload(&data.x)?, upload(&data.weight)?, upload(&data.grad_output)?];
        let result = |elements: usize| gpu.buffer(4 * elements as u64);
        let [y, dx, dw] =
            [result(shape.output_len())?, result(shape.input_len())?, result(shape.weight_len())?];
        Ok(Self { gpu, shape, tensors: [x, weight, grad, y, dx, dw] })
    }

    fn tensors(&self) -> [Tensor<'_>; 6] {
        self.tensors.each_ref().map(|buffer| Tensor::new(buffer, ElementType::F32))
    }

    fn forward(&self, mask: Option<&Mask>) -> Result<Recording, Error> {
        let ([x, weight, _, y, ..], shape) = (self.tensors(), self.shape);
        self.gpu.kernels().record(Forward { shape, mask, x, weight, bias: Bias::None, y })
    }

    fn gradients(&self, mask: Option<&Mask>) -> Result<Recording, Error> {
        let ([x, weight, grad_output, _, dx, dw], shape) = (self.tensors(), self.shape);
        let (grad_input, grad_weight) = ((dx, Write::Overwrite), (dw, Write::Overwrite));
        let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
        self.gpu.kernels().record(call)
    }
}

type Call<'a> = Box<dyn FnMut() -> Result<(), Error> + 'a>;

fn cpu_forward<'a>(shape: Shape, data: &'a Data, mask: Option<&'a Mask>) -> Call<'a> {
    let mut y = vec![0.0; shape.output_len()];
    Box::new(move || {
        let (x, weight) = (&data.x[..], &data.weight[..]);
        cpu::run(Forward { shape, mask, x, weight, bias: Bias::None, y: &mut y[..] })
    })
}

fn cpu_gradients<'a>(shape: Shape, data: &'a Data, mask: Option<&'a Mask>) -> Call<'a> {
    let (mut dx, mut dw) = (vec![0.0; shape.input_len()], vec![0.0; shape.weight_len()]);
    Box::new(move || {
        cpu::run(BothGradients {
            shape,
            mask,
            grad_output: &data.grad_output[..],
            x: &data.x[..],
            weight: &data.weight[..],
            grad_input: (&mut dx[..], Write::Overwrite),
            grad_weight: (&mut dw[..], Write::Overwrite),
        })
    })
}
