//! The languages that kernels are translated to.

use dropconnect_testing::translate::{to_glsl, to_hlsl, to_msl, to_spirv};
use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo};

/// What a back end makes of a module.
pub(super) type Translate = fn(&naga::Module, &ModuleInfo) -> Result<String, String>;

/// Name, what it can express, the translation, and what a compute shader in it must contain.
pub(super) type BackEnd = (&'static str, fn() -> Capabilities, Translate, &'static str);

pub(super) const BACK_ENDS: [BackEnd; 5] = [
    (
        "SPIR-V",
        spv::supported_capabilities,
        |module, info| to_spirv(module, info).map(|words| format!("{:#x}", words[0])),
        "0x7230203",
    ),
    ("MSL", msl::supported_capabilities, to_msl, "kernel void main_("),
    (
        "HLSL",
        hlsl::supported_capabilities,
        |module, info| to_hlsl(hlsl::ShaderModel::V6_0, module, info),
        "[numthreads(",
    ),
    (
        "GLSL ES 3.1",
        glsl::supported_capabilities,
        |module, info| to_glsl(glsl::Version::new_gles(310), module, info),
        "local_size_x",
    ),
    (
        "GLSL 4.3",
        glsl::supported_capabilities,
        |module, info| to_glsl(glsl::Version::Desktop(430), module, info),
        "local_size_x",
    ),
];
