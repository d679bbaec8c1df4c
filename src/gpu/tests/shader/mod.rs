//! Every shader that can be asked for, without an adapter: rendered, validated and translated to the
//! languages of all back ends; its parameters laid out as Rust lays them out; the Rust file that it mirrors.

mod back_ends;
mod counterparts;
mod variants;

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use dropconnect_testing::full;
use dropconnect_testing::translate::{to_glsl, to_spirv};
use naga::back::glsl;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use rayon::prelude::*;

use super::expanded::untidy;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{Planes, Variant};
use crate::gpu::tuning::Multiply;
use back_ends::{BACK_ENDS, BackEnd};

pub(super) use variants::{PASSES, SAMPLE, tiles};
use variants::{kernels, variants};

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
        (0..).zip(&module.entry_points).map(|(index, entry)| (info.get_entry_point(index), &entry.function));
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
        && x * y * variant.split_k <= limits.max_compute_invocations_per_workgroup
}

/// Browsers refuse a decimal literal past float32's range, be it the largest number with a digit too few, and some
/// drivers make 0 of one below the normal numbers. The first such literal of a text.
fn odd_literal(source: &str) -> Option<f64> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    let words = source.replace("e-", "e~").replace("e+", "e");
    let numbers =
        words.split(|c| part(c) && c != '~').filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
    let mut values =
        numbers.filter_map(|word| word.trim_end_matches('f').replace('~', "-").parse::<f64>().ok());
    values.find(|value| *value != 0.0 && !range.contains(value))
}

/// The fields of the parameters and their bytes, as Rust lays them out.
fn params_in_rust() -> Vec<(&'static str, u32)> {
    macro_rules! fields {
        ($($field:ident)*) => {
            vec![$((stringify!($field), std::mem::offset_of!(Params, $field) as u32)),*]
        };
    }
    fields! {
        examples outputs inputs threshold example_block output_block input_block bits
        example_shift output_shift input_shift scale base zeros input_stride output_stride accumulate masked_bias
        mask_group samples first_sample all_ones round_keys
    }
}

/// Whether the parameters are laid out as in Rust.
fn check_params(module: &naga::Module, fields: &[(&str, u32)]) -> Result<(), String> {
    let params = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params"));
    let Some(naga::TypeInner::Struct { members, span }) = params.map(|(_, params)| &params.inner) else {
        return Err("has no parameters".to_owned());
    };
    let wgsl: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap_or_default(), m.offset)).collect();
    if wgsl != fields || *span as usize != size_of::<Params>() {
        return Err(format!("has parameters {wgsl:?} in {span} bytes, and Rust {fields:?}"));
    }
    Ok(())
}

/// Whether the bindings are the parameters, then operands and results in their order, with the access they need.
fn check_bindings(module: &naga::Module, read_only: &[bool], read_write: bool) -> Result<(), String> {
    let bound =
        module.global_variables.iter().filter_map(|(_, variable)| Some((variable.binding?, variable)));
    let mut bound: Vec<_> = bound.collect();
    bound.sort_by_key(|(binding, _)| binding.binding);
    if bound.len() != read_only.len() + 1 {
        return Err(format!("has {} bindings, not {}", bound.len(), read_only.len() + 1));
    }
    for (index, (resource, variable)) in bound.iter().enumerate() {
        let access = |writes: bool| naga::AddressSpace::Storage {
            access: if writes {
                naga::StorageAccess::LOAD | naga::StorageAccess::STORE
            } else {
                naga::StorageAccess::LOAD
            },
        };
        let good = match index {
            0 => variable.name.as_deref() == Some("params") && variable.space == naga::AddressSpace::Uniform,
            _ => variable.space == access(read_write || !read_only[index - 1]),
        };
        if !good || (resource.group, resource.binding as usize) != (0, index) {
            let (name, space) = (&variable.name, variable.space);
            return Err(format!("binds {name:?} at {}, {}, as {space:?}", resource.group, resource.binding));
        }
    }
    Ok(())
}

/// Parses, validates and translates the text of a variant, and writes each translation into `folder`, if there is one.
/// The number of them.
fn check(variant: &Variant, source: &str, folder: Option<&Path>) -> Result<usize, String> {
    let folder = folder.filter(|_| within_defaults(variant));
    let module = parse(source);
    if let Some(fault) = untidy(source) {
        return Err(fault);
    }
    if let Some(value) = odd_literal(source) {
        return Err(format!("has the literal {value}, which is no normal number of float32"));
    }
    check_params(&module, &params_in_rust())?;
    check_bindings(&module, &variant.pass.read_only(), variant.read_write)?;
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
            write(folder, variant, source, file, &text)?;
        }
        translations += 1;
    }
    if let Some(folder) = folder {
        write(folder, variant, source, "wgsl", source.as_bytes())?;
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

/// And is tidy, has bindings in order and literals that every compiler takes: one loop, for rendering and parsing the
/// variants is most of the work.
#[test]
fn every_variant_translates_to_every_back_end() {
    // For the languages' own compilers: `scripts/test-portability.sh translators`.
    let folder = std::env::var_os("DROPCONNECT_TRANSLATIONS").map(PathBuf::from);
    let translate = |variants: &[(Variant, String)]| {
        let translations: usize = variants
            .par_iter()
            .map(|(variant, source)| {
                check(variant, source, folder.as_deref())
                    .unwrap_or_else(|error| panic!("{variant:?}: {error}"))
            })
            .sum();
        [variants.len(), translations]
    };
    // All are too many to be kept: one kernel's at a time.
    let counts: Vec<_> = if full() {
        kernels().map(|(pass, tile)| translate(&variants(pass, tile, true))).collect()
    } else {
        SAMPLE.iter().map(|(_, _, variants)| translate(variants)).collect()
    };
    let [variants, translations] =
        counts.into_iter().fold([0, 0], |[v, t], [variants, more]| [v + variants, t + more]);
    eprintln!("{variants} variants, {translations} translations");
}

/// The test above, shown to fail: on text that does not parse, is not valid, cannot be translated, has literals that
/// some compiler refuses, or bindings out of order.
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

    assert_eq!(odd_literal("var least = -3.4028235e38;"), Some(3.4028235e38));
    assert_eq!(odd_literal("max(p, 1e-38) + 1.0e-3 * 0x7f800000u + 12u"), Some(1e-38));

    let fields = params_in_rust();
    for text in ["struct Params { inputs: u32, outputs: u32 }", "struct Other { inputs: u32 }"] {
        assert!(check_params(&parse(text), &fields).is_err(), "{text}");
    }

    let bound = |declarations: &str| parse(&format!("struct Params {{ a: u32 }} {declarations}"));
    let params = "@group(0) @binding(0) var<uniform> params: Params;";
    let read = "var<storage, read> x: array<u32>;";
    let write = "var<storage, read_write> y: array<u32>;";
    let both = [true, false];
    let good = format!("{params} @group(0) @binding(1) {read} @group(0) @binding(2) {write}");
    assert_eq!(check_bindings(&bound(&good), &both, false), Ok(()));
    assert!(check_bindings(&bound(&good), &both, true).is_err());
    for bad in [
        format!("{params} @group(0) @binding(1) {read}"),
        format!("{params} @group(0) @binding(1) {read} @group(0) @binding(3) {write}"),
        format!("{params} @group(0) @binding(2) {read} @group(0) @binding(1) {write}"),
        format!("{params} @group(1) @binding(1) {read} @group(0) @binding(2) {write}"),
        good.replace("params:", "other:"),
    ] {
        assert!(check_bindings(&bound(&bad), &both, false).is_err(), "{bad}");
    }
}
