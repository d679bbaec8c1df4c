//! What wgpu makes of a kernel for its drivers.
//!
//! The kernels are made without checks (`src/gpu/run/pipeline.rs`): neither indices nor loops are bounded, and
//! workgroup memory is not zeroed. Those would be a third of the text, and take Microsoft's FXC twenty times as long.

use naga::back::{glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::ModuleInfo;
use naga::{Module, ShaderStage};

const POLICIES: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// For Vulkan.
///
/// # Errors
/// What SPIR-V cannot express, for people; so below.
pub fn to_spirv(module: &Module, info: &ModuleInfo) -> Result<Vec<u32>, String> {
    let options = spv::Options {
        bounds_check_policies: POLICIES,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).map_err(|error| error.to_string())
}

/// For Metal.
///
/// # Errors
/// As [`to_spirv`].
pub fn to_msl(module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = msl::Options {
        lang_version: (2, 4),
        bounds_check_policies: POLICIES,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let written = msl::write_string(module, info, &options, &Default::default());
    written.map(|(text, _)| text).map_err(|error| error.to_string())
}

/// For Direct3D 12: of FXC wgpu asks for 5.1, of DXC at least 6.0. FXC has no 64-bit integers.
///
/// # Errors
/// As [`to_spirv`].
pub fn to_hlsl(
    shader_model: hlsl::ShaderModel,
    module: &Module,
    info: &ModuleInfo,
) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model,
        restrict_indexing: false,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let pipeline = hlsl::PipelineOptions { entry_point: None };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

/// For OpenGL and OpenGL ES.
///
/// # Errors
/// As [`to_spirv`].
pub fn to_glsl(version: glsl::Version, module: &Module, info: &ModuleInfo) -> Result<String, String> {
    let options = glsl::Options { version, zero_initialize_workgroup_memory: false, ..Default::default() };
    let pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: "main".to_owned(),
        multiview: None,
    };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &pipeline, POLICIES)
        .and_then(|mut writer| writer.write())
        .map_err(|error| error.to_string())?;
    Ok(text)
}
