//! Tensors where a device computes, and the calls on them: the only match on GPU or CPU.

use std::borrow::Cow;

use super::Device;
use crate::call::Call;
#[cfg(feature = "gpu")]
use crate::gpu::{Download, Tensor};
use crate::{ElementType, Error, Mask, Shape, cpu, host};

/// What captures call a submission.
#[cfg(feature = "gpu")]
const LABEL: &str = "dropconnect.call";

/// A tensor in a buffer of its own, or in host memory, as f32 with values of the element type.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    element: ElementType,
    elements: usize,
    storage: Storage<'a>,
}

#[derive(Debug)]
enum Storage<'a> {
    #[cfg(feature = "gpu")]
    Gpu {
        buffer: wgpu::Buffer,
        /// Where a result goes to be read.
        download: Option<(Download, Vec<f32>)>,
    },
    Cpu(Cow<'a, [f32]>),
}

impl Memory<'_> {
    /// The same memory on an adapter, where a call that is refused has written nothing; a copy of it on the CPU, where
    /// a later call of several may be refused after this has been written.
    pub(crate) fn draft(&self) -> Result<Memory<'static>, Error> {
        let Self { element, elements, .. } = *self;
        let storage = match &self.storage {
            #[cfg(feature = "gpu")]
            Storage::Gpu { buffer, .. } => Storage::Gpu { buffer: buffer.clone(), download: None },
            Storage::Cpu(values) => Storage::Cpu(Cow::Owned(host::copy(values)?)),
        };
        Ok(Memory { element, elements, storage })
    }

    /// Its buffer, if it is on an adapter.
    #[cfg(feature = "gpu")]
    pub(crate) fn buffer(&self) -> Option<&wgpu::Buffer> {
        match &self.storage {
            Storage::Gpu { buffer, .. } => Some(buffer),
            Storage::Cpu(_) => None,
        }
    }

    /// What kernels take it as.
    ///
    /// # Errors
    /// [`Error::NeedsGpu`] for host memory, on behalf of `what`.
    #[cfg(feature = "gpu")]
    pub(crate) fn tensor(&self, what: &'static str) -> Result<Tensor<'_>, Error> {
        let buffer = self.buffer().ok_or(Error::NeedsGpu { what })?;
        Ok(Tensor { buffer, offset: 0, size: bytes(self.elements, self.element), element: self.element })
    }

    /// Its values on the CPU.
    fn values(&self) -> Result<&[f32], Error> {
        match &self.storage {
            #[cfg(feature = "gpu")]
            Storage::Gpu { .. } => Err(elsewhere()),
            Storage::Cpu(values) => Ok(values),
        }
    }

    fn values_mut(&mut self) -> Result<&mut [f32], Error> {
        match &mut self.storage {
            #[cfg(feature = "gpu")]
            Storage::Gpu { .. } => Err(elsewhere()),
            Storage::Cpu(values) => Ok(values.to_mut()),
        }
    }
}

/// A tensor of an adapter in a call of the CPU; this crate makes none.
#[cfg(feature = "gpu")]
fn elsewhere() -> Error {
    Error::DeviceFault { what: "a tensor", reason: "it is on another device".to_owned() }
}

