//! What a host may choose about the kernels.

use std::sync::Arc;

use crate::gpu::tuning::{Multiply, Tuning};

/// Choices that a host may make for [`Kernels::new`](crate::gpu::Kernels::new). The default leaves all of them to the
/// library.
#[derive(Clone, Debug, Default)]
pub struct KernelOptions {
    /// Kernel shapes; by default [`Tuning::for_adapter`]. [`Tuning::measured`] finds the fastest.
    pub tuning: Option<Tuning>,
    /// How Philox multiplies; by default [`Multiply::Wide`] where the device has `SHADER_INT64`.
    pub multiply: Option<Multiply>,
    /// A pipeline cache to compile with.
    pub cache: Option<wgpu::PipelineCache>,
    /// Compile with wgpu's bounds and loop checks. They cost 1.5 to 2 times and are for finding faults:
    /// every index is checked on the host already.
    pub checked: bool,
    /// What makes shader modules of the kernels' WGSL; by default wgpu. [`Gpu`](crate::gpu::Gpu) opens its device with
    /// wgpu's feature `PASSTHROUGH_SHADERS` then, where the adapter has it.
    pub modules: Option<ModuleMaker>,
}

/// Makes shader modules of the library's WGSL in place of wgpu: for hosts with a compiler of their own.
///
/// wgpu takes what another compiler made by `Device::create_shader_module_passthrough`, on devices with the feature
/// `PASSTHROUGH_SHADERS`. `dropconnect verify --compiler` is a host of this kind.
#[derive(Clone)]
pub struct ModuleMaker(pub(super) Arc<Make>);

type Make = dyn Fn(&wgpu::Device, &str, &str) -> Result<wgpu::ShaderModule, String> + Send + Sync;

impl ModuleMaker {
    /// Calls `make` once for every kernel that is needed, with the device, the kernel's name and its WGSL, which has
    /// one entry point, `main`. What it returns has to compute the same; what it cannot make is
    /// [`Error::Module`](crate::Error::Module).
    pub fn new(
        make: impl Fn(&wgpu::Device, &str, &str) -> Result<wgpu::ShaderModule, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }
}

impl std::fmt::Debug for ModuleMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModuleMaker")
    }
}
