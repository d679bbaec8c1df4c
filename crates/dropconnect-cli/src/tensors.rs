//! Safetensors files: tensors by name, checked with what the name needs; and a writer that streams.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dropconnect::ElementType;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::error::CliError;

/// The bytes of a safetensors file.
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A tensor of one of the layer's element types.
pub struct FileTensor {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// How it is stored.
    pub element: ElementType,
    /// Its values.
    pub values: Vec<f32>,
}

impl TensorFile {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let failed = |source| CliError::File { what: "cannot read", path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), bytes: fs::read(path).map_err(failed)? })
    }

    /// An error about this file.
    pub fn problem(&self, problem: String) -> CliError {
        CliError::Input { path: self.path.clone(), problem }
    }

    /// The tensors in it.
    pub fn parse(&self) -> Result<SafeTensors<'_>, CliError> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|error| self.problem(format!("is not a whole safetensors file: {error}")))
    }

    /// A tensor that may be there.
    pub fn optional(&self, file: &SafeTensors, name: &str) -> Result<Option<FileTensor>, CliError> {
        let Ok(view) = file.tensor(name) else { return Ok(None) };
        let element = match view.dtype() {
            Dtype::F32 => ElementType::F32,
            Dtype::F16 => ElementType::F16,
            Dtype::BF16 => ElementType::BF16,
            other => {
                return Err(self.problem(format!(
                    "holds `{name}` {:?} as {other}; F32, F16 and BF16 are allowed",
                    view.shape()
                )));
            }
        };
        let values = element.decode(view.data());
        Ok(Some(FileTensor { shape: view.shape().to_vec(), element, values }))
    }

    /// A tensor that must be there.
    pub fn required(&self, file: &SafeTensors, name: &str) -> Result<FileTensor, CliError> {
        self.optional(file, name)?.ok_or_else(|| {
            let mut names = file.names();
            names.sort_unstable();
            let names = if names.is_empty() { "no tensors".to_owned() } else { names.join(", ") };
            self.problem(format!("has no tensor `{name}`; it holds {names}"))
        })
    }
}

/// A tensor to be written.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its type: `U8`, `F32`, `F16`, `BF16`.
    pub dtype: &'static str,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its size.
    pub bytes: u64,
}

/// The name of an element type in a safetensors file.
pub fn dtype(element: ElementType) -> &'static str {
    match element {
        ElementType::F32 => "F32",
        ElementType::F16 => "F16",
        ElementType::BF16 => "BF16",
    }
}

/// Writes the header of a file that goes on with the bytes of these tensors, in this order. The `safetensors`
/// crate would want each tensor whole in memory.
pub fn write_header(
    file: &mut dyn Write,
    entries: &[Entry],
    metadata: &[(&str, String)],
) -> std::io::Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())));
        header.insert("__metadata__".to_owned(), Value::Object(metadata.collect()));
    }
    let mut offset = 0;
    for entry in entries {
        let offsets = [offset, offset + entry.bytes];
        let value = json!({ "dtype": entry.dtype, "shape": entry.shape, "data_offsets": offsets });
        header.insert(entry.name.to_owned(), value);
        offset += entry.bytes;
    }
    let mut header = serde_json::to_vec(&header)?;
    // The format's alignment of the data.
    header.resize(header.len().next_multiple_of(8), b' ');
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)
}
