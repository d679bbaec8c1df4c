//! The calls of `dropconnect shader`, prepared on tensors of their own.

use dropconnect::call::{
    BiasGradient, BothGradients, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient,
};
use dropconnect::gpu::{Activate, Gpu, Method, PredictivePass, Recording, Tensor, WriteMask};
use dropconnect::{Bias, ElementType, Write, wgpu};

use crate::cli::{BiasKind, ShaderCommand, ShaderPass};
use crate::error::CliError;

/// The device that does nothing has its tensors in memory.
const MOST_BYTES: u64 = 1 << 30;
/// Monte-Carlo passes. Kernels do not depend on it.
pub const PASSES: u32 = 1;

/// A call that is ready, and its tensors.
pub struct Prepared {
    pub recording: Recording,
    pub tensors: Vec<Stored>,
}

/// A tensor of a call.
pub struct Stored {
    /// As files of `dropconnect apply` and `mask` call it.
    pub name: &'static str,
    /// Whether the call writes it.
    pub result: bool,
    /// How it is stored; nothing, if as bytes of 0 and 1.
    pub element: Option<ElementType>,
    pub shape: Vec<usize>,
    pub buffer: wgpu::Buffer,
}

impl Stored {
    fn tensor(&self) -> Tensor<'_> {
        Tensor::new(&self.buffer, self.element.unwrap_or_default())
    }
}

/// A tensor that is to be made.
struct Wanted<'s>(&'static str, bool, Option<ElementType>, &'s [usize]);

impl Wanted<'_> {
    /// Bytes (saturated).
    fn bytes(&self) -> u64 {
        let sizes = self.3.iter().map(|&size| size as u64);
        sizes.fold(self.2.map_or(1, ElementType::size) as u64, u64::saturating_mul)
    }
}

/// Makes tensors, as long as all are small.
fn stored<const N: usize>(gpu: &Gpu, wanted: [Wanted; N]) -> Result<[Stored; N], CliError> {
    let sum = wanted.iter().fold(0u64, |sum, tensor| sum.saturating_add(tensor.bytes()));
    if sum > MOST_BYTES {
        return Err(CliError::Usage(format!(
            "--shape: the tensors of this pass take {sum} bytes, and at most {MOST_BYTES} are made; choose a \
             smaller shape"
        )));
    }
    let make = |tensor: Wanted| -> Result<Stored, CliError> {
        let buffer = gpu.buffer(tensor.bytes().next_multiple_of(4))?;
        let Wanted(name, result, element, shape) = tensor;
        Ok(Stored { name, result, element, shape: shape.to_vec(), buffer })
    };
    let tensors = wanted.into_iter().map(make).collect::<Result<Vec<_>, _>>()?;
    Ok(tensors.try_into().unwrap_or_else(|_| unreachable!("as many tensors as are wanted")))
}

