//! `dropconnect apply`: a layer and its gradients on tensors from a file.

use std::path::Path;

use dropconnect::call::{
    Activate, BiasGradient, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient,
};
use dropconnect::gpu::Method;
use dropconnect::{Activation, Bias, ElementType, Error, Mask, Moments, Shape, Write};

use crate::cli::{ActivationName, ApplyCommand, DeviceOptions, Mode};
use crate::device::{self, Selected};
use crate::error::{About, CliError, reserve, shown};
use crate::escape::{dims, list};
use crate::mask::mask_metadata;
use crate::output::{note, remark, say, waiting};
use crate::probability::warn_of_rounding;
use crate::target::Target;
use crate::tensors::{Entry, FileTensor, TensorFile, dtype, write_header, write_values};

/// The input, checked.
struct Layer {
    shape: Shape,
    element: ElementType,
    /// The dimensions of `x` before the last.
    leading: Vec<usize>,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    grad_output: Option<Vec<f32>>,
}

/// A result and its dimensions.
struct Output {
    name: &'static str,
    shape: Vec<usize>,
    element: ElementType,
    values: Vec<f32>,
}

/// Runs the command.
pub fn run(command: &ApplyCommand, options: &DeviceOptions) -> Result<(), CliError> {
    command.check()?;
    let mask = command.mask.mask()?;
    if command.mode != Mode::Eval {
        warn_of_rounding(&mask.probability);
    }
    let target = Target::new(&command.output)?;
    if target.is_file(&command.input) {
        return Err(CliError::Usage(format!(
            "--output {} is the input file; give another path",
            shown(&command.output)
        )));
    }
    let layer = Layer::read(&command.input, command.masked_bias)?;
    let device = device::select(options)?;
    layer.check_memory(&device, command)?;
    let bar = waiting(format!("{} on {}", command.input.display(), device.device));
    let outputs = match command.mode {
        Mode::Train => layer.passes(&device, Some(&mask), command.masked_bias),
        Mode::Eval => layer.passes(&device, None, command.masked_bias),
        Mode::Gaussian => layer.gaussian(&device, &mask, command),
        Mode::Mc => layer.monte_carlo(&device, &mask, command),
    };
    bar.finish_and_clear();
    let outputs = device.checked(outputs.map_err(CliError::from))?;

    let entries: Vec<_> = outputs
        .iter()
        .map(|output| Entry {
            name: output.name,
            dtype: dtype(output.element),
            shape: output.shape.clone(),
            bytes: (output.values.len() * output.element.size()) as u64,
        })
        .collect();
    target.write(|file| {
        write_header(file, &entries, &command.metadata(&mask))?;
        for output in &outputs {
            write_values(file, output.element, &output.values)?;
        }
        Ok(())
    })?;
    for output in &outputs {
        remark(&format!("{}: {} {}\n", output.name, output.element, dims(&output.shape)), &[&target])?;
    }
    say(&format!("wrote {}", shown(&command.output)));
    Ok(())
}

impl Layer {
    fn read(path: &Path, masked_bias: bool) -> Result<Self, CliError> {
        let used = ["x", "weight", "bias", "grad_output"];
        let mut file = TensorFile::read(path, &used)?;
        let x = file.required("x")?;
        let weight = file.required("weight")?;
        let bias = file.optional("bias");
        let grad_output = file.optional("grad_output");
        let unused: Vec<_> = file.names().filter(|name| !used.contains(name)).collect();
        if !unused.is_empty() {
            note(&format!("not used of the input: {}", list(unused.into_iter())));
        }
        if masked_bias && bias.is_none() {
            return Err(file.problem("has no tensor `bias`, which --masked-bias needs".to_owned()));
        }

        let [outputs, inputs] = weight.shape[..] else {
            return Err(file.problem(format!(
                "holds `weight` of shape {}; two dimensions, [outputs, inputs], are needed",
                dims(&weight.shape)
            )));
        };
        let Some((&last, leading)) = x.shape.split_last() else {
            return Err(file.problem("holds `x` of shape []; at least one dimension is needed".to_owned()));
        };
        if last != inputs {
            return Err(file.problem(format!(
                "holds `x` of shape {} and `weight` of shape {}; the last dimensions must be the same",
                dims(&x.shape),
                dims(&weight.shape)
            )));
        }
        let expect = |name: &str, tensor: &FileTensor, wanted: &[usize]| {
            if tensor.shape == wanted {
                return Ok(());
            }
            Err(file.problem(format!(
                "holds `{name}` of shape {}; {} is needed for `x` {} and `weight` {}",
                dims(&tensor.shape),
                dims(wanted),
                dims(&x.shape),
                dims(&weight.shape)
            )))
        };
        let mut output_shape = leading.to_vec();
        output_shape.push(outputs);
        if let Some(bias) = &bias {
            expect("bias", bias, &[outputs])?;
        }
        if let Some(grad_output) = &grad_output {
            expect("grad_output", grad_output, &output_shape)?;
        }
        let others =
            [("weight", Some(&weight)), ("bias", bias.as_ref()), ("grad_output", grad_output.as_ref())];
        for (name, tensor) in others {
            if let Some(tensor) = tensor.filter(|tensor| tensor.element != x.element) {
                return Err(file.problem(format!(
                    "holds `x` as {} and `{name}` as {}; one type is needed for all",
                    dtype(x.element),
                    dtype(tensor.element)
                )));
            }
        }
        let batch = leading.iter().try_fold(1usize, |batch, &size| batch.checked_mul(size));
        // With a 0 among them the product is 0, whatever the others are.
        let batch = if leading.contains(&0) { Some(0) } else { batch };
        let shape = Shape::new(batch.unwrap_or(usize::MAX), outputs, inputs).about("--input")?;
        Ok(Self {
            shape,
            element: x.element,
            leading: leading.to_vec(),
            x: x.values,
            weight: weight.values,
            bias: bias.map(|tensor| tensor.values),
            grad_output: grad_output.map(|tensor| tensor.values),
        })
    }

