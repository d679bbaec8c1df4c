//! Kernels as drivers get them, in `shaders/expanded/`: some for people to read, and hashes of others, for a change of
//! a template to show what it changes.

use std::collections::HashMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::shader::{PASSES, SAMPLE, tiles};
use crate::gpu::shader::pass::{BIAS_TILE, FLAT_TILE, Integral, Pass};
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::gpu::tuning::{Multiply, NO_K_TILE, Tile, Tuning};
use crate::{Activation, ElementType};

/// What hardware of a vendor gets, 0x10de being NVIDIA.
pub(in crate::gpu) fn hardware(vendor: u32) -> Tuning {
    let mut info = wgpu::AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
    info.vendor = vendor;
    Tuning::for_adapter(&info, wgpu::Features::SHADER_INT64)
}

/// f32 in whole quads, p = 1/2, a mask for each example, and no bias.
fn plain(pass: Pass, tile: Tile, tuning: &Tuning) -> Variant {
    Variant {
        pass,
        element: ElementType::F32,
        result: ElementType::F32,
        planes: Planes::One,
        vector: true,
        read_write: false,
        tile,
        split_k: 1,
        mask_op: tuning.mask_op,
        multiply: Multiply::Wide,
        unrolled: tuning.unrolled,
        sharing: Shared::Each,
        blocked: false,
    }
}

/// Those of [`named`] that are kept as text: the forward kernel at its plainest, with sums split at any p, and with odd
/// rows of 16 bits in loops; sums over examples; a mask that examples share; the mask alone.
const SHOWN: [&str; 6] = [
    "forward_p_half_hardware",
    "forward_any_hardware_split",
    "forward_any_software_f16_edges",
    "weight_gradient_p_half_hardware",
    "monte_carlo_p_half_shared",
    "mask_p_half",
];

/// Few variants that show much: every pass, hardware and software tiles, p = 1/2 and any p, whole quads and edges.
/// A pass that is not in the list comes with p = 1/2, by its template's name.
fn named() -> Vec<(&'static str, Variant)> {
    let (nvidia, amd, software) = (hardware(0x10de), hardware(0x1002), Tuning::software());
    let any = |variant| Variant { planes: Planes::Many, ..variant };
    let unmasked = |pass, tile| Variant { planes: Planes::None, ..plain(pass, tile, &nvidia) };
    let mut texts = vec![
        ("forward_p_half_hardware", plain(Pass::Forward { bias: false }, nvidia.forward, &nvidia)),
        (
            "forward_any_hardware_split",
            Variant {
                split_k: 4,
                blocked: true,
                ..any(plain(Pass::Forward { bias: true }, amd.forward, &amd))
            },
        ),
        ("forward_p_half_software", plain(Pass::Forward { bias: false }, software.forward, &software)),
        (
            "forward_any_software_f16_edges",
            Variant {
                element: ElementType::F16,
                result: ElementType::F16,
                vector: false,
                multiply: Multiply::Split,
                ..any(plain(
                    Pass::Forward { bias: true },
                    Tile { rows: 2, columns: 2, ..software.forward },
                    &software,
                ))
            },
        ),
        ("input_gradient_p_half_hardware", plain(Pass::InputGradient, nvidia.input_gradient, &nvidia)),
        ("input_gradient_any_software", any(plain(Pass::InputGradient, software.input_gradient, &software))),
        ("weight_gradient_p_half_hardware", plain(Pass::WeightGradient, nvidia.weight_gradient, &nvidia)),
        ("bias_gradient_any", any(plain(Pass::BiasGradient, BIAS_TILE, &nvidia))),
        ("mask_p_half", plain(Pass::Mask { of_bias: false }, FLAT_TILE, &nvidia)),
        ("moments", unmasked(Pass::Moments { bias: true }, NO_K_TILE)),
        ("activation_sampled", unmasked(Pass::Activation(Integral::Sampled(Activation::Sigmoid)), FLAT_TILE)),
        (
            "monte_carlo_p_half_shared",
            Variant {
                sharing: Shared::Tile,
                ..plain(Pass::MonteCarlo { bias: false }, nvidia.forward, &nvidia)
            },
        ),
        ("predictive_split", unmasked(Pass::Predictive { threads: 64 }, FLAT_TILE)),
        ("round_bf16", Variant { result: ElementType::BF16, ..unmasked(Pass::Round, FLAT_TILE) }),
        ("update", unmasked(Pass::Update, FLAT_TILE)),
    ];
    for &pass in PASSES {
        if texts.iter().all(|(_, variant)| variant.pass.label() != pass.label()) {
            let name = pass.label().strip_prefix("dropconnect.").expect("the library's name comes first");
            texts.push((name, plain(pass, tiles(pass)[0], &nvidia)));
        }
    }
    texts
}

const REWRITE: &str = "DROPCONNECT_EXPAND=1 cargo test --lib expanded";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("shaders/expanded")
}

