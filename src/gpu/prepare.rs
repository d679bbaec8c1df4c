//! Kernels compiled ahead of the calls that need them.

use std::time::Duration;

use web_time::Instant;

use super::plan::contract::Contraction;
use super::plan::purpose::Purpose;
use super::plan::tensor::Tensor;
use super::run::allocate::{check_alive, zeroed};
use super::run::kernels::Kernels;
use crate::call::{BiasGradient, BothGradients, Forward, InputGradient, OutputMoments, WeightGradient};
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// A call of a layer, for [`Prepare::calls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayerCall {
    /// [`Kernels::forward`] under the mask.
    Forward,
    /// [`Kernels::forward`] without a mask.
    Evaluation,
    /// [`Kernels::input_gradient`].
    InputGradient,
    /// [`Kernels::weight_gradient`].
    WeightGradient,
    /// [`Kernels::both_gradients`].
    BothGradients,
    /// [`Kernels::bias_gradient`]; nothing for a layer without a bias.
    BiasGradient,
    /// [`Kernels::moments`].
    Moments,
}

impl LayerCall {
    /// What a layer takes in a training step, that is not the model's first: the first needs
    /// [`WeightGradient`](Self::WeightGradient) only.
    pub const TRAINING: &'static [Self] = &[Self::Forward, Self::BothGradients, Self::BiasGradient];
}

/// Arguments of [`Kernels::prepare`]: a layer, and what will be asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Prepare<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask. All but its key matters: probability, sharing and origin.
    pub mask: &'a Mask,
    /// The kind of the bias.
    pub bias: Bias<()>,
    /// How operands are stored.
    pub operands: ElementType,
    /// How results are stored: as operands, or as f32. Those of [`Kernels::moments`] always are f32.
    pub results: ElementType,
    /// The calls.
    pub calls: &'a [LayerCall],
}

impl Kernels {
    /// Compiles what the calls of a layer need that are made of tensors in buffers of their own, and says how long that
    /// took: next to nothing where all is there. Those calls then compile nothing, whatever their key and whether they
    /// overwrite or accumulate. Neither tensors nor a queue are needed, and nothing is recorded.
    ///
    /// It may run in the background, on any thread: calls whose kernels are ready do not wait for it, and one
    /// that needs a kernel while it is compiled here waits for that one and does not compile it again.
    ///
    /// Tensors that share a buffer, or that start at places which are no multiples of 16 bytes, take other kernels,
    /// which are compiled when they are asked for.
    ///
    /// # Errors
    /// As [`Kernels::forward`], but for what tensors have to be.
    pub fn prepare(&self, call: &Prepare<'_>) -> Result<Duration, Error> {
        let start = Instant::now();
        // Stands in for every tensor: none is bound.
        let buffer = zeroed(&self.device, "dropconnect.prepare", 0, wgpu::BufferUsages::STORAGE)?;
        call.calls.iter().try_for_each(|&what| self.compile(call, what, &buffer))?;
        check_alive(&self.device)?;
        Ok(start.elapsed())
    }

    fn compile(&self, call: &Prepare<'_>, what: LayerCall, buffer: &wgpu::Buffer) -> Result<(), Error> {
        let Prepare { shape, mask, bias, operands, results, .. } = *call;
        let of = |element| Tensor::new(buffer, element);
        let (x, weight, grad_output, result) = (of(operands), of(operands), of(operands), of(results));
        let (own_bias, write, purpose) = (bias.map(|()| of(operands)), Write::Overwrite, Purpose::Compile);
        let drawn = Some(mask);
        let compiled = match what {
            LayerCall::Forward | LayerCall::Evaluation => {
                let mask = drawn.filter(|_| what == LayerCall::Forward);
                let call = Forward { shape, mask, x, weight, bias: own_bias, y: result };
                self.contract(&Contraction { purpose, ..Contraction::forward(&call) })
            }
            LayerCall::InputGradient => {
                let call =
                    InputGradient { shape, mask: drawn, grad_output, weight, grad_input: result, write };
                self.contract(&Contraction { purpose, ..Contraction::input_gradient(&call) })
            }
            LayerCall::WeightGradient => {
                let call = WeightGradient { shape, mask: drawn, grad_output, x, grad_weight: result, write };
                self.contract(&Contraction { purpose, ..Contraction::weight_gradient(&call) })
            }
            LayerCall::BothGradients => {
                let (grad_input, grad_weight) = ((result, write), (result, write));
                let call =
                    BothGradients { shape, mask: drawn, grad_output, x, weight, grad_input, grad_weight };
                self.plan_both_gradients(&call, purpose)
            }
            LayerCall::BiasGradient if own_bias.tensor().is_some() => {
                let bias_mask = drawn.filter(|_| matches!(bias, Bias::Masked(())));
                let call = BiasGradient { shape, bias_mask, grad_output, grad_bias: result, write };
                self.contract(&Contraction { purpose, ..Contraction::bias_gradient(&call) })
            }
            LayerCall::BiasGradient => return Ok(()),
            LayerCall::Moments => {
                let (probability, mean) = (&mask.probability, of(ElementType::F32));
                let call =
                    OutputMoments { shape, probability, x, weight, bias: own_bias, mean, variance: mean };
                self.contract(&Contraction { purpose, ..Contraction::moments(&call) })
            }
        };
        compiled.map(drop)
    }
}

