//! Where a layer computes: an adapter or the CPU, with the same calls on host memory for both.

#[cfg(feature = "gpu")]
mod adapter;
mod memory;

use std::fmt;

use crate::call::{
    Activate, BiasGradient, BothGradients, Call, Forward, InputGradient, MonteCarlo, OutputMoments,
    PredictivePass, WeightGradient,
};
use crate::work::{Movable, Pending};
use crate::{ElementType, Error, Mask, Moments, Predictive, Shape, cpu, host};

pub(crate) use memory::Memory;

/// A place to compute.
///
/// The calls here take and return host memory, and each is a whole round trip. They serve programs whose
/// tensors live on the host; an engine records calls of `gpu::Kernels` on its own buffers instead.
#[derive(Clone, Debug)]
pub enum Device {
    /// An adapter.
    #[cfg(feature = "gpu")]
    Gpu(std::sync::Arc<crate::gpu::Gpu>),
    /// The parallel CPU backend.
    Cpu,
}

/// A call on host memory, and what it returns: a tensor, two, [`Moments`], or of any [`Call`] a list of its results.
pub trait HostCall<'c, 't>: Into<Call<'c, &'t [f32], ()>> {
    /// What [`Device::run`] returns.
    type Output: Send;

    /// Of the results, in the order of the call's fields.
    fn output(results: Vec<Vec<f32>>) -> Self::Output;
}

macro_rules! host_calls {
    ($($call:ty => $output:ty, $make:expr;)*) => {$(
        impl<'c, 't> HostCall<'c, 't> for $call {
            type Output = $output;

            fn output(results: Vec<Vec<f32>>) -> $output {
                let mut results = results.into_iter();
                $make(move || results.next().unwrap_or_default())
            }
        }
    )*};
}

fn one(mut next: impl FnMut() -> Vec<f32>) -> Vec<f32> {
    next()
}

fn two(mut next: impl FnMut() -> Vec<f32>) -> [Vec<f32>; 2] {
    [next(), next()]
}

fn moments(mut next: impl FnMut() -> Vec<f32>) -> Moments {
    Moments { mean: next(), variance: next() }
}

host_calls! {
    Forward<'c, &'t [f32], ()> => Vec<f32>, one;
    InputGradient<'c, &'t [f32], ()> => Vec<f32>, one;
    WeightGradient<'c, &'t [f32], ()> => Vec<f32>, one;
    BothGradients<'c, &'t [f32], ()> => [Vec<f32>; 2], two;
    BiasGradient<'c, &'t [f32], ()> => Vec<f32>, one;
    OutputMoments<'c, &'t [f32], ()> => Moments, moments;
    MonteCarlo<'c, &'t [f32], ()> => Moments, moments;
    Activate<&'t [f32], ()> => Moments, moments;
}

impl<'c, 't> HostCall<'c, 't> for Call<'c, &'t [f32], ()> {
    type Output = Vec<Vec<f32>>;

    fn output(results: Vec<Vec<f32>>) -> Self::Output {
        results
    }
}

impl Device {
    fn is_adapter(&self) -> bool {
        !matches!(self, Self::Cpu)
    }