/// The call of a pass.
pub fn prepared(command: &ShaderCommand, of: ShaderPass, gpu: &Gpu) -> Result<Prepared, CliError> {
    let (shape, element, kernels) = (command.shape, ElementType::from(command.element), gpu.kernels());
    if shape.batch() == 0 {
        return Err(CliError::Usage(
            "--shape: `batch` is 0, which takes no kernels; use at least 1".to_owned(),
        ));
    }
    let mask = &command.mask.mask()?;
    let write = Write::Overwrite;
    let (own, f32) = (Some(element), Some(ElementType::F32));
    let [n, o, i] = [shape.batch(), shape.outputs(), shape.inputs()];
    let [front, side, top] = [&[n, i], &[n, o], &[o, i]];
    let [x, w, b] =
        [Wanted("x", false, own, front), Wanted("weight", false, own, top), Wanted("bias", false, own, &[o])];
    let g = Wanted("grad_output", false, own, side);
    let [grad_x, grad_w] = [Wanted("grad_x", true, own, front), Wanted("grad_weight", true, own, top)];
    let [mean, variance] = [Wanted("mean", true, f32, side), Wanted("variance", true, f32, side)];
    let biased = |bias| match command.bias {
        BiasKind::None => Bias::None,
        BiasKind::Plain => Bias::Plain(bias),
        BiasKind::Masked => Bias::Masked(bias),
    };
    let (recording, tensors): (_, Vec<Stored>) = match of {
        ShaderPass::Forward => {
            let all = stored(gpu, [x, w, b, Wanted("y", true, own, side)])?;
            let [x, weight, bias, y] = all.each_ref().map(Stored::tensor);
            let call = Forward { shape, mask: Some(mask), x, weight, bias: biased(bias), y };
            (kernels.forward(&call), all.into())
        }
        ShaderPass::InputGradient => {
            let all = stored(gpu, [g, w, grad_x])?;
            let [grad_output, weight, grad_input] = all.each_ref().map(Stored::tensor);
            let call = InputGradient { shape, mask: Some(mask), grad_output, weight, grad_input, write };
            (kernels.input_gradient(&call), all.into())
        }
        ShaderPass::WeightGradient => {
            let all = stored(gpu, [g, x, grad_w])?;
            let [grad_output, x, grad_weight] = all.each_ref().map(Stored::tensor);
            let call = WeightGradient { shape, mask: Some(mask), grad_output, x, grad_weight, write };
            (kernels.weight_gradient(&call), all.into())
        }
        ShaderPass::BothGradients => {
            let all = stored(gpu, [g, x, w, grad_x, grad_w])?;
            let [grad_output, x, weight, grad_x, grad_w] = all.each_ref().map(Stored::tensor);
            let (grad_input, grad_weight) = ((grad_x, write), (grad_w, write));
            let call =
                BothGradients { shape, mask: Some(mask), grad_output, x, weight, grad_input, grad_weight };
            (kernels.both_gradients(&call), all.into())
        }
        ShaderPass::BiasGradient => {
            let all = stored(gpu, [g, Wanted("grad_bias", true, own, &[o])])?;
            let [grad_output, grad_bias] = all.each_ref().map(Stored::tensor);
            let bias_mask = (command.bias == BiasKind::Masked).then_some(mask);
            (
                kernels.bias_gradient(&BiasGradient { shape, bias_mask, grad_output, grad_bias, write }),
                all.into(),
            )
        }
        ShaderPass::Mask | ShaderPass::BiasMask => {
            let of_bias = of == ShaderPass::BiasMask;
            let (name, shape_of) = if of_bias { ("bias_mask", &side[..]) } else { ("mask", &[n, o, i][..]) };
            let all = stored(gpu, [Wanted(name, true, None, shape_of)])?;
            let call =
                WriteMask { shape, mask, result: &all[0].buffer, offset: 0, size: all[0].buffer.size() };
            (if of_bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) }, all.into())
        }
        ShaderPass::Moments => {
            let all = stored(gpu, [x, w, b, mean, variance])?;
            let [x, weight, bias, mean, variance] = all.each_ref().map(Stored::tensor);
            let (probability, bias) = (&mask.probability, biased(bias));
            let call = OutputMoments { shape, probability, x, weight, bias, mean, variance };
            (kernels.moments(&call), all.into())
        }
        ShaderPass::Activation => {
            let u = |name| Wanted(name, false, f32, side);
            let all = stored(gpu, [u("u_mean"), u("u_variance"), mean, variance])?;
            let [u_mean, u_variance, mean, variance] = all.each_ref().map(Stored::tensor);
            let (key, origin) = (mask.key, mask.origin);
            let sampled = |samples| Method::Sampled { samples, key, origin };
            let method = command.samples.map_or(Method::Closed, sampled);
            let activation = command.activation.into();
            let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
            (kernels.activate(&call), all.into())
        }
        ShaderPass::MonteCarlo => {
            let all = stored(gpu, [x, w, b, mean, variance])?;
            let [x, weight, bias, mean, variance] = all.each_ref().map(Stored::tensor);
            let (passes, bias) = (PASSES, biased(bias));
            (
                kernels.monte_carlo(&MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance }),
                all.into(),
            )
        }
        ShaderPass::Predictive => {
            let logits = Wanted("logits", false, own, side);
            let each = |name| Wanted(name, true, f32, &side[..1]);
            let all = stored(gpu, [logits, mean, each("entropy"), each("mutual_information")])?;
            let [logits, mean, entropy, information] = all.each_ref().map(Stored::tensor);
            let (pass, passes) = (0, PASSES);
            let call = PredictivePass { shape, pass, passes, logits, mean, entropy, information };
            (kernels.predictive(&call), all.into())
        }
    };
    Ok(Prepared { recording: recording?, tensors })
}
