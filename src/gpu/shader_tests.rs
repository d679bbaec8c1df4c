//! Every shader that can be asked for, without an adapter: rendered, validated and translated to the
//! languages of all back ends; its parameters laid out as Rust lays them out; its twin on the CPU.

use std::collections::HashSet;
use std::path::Path;

use naga::back::{glsl, hlsl, msl, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use rayon::prelude::*;

use super::expanded_tests::untidy;
use super::params::Params;
use super::shader::{Pass, Planes, Shared, Variant};
use super::tuning::{Apply, Multiply, Tile};
use super::{BIAS_TILE, FLAT_TILE};
use crate::mask::Rounds;
use crate::{Activation, ElementType};

pub(super) const PASSES: [Pass; 12] = [
    Pass::Forward,
    Pass::InputGradient,
    Pass::WeightGradient,
    Pass::Gradients,
    Pass::BiasGradient,
    Pass::Mask,
    Pass::Moments,
    Pass::Activation,
    Pass::MonteCarlo,
    Pass::Predictive,
    Pass::Round,
    Pass::Update,
];
const BOOL: [bool; 2] = [false, true];

/// The tiles of a pass: what GPUs get, what software adapters get, and one of several columns and rows.
fn tiles(pass: Pass) -> Vec<Tile> {
    let tile = |rows, columns, workgroup| Tile { rows, columns, workgroup };
    match pass {
        Pass::Forward => vec![tile(1, 1, [8, 4]), tile(4, 4, [16, 1]), tile(2, 1, [8, 4])],
        Pass::InputGradient => vec![tile(1, 1, [8, 4]), tile(8, 2, [16, 1]), tile(2, 1, [8, 8])],
        Pass::WeightGradient => vec![tile(1, 1, [8, 4]), tile(8, 2, [16, 1]), tile(2, 2, [8, 8])],
        Pass::Gradients => vec![tile(1, 1, [1, 32]), tile(8, 2, [4, 4]), tile(2, 2, [8, 1])],
        Pass::BiasGradient => vec![BIAS_TILE],
        Pass::Mask | Pass::Activation | Pass::Round | Pass::Update => vec![FLAT_TILE],
        Pass::Predictive => vec![FLAT_TILE, tile(1, 1, [8, 1]), tile(1, 1, [256, 1])],
        Pass::Moments => vec![tile(2, 1, [8, 4]), tile(2, 2, [16, 1])],
        Pass::MonteCarlo => vec![tile(2, 1, [8, 4]), tile(4, 4, [16, 1])],
    }
}

/// Whether a pass reads f32 whatever the call's element type, and whether it writes f32.
fn takes_f32(pass: Pass) -> bool {
    matches!(pass, Pass::Round | Pass::Update | Pass::Activation)
}

fn gives_f32(pass: Pass) -> bool {
    matches!(pass, Pass::Moments | Pass::MonteCarlo | Pass::Update | Pass::Activation | Pass::Predictive)
}

/// Whether sums may go through scratch memory.
fn contracts(pass: Pass) -> bool {
    matches!(pass, Pass::Forward | Pass::InputGradient | Pass::WeightGradient | Pass::BiasGradient)
}

/// All variants of a pass with a tile, less those whose text is the same as another's.
fn variants(pass: Pass, tile: Tile) -> Vec<Variant> {
    let mut all = Vec::new();
    let planes = [
        (Planes::None, Rounds::Ten),
        (Planes::One, Rounds::Seven),
        (Planes::One, Rounds::Ten),
        (Planes::Few, Rounds::Ten),
        (Planes::Many, Rounds::Seven),
        (Planes::Many, Rounds::Ten),
    ];
    for (element, (planes, rounds)) in
        ElementType::ALL.into_iter().flat_map(|element| planes.map(|choice| (element, choice)))
    {
        for (vector, read_write) in BOOL.into_iter().flat_map(|vector| BOOL.map(|rw| (vector, rw))) {
            for (apply, multiply) in [Apply::Select, Apply::And]
                .into_iter()
                .flat_map(|apply| [Multiply::Wide, Multiply::Split].map(|multiply| (apply, multiply)))
            {
                for (bias, rolled) in BOOL.into_iter().flat_map(|bias| BOOL.map(|rolled| (bias, rolled))) {
                    all.push(Variant {
                        pass,
                        element: if takes_f32(pass) { ElementType::F32 } else { element },
                        result: if gives_f32(pass) { ElementType::F32 } else { element },
                        planes,
                        rounds,
                        // The mask of a bias is one byte a row.
                        vector: vector && !(pass == Pass::Mask && bias),
                        read_write,
                        bias,
                        tile,
                        split: 1,
                        apply,
                        multiply,
                        rolled,
                        sharing: Shared::Each,
                        activation: (Activation::Relu, true),
                    });
                }
            }
        }
    }
    // Shared masks change how a word is found, which has nothing to do with element types or rounds.
    let shared: Vec<_> = all
        .iter()
        .filter(|one| one.element == ElementType::F32 && one.rounds == Rounds::Ten)
        .filter(|one| one.planes != Planes::None)
        .flat_map(|one| [Shared::Rows, Shared::Tile].map(|sharing| Variant { sharing, ..*one }))
        .filter(|one| {
            one.sharing == Shared::Rows
                || matches!(
                    pass,
                    Pass::Forward | Pass::InputGradient | Pass::WeightGradient | Pass::MonteCarlo
                )
        })
        .collect();
    all.extend(shared);
    // Sums of 16-bit operands on their way through scratch memory, and Y that is f32.
    let wide: Vec<_> = all
        .iter()
        .filter(|one| one.element != ElementType::F32 && one.planes != Planes::None && contracts(pass))
        // Which has nothing to do with how masks are drawn.
        .filter(|one| one.rounds == Rounds::Ten && one.apply == Apply::And && one.multiply == Multiply::Split)
        .map(|one| Variant { result: ElementType::F32, ..*one })
        .collect();
    all.extend(wide);
    // Threads that share an example.
    if pass == Pass::Predictive {
        all.iter_mut().for_each(|one| one.split = if tile == FLAT_TILE { 1 } else { tile.workgroup[0] });
    }
    // Both gradients are one pass only where there are masks, each example's own.
    if pass == Pass::Gradients {
        all.retain(|one| one.planes != Planes::None && one.sharing == Shared::Each);
    }
    // Threads that share a tile.
    if matches!(pass, Pass::Forward | Pass::InputGradient | Pass::WeightGradient | Pass::Gradients) {
        let split: Vec<_> = all.iter().map(|one| Variant { split: 4, ..*one }).collect();
        all.extend(split);
    }
    if pass == Pass::Activation {
        let sampled = [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh];
        let more: Vec<_> = all
            .iter()
            .flat_map(|one| sampled.map(|activation| Variant { activation: (activation, false), ..*one }))
            .chain(all.iter().map(|one| Variant { activation: (Activation::Identity, true), ..*one }))
            .collect();
        all.extend(more);
    }
    // Element types and access change declarations only: wide tiles, slow to translate, go without.
    if tile != tiles(pass)[0] {
        all.retain(|one| one.element == ElementType::F32 && !one.read_write);
    }
    let mut seen = HashSet::new();
    all.retain(|variant| seen.insert(variant.source()));
    all
}

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

fn validate(module: &naga::Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .map_err(|error| format!("{:?}", error.into_inner()))
}

/// What a back end makes of a module. Bounds are not checked, as in use.
type Translate = fn(&naga::Module, &ModuleInfo) -> Result<String, String>;

const POLICIES: naga::proc::BoundsCheckPolicies = naga::proc::BoundsCheckPolicies {
    index: naga::proc::BoundsCheckPolicy::Unchecked,
    buffer: naga::proc::BoundsCheckPolicy::Unchecked,
    image_load: naga::proc::BoundsCheckPolicy::Unchecked,
    binding_array: naga::proc::BoundsCheckPolicy::Unchecked,
};

fn to_spirv(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = spv::Options { bounds_check_policies: POLICIES, ..Default::default() };
    let words = spv::write_vec(module, info, &options, None).map_err(|error| error.to_string())?;
    Ok(if words.first() == Some(&0x0723_0203) { "OpEntryPoint".to_owned() } else { String::new() })
}

fn to_msl(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options =
        msl::Options { lang_version: (2, 4), bounds_check_policies: POLICIES, ..Default::default() };
    let (text, _) =
        msl::write_string(module, info, &options, &Default::default()).map_err(|error| error.to_string())?;
    Ok(text)
}

fn to_hlsl(module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions { entry_point: None });
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

fn to_glsl(version: glsl::Version, module: &naga::Module, info: &ModuleInfo) -> Result<String, String> {
    let options = glsl::Options { version, ..Default::default() };
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
type BackEnd = (&'static str, fn() -> Capabilities, Translate, &'static str);

const BACK_ENDS: [BackEnd; 5] = [
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

/// Parses, validates and translates. The number of translations.
fn check(variant: &Variant) -> Result<usize, String> {
    let source = variant.source();
    let module = parse(&source);
    if let Some(fault) = untidy(&source) {
        return Err(fault);
    }
    let draws = match variant.pass {
        Pass::Moments | Pass::Predictive | Pass::Round | Pass::Update => false,
        Pass::Activation => !variant.activation.1,
        _ => variant.planes != Planes::None,
    };
    let int64 = variant.multiply == Multiply::Wide && draws;
    // Part of WebGPU: conversion to and from f16 words, not arithmetic.
    let base = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let needs = if int64 { base | Capabilities::SHADER_INT64 } else { base };
    let info = validate(&module, needs)?;
    // 64-bit integers are used where they are asked for, and only there.
    if int64 && validate(&module, base).is_ok() {
        return Err("has no 64-bit product".to_owned());
    }
    let mut translations = 0;
    for (name, can, translate, entry) in BACK_ENDS {
        if !can().contains(needs) {
            return Err(format!("{name} cannot express {needs:?}"));
        }
        // OpenGL ES and OpenGL have no 64-bit integers without an extension, and wgpu never offers
        // `SHADER_INT64` there.
        if int64 && name.starts_with("GLSL") {
            continue;
        }
        let text = translate(&module, &info).map_err(|error| format!("{name}: {error}"))?;
        if !text.contains(entry) {
            return Err(format!("{name} without `{entry}`:\n{text}"));
        }
        translations += 1;
    }
    Ok(translations)
}

#[test]
fn every_variant_translates_to_every_back_end() {
    let variants: Vec<_> = PASSES
        .into_iter()
        .flat_map(|pass| tiles(pass).into_iter().map(move |tile| (pass, tile)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .flat_map(|(pass, tile)| variants(pass, tile))
        .collect();
    let translations: usize = variants
        .par_iter()
        .map(|variant| check(variant).unwrap_or_else(|error| panic!("{variant:?}: {error}")))
        .sum();
    eprintln!("{} variants, {translations} translations", variants.len());
}

/// The test above, shown to fail: on text that does not parse, is not valid, or cannot be translated.
#[test]
fn the_check_finds_bad_shaders() {
    let wrong_type = "@compute @workgroup_size(1) fn main() { let a: u32 = 1.0; }";
    assert!(naga::front::wgsl::parse_str(wrong_type).is_err());
    let invalid = parse("@compute @workgroup_size(0) fn main() {}");
    assert!(validate(&invalid, Capabilities::all()).is_err());
    let wide = parse(
        "@group(0) @binding(0) var<storage, read_write> a: array<u32>;
         @compute @workgroup_size(1) fn main() { a[0] = u32((u64(a[0]) * u64(a[1])) >> 32u); }",
    );
    assert!(validate(&wide, Capabilities::empty()).is_err());
    let info = validate(&wide, Capabilities::SHADER_INT64).unwrap();
    assert!(to_spirv(&wide, &info).is_ok());
    assert!(to_glsl(glsl::Version::new_gles(100), &wide, &info).is_err());
}

/// Browsers refuse a decimal literal past float32's range, be it the largest number with a digit too few, and some
/// drivers make 0 of one below the normal numbers.
#[test]
fn literals_are_normal_numbers_of_float32() {
    let bad = |source: &str| -> Option<f64> {
        let part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        let words = source.replace("e-", "e~").replace("e+", "e");
        let numbers = words
            .split(|c| part(c) && c != '~')
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
        let values =
            numbers.filter_map(|word| word.trim_end_matches('f').replace('~', "-").parse::<f64>().ok());
        values.into_iter().find(|value| *value != 0.0 && !range.contains(value))
    };
    assert_eq!(bad("var least = -3.4028235e38;"), Some(3.4028235e38));
    assert_eq!(bad("max(p, 1e-38) + 1.0e-3 * 0x7f800000u + 12u"), Some(1e-38));
    for pass in PASSES {
        for variant in tiles(pass).into_iter().flat_map(|tile| variants(pass, tile).into_iter().take(40)) {
            assert_eq!(bad(&variant.source()), None, "{variant:?}");
        }
    }
}

#[test]
fn params_are_laid_out_as_in_rust() {
    macro_rules! fields {
        ($($field:ident)*) => {
            [$((stringify!($field), std::mem::offset_of!(Params, $field) as u32)),*]
        };
    }
    let rust = fields! {
        round_keys examples outputs inputs threshold example_block output_block input_block bits
        example_shift output_shift input_shift scale base input_stride output_stride accumulate masked_bias
        group passes first_pass accumulate_weight
    };
    for pass in PASSES {
        let module = parse(&variants(pass, tiles(pass)[0])[0].source());
        let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")).unwrap();
        let naga::TypeInner::Struct { members, span } = &params.inner else { panic!("{params:?}") };
        let wgsl: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset)).collect();
        assert_eq!(wgsl, rust);
        assert_eq!(*span as usize, size_of::<Params>());
    }
}

#[test]
fn bindings_are_parameters_operands_and_results_in_order() {
    for pass in PASSES {
        for variant in variants(pass, tiles(pass)[0]) {
            let module = parse(&variant.source());
            let bound: Vec<_> = module
                .global_variables
                .iter()
                .filter_map(|(_, variable)| {
                    variable.binding.map(|b| (b.group, b.binding, variable.name.as_deref(), variable.space))
                })
                .collect();
            let mut bound = bound;
            bound.sort_by_key(|&(_, binding, ..)| binding);
            let read_only = pass.read_only(variant.bias);
            assert_eq!(bound.len(), read_only.len() + 1, "{variant:?}");
            for (index, &(group, binding, name, space)) in bound.iter().enumerate() {
                assert_eq!((group, binding as usize), (0, index), "{variant:?}");
                let writes = space
                    == naga::AddressSpace::Storage {
                        access: naga::StorageAccess::LOAD | naga::StorageAccess::STORE,
                    };
                match index {
                    0 => assert_eq!((name, space), (Some("params"), naga::AddressSpace::Uniform)),
                    _ => {
                        let expected = variant.read_write || !read_only[index - 1];
                        assert_eq!(writes, expected, "{name:?} of {variant:?}");
                    }
                }
            }
        }
    }
}

/// Shaders that say nothing of their own: ways to say `if keep { sum += a * b }` that compile well. The twins of the
/// passes just add.
const WITHOUT_A_TWIN: [&str; 1] = ["apply"];

/// The Rust file that says the same as each other shader, for people and tests to compare.
fn twin(stem: &str) -> Option<&'static str> {
    Some(match stem {
        "philox" => "src/mask/philox.rs",
        "brick" | "tile" => "src/mask/brick.rs",
        "params" => "src/gpu/params.rs",
        "elements" => "src/element.rs",
        "elementary" => "src/reference/activation.rs",
        "forward" => "src/reference/forward.rs",
        "input_gradient" => "src/reference/input_gradient.rs",
        "weight_gradient" => "src/reference/weight_gradient.rs",
        "gradients" => "src/reference/input_gradient.rs",
        "bias_gradient" => "src/reference/bias_gradient.rs",
        "mask" => "src/reference/mask.rs",
        "forward_tile" => "src/reference/forward.rs",
        "moments" => "src/reference/moments.rs",
        "activation" => "src/reference/activation.rs",
        "monte_carlo" => "src/reference/monte_carlo.rs",
        "predictive" => "src/reference/predictive.rs",
        "running_moments" | "update" => "src/reference/monte_carlo.rs",
        "round" => "src/element.rs",
        _ => return None,
    })
}

#[test]
fn every_shader_has_a_twin_on_the_cpu() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shaders = 0;
    for file in std::fs::read_dir(root.join("shaders")).unwrap() {
        let path = file.unwrap().path();
        if path == root.join("shaders/expanded") {
            // What the templates make: `expanded_tests.rs`.
            continue;
        }
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let shader = std::fs::read_to_string(&path).unwrap();
        shaders += 1;
        if WITHOUT_A_TWIN.contains(&stem) {
            assert!(!shader.contains("Twin") && !shader.contains("src/"), "shaders/{stem}.wgsl names a twin");
            continue;
        }
        let twin = twin(stem).unwrap_or_else(|| panic!("shaders/{stem}.wgsl has no twin in this table"));
        let rust = std::fs::read_to_string(root.join(twin)).unwrap_or_else(|e| panic!("{twin}: {e}"));
        // Each names the other.
        assert!(shader.contains(twin), "shaders/{stem}.wgsl does not name {twin}");
        assert!(rust.contains(&format!("shaders/{stem}.wgsl")), "{twin} does not name its shader");
    }
    assert_eq!(shaders, 21, "a shader of another name or number: extend the table of twins");
    assert_eq!(twin("no_such_shader"), None);
}
