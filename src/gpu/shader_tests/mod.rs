//! Every shader that can be asked for, without an adapter: rendered, validated and translated to the
//! languages of all back ends; its parameters laid out as Rust lays them out; its twin or its oracle.

mod back_ends;
mod counterparts;
mod variants;

use dropconnect_testing::translate::{to_glsl, to_spirv};
use naga::back::glsl;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use rayon::prelude::*;

use super::expanded_tests::untidy;
use super::params::Params;
use super::pass::Pass;
use super::shader::{Planes, Variant};
use super::tuning::Multiply;
use back_ends::BACK_ENDS;
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

/// Parses, validates and translates. The number of translations.
fn check(variant: &Variant) -> Result<usize, String> {
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
        .iter()
        .flat_map(|&pass| tiles(pass).into_iter().map(move |tile| (pass, tile)))
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
