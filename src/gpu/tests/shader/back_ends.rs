//! The languages that kernels are translated to.

use dropconnect_testing::translate::{to_glsl, to_hlsl, to_msl, to_spirv};
use naga::back::hlsl::ShaderModel;
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo};

/// What a back end makes of a module.
type Translate = fn(&naga::Module, &ModuleInfo) -> Result<Vec<u8>, String>;

/// A language.
pub(super) struct BackEnd {
    pub name: &'static str,
    /// The ending of a file of it.
    pub file: &'static str,
    /// What it can express.
    pub can: fn() -> Capabilities,
    /// Whether it has 64-bit integers, and wgpu offers `SHADER_INT64` there: FXC has none, nor have OpenGL ES and
    /// OpenGL without an extension.
    pub has_int64: bool,
    pub translate: Translate,
    /// What a compute shader in it must contain.
    pub entry: &'static [u8],
}

pub(super) const BACK_ENDS: [BackEnd; 6] = [
    BackEnd {
        name: "SPIR-V",
        file: "spv",
        can: spv::supported_capabilities,
        has_int64: true,
        translate: |module, info| {
            to_spirv(module, info).map(|words| words.into_iter().flat_map(u32::to_le_bytes).collect())
        },
        entry: &[0x03, 0x02, 0x23, 0x07],
    },
    BackEnd {
        name: "MSL",
        file: "metal",
        can: msl::supported_capabilities,
        has_int64: true,
        translate: |module, info| to_msl(module, info).map(String::into_bytes),
        entry: b"kernel void main_(",
    },
    BackEnd {
        name: "HLSL 5.1",
        file: "51.hlsl",
        can: hlsl::supported_capabilities,
        has_int64: false,
        translate: |module, info| to_hlsl(ShaderModel::V5_1, module, info).map(String::into_bytes),
        entry: b"[numthreads(",
    },
    BackEnd {
        name: "HLSL 6.0",
        file: "60.hlsl",
        can: hlsl::supported_capabilities,
        has_int64: true,
        translate: |module, info| to_hlsl(ShaderModel::V6_0, module, info).map(String::into_bytes),
        entry: b"[numthreads(",
    },
    BackEnd {
        name: "GLSL ES 3.1",
        file: "es.comp",
        can: glsl::supported_capabilities,
        has_int64: false,
        translate: |module, info| to_glsl(glsl::Version::new_gles(310), module, info).map(String::into_bytes),
        entry: b"local_size_x",
    },
    BackEnd {
        name: "GLSL 4.3",
        file: "gl.comp",
        can: glsl::supported_capabilities,
        has_int64: false,
        translate: |module, info| to_glsl(glsl::Version::Desktop(430), module, info).map(String::into_bytes),
        entry: b"local_size_x",
    },
];
