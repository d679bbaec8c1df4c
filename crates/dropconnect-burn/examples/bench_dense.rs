//! Burn's dense linear layer in the rounds of `dropconnect bench`: it answers the protocol of `docs/bench-json.md`.
//!
//! ```sh
//! cargo build --release -p dropconnect-burn --example bench_dense
//! cargo run --release -- bench --device cpu --beside target/release/examples/bench_dense
//! ```

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use burn::module::{Param, ParamId};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use dropconnect_testing::{Random, relative_error};
use serde_json::{Value, json};

/// Graphs that are recorded before they are run backward, at a time: each holds a result.
const GRAPHS: usize = 16;
/// Elements of a result that are compared with float64.
const SAMPLES: usize = 64;
/// A result in f32 that is further off is wrong: sums of a few million products would not be.
const BOUND: f64 = 1e-4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let (device, about) = device()?;
    let mut prepared = None;
    for line in io::stdin().lock().lines() {
        let answer = answer(&serde_json::from_str(&line?)?, device.as_ref(), &about, &mut prepared);
        let failed = answer.is_err();
        let answer = answer.unwrap_or_else(|error| json!({"fault": error.to_string()}));
        let mut output = io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
        if failed {
            break;
        }
    }
    Ok(())
}

/// The one that `--device` names, and the greeting. An adapter that is missing is said when a pass is asked for.
fn device() -> Outcome<(Option<Device>, Value)> {
    let arguments: Vec<_> = std::env::args().collect();
    let on = arguments.iter().skip_while(|argument| *argument != "--device").nth(1);
    let (device, adapter, kernels) = match on.map(String::as_str) {
        Some("gpu") => match Device::wgpu_options().init_with_setup() {
            Ok((device, setup)) => (Some(device), setup.adapter.get_info().name, "wgpu backend"),
            Err(error) => (None, format!("none: {error}"), "wgpu backend"),
        },
        Some("cpu") | None => (Some(Device::flex()), "CPU".to_owned(), "CPU backend (flex)"),
        Some(other) => return Err(format!("--device `{other}`; cpu or gpu").into()),
    };
    // The only exact version there is Burn's.
    let manifest = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let version = manifest.split("\"=").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?");
    let hello = json!({
        "protocol": 1,
        "name": "burn dense",
        "version": format!("Burn {version}"),
        "adapter": adapter,
        "kernels": format!("`Linear` without bias on its {kernels}; gradients by its autodiff, of the result times G"),
        "timer": "wall clock, submission and waiting included",
    });
    Ok((device, json!({ "hello": hello })))
}

fn answer(
    asked: &Value,
    device: Option<&Device>,
    about: &Value,
    prepared: &mut Option<Layer>,
) -> Outcome<Value> {
    if asked["hello"] == 1 {
        return Ok(about.clone());
    }
    if asked["prepare"].is_object() {
        *prepared = None;
        let task = &asked["prepare"];
        let [element, pass] = ["element", "pass"].map(|field| task[field].as_str().unwrap_or_default());
        let Some(device) = device else { return Ok(json!({"unable": "Burn finds no adapter"})) };
        if element != "f32" {
            return Ok(json!({"unable": format!("this program computes in f32; asked for {element}")}));
        }
        let wanted = match pass {
            "forward" => [false, false],
            "input gradient" => [true, false],
            "weight gradient" => [false, true],
            "both gradients" => [true, true],
            _ => return Ok(json!({"unable": format!("this program times no pass `{pass}`")})),
        };
        let dims = ["batch", "outputs", "inputs"].map(|axis| task[axis].as_u64().unwrap_or(0) as usize);
        if dims.contains(&0) {
            return Ok(json!({"unable": format!("there is nothing to time in {dims:?}")}));
        }
        let layer = Layer::new(dims, wanted, device);
        let error = layer.error().map_err(|error| format!("{pass}: {error}"))?;
        *prepared = Some(layer);
        return Ok(json!({"ready": error}));
    }
    let Some(calls) = asked["sample"]["calls"].as_u64() else {
        return Err(format!("{asked} is not of protocol 1").into());
    };
    let layer = prepared.as_ref().ok_or("a sample before anything was prepared")?;
    if asked["sample"]["lead"] == true {
        layer.sample(1)?;
    }
    Ok(json!({"milliseconds": layer.sample(calls as usize)?.as_secs_f64() * 1e3}))
}

/// A pass of one problem.
struct Layer {
    device: Device,
    /// Batch, outputs, inputs.
    dims: [usize; 3],
    /// Of the input, of the weight; of neither is the forward pass.
    wanted: [bool; 2],
    linear: Linear,
    x: Tensor<2>,
    grad_output: Tensor<2>,
    /// X, W as we keep it (`[outputs, inputs]`), G.
    host: [Vec<f32>; 3],
}