    /// Asks for all that a mode takes besides the input, which is in memory: results, and what the library holds on
    /// the way to them. On an adapter that is each operand as bytes, in a buffer for the transfer and (where the
    /// adapter is software) in the device's memory, and each result in all of these forms.
    fn check_memory(&self, device: &Selected, command: &ApplyCommand) -> Result<(), CliError> {
        let (shape, size) = (&self.shape, |length: usize| 4 * length as u128);
        let [x, weight, y] = [shape.input_len(), shape.weight_len(), shape.output_len()].map(size);
        let bias = self.bias.as_ref().map_or(0, |bias| size(bias.len()));
        let grad_output = self.grad_output.as_ref().map_or(0, |_| y);
        let operands = x + weight + bias;
        let (what, results, working) = match command.mode {
            Mode::Train | Mode::Eval => {
                let gradients = if self.grad_output.is_some() { operands } else { 0 };
                let rounded = if self.element == ElementType::F32 { 0 } else { operands + grad_output };
                let largest = y.max(x).max(weight);
                let working =
                    if device.gpu().is_some() { 3 * (operands + grad_output + largest) } else { rounded };
                ("the layer", y + gradients, working)
            }
            // Moments before and after the activation; on the CPU the squares of the operands.
            Mode::Gaussian => {
                let working = if device.gpu().is_some() { 3 * (operands + 4 * y) } else { operands };
                ("--mode gaussian", 4 * y, working)
            }
            // Beside the moments, one pass's output and a running sum.
            Mode::Mc => {
                let batch = size(shape.batch());
                let softmax = if command.softmax { y + 2 * batch } else { 0 };
                let rows = size(shape.outputs()) * rayon::current_num_threads() as u128;
                let on_cpu = 2 * y + if command.softmax { rows + batch } else { 0 };
                let working = if device.gpu().is_some() { 3 * (operands + 3 * y) } else { on_cpu };
                ("--mode mc", 2 * y + softmax, working)
            }
        };
        reserve(what, &[u64::try_from(results + working).ok()])
    }

    /// `y`, and the gradients where `grad_output` is given.
    fn passes(
        &self,
        Selected { device, .. }: &Selected,
        mask: Option<&Mask>,
        masked_bias: bool,
    ) -> Result<Vec<Output>, Error> {
        let Self { shape, element, .. } = *self;
        let (x, weight, bias, write) =
            (&self.x[..], &self.weight[..], self.bias(masked_bias), Write::Overwrite);
        let output = |name, shape, values| Output { name, shape, element, values };
        let values = device.run(element, Forward { shape, mask, x, weight, bias, y: () }).wait()?;
        let mut outputs = vec![output("y", self.with_last(shape.outputs()), values)];
        let Some(grad_output) = self.grad_output.as_deref() else { return Ok(outputs) };

        let call = InputGradient { shape, mask, grad_output, weight, grad_input: (), write };
        let values = device.run(element, call).wait()?;
        outputs.push(output("grad_x", self.with_last(shape.inputs()), values));
        let call = WeightGradient { shape, mask, grad_output, x, grad_weight: (), write };
        let values = device.run(element, call).wait()?;
        outputs.push(output("grad_weight", vec![shape.outputs(), shape.inputs()], values));
        if self.bias.is_some() {
            let bias_mask = mask.filter(|_| masked_bias);
            let call = BiasGradient { shape, bias_mask, grad_output, grad_bias: (), write };
            let values = device.run(element, call).wait()?;
            outputs.push(output("grad_bias", vec![shape.outputs()], values));
        }
        Ok(outputs)
    }

    // Moments are worked out in f32 whatever the input's type, which f32 holds exactly: a variance may
    // be far smaller than f16 goes.

