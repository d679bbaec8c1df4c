//! `dropconnect shader --export`: the kernels of a call for hosts without this library, and all that those need to
//! know, as the library itself would dispatch it. The layout is that of docs/shader-export.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::ValueEnum;
use dropconnect::call::Kind;
use dropconnect::gpu::{BoundRange, DispatchInfo, Draws, Gpu, Recording};
use dropconnect::mask::philox::KEY_STEP;
use dropconnect::mask::{GAUSSIAN_DOMAIN, KEY_DOMAIN, PASS_DOMAIN};
use dropconnect::{ElementType, Mask, MaskKey};
use serde::Serialize;

use super::call::{self, PASSES, Prepared, Stored};
use super::reflect::{self, Kernel, Parameters};
use crate::cli::{BiasKind, ShaderCommand, ShaderPass};
use crate::error::{CliError, shown};
use crate::mask::mask_metadata;
use crate::output::{json, say};
use crate::target::Target;

/// The layout of the file.
const SCHEMA: u32 = 1;
const FILE: &str = "export.json";
/// What is written where no pass is asked for.
const TRAINING: [ShaderPass; 7] = [
    ShaderPass::Mask,
    ShaderPass::BiasMask,
    ShaderPass::Call(Kind::Forward),
    ShaderPass::Call(Kind::InputGradient),
    ShaderPass::Call(Kind::WeightGradient),
    ShaderPass::Call(Kind::BothGradients),
    ShaderPass::Call(Kind::BiasGradient),
];

/// Everything.
#[derive(Serialize)]
struct Export {
    schema: u32,
    dropconnect: &'static str,
    kernels_for: String,
    batch: usize,
    outputs: usize,
    inputs: usize,
    element: &'static str,
    bias: String,
    mask: BTreeMap<&'static str, String>,
    /// What a device has to have.
    needs: Needs,
    /// Binding 0 of every kernel.
    parameters: Parameters,
    key: Key,
    passes: Vec<Pass>,
}

/// The most that any dispatch takes, by the names of WebGPU.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Needs {
    features: Vec<&'static str>,
    max_storage_buffers_per_shader_stage: usize,
    max_storage_buffer_binding_size: u64,
    max_compute_workgroup_storage_size: u32,
    max_compute_invocations_per_workgroup: u32,
    max_compute_workgroup_size_x: u32,
    max_compute_workgroup_size_y: u32,
    max_compute_workgroup_size_z: u32,
    max_compute_workgroups_per_dimension: u32,
    /// Offsets of bindings are multiples of it; a device may have this or less.
    min_storage_buffer_offset_alignment: u32,
}

/// How `round_keys` come from seed, layer and step.
#[derive(Serialize)]
struct Key {
    /// Rounds in `round_keys`.
    rounds: usize,
    step: [u32; 2],
    domains: BTreeMap<&'static str, u32>,
    /// Known answers at the step of the call and the next.
    known: Vec<Known>,
}

#[derive(Serialize)]
struct Known {
    step: u64,
    masks: [u32; 2],
    gaussian: [u32; 2],
}

#[derive(Serialize)]
struct Pass {
    pass: String,
    tensors: Vec<TensorInfo>,
    /// Bytes of memory of the pass's own, which no other dispatch needs between two calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memory: Vec<Memory>,
    dispatches: Vec<Dispatch>,
}

#[derive(Serialize)]
struct TensorInfo {
    name: &'static str,
    role: &'static str,
    element: &'static str,
    shape: Vec<usize>,
    /// Of its buffer.
    bytes: u64,
}

#[derive(Serialize)]
struct Memory {
    name: String,
    bytes: u64,
    /// What it has to hold, in words; nothing: it is written first.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<u32>>,
}

