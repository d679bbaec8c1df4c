//! `--compiler`: kernels by another compiler than wgpu's.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use dropconnect::gpu::ModuleMaker;
use dropconnect::wgpu;

use crate::shader::reflect;

/// The first word of SPIR-V.
const MAGIC: u32 = 0x0723_0203;

/// Modules of what `program` makes: it is started once for each kernel, with WGSL on its standard input, and writes
/// SPIR-V to its standard output.
pub fn by(program: &Path) -> ModuleMaker {
    let program = program.to_owned();
    ModuleMaker::new(move |device, label, source| {
        let takes_it = device.features().contains(wgpu::Features::PASSTHROUGH_SHADERS);
        if !takes_it || device.adapter_info().backend != wgpu::Backend::Vulkan {
            return Err("--compiler is for adapters by Vulkan that take SPIR-V as it is".to_owned());
        }
        let spirv = compiled(&program, source)?;
        let kernel = reflect::kernel(source).map_err(|error| error.to_string())?;
        let [x, y, z] = kernel.workgroup_size;
        let entry = wgpu::PassthroughShaderEntryPoint {
            name: kernel.entry_point.as_str().into(),
            workgroup_size: (x, y, z),
        };
        let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
            label: Some(label),
            entry_points: vec![entry].into(),
            spirv: Some(spirv.into()),
            ..Default::default()
        };
        // SAFETY: that the module is valid and keeps to its bindings is the compiler's part, whose output is run
        // because the user asks for it: `verify` is there to find out whether it computes the same as the WGSL, which
        // does.
        Ok(unsafe { device.create_shader_module_passthrough(descriptor) })
    })
}

fn compiled(program: &Path, source: &str) -> Result<Vec<u32>, String> {
    let failed = |error: std::io::Error| format!("`{}`: {error}", program.display());
    let mut command = Command::new(program);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // From a thread of its own: a program may write before it has read everything. One that does not read to the
        // end says why by its exit code.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(source.as_bytes())));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` ended with {}: {reason}", program.display(), output.status));
    }
    let words = output.stdout.chunks_exact(4);
    let words: Vec<_> = words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
    if output.stdout.len() % 4 != 0 || words.first() != Some(&MAGIC) {
        return Err(format!(
            "`{}` wrote {} bytes that are no SPIR-V",
            program.display(),
            output.stdout.len()
        ));
    }
    Ok(words)
}
