//! The Rust file that says the same as a shader.

use std::path::Path;

use crate::gpu::shader::pass::TEMPLATES;

/// Shaders that say nothing of their own: ways to say `if keep { sum += a * b }` that compile well. The references of
/// the passes just add.
const ALONE: [&str; 1] = ["mask_op"];

/// The Rust files that say the same as each other shader, for people and tests to compare: files that it mirrors line
/// by line, and references, in float64. That of a pass is the reference's file of its name, where nothing else is said
/// here.
fn counterparts(stem: &str) -> Vec<String> {
    let others: &[&str] = match stem {
        "philox" | "round_key" => &["src/mask/philox.rs"],
        "brick" | "tile" => &["src/mask/brick.rs"],
        "params" => &["src/gpu/shader/params.rs"],
        "workgroup_tile" => &["src/gpu/shader/workgroup_tile.rs"],
        "elements" | "round" => &["src/element.rs"],
        "elementary" => &["src/reference/activation.rs"],
        "forward_tile" => &["src/reference/forward.rs"],
        "running_moments" => &["src/cpu/monte_carlo.rs", "src/reference/monte_carlo.rs"],
        "update" => &["src/reference/monte_carlo.rs"],
        pass => return vec![format!("src/reference/{pass}.rs")],
    };
    others.iter().map(|&path| path.to_owned()).collect()
}

#[test]
fn every_shader_mirrors_rust_or_has_a_reference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shaders = 0;
    for file in std::fs::read_dir(root.join("shaders")).unwrap() {
        let path = file.unwrap().path();
        // What the templates make (`tests/expanded.rs`), and what is no template (`tests/wgsl/naive.rs`).
        if path.is_dir() {
            continue;
        }
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let shader = std::fs::read_to_string(&path).unwrap();
        shaders += 1;
        if ALONE.contains(&stem) {
            let named = ["Mirrors", "Reference", "src/"].iter().find(|word| shader.contains(*word));
            assert_eq!(named, None, "shaders/{stem}.wgsl names a counterpart");
            continue;
        }
        for counterpart in counterparts(stem) {
            let word = if counterpart.starts_with("src/reference/") { "Reference" } else { "Mirrors" };
            let rust = std::fs::read_to_string(root.join(&counterpart))
                .unwrap_or_else(|error| panic!("{counterpart}: {error}"));
            // Each names the other.
            assert!(
                shader.contains(word) && shader.contains(&counterpart),
                "shaders/{stem}.wgsl: {word}: {counterpart}"
            );
            assert!(
                rust.contains(word) && rust.contains(&format!("shaders/{stem}.wgsl")),
                "{counterpart} does not name its shader"
            );
        }
    }
    assert_eq!(shaders, TEMPLATES.len(), "a file that is no template");
}