#[derive(Serialize)]
struct Dispatch {
    shader: String,
    entry_point: String,
    workgroup_size: [u32; 3],
    workgroups: [u32; 3],
    /// The parameter block in hexadecimal.
    parameters: String,
    /// Which words `round_keys` start from.
    draws: DrawsInfo,
    bindings: Vec<Bound>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum DrawsInfo {
    Nothing,
    Masks,
    Pass(u32),
    Gaussian,
}

#[derive(Serialize)]
struct Bound {
    group: u32,
    binding: u32,
    name: String,
    access: &'static str,
    /// `parameters`, or the name of a tensor or of memory.
    holds: String,
    offset: u64,
    bytes: u64,
}

/// Writes the folder.
pub fn run(command: &ShaderCommand, folder: &Path, gpu: &Gpu, whose: &str) -> Result<(), CliError> {
    let mask = command.mask.mask()?;
    let asked = command.of.map(|of| vec![of]);
    let prepared = asked.unwrap_or_else(|| TRAINING.to_vec()).into_iter();
    // Of a bias that is not masked there is none.
    let prepared = prepared
        .filter(|&of| of != ShaderPass::BiasMask || command.of.is_some() || command.bias == BiasKind::Masked);
    let prepared = prepared.map(|of| Ok((of, call::prepared(command, of, gpu)?)));
    let prepared = prepared.collect::<Result<Vec<_>, CliError>>()?;
    let mut shaders = Shaders::default();
    let passes = prepared.iter().map(|(of, prepared)| shaders.pass(*of, prepared, &mask));
    let passes = passes.collect::<Result<Vec<_>, CliError>>()?;
    let Some(parameters) = shaders.kernels.first().map(|(.., kernel)| kernel.parameters.clone()) else {
        return Err(CliError::Usage("--export: the call takes no kernels".to_owned()));
    };
    let alignment = gpu.device().limits().min_storage_buffer_offset_alignment;
    let export = Export {
        schema: SCHEMA,
        dropconnect: env!("CARGO_PKG_VERSION"),
        kernels_for: whose.to_owned(),
        batch: command.shape.batch(),
        outputs: command.shape.outputs(),
        inputs: command.shape.inputs(),
        element: ElementType::from(command.element).name(),
        bias: name_of(&command.bias),
        mask: mask_metadata(&mask, command.mask.bits).into_iter().collect(),
        needs: Needs { min_storage_buffer_offset_alignment: alignment, ..shaders.needs(&passes) },
        parameters,
        key: key(mask.key),
        passes,
    };
    fs::create_dir_all(folder).map_err(|source| CliError::File {
        what: "cannot make the folder",
        path: folder.to_owned(),
        source,
    })?;
    // The list comes last: where it is, what it names is there.
    for (name, source, _) in &shaders.kernels {
        write(&folder.join(name), source)?;
    }
    write(&folder.join(FILE), &(json(&export)? + "\n"))?;
    let count = shaders.kernels.len();
    say(&format!("wrote {FILE} and {count} kernels into {}", shown(folder)));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    Target::new(path)?.write(|file| Ok(file.write_all(text.as_bytes())?))
}

/// The name of a choice, as it is typed but for hyphens.
fn name_of(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().replace('-', "_"))
}

fn key(key: MaskKey) -> Key {
    let known = |step| {
        let key = key.at_step(step);
        Known { step, masks: key.words(), gaussian: key.gaussian_words() }
    };
    let domains = [("masks", KEY_DOMAIN), ("gaussian", GAUSSIAN_DOMAIN), ("pass", PASS_DOMAIN)];
    Key {
        rounds: Recording::KEY_WORDS / 2,
        step: KEY_STEP,
        domains: domains.into(),
        known: [key.step, key.step.wrapping_add(1)].map(known).into(),
    }
}

/// The kernels of all passes, each once: file, text, and what it says of itself.
#[derive(Default)]
struct Shaders {
    kernels: Vec<(String, String, Kernel)>,
}

impl Shaders {
    fn pass(&mut self, of: ShaderPass, prepared: &Prepared, mask: &Mask) -> Result<Pass, CliError> {
        let Prepared { recording, tensors } = prepared;
        let mut memory = Vec::new();
        let mut holds = |range: &BoundRange| -> String {
            if let Some(tensor) = tensors.iter().find(|tensor| tensor.buffer == range.buffer) {
                return tensor.name.to_owned();
            }
            if let Some(at) = memory.iter().position(|(buffer, _)| *buffer == range.buffer) {
                let (_, Memory { name, .. }) = &memory[at];
                return name.clone();
            }
            let keys = recording.pass_keys().is_some_and(|keys| *keys == range.buffer);
            let words = keys.then(|| (0..PASSES).flat_map(|t| mask.key.pass(t).words()).collect());
            let name = format!("{}_{}", if keys { "pass_keys" } else { "scratch" }, memory.len());
            let bytes = range.buffer.size();
            memory.push((range.buffer.clone(), Memory { name: name.clone(), bytes, words }));
            name
        };
        let mut dispatches = Vec::new();
        for info in recording.describe() {
            let at = self.kernel(&info)?;
            let (file, _, kernel) = &self.kernels[at];
            dispatches.push(dispatch(&info, file, kernel, &mut holds));
        }
        let bound = |tensor: &&Stored| {
            recording.describe().any(|info| info.bindings.iter().any(|range| range.buffer == tensor.buffer))
        };
        let tensors = tensors.iter().filter(bound).map(tensor_info).collect();
        let memory = memory.into_iter().map(|(_, memory)| memory).collect();
        Ok(Pass { pass: name_of(&of), tensors, memory, dispatches })
    }

