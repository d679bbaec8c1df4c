//! What the page computes: masks, a layer's passes against float64, times, the checks of `verify`, and a small network
//! that learns. All of it is the library; here it is put into calls that JavaScript can await.

#![cfg(target_arch = "wasm32")]

mod inputs;
mod learn;
mod moons;
mod times;

use dropconnect::gpu::{AdapterChoice, KernelOptions};
use dropconnect::{Device, ElementType};
use dropconnect_testing::verify::{LEFT_OUT, Subject};
use dropconnect_testing::{
    Case, Data, MaskBits, SINGLE, Target, differences, mask_bits_async, relative_error,
};
use js_sys::Function;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use inputs::{Layer, js};

type Answer<T> = Result<T, JsError>;

/// A device of this page: the browser's adapter, or the CPU backend.
#[wasm_bindgen]
pub struct Lab {
    device: Device,
}

#[wasm_bindgen]
impl Lab {
    /// The browser's adapter.
    ///
    /// # Errors
    /// Where it gives none.
    pub async fn gpu() -> Answer<Self> {
        Ok(Self { device: Device::gpu_async(&AdapterChoice::default()).await? })
    }

    /// The CPU backend, with `simd128`, on one thread.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu }
    }

    /// The device, in words.
    pub fn name(&self) -> String {
        self.device.to_string()
    }

    /// Whether this is an adapter that has no hardware of its own.
    pub fn software(&self) -> bool {
        let of = |gpu: &dropconnect::gpu::Gpu| gpu.info().device_type == dropconnect::wgpu::DeviceType::Cpu;
        self.device.as_gpu().is_none_or(of)
    }

    /// Which connections are kept, a byte each, `[batch, outputs, inputs]`.
    ///
    /// # Errors
    /// Those of the library, and of the arguments.
    pub async fn mask(&self, layer: JsValue) -> Answer<Vec<u8>> {
        let layer: Layer = inputs::read(layer)?;
        Ok(self.device.mask(&layer.shape()?, &layer.mask()?).await?)
    }

    /// Every pass of a layer on this device, with random operands, against float64: its mask's differing bits, and
    /// the relative error of each result.
    ///
    /// # Errors
    /// Those of the library, and of the arguments.
    pub async fn compare(&self, layer: JsValue) -> Answer<JsValue> {
        #[derive(Serialize)]
        struct Compared {
            bits: usize,
            differing: f64,
            errors: Vec<(&'static str, f64)>,
        }
        let layer: Layer = inputs::read(layer)?;
        let (shape, mask) = (layer.shape()?, layer.mask()?);
        let got = self.device.mask(&shape, &mask).await?;
        let want = Device::Cpu.mask(&shape, &mask).wait()?;
        let call = Case::new(shape, Some(mask));
        let data = Data::random(&shape, ElementType::F32, layer.step);
        let mut errors = Vec::new();
        for pass in SINGLE {
            let results = self.target().run_async(&[pass], &call, &data).await?.results;
            for (got, want) in results.iter().zip(call.expected(pass, &data)?) {
                errors.push((pass.name(), relative_error(got, &want)));
            }
        }
        js(&Compared { bits: got.len(), differing: differences(&got, &want), errors })
    }

    /// Times of forward pass and gradients, with the mask and without, in milliseconds.
    ///
    /// # Errors
    /// Those of the library, and of the arguments.
    pub async fn times(&self, layer: JsValue) -> Answer<JsValue> {
        js(&times::of(&self.device, inputs::read(layer)?).await?)
    }

    /// The checks of `dropconnect verify --quick` on this device. `begins` is called with the name and the number of
    /// each, and with how many there are, and may return a promise, which is awaited; `ended` with what came of it.
    ///
    /// # Errors
    /// Those of the library, and of the calls.
    pub async fn verify(&self, begins: Function, ended: Function) -> Answer<()> {
        #[derive(Serialize)]
        struct Row {
            name: String,
            cases: u64,
            worst: String,
            bound: String,
            seconds: f64,
            failure: Option<String>,
        }
        let subject = Subject::new(&self.device, true, &KernelOptions::default())?;
        let mut plan = subject.plan();
        let names: Vec<String> = plan.names().map(str::to_owned).collect();
        for (at, name) in names.iter().enumerate() {
            let told = call(&begins, &[name.into(), at.into(), names.len().into()])?;
            // The page is drawn before the next kernel compiles.
            wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&told)).await.map_err(thrown)?;
            let Some(check) = plan.next().await else { break };
            let row = Row {
                cases: check.cases,
                worst: check.worst_text(),
                bound: check.bound_text(),
                seconds: check.seconds,
                failure: (!check.ok()).then(|| check.reason()),
                name: check.name,
            };
            call(&ended, &[js(&row)?])?;
        }
        Ok(())
    }

    /// Compares at least so many mask bits with plain code, and gives a digest of them, by which machines are compared.
    /// `progress` is called with the bits that are done.
    ///
    /// # Errors
    /// Those of the library, and of the call.
    pub async fn mask_bits(&self, least: f64, progress: Function) -> Answer<JsValue> {
        #[derive(Serialize)]
        struct Found {
            bits: u64,
            differing: u64,
            digest: String,
        }
        let told = |bits: u64| {
            // Whether the page shows it changes nothing.
            let _ = call(&progress, &[(bits as f64).into()]);
        };
        let MaskBits { bits, differing, digest } = mask_bits_async(self.target(), least as u64, told).await?;
        js(&Found { bits, differing, digest: format!("{digest:016x}") })
    }

    /// What those checks leave out.
    pub fn left_out() -> String {
        LEFT_OUT.to_owned()
    }

    fn target(&self) -> Target<'_> {
        match self.device.as_gpu() {
            Some(gpu) => Target::adapter(gpu),
            None => Target::Cpu(dropconnect::cpu::Backend::detect()),
        }
    }
}

/// Calls a function of the page's.
fn call(function: &Function, arguments: &[JsValue]) -> Answer<JsValue> {
    let list: js_sys::Array = arguments.iter().collect();
    function.apply(&JsValue::NULL, &list).map_err(thrown)
}

/// What JavaScript threw, as an error of ours.
fn thrown(value: JsValue) -> JsError {
    JsError::new(&format!("the page's own code failed: {value:?}"))
}
