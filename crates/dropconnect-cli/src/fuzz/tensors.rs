//! Files of tensors.

use std::io::{self, Read};
use std::path::Path;

use dropconnect_testing::fuzz::is_message;

use crate::error::CliError;
use crate::tensors::{Entry, TensorFile, dtype, write_header, write_values};

const NAMES: [&str; 4] = ["x", "weight", "bias", "grad_output"];

/// A pipe, which gives a few bytes at a time, and may be interrupted.
struct Pipe<'a>(&'a [u8], u32);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(1 + self.1 as usize % 13);
        self.0.read(&mut buffer[..length])
    }
}

/// The tensors of a file, as their shapes, types and bits.
type Bits = Vec<(&'static str, Vec<usize>, &'static str, Vec<u32>)>;

fn bits(mut file: TensorFile) -> Bits {
    let mut bits = Vec::new();
    for name in NAMES {
        let Some(tensor) = file.optional(name) else { continue };
        let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        assert!(tensor.shape.contains(&0) || elements == Some(tensor.values.len()), "{name}");
        let values = tensor.values.iter().map(|value| value.to_bits()).collect();
        bits.push((name, tensor.shape, dtype(tensor.element), values));
    }
    bits
}

/// A file is read from a disk as from a pipe; what is read is written so that the same is read again, and the
/// `safetensors` crate reads it, too. A refusal names the file and is fit for a terminal.
pub fn tensors(input: &[u8]) {
    let path = Path::new("file");
    let read = |mut bytes: &[u8]| {
        let length = bytes.len() as u64;
        TensorFile::parse(path, &mut bytes, Some(length), &NAMES)
    };
    let of_pipe = TensorFile::parse(path, &mut Pipe(input, 0), None, &NAMES);
    let file = match read(input) {
        Ok(file) => file,
        Err(error) => {
            assert!(of_pipe.is_err(), "a pipe is read, and a file is not: {error}");
            assert!(matches!(error, CliError::Input { .. } | CliError::Memory { .. }), "{error:?}");
            assert!(error.to_string().contains("file") || matches!(error, CliError::Memory { .. }));
            return is_message(&error.to_string());
        }
    };
    let of_pipe = of_pipe.unwrap_or_else(|error| panic!("a file is read, and a pipe is not: {error}"));
    assert!(file.names().eq(of_pipe.names()));
    file.names().zip(file.names().skip(1)).for_each(|(one, next)| assert!(one < next, "{one:?}, {next:?}"));
    let tensors = bits(file);
    assert_eq!(tensors, bits(of_pipe));

    let size = |dtype: &str| if dtype == "F32" { 4 } else { 2 };
    let entries: Vec<_> = tensors
        .iter()
        .map(|(name, shape, dtype, values)| Entry {
            name,
            dtype,
            shape: shape.clone(),
            bytes: (values.len() * size(dtype)) as u64,
        })
        .collect();
    let mut written = Vec::new();
    write_header(&mut written, &entries, &[("of", "a fuzz target".to_owned())]).expect("memory");
    for (_, _, name, values) in &tensors {
        let element = dropconnect::ElementType::ALL.into_iter().find(|&element| dtype(element) == *name);
        let values: Vec<_> = values.iter().map(|&bits| f32::from_bits(bits)).collect();
        write_values(&mut written, element.expect("one of three"), &values).expect("memory");
    }
    let again = read(&written).unwrap_or_else(|error| panic!("what is written is not read: {error}"));
    assert_eq!(tensors, bits(again));
    if let Err(error) = safetensors::SafeTensors::deserialize(&written) {
        panic!("{error}");
    }
}
