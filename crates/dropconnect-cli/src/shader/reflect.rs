//! What a kernel says of itself: its entry point, its bindings and the layout of its parameters, out of its WGSL.

use std::collections::HashMap;

use naga::proc::Layouter;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, ArraySize, Module, Scalar, ScalarKind, StorageAccess, TypeInner};
use serde::Serialize;

use super::parse;
use crate::error::CliError;

/// A kernel.
pub struct Kernel {
    pub entry_point: String,
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Whether there are 64-bit integers in it.
    pub int64: bool,
    /// In the order of their numbers.
    pub bindings: Vec<Binding>,
    pub parameters: Parameters,
}

/// A resource of a kernel.
pub struct Binding {
    pub group: u32,
    pub binding: u32,
    pub name: String,
    /// `uniform`, `read` or `read_write`.
    pub access: &'static str,
}

/// The parameter block.
#[derive(Clone, PartialEq, Serialize)]
pub struct Parameters {
    pub bytes: u32,
    pub fields: Vec<Field>,
}

/// A field of the parameter block.
#[derive(Clone, PartialEq, Serialize)]
pub struct Field {
    pub name: String,
    /// Bytes from the start.
    pub offset: u32,
    /// As WGSL has it.
    #[serde(rename = "type")]
    pub ty: String,
    /// The comment before it, or before the first of several.
    pub meaning: String,
}

/// Reads a kernel of the library's.
pub fn kernel(source: &str) -> Result<Kernel, CliError> {
    let (module, _) = parse(source)?;
    let unusual = |what: &str| CliError::Check(format!("a kernel of the library's own {what}"));
    let [entry] = &module.entry_points[..] else { return Err(unusual("has not got one entry point")) };
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).map_err(|error| unusual(&format!("has no layout: {error}")))?;
    let (mut bindings, mut workgroup_bytes) = (Vec::new(), 0);
    for (_, variable) in module.global_variables.iter() {
        let access = match variable.space {
            AddressSpace::Uniform => "uniform",
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "read_write",
            AddressSpace::Storage { .. } => "read",
            AddressSpace::WorkGroup => {
                workgroup_bytes += layouter[variable.ty].size;
                continue;
            }
            _ => continue,
        };
        let place = variable.binding.ok_or_else(|| unusual("has a resource without a binding"))?;
        let name = variable.name.clone().unwrap_or_default();
        bindings.push(Binding { group: place.group, binding: place.binding, name, access });
    }
    bindings.sort_by_key(|binding| (binding.group, binding.binding));
    // Types of expressions alone are no types of the module.
    let others = Capabilities::all() - Capabilities::SHADER_INT64;
    let int64 = Validator::new(ValidationFlags::all(), others).validate(&module).is_err();
    Ok(Kernel {
        entry_point: entry.name.clone(),
        workgroup_size: entry.workgroup_size,
        workgroup_bytes,
        int64,
        bindings,
        parameters: parameters(&module, source).ok_or_else(|| unusual("has no `Params`"))?,
    })
}

/// The layout of `Params`, and what its comments say.
fn parameters(module: &Module, source: &str) -> Option<Parameters> {
    let (_, params) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params"))?;
    let TypeInner::Struct { members, span } = &params.inner else { return None };
    let meanings = meanings(source);
    let fields = members.iter().map(|member| {
        let name = member.name.clone()?;
        let meaning = meanings.get(name.as_str())?.clone();
        Some(Field { name, offset: member.offset, ty: type_name(module, member.ty)?, meaning })
    });
    Some(Parameters { bytes: *span, fields: fields.collect::<Option<_>>()? })
}

/// The comment on each field of `Params`: one is on all fields up to the next.
fn meanings(source: &str) -> HashMap<&str, String> {
    let body = source.split_once("struct Params {").and_then(|(_, rest)| rest.split_once('}'));
    let (mut meanings, mut comment, mut done) = (HashMap::new(), String::new(), true);
    for line in body.map_or("", |(body, _)| body).lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("//") {
            if std::mem::take(&mut done) {
                comment.clear();
            } else {
                comment.push(' ');
            }
            comment.push_str(text.trim());
        } else if let Some((name, _)) = line.split_once(':') {
            meanings.insert(name, comment.clone());
            done = true;
        }
    }
    meanings
}

/// A type of parameters, as WGSL writes it.
fn type_name(module: &Module, ty: naga::Handle<naga::Type>) -> Option<String> {
    let scalar = |scalar: Scalar| match (scalar.kind, scalar.width) {
        (ScalarKind::Uint, 4) => Some("u32"),
        (ScalarKind::Sint, 4) => Some("i32"),
        (ScalarKind::Float, 4) => Some("f32"),
        _ => None,
    };
    match module.types[ty].inner {
        TypeInner::Scalar(of) => scalar(of).map(str::to_owned),
        TypeInner::Vector { size, scalar: of } => Some(format!("vec{}<{}>", size as u8, scalar(of)?)),
        TypeInner::Array { base, size: ArraySize::Constant(count), .. } => {
            Some(format!("array<{}, {count}>", type_name(module, base)?))
        }
        _ => None,
    }
}
