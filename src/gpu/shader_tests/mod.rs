//! Every shader that can be asked for, without an adapter: rendered, validated and translated to the
//! languages of all back ends; its parameters laid out as Rust lays them out; its twin or its oracle.

mod back_ends;
mod counterparts;
mod variants;

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use dropconnect_testing::translate::{to_glsl, to_spirv};
use naga::back::glsl;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use rayon::prelude::*;

use super::expanded_tests::untidy;
use super::params::Params;
use super::pass::Pass;
use super::shader::{Planes, Variant};
use super::tuning::Multiply;
use back_ends::{BACK_ENDS, BackEnd};
use variants::variants;

pub(super) use variants::{PASSES, tiles};

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

fn validate(module: &naga::Module, capabilities: Capabilities) -> Result<ModuleInfo, String> {
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .map_err(|error| format!("{:?}", error.into_inner()))
}

/// Whether there is a choice between integers lane by lane: naga writes a `mix`, which desktop GLSL 4.3 has of numbers
/// alone.
fn chooses_integers(module: &naga::Module, info: &ModuleInfo) -> bool {
    let entries =
        (0..).zip(&module.entry_points).map(|(at, entry)| (info.get_entry_point(at), &entry.function));
    let functions =
        module.functions.iter().map(|(handle, function)| (&info[handle], function)).chain(entries);
    functions.flat_map(|(info, function)| function.expressions.iter().map(move |(_, one)| (info, one))).any(
        |(info, expression)| match *expression {
            naga::Expression::Select { condition, accept, .. } => {
                let inner =
                    |handle: naga::Handle<naga::Expression>| info[handle].ty.inner_with(&module.types);
                matches!(inner(condition), naga::TypeInner::Vector { .. })
                    && inner(accept).scalar_kind().is_some_and(|kind| kind != naga::ScalarKind::Float)
            }
            _ => false,
        },
    )
}

/// Whether a device with WebGPU's default limits may be asked for this: the planner makes no others there.
fn within_defaults(variant: &Variant) -> bool {
    let limits = crate::gpu::Kernels::required_limits();
    let [x, y] = variant.tile.workgroup;
    variant.shared_bytes() <= limits.max_compute_workgroup_storage_size
        && x * y * variant.split <= limits.max_compute_invocations_per_workgroup
}

/// Parses, validates and translates, and writes each translation into `folder`, if there is one. The number of them.
fn check(variant: &Variant, folder: Option<&Path>) -> Result<usize, String> {
    let folder = folder.filter(|_| within_defaults(variant));
    let source = variant.source();
    let module = parse(&source);
    if let Some(fault) = untidy(&source) {
        return Err(fault);
    }
    let draws = match variant.pass {
        Pass::Moments { .. } | Pass::Predictive { .. } | Pass::Round | Pass::Update => false,
        Pass::Activation(integral) => !integral.is_closed(),
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
    if chooses_integers(&module, &info) {
        return Err("chooses between integers lane by lane".to_owned());
    }
    let mut translations = 0;
    for BackEnd { name, file, can, has_int64, translate, entry } in BACK_ENDS {
        if !can().contains(needs) {
            return Err(format!("{name} cannot express {needs:?}"));
        }
        if int64 && !has_int64 {
            continue;
        }
        let text = translate(&module, &info).map_err(|error| format!("{name}: {error}"))?;
        if !text.windows(entry.len()).any(|part| part == entry) {
            return Err(format!("{name} without `{}`:\n{}", entry.escape_ascii(), text.escape_ascii()));
        }
        if let Some(folder) = folder {
            write(folder, variant, &source, file, &text)?;
        }
        translations += 1;
    }
    if let Some(folder) = folder {
        write(folder, variant, &source, "wgsl", source.as_bytes())?;
    }
    Ok(translations)
}

/// Writes a file that is named by the pass and the text of the variant.
fn write(
    folder: &Path,
    variant: &Variant,
    source: &str,
    ending: &str,
    contents: &[u8],
) -> Result<(), String> {
    let mut hasher = std::hash::DefaultHasher::new();
    source.hash(&mut hasher);
    let pass = variant.pass.label().rsplit('.').next().unwrap_or_default();
    let file = folder.join(format!("{pass}-{:016x}.{ending}", hasher.finish()));
    std::fs::write(&file, contents).map_err(|error| format!("{}: {error}", file.display()))
}

#[test]
fn every_variant_translates_to_every_back_end() {
    let variants: Vec<_> = PASSES
        .iter()
        .flat_map(|&pass| tiles(pass).into_iter().map(move |tile| (pass, tile)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .flat_map(|(pass, tile)| variants(pass, tile))
        .collect();
    // For the languages' own compilers: `scripts/test-portability.sh translators`.
    let folder = std::env::var_os("DROPCONNECT_TRANSLATIONS").map(PathBuf::from);
    let translations: usize = variants
        .par_iter()
        .map(|variant| {
            check(variant, folder.as_deref()).unwrap_or_else(|error| panic!("{variant:?}: {error}"))
        })
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
    let chooses = |number: &str| {
        let body =
            format!("a[0] = select(vec4<{number}>(), a[0], vec4(true, false, a[0].xy > vec2<{number}>()));");
        let module = parse(&format!(
            "@group(0) @binding(0) var<storage, read_write> a: array<vec4<{number}>>;
             @compute @workgroup_size(1) fn main() {{ {body} }}"
        ));
        let info = validate(&module, Capabilities::empty()).unwrap();
        chooses_integers(&module, &info)
    };
    assert!(chooses("u32") && chooses("i32") && !chooses("f32"));
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
    for &pass in PASSES {
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
        examples outputs inputs threshold example_block output_block input_block bits
        example_shift output_shift input_shift scale base zeros input_stride output_stride accumulate masked_bias
        group passes first_pass accumulate_weight all_ones round_keys
    };
    for &pass in PASSES {
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
    for &pass in PASSES {
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
            let read_only = pass.read_only();
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
