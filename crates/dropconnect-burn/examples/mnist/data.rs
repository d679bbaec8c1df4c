//! MNIST from IDX files: bytes in host memory, batches on the device.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::view::View;

/// Pixels of an image of the files.
const PIXELS: usize = 784;

/// Images and their digits.
pub struct Digits {
    images: Vec<u8>,
    labels: Vec<u8>,
}

/// Training and test set.
pub struct Mnist {
    pub train: Digits,
    pub test: Digits,
}

/// What is wrong with a file.
#[derive(Debug)]
pub struct DataError {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    Read(io::Error),
    Header { expected: Vec<u32>, actual: Vec<u32> },
    Size { expected: usize, actual: usize },
    Label(u8),
    Count { images: usize },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.fault {
            Fault::Read(error) => write!(f, "{path}: {error}; scripts/fetch-mnist.sh fetches the files"),
            Fault::Header { expected, actual } => {
                write!(
                    f,
                    "{path}: the header is {actual:?}, it should begin with {expected:?} (IDX, unpacked)"
                )
            }
            Fault::Size { expected, actual } => {
                write!(f, "{path}: {actual} bytes, the header asks for {expected}; is the file cut off?")
            }
            Fault::Label(label) => write!(f, "{path}: a label is {label}; digits are 0 to 9"),
            Fault::Count { images } => {
                write!(f, "{path}: not as many labels as there are images, {images}; at least one is needed")
            }
        }
    }
}

impl std::error::Error for DataError {}

impl Mnist {
    /// Reads the four files of a directory.
    pub fn read(dir: &Path) -> Result<Self, DataError> {
        Ok(Self { train: Digits::read(dir, "train")?, test: Digits::read(dir, "t10k")? })
    }
}

impl Digits {
    fn read(dir: &Path, set: &str) -> Result<Self, DataError> {
        let images = idx(&dir.join(format!("{set}-images-idx3-ubyte")), &[28, 28])?;
        let path = dir.join(format!("{set}-labels-idx1-ubyte"));
        let labels = idx(&path, &[])?;
        let fault = if labels.is_empty() || labels.len() * PIXELS != images.len() {
            Some(Fault::Count { images: images.len() / PIXELS })
        } else {
            labels.iter().find(|&&label| label > 9).map(|&label| Fault::Label(label))
        };
        match fault {
            Some(fault) => Err(DataError { path, fault }),
            None => Ok(Self { images, labels }),
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Those whose digit passes.
    pub fn only(&self, keep: impl Fn(u8) -> bool) -> Self {
        let kept = (0..self.len()).filter(|&at| keep(self.labels[at]));
        let (images, labels) =
            kept.map(|at| (&self.images[at * PIXELS..][..PIXELS], self.labels[at])).unzip();
        let images: Vec<&[u8]> = images;
        Self { images: images.concat(), labels }
    }

    /// What is seen of the images with these numbers, as rows of pixels in 0..1, and their digits.
    pub fn batch(&self, numbers: &[u32], view: View, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
        let mut pixels = Vec::with_capacity(numbers.len() * view.pixels());
        let mut labels = Vec::with_capacity(numbers.len());
        for &number in numbers {
            let at = number as usize;
            let image = &self.images[at * PIXELS..][..PIXELS];
            view.append(number, image, &mut pixels);
            labels.push(i32::from(self.labels[at]));
        }
        let images = TensorData::new(pixels, [numbers.len(), view.pixels()]);
        let labels = TensorData::new(labels, [numbers.len()]);
        (Tensor::from_data(images, device), Tensor::from_data(labels, device))
    }
}

/// The bytes of an IDX file of unsigned bytes, whose dimensions after the first are these.
fn idx(path: &Path, dims: &[u32]) -> Result<Vec<u8>, DataError> {
    let fail = |fault| DataError { path: path.to_owned(), fault };
    let mut bytes = fs::read(path).map_err(|error| fail(Fault::Read(error)))?;
    // Type 8 is the unsigned byte; the last byte counts the dimensions.
    let magic = 0x0800 + 1 + dims.len() as u32;
    let header: Vec<u32> = bytes
        .chunks_exact(4)
        .take(2 + dims.len())
        .map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")))
        .collect();
    if header.len() != 2 + dims.len() || header[0] != magic || header[2..] != *dims {
        let expected = [&[magic][..], &[header.get(1).copied().unwrap_or(0)], dims].concat();
        return Err(fail(Fault::Header { expected, actual: header }));
    }
    let expected = 4 * header.len() + header[1..].iter().map(|&dim| dim as usize).product::<usize>();
    if bytes.len() != expected {
        return Err(fail(Fault::Size { expected, actual: bytes.len() }));
    }
    Ok(bytes.split_off(4 * header.len()))
}