#[cfg(test)]
pub(in crate::gpu) mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;
    use crate::gpu::run::pipeline::tests::Hook;
    use crate::gpu::shader::pass::Pass;
    use crate::gpu::shader::variant::Variant;
    use crate::gpu::tests::wgsl::adapter::adapter;
    use crate::gpu::{AdapterChoice, Gpu, KernelOptions, Tile, Tuning};
    use crate::{Device, DropConnect, DropProbability, MaskKey, Sharing};

    const ALL: [LayerCall; 7] = [
        LayerCall::Forward,
        LayerCall::Evaluation,
        LayerCall::InputGradient,
        LayerCall::WeightGradient,
        LayerCall::BothGradients,
        LayerCall::BiasGradient,
        LayerCall::Moments,
    ];

    /// Makes the calls on tensors in buffers of their own.
    fn make(kernels: &Kernels, call: &Prepare<'_>, write: Write) {
        let Prepare { shape, mask, bias, operands, results, .. } = *call;
        let buffer = |elements: usize, element: ElementType| {
            let bytes = (elements * element.size()) as u64;
            (zeroed(&kernels.device, "test", bytes, wgpu::BufferUsages::STORAGE).unwrap(), bytes, element)
        };
        let [n, o, i] = [shape.input_len(), shape.output_len(), shape.weight_len()];
        let (x, w, g) = (buffer(n, operands), buffer(i, operands), buffer(o, operands));
        let (b, db) = (buffer(shape.outputs(), operands), buffer(shape.outputs(), results));
        let (y, dx, dw) = (buffer(o, results), buffer(n, results), buffer(i, results));
        let moments = [buffer(o, ElementType::F32), buffer(o, ElementType::F32)];
        fn tensor(from: &(wgpu::Buffer, u64, ElementType)) -> Tensor<'_> {
            Tensor { buffer: &from.0, offset: 0, size: from.1, element: from.2 }
        }
        let (x, weight, grad_output) = (tensor(&x), tensor(&w), tensor(&g));
        let (own_bias, drawn) = (bias.map(|()| tensor(&b)), Some(mask));
        for mask in [drawn, None] {
            let _ready =
                kernels.forward(&Forward { shape, mask, x, weight, bias: own_bias, y: tensor(&y) }).unwrap();
        }
        let (grad_input, grad_weight, mask) = (tensor(&dx), tensor(&dw), drawn);
        let _ready = [
            kernels.input_gradient(&InputGradient { shape, mask, grad_output, weight, grad_input, write }),
            kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write }),
            kernels.both_gradients(&BothGradients {
                shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input: (grad_input, write),
                grad_weight: (grad_weight, write),
            }),
            kernels.moments(&OutputMoments {
                shape,
                probability: &call.mask.probability,
                x,
                weight,
                bias: own_bias,
                mean: tensor(&moments[0]),
                variance: tensor(&moments[1]),
            }),
        ]
        .map(Result::unwrap);
        if own_bias.tensor().is_some() {
            let bias_mask = drawn.filter(|_| matches!(bias, Bias::Masked(())));
            let call = BiasGradient { shape, bias_mask, grad_output, grad_bias: tensor(&db), write };
            let _ready = kernels.bias_gradient(&call).unwrap();
        }
    }

    /// Kernels of their own, and the list of what they compile.
    pub(in crate::gpu) fn watched(gpu: &Gpu, tuning: Tuning) -> (Kernels, Arc<Mutex<Vec<Variant>>>) {
        let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
        let mut kernels = Kernels::new(gpu.device(), &options).unwrap();
        let list = Arc::new(Mutex::new(Vec::new()));
        let compiled = Arc::clone(&list);
        let hook = Hook::new(move |_, variant| compiled.lock().unwrap().push(*variant));
        kernels.pipelines.compiling = Some(hook);
        (kernels, list)
    }

    #[test]
    fn what_is_prepared_is_all_that_the_calls_compile() {
        let Some(gpu) = adapter("what_is_prepared_is_all_that_the_calls_compile") else { return };
        let small = Tuning::software().with_tiles(Tile::new(2, 1, [4, 2])).with_rolled(true);
        // Long sums of 16 bits go through scratch memory; a batch in pieces of several kernels.
        let short = small.with_iterations(1 << 12).with_connections(1 << 20);
        let mask = |p| Mask::new(MaskKey::new(1, 2), DropProbability::new(p).unwrap());
        let (f32, bf16) = (ElementType::F32, ElementType::BF16);
        let (masked, plain) = (Bias::Masked(()), Bias::Plain(()));
        for (tuning, dims, mask, bias, [operands, results], pass) in [
            (small, [9, 14, 21], mask(0.5), masked, [f32; 2], Pass::InputGradient),
            (
                small,
                [12, 8, 16],
                mask(0.2).shared(Sharing::Batch),
                Bias::None,
                [bf16, f32],
                Pass::WeightGradient,
            ),
            (short, [6, 20, 30_000], mask(0.25), masked, [bf16; 2], Pass::Round),
            (small, [0, 8, 16], mask(0.0), plain, [bf16; 2], Pass::BiasGradient),
        ] {
            let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
            let call = Prepare { shape, mask: &mask, bias, operands, results, calls: &ALL };
            let with = Mask { key: mask.key.at_step(9), ..mask };
            let another_step = Prepare { mask: &with, ..call };
            let [(kernels, prepared), (unprepared, needed)] = [(), ()].map(|()| watched(gpu, tuning));
            let took = thread::scope(|scope| scope.spawn(|| kernels.prepare(&call)).join().unwrap());
            assert!(took.unwrap() > Duration::ZERO);
            let ready = prepared.lock().unwrap().clone();
            assert!(ready.iter().any(|variant| variant.pass == pass), "{dims:?}: no {pass:?} in {ready:?}");
            kernels.prepare(&another_step).unwrap();
            for write in [Write::Overwrite, Write::Accumulate] {
                make(&kernels, &another_step, write);
            }
            assert_eq!(prepared.lock().unwrap().len(), ready.len(), "{dims:?}: the calls compile, too");
            make(&unprepared, &call, Write::Overwrite);
            let of = |variants: &[Variant]| variants.iter().copied().collect::<HashSet<_>>();
            assert_eq!(of(&ready), of(&needed.lock().unwrap()), "{dims:?}");
        }
    }

    #[test]
    fn a_prepared_layer_compiles_nothing() {
        if adapter("a_prepared_layer_compiles_nothing").is_none() {
            return;
        }
        // On a device of its own: kernels of the shared one are compiled by other tests meanwhile.
        let device = Device::gpu(&AdapterChoice::default()).unwrap();
        for (masked, element) in [(false, ElementType::F32), (true, ElementType::BF16)] {
            let builder = DropConnect::new(&device, MaskKey::new(1, 2), 21, 14).element(element);
            let mut layer = builder.masked_bias(masked).build().unwrap();
            let compiled = |layer: &DropConnect| layer.gpu().unwrap().kernels().pipelines.count();
            let before = compiled(&layer);
            layer.prepare(9).unwrap();
            let ready = compiled(&layer);
            assert!(ready > before);
            let (x, grad_output) = (vec![1.0; 9 * 21], vec![1.0; 9 * 14]);
            layer.forward(&x).unwrap();
            layer.eval(&x).unwrap();
            layer.backward(&x, &grad_output, Write::Overwrite).unwrap();
            assert_eq!(compiled(&layer), ready);
        }
        let layer = DropConnect::new(&Device::Cpu, MaskKey::new(1, 2), 21, 14).build().unwrap();
        assert_eq!(layer.prepare(9).unwrap(), Duration::ZERO);
    }

    #[test]
    fn what_no_call_would_take_is_refused() {
        let Some(gpu) = adapter("what_no_call_would_take_is_refused") else { return };
        let (shape, kernels) = (Shape::new(2, 3, 4).unwrap(), gpu.kernels());
        let mask = Mask::new(MaskKey::new(1, 2), DropProbability::new(0.5).unwrap());
        let far = mask.at(crate::Origin { example: u32::MAX, ..Default::default() });
        let (operands, calls) = (ElementType::F32, LayerCall::TRAINING);
        let call = Prepare { shape, mask: &mask, bias: Bias::None, operands, results: operands, calls };
        let refused = kernels.prepare(&Prepare { results: ElementType::BF16, ..call });
        assert!(matches!(refused, Err(Error::Element { argument: "y", .. })), "{refused:?}");
        let refused = kernels.prepare(&Prepare { mask: &far, ..call });
        assert!(matches!(refused, Err(Error::Origin { .. })), "{refused:?}");
    }
}
