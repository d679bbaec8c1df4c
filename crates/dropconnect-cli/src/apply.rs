//! `dropconnect apply`: a layer and its gradients on tensors from a file.

use dropconnect::{Bias, ElementType, Mask, Shape};

use crate::cli::{ApplyCommand, DeviceOptions, Mode};
use crate::device::{self, Selected};
use crate::error::{About, CliError, reserve};
use crate::output::{Target, note, print};
use crate::tensors::{Entry, FileTensor, TensorFile, dtype, write_header};

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
    values: Vec<f32>,
}

/// Runs the command.
pub fn run(command: &ApplyCommand, options: &DeviceOptions) -> Result<(), CliError> {
    let mask = match command.mode {
        Mode::Train => Some(command.mask.mask()?),
        Mode::Eval => None,
    };
    let file = TensorFile::read(&command.input)?;
    let layer = Layer::read(&file, command.masked_bias)?;
    let target = Target::new(&command.output)?;
    if target.is_file(&command.input) {
        return Err(CliError::Usage(format!(
            "--output {} is the input file; give another path",
            command.output.display()
        )));
    }
    layer.check_memory()?;
    let device = device::select(options)?;
    let outputs = layer.outputs(&device, mask.as_ref(), command.masked_bias);
    let outputs = device.checked(outputs)?;

    let entries: Vec<_> = outputs
        .iter()
        .map(|output| Entry {
            name: output.name,
            dtype: dtype(layer.element),
            shape: output.shape.clone(),
            bytes: (output.values.len() * layer.element.size()) as u64,
        })
        .collect();
    target.write(|file| {
        write_header(file, &entries, &[])?;
        for output in &outputs {
            file.write_all(&layer.element.encode(&output.values))?;
        }
        Ok(())
    })?;
    for output in &outputs {
        print(&format!("{}: {} {:?}\n", output.name, layer.element, output.shape))?;
    }
    note(&format!("wrote {}", command.output.display()));
    Ok(())
}

impl Layer {
    fn read(file: &TensorFile, masked_bias: bool) -> Result<Self, CliError> {
        let tensors = file.parse()?;
        let x = file.required(&tensors, "x")?;
        let weight = file.required(&tensors, "weight")?;
        let bias = file.optional(&tensors, "bias")?;
        let grad_output = file.optional(&tensors, "grad_output")?;
        for name in tensors.names() {
            if !["x", "weight", "bias", "grad_output"].contains(&name) {
                note(&format!("tensor `{name}` of the input is not used"));
            }
        }
        if masked_bias && bias.is_none() {
            return Err(file.problem("has no tensor `bias`, which --masked-bias needs".to_owned()));
        }

        let [outputs, inputs] = weight.shape[..] else {
            return Err(file.problem(format!(
                "holds `weight` of shape {:?}; two dimensions, [outputs, inputs], are needed",
                weight.shape
            )));
        };
        let Some((&last, leading)) = x.shape.split_last() else {
            return Err(file.problem("holds `x` of shape []; at least one dimension is needed".to_owned()));
        };
        if last != inputs {
            return Err(file.problem(format!(
                "holds `x` of shape {:?} and `weight` of shape {:?}; the last dimensions must be the same",
                x.shape, weight.shape
            )));
        }
        let expect = |name: &str, tensor: &FileTensor, wanted: &[usize]| {
            if tensor.shape == wanted {
                return Ok(());
            }
            Err(file.problem(format!(
                "holds `{name}` of shape {:?}; {wanted:?} is needed for `x` {:?} and `weight` {:?}",
                tensor.shape, x.shape, weight.shape
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

    /// The output is the only tensor that can be much larger than the input file.
    fn check_memory(&self) -> Result<(), CliError> {
        let bytes = (self.shape.output_len() as u64).checked_mul(4);
        // The values and their encoded form.
        reserve("`y`", &[bytes, bytes])
    }

    fn outputs(
        &self,
        Selected { device, .. }: &Selected,
        mask: Option<&Mask>,
        masked_bias: bool,
    ) -> Result<Vec<Output>, CliError> {
        let (shape, element) = (&self.shape, self.element);
        let with_last = |last: usize| self.leading.iter().copied().chain([last]).collect::<Vec<_>>();
        let bias = match &self.bias {
            None => Bias::None,
            Some(bias) if masked_bias => Bias::Masked(&bias[..]),
            Some(bias) => Bias::Plain(&bias[..]),
        };
        let values = device.forward(shape, element, mask, &self.x, &self.weight, bias)?;
        let mut outputs = vec![Output { name: "y", shape: with_last(shape.outputs()), values }];
        let Some(grad) = &self.grad_output else { return Ok(outputs) };

        let values = device.input_gradient(shape, element, mask, grad, &self.weight)?;
        outputs.push(Output { name: "grad_x", shape: with_last(shape.inputs()), values });
        let values = device.weight_gradient(shape, element, mask, grad, &self.x)?;
        outputs.push(Output { name: "grad_weight", shape: vec![shape.outputs(), shape.inputs()], values });
        if self.bias.is_some() {
            let values = device.bias_gradient(shape, element, mask.filter(|_| masked_bias), grad)?;
            outputs.push(Output { name: "grad_bias", shape: vec![shape.outputs()], values });
        }
        Ok(outputs)
    }
}