    fn gaussian(
        &self,
        Selected { device, .. }: &Selected,
        mask: &Mask,
        command: &ApplyCommand,
    ) -> Result<Vec<Output>, Error> {
        let (shape, x, weight) = (self.shape, &self.x[..], &self.weight[..]);
        let (probability, bias) = (&mask.probability, self.bias(command.masked_bias));
        let call = OutputMoments { shape, probability, x, weight, bias, mean: (), variance: () };
        let u = device.run(ElementType::F32, call).wait()?;
        let method = command.samples.map_or(Method::Closed, |samples| Method::Sampled {
            samples,
            key: mask.key,
            origin: mask.origin,
        });
        let activation = command.activation.map_or(Activation::Identity, Activation::from);
        let (u_mean, u_variance, mean, variance) = (&u.mean[..], &u.variance[..], (), ());
        let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
        Ok(self.moments(device.run(ElementType::F32, call).wait()?))
    }

    fn monte_carlo(
        &self,
        Selected { device, .. }: &Selected,
        mask: &Mask,
        command: &ApplyCommand,
    ) -> Result<Vec<Output>, Error> {
        let (shape, x, weight) = (self.shape, &self.x[..], &self.weight[..]);
        let (bias, passes) = (self.bias(command.masked_bias), command.passes());
        let (element, mean, variance) = (ElementType::F32, (), ());
        let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
        let moments = device.run(element, call).wait()?;
        let mut outputs = self.moments(moments);
        if command.softmax {
            let predicted = device.predictive(element, call).wait()?;
            let output = |name, shape, values| Output { name, shape, element, values };
            outputs.push(output("probabilities", self.with_last(shape.outputs()), predicted.mean));
            outputs.push(output("entropy", self.leading.clone(), predicted.entropy));
            outputs.push(output("mutual_information", self.leading.clone(), predicted.mutual_information));
        }
        Ok(outputs)
    }

    fn moments(&self, Moments { mean, variance }: Moments) -> Vec<Output> {
        let output = |name, values| Output {
            name,
            shape: self.with_last(self.shape.outputs()),
            element: ElementType::F32,
            values,
        };
        vec![output("mean", mean), output("variance", variance)]
    }

    fn bias(&self, masked: bool) -> Bias<&[f32]> {
        match &self.bias {
            None => Bias::None,
            Some(bias) if masked => Bias::Masked(bias),
            Some(bias) => Bias::Plain(bias),
        }
    }

    fn with_last(&self, last: usize) -> Vec<usize> {
        self.leading.iter().copied().chain([last]).collect()
    }
}

impl ApplyCommand {
    /// What the results are of, besides the input.
    fn metadata(&self, mask: &Mask) -> Vec<(&'static str, String)> {
        let mode = format!("{:?}", self.mode).to_lowercase();
        let mut metadata = vec![("mode", mode), ("masked_bias", self.masked_bias.to_string())];
        if self.mode != Mode::Eval {
            metadata.extend(mask_metadata(mask, self.mask.bits));
        }
        if self.mode == Mode::Gaussian {
            let activation = self.activation.unwrap_or(ActivationName::Identity);
            metadata.push(("activation", format!("{activation:?}").to_lowercase()));
            metadata.extend(self.samples.map(|samples| ("samples", samples.to_string())));
        }
        if self.mode == Mode::Mc {
            metadata.push(("passes", self.passes().to_string()));
        }
        metadata
    }

    fn passes(&self) -> u32 {
        self.passes.unwrap_or(100)
    }

    /// Options of one mode are refused in the others, where they would be ignored.
    pub fn check(&self) -> Result<(), CliError> {
        for (option, given, mode) in [
            ("--activation", self.activation.is_some(), Mode::Gaussian),
            ("--samples", self.samples.is_some(), Mode::Gaussian),
            ("--passes", self.passes.is_some(), Mode::Mc),
            ("--softmax", self.softmax, Mode::Mc),
        ] {
            if given && self.mode != mode {
                let name = |mode: Mode| format!("{mode:?}").to_lowercase();
                let (wanted, given) = (name(mode), name(self.mode));
                return Err(CliError::Usage(format!(
                    "{option} is for --mode {wanted}, and the mode is {given}"
                )));
            }
        }
        if self.mode == Mode::Mc && self.mask.pass.is_some() {
            return Err(CliError::Usage(
                "--pass names one mask, and --mode mc draws those of --passes passes from 0 on; leave it out"
                    .to_owned(),
            ));
        }
        let by_samples = [ActivationName::Sigmoid, ActivationName::Tanh];
        if self.samples.is_none() && self.activation.is_some_and(|name| by_samples.contains(&name)) {
            return Err(CliError::Usage(
                "--activation sigmoid and tanh have no closed form; give --samples, for instance 1000"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
