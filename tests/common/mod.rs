//! What the tests share besides `dropconnect-testing`: the adapter of a test binary, kernels on it, and the harness
//! where nothing may fail.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test binary uses its own part")]

#[cfg(feature = "gpu")]
mod kernels;

use dropconnect::call::{Activate, MonteCarlo};
use dropconnect::{Activation, Device, ElementType, Error, Method, Moments, Predictive, Shape, cpu};

pub use dropconnect_testing::*;
#[cfg(feature = "gpu")]
pub use kernels::*;

/// Checks the variant and that the message says all of `parts`.
macro_rules! refused {
    ($result:expr, $pattern:pat, $parts:expr) => {{
        let error = $result.map(|_| ()).unwrap_err();
        assert!(matches!(error, $pattern), "{error:?}");
        let text = error.to_string();
        for part in $parts {
            assert!(text.contains(part), "`{text}` does not say `{part}`");
        }
    }};
}
pub(crate) use refused;

/// The CPU, and the adapter where there is one, as devices.
pub fn devices(test: &str) -> Vec<Device> {
    [Device::Cpu].into_iter().chain(adapter_device(test)).collect()
}

/// The adapter with small tiles, where there is one, and the CPU backend with each instruction set.
pub fn targets(test: &str) -> Vec<Target<'static>> {
    adapter_target(test).into_iter().chain(Target::cpus()).collect()
}

/// Builds without adapters run what is left of a test.
#[cfg(not(feature = "gpu"))]
fn adapter_device(_: &str) -> Option<Device> {
    None
}

#[cfg(not(feature = "gpu"))]
fn adapter_target(_: &str) -> Option<Target<'static>> {
    None
}

/// Runs all passes on a target. See [`Target::run_all`].
pub fn run_on(target: &Target, call: &Case, data: &Data) -> Results<f32> {
    let outcome = target.run_all(call, data);
    outcome.unwrap_or_else(|error| panic!("{} {call:?}: {error}", target.name())).0
}

/// Mean and variance of f(u) on the CPU, into slices.
pub fn activate(
    shape: &Shape,
    activation: Activation,
    method: Method,
    [u_mean, u_variance]: [&[f32]; 2],
    [mean, variance]: [&mut [f32]; 2],
) -> Result<(), Error> {
    let shape = *shape;
    cpu::run(Activate { shape, activation, method, u_mean, u_variance, mean, variance })
}

/// The same on a device.
pub fn activate_on(
    device: &Device,
    shape: Shape,
    activation: Activation,
    method: Method,
    u: &Moments,
) -> Result<Moments, Error> {
    let (u_mean, u_variance, mean, variance) = (&u.mean[..], &u.variance[..], (), ());
    let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
    device.run(ElementType::F32, call).wait()
}

/// What passes predict, on the CPU.
pub fn predict(call: MonteCarlo<'_, &[f32], ()>) -> Result<Predictive<f32>, Error> {
    Device::Cpu.predictive(ElementType::F32, call).wait()
}