impl Layer {
    fn new(dims: [usize; 3], wanted: [bool; 2], device: &Device) -> Self {
        let [batch, outputs, inputs] = dims;
        let mut random = Random(1);
        let host = [batch * inputs, outputs * inputs, batch * outputs]
            .map(|length| (0..length).map(|_| random.value()).collect::<Vec<_>>());
        let backward = wanted != [false; 2];
        let device = if backward { device.clone().autodiff() } else { device.clone() };
        let tensor = |values: &[f32], rows: usize| {
            let columns = values.len() / rows;
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [rows, columns]), &device)
        };
        let tracked = |tensor: Tensor<2>, wanted| if wanted { tensor.require_grad() } else { tensor };
        // As `Linear` makes it, `[inputs, outputs]`.
        let weight: Vec<_> =
            (0..inputs * outputs).map(|at| host[1][at % outputs * inputs + at / outputs]).collect();
        let weight = tracked(tensor(&weight, inputs), wanted[1]);
        Self {
            linear: Linear { weight: Param::initialized(ParamId::new(), weight), bias: None },
            x: tracked(tensor(&host[0], batch), wanted[0]),
            grad_output: tensor(&host[2], batch),
            device,
            dims,
            wanted,
            host,
        }
    }

    /// The result times G: with ones as its gradient, which `backward` begins with, that of Y is G.
    fn recorded(&self) -> Tensor<2> {
        self.linear.forward(self.x.clone()) * self.grad_output.clone()
    }

    /// dX and dW, of what is wanted.
    fn gradients(&self, recorded: &Tensor<2>) -> [Option<Tensor<2>>; 2] {
        let mut gradients = recorded.backward();
        let [x, weight] = self.wanted;
        [
            x.then(|| self.x.grad_remove(&mut gradients)).flatten(),
            weight.then(|| self.linear.weight.val().grad_remove(&mut gradients)).flatten(),
        ]
    }

    /// How long so many calls take. Backward needs a forward pass for each, which is not timed.
    fn sample(&self, calls: usize) -> Outcome<Duration> {
        let mut taken = Duration::ZERO;
        let mut left = calls;
        while left > 0 {
            let backward = self.wanted != [false; 2];
            let some = if backward { left.min(GRAPHS) } else { left };
            let graphs: Vec<_> =
                if backward { (0..some).map(|_| self.recorded()).collect() } else { Vec::new() };
            self.device.sync()?;
            let start = Instant::now();
            if backward {
                for recorded in &graphs {
                    self.gradients(recorded);
                }
            } else {
                for _ in 0..some {
                    self.linear.forward(self.x.clone());
                }
            }
            self.device.sync()?;
            taken += start.elapsed();
            left -= some;
        }
        Ok(taken)
    }

    /// The largest relative L2 error of a sample of a result against float64.
    fn error(&self) -> Outcome<f64> {
        let [batch, outputs, inputs] = self.dims;
        let [x, weight, grad_output] = &self.host;
        let sum = |terms: usize, term: &dyn Fn(usize) -> (f32, f32)| -> f64 {
            (0..terms).map(term).map(|(a, b)| f64::from(a) * f64::from(b)).sum()
        };
        let forward = |n: usize, o: usize| sum(inputs, &|i| (x[n * inputs + i], weight[o * inputs + i]));
        let grad_input =
            |n: usize, i: usize| sum(outputs, &|o| (grad_output[n * outputs + o], weight[o * inputs + i]));
        // `[inputs, outputs]`, as the weight.
        let grad_weight =
            |i: usize, o: usize| sum(batch, &|n| (grad_output[n * outputs + o], x[n * inputs + i]));
        let mut largest = 0.0f64;
        let mut compare = |got: Tensor<2>, want: &dyn Fn(usize, usize) -> f64| -> Outcome<()> {
            let [rows, columns] = got.dims();
            let got = got.try_into_data()?.try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
            let mut random = Random(2);
            let places = (0..SAMPLES).map(|_| (random.below(rows), random.below(columns)));
            let places: Vec<_> = places.chain([(0, 0), (rows - 1, columns - 1)]).collect();
            let want: Vec<_> = places.iter().map(|&(row, column)| want(row, column)).collect();
            let got: Vec<_> = places.iter().map(|&(row, column)| got[row * columns + column]).collect();
            let error = relative_error(&got, &want);
            if error.is_nan() || error > BOUND {
                return Err(format!("relative error {error:.1e} against float64, of {BOUND:.0e}").into());
            }
            largest = largest.max(error);
            Ok(())
        };
        if self.wanted == [false; 2] {
            compare(self.linear.forward(self.x.clone()), &forward)?;
        } else {
            let [dx, dw] = self.gradients(&self.recorded());
            let missing = "Burn's autodiff gives no gradient";
            if self.wanted[0] {
                compare(dx.ok_or(missing)?, &grad_input)?;
            }
            if self.wanted[1] {
                compare(dw.ok_or(missing)?, &grad_weight)?;
            }
        }
        Ok(largest)
    }
}
