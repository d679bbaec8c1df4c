//! The calls of `dropconnect shader`, prepared on tensors of their own.

use dropconnect::call::{Call, Operand};
use dropconnect::gpu::{Gpu, Method, Recording, Tensor, WriteMask};
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

/// The call of a pass.
pub fn prepared(command: &ShaderCommand, of: ShaderPass, gpu: &Gpu) -> Result<Prepared, CliError> {
    let (shape, element, kernels) = (command.shape, ElementType::from(command.element), gpu.kernels());
    if shape.batch() == 0 {
        return Err(CliError::Usage(
            "--shape: `batch` is 0, which takes no kernels; use at least 1".to_owned(),
        ));
    }
    let mask = &command.mask.mask()?;
    let kind = match of {
        ShaderPass::Call(kind) => kind,
        ShaderPass::Mask | ShaderPass::BiasMask => {
            let of_bias = of == ShaderPass::BiasMask;
            let mut dims = vec![shape.batch(), shape.outputs(), shape.inputs()];
            dims.truncate(if of_bias { 2 } else { 3 });
            let name = if of_bias { "bias_mask" } else { "mask" };
            let tensors = stored(gpu, vec![(name, true, None, dims)])?;
            let (result, size) = (&tensors[0].buffer, tensors[0].buffer.size());
            let call = WriteMask { shape, mask, result, offset: 0, size };
            let recording = if of_bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) }?;
            return Ok(Prepared { recording, tensors });
        }
    };
    let bias = match command.bias {
        BiasKind::None => Bias::None,
        BiasKind::Plain => Bias::Plain(()),
        BiasKind::Masked => Bias::Masked(()),
    };
    let call = Call::of(kind, shape, Some(mask), bias, Write::Overwrite);
    let mut call = call.expect("a mask is there for every kind");
    if let Call::Activate(call) = &mut call {
        let (key, origin) = (mask.key, mask.origin);
        call.activation = command.activation.into();
        call.method =
            command.samples.map_or(Method::Closed, |samples| Method::Sampled { samples, key, origin });
    }
    let [operand_type, result_type] = kind.stored(element, element);
    let dims = |of: &Operand<()>| {
        let rows = of.rows.map(|axis| axis.length(&shape));
        rows.into_iter().chain([of.columns.length(&shape)]).collect::<Vec<_>>()
    };
    let tensors = call.operands();
    let operands =
        tensors.operands.iter().map(|of| (file_name(of.name), false, Some(operand_type), dims(of)));
    let results = tensors.results.iter().map(|of| (file_name(of.name), true, Some(result_type), dims(of)));
    let tensors = stored(gpu, operands.chain(results).collect())?;
    let mut each = tensors.iter().map(Stored::tensor);
    let (mut operands, results) = (Vec::new(), call.operands().results.len());
    operands.extend(each.by_ref().take(tensors.len() - results));
    let mut operands = operands.into_iter();
    let call = call.map(|_| operands.next().expect("one each"), |_| each.next().expect("one each"));
    let recording = kernels.record(call)?;
    Ok(Prepared { recording, tensors })
}

/// What files of `dropconnect apply` call a tensor.
fn file_name(argument: &'static str) -> &'static str {
    match argument {
        "grad_input" => "grad_x",
        "information" => "mutual_information",
        name => name,
    }
}

type Wanted = (&'static str, bool, Option<ElementType>, Vec<usize>);

/// Makes tensors, as long as all are small.
fn stored(gpu: &Gpu, wanted: Vec<Wanted>) -> Result<Vec<Stored>, CliError> {
    let bytes = |(_, _, element, dims): &Wanted| {
        let size = element.map_or(1, ElementType::size) as u64;
        dims.iter().fold(size, |bytes, &dim| bytes.saturating_mul(dim as u64))
    };
    let sum = wanted.iter().fold(0u64, |sum, tensor| sum.saturating_add(bytes(tensor)));
    if sum > MOST_BYTES {
        return Err(CliError::Usage(format!(
            "--shape: the tensors of this pass take {sum} bytes, and at most {MOST_BYTES} are made; choose a \
             smaller shape"
        )));
    }
    let make = |tensor: Wanted| {
        let buffer = gpu.buffer(bytes(&tensor).next_multiple_of(4))?;
        let (name, result, element, shape) = tensor;
        Ok(Stored { name, result, element, shape, buffer })
    };
    wanted.into_iter().map(make).collect()
}
