//! What wgpu makes of a kernel, as a filter: `translate hlsl-6.0 < forward.wgsl > forward.hlsl`. For
//! scripts/portability/.

use std::io::{Read, Write};
use std::process::ExitCode;

use dropconnect_testing::translate::{to_glsl, to_hlsl, to_msl, to_spirv};
use naga::back::{glsl::Version, hlsl::ShaderModel};
use naga::valid::{Capabilities, ValidationFlags, Validator};

const USAGE: &str = "usage: translate spirv|msl|hlsl-5.1|hlsl-6.0|glsl-es-3.1|glsl-4.3 < WGSL";

fn main() -> ExitCode {
    let language = std::env::args().nth(1).unwrap_or_default();
    match translated(&language).and_then(|bytes| std::io::stdout().write_all(&bytes).map_err(text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn translated(language: &str) -> Result<Vec<u8>, String> {
    let mut source = String::new();
    std::io::stdin().read_to_string(&mut source).map_err(text)?;
    let module = &naga::front::wgsl::parse_str(&source).map_err(text)?;
    let info = &Validator::new(ValidationFlags::all(), Capabilities::all()).validate(module).map_err(text)?;
    let words = |words: Vec<u32>| words.into_iter().flat_map(u32::to_le_bytes).collect();
    match language {
        "spirv" => to_spirv(module, info).map(words),
        "msl" => to_msl(module, info).map(String::into_bytes),
        "hlsl-5.1" => to_hlsl(ShaderModel::V5_1, module, info).map(String::into_bytes),
        "hlsl-6.0" => to_hlsl(ShaderModel::V6_0, module, info).map(String::into_bytes),
        "glsl-es-3.1" => to_glsl(Version::new_gles(310), module, info).map(String::into_bytes),
        "glsl-4.3" => to_glsl(Version::Desktop(430), module, info).map(String::into_bytes),
        _ => Err(USAGE.to_owned()),
    }
}