    /// Where the kernel of a dispatch is in the list.
    fn kernel(&mut self, info: &DispatchInfo) -> Result<usize, CliError> {
        if let Some(at) = self.kernels.iter().position(|(_, source, _)| source == info.source) {
            return Ok(at);
        }
        let stem = info.label.rsplit('.').next().unwrap_or(info.label);
        let names = (1..).map(|count: usize| match count {
            1 => format!("{stem}.wgsl"),
            count => format!("{stem}_{count}.wgsl"),
        });
        let mut free = names.filter(|name| self.kernels.iter().all(|(taken, ..)| taken != name));
        let name = free.next().unwrap_or_default();
        self.kernels.push((name, info.source.to_owned(), reflect::kernel(info.source)?));
        Ok(self.kernels.len() - 1)
    }

    fn needs(&self, passes: &[Pass]) -> Needs {
        let mut needs = Needs::default();
        for (.., kernel) in &self.kernels {
            let [x, y, z] = kernel.workgroup_size;
            if kernel.int64 {
                needs.features = vec!["shader-int64"];
            }
            let storage = kernel.bindings.iter().filter(|binding| binding.access != "uniform").count();
            raise(&mut needs.max_storage_buffers_per_shader_stage, storage);
            raise(&mut needs.max_compute_workgroup_storage_size, kernel.workgroup_bytes);
            raise(&mut needs.max_compute_invocations_per_workgroup, x * y * z);
            raise(&mut needs.max_compute_workgroup_size_x, x);
            raise(&mut needs.max_compute_workgroup_size_y, y);
            raise(&mut needs.max_compute_workgroup_size_z, z);
        }
        for dispatch in passes.iter().flat_map(|pass| &pass.dispatches) {
            for groups in dispatch.workgroups {
                raise(&mut needs.max_compute_workgroups_per_dimension, groups);
            }
            for bound in dispatch.bindings.iter().filter(|bound| bound.access != "uniform") {
                raise(&mut needs.max_storage_buffer_binding_size, bound.bytes);
            }
        }
        needs
    }
}

fn raise<T: Ord + Copy>(most: &mut T, value: T) {
    *most = value.max(*most);
}

fn dispatch(
    info: &DispatchInfo,
    file: &str,
    kernel: &Kernel,
    holds: &mut impl FnMut(&BoundRange) -> String,
) -> Dispatch {
    let bound = kernel.bindings.iter().map(|binding| {
        // Binding 0 is the parameters.
        let range = (binding.binding as usize).checked_sub(1).and_then(|at| info.bindings.get(at));
        let (holds, offset, bytes) = match range {
            Some(range) => (holds(range), range.offset, range.size),
            None => ("parameters".to_owned(), 0, info.parameters.len() as u64),
        };
        let (group, name, access) = (binding.group, binding.name.clone(), binding.access);
        Bound { group, binding: binding.binding, name, access, holds, offset, bytes }
    });
    Dispatch {
        shader: file.to_owned(),
        entry_point: kernel.entry_point.clone(),
        workgroup_size: kernel.workgroup_size,
        workgroups: info.workgroups,
        parameters: info.parameters.iter().map(|byte| format!("{byte:02x}")).collect(),
        draws: match info.draws {
            Draws::Nothing => DrawsInfo::Nothing,
            Draws::Masks => DrawsInfo::Masks,
            Draws::Pass(pass) => DrawsInfo::Pass(pass),
            Draws::Gaussian => DrawsInfo::Gaussian,
        },
        bindings: bound.collect(),
    }
}

fn tensor_info(tensor: &Stored) -> TensorInfo {
    TensorInfo {
        name: tensor.name,
        role: if tensor.result { "result" } else { "operand" },
        element: tensor.element.map_or("u8", ElementType::name),
        shape: tensor.shape.clone(),
        bytes: tensor.buffer.size(),
    }
}