    pub(crate) fn pending<'a, T>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Movable + 'a,
    ) -> Pending<'a, T> {
        Pending::new(self.is_adapter(), work)
    }

    /// The results of a call. Operands are rounded to `element` first, and so is the result; sums are in f32. Mean and
    /// variance are f32 whatever `element` is, and so are the operands of [`Activate`].
    ///
    /// # Errors
    /// Those of a [`call`](crate::call#errors), [`Error::HostMemory`], and the device's own.
    pub fn run<'a, 'c: 'a, 't: 'a, C: HostCall<'c, 't>>(
        &'a self,
        element: ElementType,
        call: C,
    ) -> Pending<'a, C::Output> {
        let call = call.into();
        self.pending(async move {
            let call = call.checked()?;
            let [stored, _] = call.kind().stored(element, element);
            let mut uploaded = Vec::with_capacity(3);
            for operand in call.operands().operands {
                uploaded.push(self.upload(stored, operand.tensor)?);
            }
            let mut operands = uploaded.iter();
            let call = call.map(|_| operands.next().expect("an operand that is uploaded"), |_| ());
            Ok(C::output(self.compute(element, call).await?))
        })
    }

    /// Y of every one of the passes, `[passes, batch, outputs]`. For what mean and variance do not say; the memory
    /// grows with the passes.
    ///
    /// # Errors
    /// [`Error::Count`] for 0 passes; as [`run`](Self::run).
    pub fn pass_outputs<'a>(
        &'a self,
        element: ElementType,
        call: MonteCarlo<'a, &'a [f32], ()>,
    ) -> Pending<'a, Vec<f32>> {
        self.pending(async move {
            let [x, weight, bias] = &self.upload_layer(element, &call)?;
            self.outputs_of_passes(element, &on_device(&call, x, weight, bias)).await
        })
    }

    /// What a classifier whose last layer this is predicts over those passes: Y is taken as logits
    /// `[batch, classes]`, in f32 whatever `element` is.
    ///
    /// # Errors
    /// [`Error::Count`] for the passes, 1 to 2^24; as [`run`](Self::run).
    pub fn predictive<'a>(
        &'a self,
        element: ElementType,
        call: MonteCarlo<'a, &'a [f32], ()>,
    ) -> Pending<'a, Predictive<f32>> {
        self.pending(async move {
            let [x, weight, bias] = &self.upload_layer(element, &call)?;
            self.predict(&on_device(&call, x, weight, bias)).await
        })
    }

    /// Which connections are kept, as bytes of 0 and 1 `[batch, outputs, inputs]`, computed on this device.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn mask(&self, shape: &Shape, mask: &Mask) -> Pending<'_, Vec<u8>> {
        self.pending(self.write_mask(*shape, *mask, false))
    }

    /// Which biases are kept where biases are masked, as bytes of 0 and 1 `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn bias_mask(&self, shape: &Shape, mask: &Mask) -> Pending<'_, Vec<u8>> {
        self.pending(self.write_mask(*shape, *mask, true))
    }

    /// X, W and b, which may be empty, for a call that has been checked here.
    fn upload_layer<'t>(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &'t [f32], ()>,
    ) -> Result<[Memory<'t>; 3], Error> {
        Call::from(*call).checked()?;
        let bias = call.bias.tensor().copied().unwrap_or_default();
        Ok([self.upload(element, call.x)?, self.upload(element, call.weight)?, self.upload(element, bias)?])
    }

    /// Y of every pass, one after the other. On an adapter one pass's Y is there at a time.
    pub(crate) async fn outputs_of_passes(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &Memory<'_>, ()>,
    ) -> Result<Vec<f32>, Error> {
        call.mask.check_passes(&call.shape, call.passes)?;
        let mut outputs = host::empty(call.shape.output_len().saturating_mul(call.passes as usize))?;
        for pass in 0..call.passes {
            let mask = call.mask.pass(pass);
            for y in self.compute(element, call.forward(&mask, ()).into()).await? {
                outputs.extend(y);
            }
        }
        Ok(outputs)
    }

    /// What the passes predict. Memory grows with one pass's logits.
    pub(crate) async fn predict(
        &self,
        call: &MonteCarlo<'_, &Memory<'_>, ()>,
    ) -> Result<Predictive<f32>, Error> {
        let MonteCarlo { shape, passes, .. } = *call;
        call.mask.check_passes(&shape, passes)?;
        let f32 = ElementType::F32;
        let mut logits = self.zeros(f32, shape.output_len())?;
        let mut mean = self.zeros(f32, shape.output_len())?;
        let (mut entropy, mut information) =
            (self.zeros(f32, shape.batch())?, self.zeros(f32, shape.batch())?);
        for pass in 0..passes {
            let mask = call.mask.pass(pass);
            self.submit(vec![call.forward(&mask, &mut logits).into()])?;
            let (mean, entropy, information) = (&mut mean, &mut entropy, &mut information);
            let predictive =
                PredictivePass { shape, pass, passes, logits: &logits, mean, entropy, information };
            self.submit(vec![predictive.into()])?;
        }
        let (mean, entropy) = (self.copy_out(&mean, f32).await?, self.copy_out(&entropy, f32).await?);
        Ok(Predictive { mean, entropy, mutual_information: self.copy_out(&information, f32).await? })
    }
}

/// The call on tensors where it is computed.
fn on_device<'c, 'm>(
    call: &MonteCarlo<'c, &[f32], ()>,
    x: &'m Memory<'m>,
    weight: &'m Memory<'m>,
    bias: &'m Memory<'m>,
) -> MonteCarlo<'c, &'m Memory<'m>, ()> {
    let MonteCarlo { shape, mask, passes, .. } = *call;
    MonteCarlo { shape, mask, passes, x, weight, bias: call.bias.map(|_| bias), mean: (), variance: () }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => adapter::describe(gpu.info(), f),
            Self::Cpu => write!(f, "CPU backend, {} threads", cpu::thread_count()),
        }
    }
}
