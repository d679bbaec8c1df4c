//! Passes on an adapter: tensors between guard bytes in its memory, and the library's call for each pass.

pub(crate) use dropconnect::gpu::{Gpu, Kernels};
use dropconnect::gpu::{Recording, Tensor, WriteMask};
use dropconnect::{ElementType, Error, Mask, Shape, Write, wgpu};

use crate::pool::Place;
use crate::{Call, Failure, Operands, Pass, Pool, Target};

impl<'a> Target<'a> {
    /// The kernels that a device's users get.
    pub fn adapter(gpu: &'a Gpu) -> Self {
        Self::Adapter { gpu, kernels: gpu.kernels() }
    }
}

/// For people.
pub(crate) fn name(kernels: &Kernels) -> String {
    format!("{} {:?}", kernels.tuning(), kernels.multiply())
}

/// Runs some passes in one submission, on tensors that are stored so. Gives the pool back as it is then, and the
/// dispatches of each pass.
pub(crate) async fn run(
    (gpu, kernels): (&Gpu, &Kernels),
    passes: &[Pass],
    (call, element): (&Call, ElementType),
    pool: Pool,
    writes: &[Write],
) -> Result<(Pool, Vec<usize>), Failure> {
    let arena = Arena::new(gpu, pool)?;
    let tensor = |index| arena.tensor(index, element);
    let operands = Operands::of(call.shape, call.bias, std::array::from_fn(tensor));
    let results = (4..).zip(writes).map(|(at, &write)| (tensor(at), write)).collect::<Vec<_>>();
    let mut rest = &results[..];
    let mut recordings = Vec::new();
    for pass in passes {
        let (own, others) = rest.split_at(pass.parts().len());
        recordings.push(pass.record(kernels, &operands, call.mask.as_ref(), own)?);
        rest = others;
    }
    if let [one] = &recordings[..] {
        gpu.submit(one)?;
    } else {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        recordings.iter().for_each(|recording| recording.encode(&mut encoder));
        gpu.queue().submit([encoder.finish()]);
    }
    let dispatches = recordings.iter().map(|recording| recording.dispatches()).collect();
    Ok((arena.read_async().await?, dispatches))
}

/// Writes a mask over the second tensor of a pool.
pub(crate) async fn mask(
    (gpu, kernels): (&Gpu, &Kernels),
    shape: Shape,
    mask: &Mask,
    bias: bool,
    pool: Pool,
) -> Result<Pool, Failure> {
    let arena = Arena::new(gpu, pool)?;
    let Tensor { buffer: result, offset, size, .. } = arena.tensor(1, ElementType::F32);
    let call = WriteMask { shape, mask, result, offset, size };
    gpu.submit(&if bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) }?)?;
    Ok(arena.read_async().await?)
}

impl Pass {
    /// The adapter's call, into results of which each says how it is written.
    ///
    /// # Errors
    /// Those of the pass.
    ///
    /// # Panics
    /// For a number of results that is not the pass's.
    pub fn record(
        self,
        kernels: &Kernels,
        operands: &Operands<Tensor>,
        mask: Option<&Mask>,
        results: &[(Tensor, Write)],
    ) -> Result<Recording, Error> {
        match (self, results) {
            (Self::Forward, &[(y, _)]) => kernels.forward(&operands.forward(mask, y)),
            (Self::InputGradient, &[(dx, write)]) => {
                kernels.input_gradient(&operands.writing(write).input_gradient(mask, dx))
            }
            (Self::WeightGradient, &[(dw, write)]) => {
                kernels.weight_gradient(&operands.writing(write).weight_gradient(mask, dw))
            }
            (Self::BiasGradient, &[(db, write)]) => {
                let bias_mask = operands.bias_mask(mask);
                kernels.bias_gradient(&operands.writing(write).bias_gradient(bias_mask, db))
            }
            (Self::BothGradients, &[dx, dw]) => {
                kernels.both_gradients(&operands.both_gradients(mask, dx, dw))
            }
            (_, results) => panic!("{} into {} results", self.name(), results.len()),
        }
    }
}

/// A pool on a device.
pub struct Arena<'g> {
    gpu: &'g Gpu,
    buffers: Vec<wgpu::Buffer>,
    pool: Pool,
}

impl<'g> Arena<'g> {
    /// Uploads a pool.
    ///
    /// # Errors
    /// Those of [`Gpu::upload`].
    pub fn new(gpu: &'g Gpu, pool: Pool) -> Result<Self, Error> {
        let upload = |buffer| gpu.upload(pool.bytes(buffer));
        let buffers = (0..pool.buffers.len()).map(upload).collect::<Result<_, _>>()?;
        Ok(Self { gpu, buffers, pool })
    }

    /// A tensor, counted as operands, then results.
    pub fn tensor(&self, index: usize, element: ElementType) -> Tensor<'_> {
        let Place { buffer, bytes } = &self.pool.places[index];
        let (offset, size) = (bytes.start as u64, bytes.len() as u64);
        Tensor { buffer: &self.buffers[*buffer], offset, size, element }
    }

    /// The pool as it is now.
    ///
    /// # Errors
    /// Those of [`Gpu::read_async`].
    pub async fn read_async(&self) -> Result<Pool, Error> {
        let mut pool = self.pool.clone();
        for (buffer, words) in self.buffers.iter().zip(&mut pool.buffers) {
            let bytes = self.gpu.read_async(buffer, 0..4 * words.len() as u64).await?;
            *words = bytemuck::pod_collect_to_vec(&bytes);
        }
        Ok(pool)
    }

    /// The pool as it is now, for a thread that may wait.
    ///
    /// # Errors
    /// Those of [`Gpu::read`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read(&self) -> Result<Pool, Error> {
        pollster::block_on(self.read_async())
    }

    /// The bytes of each result.
    ///
    /// # Errors
    /// Those of [`Gpu::read`], and [`Failure::Damage`] where anything else than a result has changed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn results(&self) -> Result<Vec<Vec<u8>>, Failure> {
        Ok(self.read()?.results()?.into_iter().map(<[u8]>::to_vec).collect())
    }
}