/// With `DROPCONNECT_EXPAND` set this writes the files; else it compares them.
#[test]
fn expanded_texts_are_what_the_templates_make() {
    let (mut files, mut digest) = (Vec::new(), format!("Hashes of kernels, made by `{REWRITE}`.\n\n"));
    for (name, variant) in named() {
        let source = variant.source();
        assert_eq!(untidy(&source), None, "{name}");
        if SHOWN.contains(&name) {
            let text = format!("// Made from shaders/*.wgsl by `{REWRITE}`.\n\n{source}");
            files.push((format!("{name}.wgsl"), text));
        } else {
            digest += &format!("{} {name}\n", hash([&source]));
        }
    }
    // Every two choices that meet in a variant meet in one of these.
    for (pass, tile, variants) in &*SAMPLE {
        let hash = hash(variants.iter().map(|(_, source)| source));
        digest += &format!("{hash} {} variants of {pass:?}, {tile}\n", variants.len());
    }
    assert_eq!(files.len(), SHOWN.len());
    files.push(("digest.txt".to_owned(), digest));
    let write = std::env::var_os("DROPCONNECT_EXPAND").is_some();
    for (name, made) in &files {
        let path = folder().join(name);
        if write {
            std::fs::write(&path, made).unwrap();
            continue;
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        // A checkout may have other ends of lines.
        if let Some(number) = difference(made, &kept.replace("\r\n", "\n")) {
            let line = made.lines().nth(number - 1).unwrap_or_default();
            panic!(
                "{} differs from what its templates make in line {number}, now `{line}`; `{REWRITE}` writes it anew",
                path.display()
            );
        }
    }
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(
            files.iter().any(|(made, _)| *made == name),
            "shaders/expanded/{name} is not made here: delete it"
        );
    }
}

/// Of some texts in a row, enough of it to tell changes.
fn hash<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let mut hasher = Sha256::new();
    texts.into_iter().for_each(|text| hasher.update(text));
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The number of the first line that is another.
fn difference(made: &str, kept: &str) -> Option<usize> {
    let lines = made.lines().count().max(kept.lines().count());
    (made != kept)
        .then(|| (0..lines).find(|&at| made.lines().nth(at) != kept.lines().nth(at)).unwrap_or(lines) + 1)
}

/// What nobody would write by hand, the first of it: long lines, blank ones where none belong, an indentation that is
/// not that of the brackets around, what adds nothing, and names that are not used.
pub(in crate::gpu) fn untidy(source: &str) -> Option<String> {
    let mut depth = 0;
    let mut before = "{";
    for (line, number) in source.lines().zip(1..) {
        let fault = |what: &str| Some(format!("line {number} {what}: `{line}`"));
        let (code, text) = (line.split("//").next().unwrap_or(""), line.trim());
        let count = |set: &str| code.chars().filter(|c| set.contains(*c)).count();
        let closing = text.chars().take_while(|c| ")}]".contains(*c)).count();
        if line.chars().count() > 120 {
            return fault("is longer than 120");
        }
        if text.is_empty() && before.ends_with(['{', '(']) || text.is_empty() && before.is_empty() {
            return fault("is blank and should not be there");
        }
        if !text.is_empty() && line.len() - line.trim_start().len() != 4 * (depth - closing) {
            return fault("is not indented as it should be");
        }
        if [" + 0u)", " + 0)", " + 0,", " + 0u,", " * 1u", "+= 1u", ", 1) {\nfn", "[0u + "]
            .iter()
            .any(|no| code.contains(no))
        {
            return fault("has something that adds nothing");
        }
        depth = depth + count("({[") - count(")}]");
        before = text;
    }
    // From one function to the next: a name in two of them is two names.
    for function in source.split("\nfn ") {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for line in function.lines() {
            // A name after a dot is a field's.
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            for path in line.split("//").next().unwrap_or("").split(|c| !word(c)) {
                *uses.entry(path.split('.').next().unwrap_or("")).or_default() += 1;
            }
        }
        for line in function.lines().map(str::trim) {
            let declared = line.strip_prefix("let ").or(line.strip_prefix("var "));
            let name = declared.and_then(|rest| rest.split([' ', ':']).next());
            if let Some(name) = name.filter(|name| uses[name] < 2) {
                return Some(format!("`{name}` is not used"));
            }
        }
    }
    None
}

/// The check above, shown to fail.
#[test]
fn what_is_untidy_is_found() {
    let tidy = "fn main() {\n    let a = 1u;\n\n    f(\n        a,\n    );\n}\n";
    assert_eq!(untidy(tidy), None);
    for (from, to, what) in [
        ("    f(", "   f(", "indented"),
        ("a,", "2u,", "`a` is not used"),
        ("1u;\n", "1u;\n\n", "blank"),
        ("{\n", "{\n\n", "blank"),
        ("1u;", "1u * 1u;", "adds nothing"),
        ("a,", &format!("a, // {}", "x".repeat(120)), "longer"),
    ] {
        let fault = untidy(&tidy.replacen(from, to, 1));
        assert!(fault.as_ref().is_some_and(|fault| fault.contains(what)), "{what}: {fault:?}");
    }
}

/// The comparison above, shown to fail.
#[test]
fn a_difference_in_an_expanded_text_is_found() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\n", "a\nc\n"), Some(2));
    assert_eq!(difference("a\nb\n", "a\n"), Some(2));
    assert_eq!(difference("a\n", ""), Some(1));
}
