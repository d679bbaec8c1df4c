//! The languages that kernels are translated to.

use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo};

/// What a back end makes of a module. Nothing is checked or zeroed, as in use.
pub(super) type Translate = fn(&naga::Module, &ModuleInfo) -> Result<String, String>;

const POLICIES: naga::proc::BoundsCheckPolicies = naga::proc::BoundsCheckPolicies {
    index: naga::proc::BoundsCheckPolicy::Unchecked,
    buffer: naga::proc::BoundsCheckPolicy::Unchecked,
    image_load: naga::proc::BoundsCheckPolicy::Unchecked,
    binding_array: naga::proc::BoundsCheckPolicy::Unchecked,
};

pub(super) fn to_spirv(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = spv::Options {
        bounds_check_policies: POLICIES,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    let words = spv::write_vec(module, info, &options, None).map_err(|error| error.to_string())?;
    Ok(if words.first() == Some(&0x0723_0203) { "OpEntryPoint".to_owned() } else { String::new() })
}

fn to_msl(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = msl::Options {
        lang_version: (2, 4),
        bounds_check_policies: POLICIES,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let (text, _) =
        msl::write_string(module, info, &options, &Default::default()).map_err(|error| error.to_string())?;
    Ok(text)
}

fn to_hlsl(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = hlsl::Options {
        shader_model: hlsl::ShaderModel::V6_0,
        restrict_indexing: false,
        force_loop_bounding: false,
        zero_initialize_workgroup_memory: false,
        ..Default::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions { entry_point: None });
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

pub(super) fn to_glsl(
    version: glsl::Version,
    module: &naga::Module,
    info: &ModuleInfo,
) -> Result<String, String> {
    let options = glsl::Options { version, zero_initialize_workgroup_memory: false, ..Default::default() };
    let pipeline = glsl::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".to_owned(),
        multiview: None,
    };
    let mut text = String::new();
    glsl::Writer::new(&mut text, module, info, &options, &pipeline, POLICIES)
        .and_then(|mut writer| writer.write())
        .map_err(|error| error.to_string())?;
    Ok(text)
}

/// Name, what it can express, the translation, and what a compute shader in it must contain.
pub(super) type BackEnd = (&'static str, fn() -> Capabilities, Translate, &'static str);

pub(super) const BACK_ENDS: [BackEnd; 5] = [
    ("SPIR-V", spv::supported_capabilities, to_spirv, "OpEntryPoint"),
    ("MSL", msl::supported_capabilities, to_msl, "kernel void main_("),
    ("HLSL", hlsl::supported_capabilities, to_hlsl, "[numthreads("),
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
