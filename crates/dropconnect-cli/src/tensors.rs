//! Safetensors files: tensors by name, checked with what the name needs; and a writer that streams.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use dropconnect::ElementType;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::error::{CliError, make_room, reserve, room};
use crate::escape::{dims, excerpt, list};

/// The largest header that the `safetensors` crate reads.
const LARGEST_HEADER: u64 = 100_000_000;
/// Memory that parsing takes at most, for a byte of a header: a digit and a comma of a shape become 8 bytes in a
/// vector that doubles, and the 50 bytes of an empty tensor are in three lists.
const PARSED: u64 = 32;
/// The key of a header that is no tensor.
const METADATA: &str = "__metadata__";
/// Bytes that go through memory at a time, a multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// A safetensors file of which some tensors have been read: from its front to its end, once, so that it may be a
/// pipe, and with no more in memory than the values.
pub struct TensorFile {
    path: PathBuf,
    names: Vec<String>,
    read: Vec<(&'static str, FileTensor)>,
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
    /// Reads the tensors of these names, those that are there.
    pub fn read(path: &Path, wanted: &[&'static str]) -> Result<Self, CliError> {
        let failed = |source| CliError::File { what: "cannot read", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?;
        let length = length.is_file().then_some(length.len());
        Self::parse(path, &mut BufReader::new(file), length, wanted)
    }

    /// The same of what `path` names, which has this length, where that is known. No more memory is asked for than
    /// what has come accounts for.
    pub fn parse(
        path: &Path,
        file: &mut impl Read,
        length: Option<u64>,
        wanted: &[&'static str],
    ) -> Result<Self, CliError> {
        let mut result = Self { path: path.to_owned(), names: Vec::new(), read: Vec::new() };
        let (size, header) = result.header(file, wanted)?;
        let data = header.data_len() as u64;
        let whole = size.checked_add(8).and_then(|head| head.checked_add(data));
        if length.is_some_and(|length| whole != Some(length)) {
            let length = length.unwrap_or_default();
            return Err(result.broken(&format!(
                "it has {length} bytes, and by its header 8, {size} of header and {data} of tensors"
            )));
        }
        let mut found = Vec::new();
        for &name in wanted {
            let Some(info) = header.info(name) else { continue };
            let Some(element) = element(info.dtype) else {
                return Err(result.unsupported(name, &info.shape, &info.dtype.to_string()));
            };
            found.push((info.data_offsets, name, info, element));
        }
        // By both ends: an empty tensor begins where the next one does.
        found.sort_unstable_by_key(|(offsets, ..)| *offsets);
        let mut at = 0;
        for ((start, end), name, info, element) in found {
            result.skip(file, (start - at) as u64)?;
            let values = result.values(file, element, end - start, length.is_some())?;
            result.read.push((name, FileTensor { shape: info.shape.clone(), element, values }));
            at = end;
        }
        result.skip(file, data - at as u64)?;
        // Not `read`, which a signal interrupts.
        match io::copy(&mut file.take(1), &mut io::sink()) {
            Ok(0) => Ok(result),
            Ok(_) => Err(result.broken("it goes on after its tensors")),
            Err(source) => Err(result.ended(source)),
        }
    }

    /// The size of the header, and what it says.
    fn header(&mut self, file: &mut impl Read, wanted: &[&str]) -> Result<(u64, Metadata), CliError> {
        let mut size = [0; 8];
        self.fill(file, &mut size)?;
        let size = u64::from_le_bytes(size);
        if size > LARGEST_HEADER {
            return Err(
                self.broken(&format!("its header has {size} bytes; at most {LARGEST_HEADER} are read"))
            );
        }
        let mut header = Vec::new();
        while header.len() < size as usize {
            let start = header.len();
            let part = CHUNK.min(size as usize - start);
            make_room("the header of the input", &mut header, part)?;
            header.resize(start + part, 0);
            self.fill(file, &mut header[start..])?;
        }
        reserve("the header of the input", &[size.checked_mul(PARSED)])?;
        let Header(stated) =
            serde_json::from_slice(&header).map_err(|error| self.broken(&error.to_string()))?;
        let mut tensors = Vec::new();
        for (name, Stated { dtype, shape, data_offsets: (start, end) }) in stated {
            let known: Result<_, de::value::Error> = Dtype::deserialize(dtype.as_str().into_deserializer());
            let (dtype, shape) = match known {
                Ok(known) => (known, shape),
                Err(_) if wanted.contains(&&name[..]) => return Err(self.unsupported(&name, &shape, &dtype)),
                // Bytes that are passed over, of a type that is newer than this program.
                Err(_) => (Dtype::U8, vec![end.saturating_sub(start)]),
            };
            self.names.push(name.clone());
            tensors.push((name, TensorInfo { dtype, shape, data_offsets: (start, end) }));
        }
        self.names.sort_unstable();
        if let Some(twice) = self.names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(self.broken(&format!("it has two tensors with the name `{}`", twice[0])));
        }
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let header = Metadata::new(None, tensors).map_err(|error| self.broken(&error.to_string()))?;
        Ok((size, header))
    }

    fn unsupported(&self, name: &str, shape: &[usize], dtype: &str) -> CliError {
        self.problem(format!(
            "holds `{name}` {} as {}; F32, F16 and BF16 are allowed",
            dims(shape),
            excerpt(dtype)
        ))
    }

    fn values(
        &self,
        file: &mut impl Read,
        element: ElementType,
        mut bytes: usize,
        are_there: bool,
    ) -> Result<Vec<f32>, CliError> {
        let mut values = room("the input", if are_there { bytes / element.size() } else { 0 })?;
        let mut chunk = vec![0; CHUNK.min(bytes)];
        while bytes > 0 {
            let part = &mut chunk[..CHUNK.min(bytes)];
            self.fill(file, part)?;
            make_room("the input", &mut values, part.len() / element.size())?;
            values.extend(element.decode(part));
            bytes -= part.len();
        }
        Ok(values)
    }

    fn fill(&self, file: &mut impl Read, bytes: &mut [u8]) -> Result<(), CliError> {
        file.read_exact(bytes).map_err(|source| self.ended(source))
    }

    fn skip(&self, file: &mut impl Read, bytes: u64) -> Result<(), CliError> {
        match io::copy(&mut file.take(bytes), &mut io::sink()) {
            Ok(skipped) if skipped == bytes => Ok(()),
            Ok(_) => Err(self.ended(ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.ended(source)),
        }
    }

    fn ended(&self, source: io::Error) -> CliError {
        match source.kind() {
            ErrorKind::UnexpectedEof => self.broken("it ends too early"),
            _ => CliError::File { what: "cannot read", path: self.path.clone(), source },
        }
    }

    fn broken(&self, reason: &str) -> CliError {
        self.problem(format!("is not a whole safetensors file: {}", excerpt(reason)))
    }

    /// An error about this file.
    pub fn problem(&self, problem: String) -> CliError {
        CliError::Input { path: self.path.clone(), problem }
    }

    /// The names of all tensors in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Takes a tensor that may be there.
    pub fn optional(&mut self, name: &str) -> Option<FileTensor> {
        let at = self.read.iter().position(|(read, _)| *read == name)?;
        Some(self.read.swap_remove(at).1)
    }

    /// Takes a tensor that must be there.
    pub fn required(&mut self, name: &str) -> Result<FileTensor, CliError> {
        self.optional(name).ok_or_else(|| {
            let names = list(self.names.iter().map(String::as_str));
            let names = if self.names.is_empty() { "no tensors" } else { &names };
            self.problem(format!("has no tensor `{name}`; it holds {names}"))
        })
    }
}

/// The tensors of a header, in the order of their keys, of which there may be two alike.
struct Header(Vec<(String, Stated)>);

/// A tensor as a header has it: of any type.
#[derive(serde::Deserialize)]
struct Stated {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;

        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a map of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut tensors, mut metadata) = (Vec::new(), None::<HashMap<String, String>>);
                while let Some(name) = map.next_key::<String>()? {
                    if name != METADATA {
                        tensors.push((name, map.next_value()?));
                    } else if metadata.replace(map.next_value()?).is_some() {
                        return Err(de::Error::duplicate_field(METADATA));
                    }
                }
                Ok(Header(tensors))
            }
        }

        deserializer.deserialize_map(Tensors)
    }
}

fn element(dtype: Dtype) -> Option<ElementType> {
    match dtype {
        Dtype::F32 => Some(ElementType::F32),
        Dtype::F16 => Some(ElementType::F16),
        Dtype::BF16 => Some(ElementType::BF16),
        _ => None,
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

/// Writes values as an element type, a part at a time.
pub fn write_values(file: &mut dyn Write, element: ElementType, values: &[f32]) -> io::Result<()> {
    values.chunks(CHUNK).try_for_each(|part| file.write_all(&element.encode(part)))
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
pub fn write_header(file: &mut dyn Write, entries: &[Entry], metadata: &[(&str, String)]) -> io::Result<()> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())));
        header.insert(METADATA.to_owned(), Value::Object(metadata.collect()));
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
