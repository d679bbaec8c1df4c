//! How a layer is made.

use super::DropConnect;
use crate::mask::philox::philox4x32;
use crate::{Device, DropProbability, ElementType, Error, MaskKey, Origin, Shape, Sharing};
use crate::{fenv, host};

/// First values of the parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Init {
    /// W and b uniform in `[-1/sqrt(inputs), 1/sqrt(inputs))`, as PyTorch's `nn.Linear`, drawn from the
    /// layer's seed and number: the same layer starts the same everywhere, and no two of a model alike.
    #[default]
    Linear,
    /// All zero.
    Zeros,
    /// Given: W `[outputs, inputs]` and, for a layer with one, b `[outputs]`.
    Values {
        /// W.
        weight: Vec<f32>,
        /// b; empty for a layer without.
        bias: Vec<f32>,
    },
}

/// Options of a [`DropConnect`] layer; everything but device, key and sizes has a default.
#[derive(Clone, Debug)]
#[must_use = "`build` makes the layer"]
pub struct DropConnectBuilder {
    device: Device,
    key: MaskKey,
    inputs: usize,
    outputs: usize,
    p: f64,
    bits: u32,
    sharing: Sharing,
    bias: bool,
    masked_bias: bool,
    element: ElementType,
    init: Init,
    origin: Origin,
}

impl DropConnectBuilder {
    pub(super) fn new(device: Device, key: MaskKey, inputs: usize, outputs: usize) -> Self {
        Self {
            device,
            key,
            inputs,
            outputs,
            p: 0.5,
            bits: 16,
            sharing: Sharing::default(),
            bias: true,
            masked_bias: false,
            element: ElementType::F32,
            init: Init::default(),
            origin: Origin::default(),
        }
    }

    /// The probability of *dropping* a connection, `0 <= p < 1`; 0.5 by default.
    pub fn drop_probability(self, p: f64) -> Self {
        Self { p, ..self }
    }

    /// Bits of resolution of p, 1 to 16; 16 by default.
    pub fn bits(self, bits: u32) -> Self {
        Self { bits, ..self }
    }

    /// Which examples share a mask: none, by default, which is what makes it DropConnect.
    pub fn sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// Whether the layer has a bias; it does by default.
    pub fn bias(self, bias: bool) -> Self {
        Self { bias, ..self }
    }

    /// Whether the bias is dropped like a weight, as in the paper; it is not by default.
    pub fn masked_bias(self, masked_bias: bool) -> Self {
        Self { masked_bias, ..self }
    }

    /// How parameters and what calls take and return are stored on the device; f32 by default. Gradients of parameters
    /// accumulate in f32.
    pub fn element(self, element: ElementType) -> Self {
        Self { element, ..self }
    }

    /// First values; [`Init::Linear`] by default.
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    /// Where this shard lies in the whole layer and batch; at 0 by default.
    pub fn origin(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Makes the layer.
    ///
    /// # Errors
    /// p, bits or sizes out of range; given values of the wrong length; [`Error::HostMemory`] and
    /// [`Error::OutOfMemory`] for a layer that does not fit; [`Error::BufferSize`]; [`Error::DeviceLost`].
    pub fn build(self) -> Result<DropConnect, Error> {
        let shape = Shape::new(0, self.outputs, self.inputs)?;
        let probability = DropProbability::with_bits(self.p, self.bits)?;
        self.origin.check(&shape)?;
        let bias_len = if self.bias { self.outputs } else { 0 };
        let (weight, bias) = match self.init {
            Init::Zeros => (host::zeros(shape.weight_len())?, host::zeros(bias_len)?),
            Init::Linear => fenv::with_default(|| {
                let bound = 1.0 / (self.inputs as f32).sqrt();
                let draw = |stream, count| uniform(&self.key, stream, bound, count);
                Ok::<_, Error>((draw(0, shape.weight_len())?, draw(1, bias_len)?))
            })?,
            Init::Values { weight, bias } => {
                shape.expect_len("weight", weight.len(), shape.weight_len())?;
                shape.expect_len("bias", bias.len(), bias_len)?;
                (weight, bias)
            }
        };
        let bias = self.bias.then_some(bias);
        let device = self.device;
        let f32 = ElementType::F32;
        let layer = DropConnect {
            inputs: self.inputs,
            outputs: self.outputs,
            element: self.element,
            probability,
            sharing: self.sharing,
            key: self.key,
            origin: self.origin,
            masked_bias: self.masked_bias,
            weight: device.upload(self.element, weight)?,
            bias: bias.map(|bias| device.upload(self.element, bias)).transpose()?,
            grad_weight: device.zeros(f32, shape.weight_len())?,
            grad_bias: self.bias.then(|| device.zeros(f32, self.outputs)).transpose()?,
            device,
        };
        layer.device.check_alive()?;
        Ok(layer)
    }
}

/// Uniform values in `[-bound, bound)`, 24 bits each, of the key's seed and layer, whatever its step. They are from
/// a stream of Philox that no mask uses: the last counter word is the ASCII of "DCI0" plus the stream, and a mask's
/// is below 9.
fn uniform(key: &MaskKey, stream: u32, bound: f32, count: usize) -> Result<Vec<f32>, Error> {
    const DOMAIN: u32 = 0x4443_4930;
    let (layer, key) = (key.layer, [key.seed as u32, (key.seed >> 32) as u32]);
    let call = |k: usize| {
        let k = k as u64;
        philox4x32([k as u32, (k >> 32) as u32, layer, DOMAIN + stream], key)
    };
    let unit = |word: u32| (word >> 8) as f32 / (1 << 24) as f32;
    let mut values = host::empty(count)?;
    let words = (0..count.div_ceil(4)).flat_map(call).take(count);
    values.extend(words.map(|word| (2.0 * unit(word) - 1.0) * bound));
    Ok(values)
}
