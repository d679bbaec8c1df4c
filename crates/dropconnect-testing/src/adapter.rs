//! Calls on an adapter, on tensors between guard bytes in its memory.

use dropconnect::call::Call;
pub(crate) use dropconnect::gpu::{Gpu, Kernels};
use dropconnect::gpu::{Tensor, WriteMask};
use dropconnect::{ElementType, Error, Mask, Shape, wgpu};

use crate::Pool;
use crate::case::Name;
use crate::failure::Failure;
use crate::pool::Place;

/// For people.
pub(crate) fn name(kernels: &Kernels) -> String {
    format!("{} {:?}", kernels.tuning(), kernels.multiply())
}

/// Makes calls in one submission, on tensors that are stored so, those of each kind into the same results. Gives the
/// pool back as it is then, and the dispatches of each kind.
pub(crate) async fn run(
    (gpu, kernels): (&Gpu, &Kernels),
    calls: &[Vec<Call<'_, (), ()>>],
    names: &[Name],
    element: ElementType,
    pool: Pool,
) -> Result<(Pool, Vec<usize>), Failure> {
    let arena = Arena::new(gpu, pool)?;
    let (mut recordings, mut dispatches) = (Vec::new(), Vec::new());
    let mut first = names.len();
    for calls in calls {
        let mut count = 0;
        for call in calls {
            let [operand_type, result_type] = call.kind().stored(element, element);
            let mut results = first..;
            let call = call.map(
                |of| arena.tensor(Name::of(call, of.name).position(names), operand_type),
                |_| arena.tensor(results.next().unwrap_or_default(), result_type),
            );
            let recording = kernels.record(call)?;
            count += recording.dispatches();
            recordings.push(recording);
        }
        dispatches.push(count);
        first += calls[0].operands().results.len();
    }
    if let [one] = &recordings[..] {
        gpu.submit(one)?;
    } else {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        recordings.iter().for_each(|recording| recording.encode(&mut encoder));
        gpu.queue().submit([encoder.finish()]);
    }
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
