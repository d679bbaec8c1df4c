//! Kernels as drivers get them, in `shaders/expanded/`: for people to read, and for a change of a template to show
//! what it changes.

use std::path::PathBuf;

use super::shader::{Pass, Planes, Shared, Variant};
use super::shader_tests::PASSES;
use super::tuning::{Multiply, Tile, Tuning};
use super::{BIAS_TILE, FLAT_TILE};
use crate::mask::Rounds;
use crate::{Activation, ElementType};

/// What hardware of a vendor gets, 0x10de being NVIDIA.
fn hardware(vendor: u32) -> Tuning {
    let mut info = wgpu::AdapterInfo::new(wgpu::DeviceType::DiscreteGpu, wgpu::Backend::Vulkan);
    info.vendor = vendor;
    Tuning::for_adapter(&info)
}

/// f32 in whole quads, p = 1/2, a mask for each example, and no bias.
fn plain(pass: Pass, tile: Tile, tuning: &Tuning) -> Variant {
    Variant {
        pass,
        element: ElementType::F32,
        result: ElementType::F32,
        planes: Planes::One,
        rounds: Rounds::Ten,
        vector: true,
        read_write: false,
        bias: false,
        tile,
        split: 1,
        apply: tuning.apply,
        multiply: Multiply::Wide,
        rolled: tuning.rolled,
        sharing: Shared::Each,
        activation: (Activation::Relu, true),
    }
}

/// Few texts that show much: every pass, hardware and software tiles, p = 1/2 and any p, whole quads and edges.
fn texts() -> Vec<(&'static str, Variant)> {
    let (nvidia, amd, software) = (hardware(0x10de), hardware(0x1002), Tuning::software());
    let any = |variant| Variant { planes: Planes::Many, ..variant };
    let both = Tile { rows: 1, columns: 1, workgroup: [1, 32] };
    let unmasked = |pass, tile| Variant { planes: Planes::None, ..plain(pass, tile, &nvidia) };
    vec![
        ("forward_half_hardware", plain(Pass::Forward, nvidia.forward, &nvidia)),
        (
            "forward_any_hardware_split",
            Variant { bias: true, split: 4, ..any(plain(Pass::Forward, amd.forward, &amd)) },
        ),
        ("forward_half_software", plain(Pass::Forward, software.forward, &software)),
        (
            "forward_any_software_f16_edges",
            Variant {
                element: ElementType::F16,
                result: ElementType::F16,
                vector: false,
                bias: true,
                multiply: Multiply::Split,
                ..any(plain(Pass::Forward, Tile { rows: 2, columns: 2, ..software.forward }, &software))
            },
        ),
        ("input_gradient_half_hardware", plain(Pass::InputGradient, nvidia.input_gradient, &nvidia)),
        ("input_gradient_any_software", any(plain(Pass::InputGradient, software.input_gradient, &software))),
        ("weight_gradient_half_hardware", plain(Pass::WeightGradient, nvidia.weight_gradient, &nvidia)),
        ("gradients_any_hardware", any(plain(Pass::Gradients, both, &nvidia))),
        ("bias_gradient_any", any(plain(Pass::BiasGradient, BIAS_TILE, &nvidia))),
        ("mask_half", plain(Pass::Mask, FLAT_TILE, &nvidia)),
        ("moments", Variant { bias: true, ..unmasked(Pass::Moments, nvidia.forward) }),
        (
            "activation_sampled",
            Variant { activation: (Activation::Sigmoid, false), ..unmasked(Pass::Activation, FLAT_TILE) },
        ),
        (
            "monte_carlo_half_shared",
            Variant { sharing: Shared::Tile, ..plain(Pass::MonteCarlo, nvidia.forward, &nvidia) },
        ),
        ("predictive_split", Variant { split: 64, ..unmasked(Pass::Predictive, FLAT_TILE) }),
        ("round_bf16", Variant { result: ElementType::BF16, ..unmasked(Pass::Round, FLAT_TILE) }),
        ("update", unmasked(Pass::Update, FLAT_TILE)),
    ]
}

const REWRITE: &str = "DROPCONNECT_EXPAND=1 cargo test --lib expanded";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("shaders/expanded")
}

/// With `DROPCONNECT_EXPAND` set this writes the texts; else it compares them.
#[test]
fn expanded_texts_are_what_the_templates_make() {
    let write = std::env::var_os("DROPCONNECT_EXPAND").is_some();
    if write {
        std::fs::create_dir_all(folder()).unwrap();
    }
    let texts = texts();
    for pass in PASSES {
        assert!(texts.iter().any(|(_, variant)| variant.pass == pass), "no text shows {pass:?}");
    }
    for (name, variant) in &texts {
        let path = folder().join(format!("{name}.wgsl"));
        let made = format!("// Made from shaders/*.wgsl by `{REWRITE}`.\n\n{}", variant.source());
        if write {
            std::fs::write(&path, made).unwrap();
            continue;
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        // A checkout may have other ends of lines.
        if let Some(line) = difference(&made, &kept.replace("\r\n", "\n")) {
            panic!(
                "{} differs from what its templates make in line {line}; `{REWRITE}` writes it anew",
                path.display()
            );
        }
    }
    let names: Vec<_> = texts.iter().map(|(name, _)| format!("{name}.wgsl")).collect();
    for file in std::fs::read_dir(folder()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "shaders/expanded/{name} is of no variant here: delete it");
    }
}

/// The number of the first line that is another.
fn difference(made: &str, kept: &str) -> Option<usize> {
    let lines = made.lines().count().max(kept.lines().count());
    (made != kept)
        .then(|| (0..lines).find(|&at| made.lines().nth(at) != kept.lines().nth(at)).unwrap_or(lines) + 1)
}

/// The comparison above, shown to fail.
#[test]
fn a_difference_in_an_expanded_text_is_found() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\n", "a\nc\n"), Some(2));
    assert_eq!(difference("a\nb\n", "a\n"), Some(2));
    assert_eq!(difference("a\n", ""), Some(1));
}