impl Device {
    /// That an adapter has not been lost.
    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu.check_alive(),
            Self::Cpu => Ok(()),
        }
    }

    /// These values, rounded to the element type.
    pub(crate) fn upload<'a>(
        &self,
        element: ElementType,
        values: impl Into<Cow<'a, [f32]>>,
    ) -> Result<Memory<'a>, Error> {
        let values = values.into();
        let elements = values.len();
        let storage = match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                Storage::Gpu { buffer: gpu.tensor_of(&host::encode(element, &values)?)?, download: None }
            }
            Self::Cpu => Storage::Cpu(match values {
                Cow::Borrowed(values) => host::rounded(element, values)?,
                Cow::Owned(mut values) => {
                    host::round_all(element, &mut values);
                    Cow::Owned(values)
                }
            }),
        };
        Ok(Memory { element, elements, storage })
    }

    /// So many zeros.
    pub(crate) fn zeros(&self, element: ElementType, elements: usize) -> Result<Memory<'static>, Error> {
        let storage = match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Storage::Gpu { buffer: gpu.tensor(bytes(elements, element))?, download: None },
            Self::Cpu => Storage::Cpu(Cow::Owned(host::zeros(elements)?)),
        };
        Ok(Memory { element, elements, storage })
    }

    /// Zeros for a result that is read once. All memory that reading takes is there before the call runs.
    pub(crate) fn result(&self, element: ElementType, elements: usize) -> Result<Memory<'static>, Error> {
        #[allow(unused_mut, reason = "without `gpu` there is nothing to add")]
        let mut memory = self.zeros(element, elements)?;
        #[cfg(feature = "gpu")]
        if let (Self::Gpu(gpu), Storage::Gpu { buffer, download }) = (self, &mut memory.storage) {
            *download = Some((Download::new(gpu, buffer.size())?, host::zeros(elements)?));
        }
        Ok(memory)
    }

    /// Makes the calls one after the other, in one submission on an adapter. Where there is an error nothing has been
    /// computed there; on the CPU, calls before the last may have been.
    pub(crate) fn submit<'m>(
        &self,
        calls: Vec<Call<'_, &'m Memory<'_>, &'m mut Memory<'static>>>,
    ) -> Result<(), Error> {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let (mut recordings, mut results) = (Vec::with_capacity(calls.len()), Vec::new());
                for call in calls {
                    let call = call.try_map(
                        |operand| operand.tensor.tensor("a call on an adapter"),
                        |result| {
                            let memory: &'m Memory<'_> = result.tensor;
                            results.push(memory);
                            memory.tensor("a call on an adapter")
                        },
                    )?;
                    recordings.push(gpu.kernels().record(call)?);
                }
                gpu.encode(LABEL, |encoder| {
                    let pass = wgpu::ComputePassDescriptor { label: Some(LABEL), timestamp_writes: None };
                    let mut pass = encoder.begin_compute_pass(&pass);
                    recordings.iter().for_each(|recording| recording.record(&mut pass));
                    drop(pass);
                    for result in results {
                        if let Storage::Gpu { buffer, download: Some((download, _)) } = &result.storage {
                            download.record(encoder, buffer, 0);
                        }
                    }
                    Ok(())
                })
            }
            Self::Cpu => calls.into_iter().try_for_each(|call| {
                cpu::run(
                    call.try_map(|operand| operand.tensor.values(), |result| result.tensor.values_mut())?,
                )
            }),
        }
    }

    /// The values of a [`result`](Self::result), rounded to its element type.
    pub(crate) async fn download(&self, result: Memory<'static>) -> Result<Vec<f32>, Error> {
        match result.storage {
            #[cfg(feature = "gpu")]
            Storage::Gpu { download: Some((download, mut values)), .. } => {
                let Self::Gpu(gpu) = self else { return Err(elsewhere()) };
                download.finish(gpu, |view| result.element.decode_into(view, &mut values)).await?;
                Ok(values)
            }
            Storage::Cpu(Cow::Owned(mut values)) => {
                host::round_all(result.element, &mut values);
                Ok(values)
            }
            _ => self.copy_out(&result, result.element).await,
        }
    }

    /// A copy of any tensor, rounded to another element type.
    pub(crate) async fn copy_out(
        &self,
        memory: &Memory<'_>,
        element: ElementType,
    ) -> Result<Vec<f32>, Error> {
        let mut values = match (self, &memory.storage) {
            #[cfg(feature = "gpu")]
            (Self::Gpu(gpu), Storage::Gpu { buffer, .. }) => {
                let mut values = host::zeros(memory.elements)?;
                let stored = gpu.read_async(buffer, 0..bytes(memory.elements, memory.element)).await?;
                memory.element.decode_into(&stored, &mut values);
                values
            }
            _ => host::copy(memory.values()?)?,
        };
        host::round_all(element, &mut values);
        Ok(values)
    }

    /// Replaces all values of a tensor, rounded to its element type, or where there is an error none.
    pub(crate) fn overwrite(&self, memory: &mut Memory<'static>, values: &[f32]) -> Result<(), Error> {
        #[cfg(feature = "gpu")]
        if let (Self::Gpu(gpu), Storage::Gpu { buffer, .. }) = (self, &memory.storage) {
            return gpu.write(buffer, &host::encode(memory.element, values)?);
        }
        let element = memory.element;
        let own = memory.values_mut()?;
        own.copy_from_slice(values);
        host::round_all(element, own);
        Ok(())
    }

    /// Makes one call into fresh results, stored as `element` unless they are f32 always, and reads those.
    pub(crate) async fn compute(
        &self,
        element: ElementType,
        call: Call<'_, &Memory<'_>, ()>,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let (shape, [_, element]) = (call.shape(), call.kind().stored(element, element));
        // Before memory is asked for.
        call.mask().map_or(Ok(()), |mask| mask.check(&shape))?;
        let mut results = Vec::with_capacity(3);
        for result in call.operands().results {
            results.push(self.result(element, result.elements(&shape))?);
        }
        let mut each = results.iter_mut();
        let call = call.map(|operand| operand.tensor, |_| each.next().expect("a result of its own"));
        self.submit(vec![call])?;
        let mut values = Vec::with_capacity(results.len());
        for result in results {
            values.push(self.download(result).await?);
        }
        Ok(values)
    }

    /// A mask written out, `[batch, outputs, inputs]`, or that of the bias, `[batch, outputs]`.
    pub(crate) async fn write_mask(&self, shape: Shape, mask: Mask, of_bias: bool) -> Result<Vec<u8>, Error> {
        mask.check(&shape)?;
        let inputs = if of_bias { 1 } else { shape.inputs() };
        let bytes = shape.output_len().checked_mul(inputs).ok_or(Error::TooLarge {
            argument: "batch * outputs * inputs",
            value: u64::MAX,
            limit: isize::MAX as u64,
        })?;
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let size = bytes as u64;
                let buffer = gpu.tensor(size)?;
                let call = crate::gpu::WriteMask { shape, mask: &mask, result: &buffer, offset: 0, size };
                let kernels = gpu.kernels();
                let write = if of_bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) }?;
                gpu.encode("dropconnect.mask", |encoder| {
                    write.encode(encoder);
                    Ok(())
                })?;
                gpu.read_async(&buffer, 0..size).await
            }
            Self::Cpu => {
                let mut kept = host::zeros(bytes)?;
                if of_bias {
                    cpu::bias_mask(&shape, &mask, &mut kept)?;
                } else {
                    cpu::mask(&shape, &mask, &mut kept)?;
                }
                Ok(kept)
            }
        }
    }
}

/// The bytes of so many elements (saturated at `u64::MAX`, which no buffer has).
#[cfg(feature = "gpu")]
fn bytes(elements: usize, element: ElementType) -> u64 {
    (elements as u64).saturating_mul(element.size() as u64)
}
