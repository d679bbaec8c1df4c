//! What Python hands over, checked: every refusal is a `ValueError` that names the argument and what it was.

use dropconnect::{DropProbability, Error, Mask, MaskKey, Origin, Shape, Sharing};
use numpy::{PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use std::num::NonZeroU32;

/// An argument and its name.
pub struct Named<'a, 'py>(pub &'static str, pub &'a Bound<'py, PyAny>);

impl<'py> Named<'_, 'py> {
    fn refuse(&self, what: &str, wanted: &str) -> PyErr {
        PyValueError::new_err(format!("`{}` is {what}; it must be {wanted}", self.0))
    }

    /// An integer of `least..=most`, by `__index__` like Python's own.
    pub fn integer(&self, least: u64, most: u64) -> PyResult<u64> {
        let value = self.1.extract::<u64>().ok().filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| {
            let what = self.1.repr().map_or_else(|_| "no integer".to_owned(), |repr| repr.to_string());
            self.refuse(&what, &format!("an integer from {least} to {most}"))
        })
    }

    /// [`integer`](Self::integer) of 32 bits, from 0.
    pub fn word(&self) -> PyResult<u32> {
        self.integer(0, u64::from(u32::MAX)).map(|value| value as u32)
    }

    /// A drop probability that leaves something.
    pub fn probability(&self) -> PyResult<DropProbability> {
        let Ok(p) = self.1.extract::<f64>() else {
            let what = self.1.repr()?.to_string();
            return Err(self.refuse(&what, "a number, at least 0 and below 1"));
        };
        DropProbability::new(p).map_err(|error| PyValueError::new_err(format!("`{}`: {error}", self.0)))
    }

    /// A NumPy array to read, in C order: without this check one in Fortran's order would be read as its transpose.
    pub fn read<T: numpy::Element>(&self, order: usize) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
        self.array::<T>(order)?.try_readonly().map_err(|_| self.borrowed())
    }

    /// A NumPy array to write.
    pub fn write<T: numpy::Element>(&self, order: usize) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
        let array = self.array::<T>(order)?;
        // Not told apart from an array in use by the error below.
        if !array.getattr("flags")?.getattr("writeable")?.extract::<bool>()? {
            return Err(self.refuse("read-only", "writeable"));
        }
        array.try_readwrite().map_err(|_| self.borrowed())
    }

    /// [`read`](Self::read), of the shape that the other arguments ask for.
    pub fn read_of<T: numpy::Element>(&self, shape: &[usize]) -> PyResult<PyReadonlyArrayDyn<'py, T>> {
        let array = self.read(shape.len())?;
        self.expect_shape(array.shape(), shape)?;
        Ok(array)
    }

    /// [`write`](Self::write), of that shape.
    pub fn write_of<T: numpy::Element>(&self, shape: &[usize]) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
        let array = self.write(shape.len())?;
        self.expect_shape(array.shape(), shape)?;
        Ok(array)
    }

    /// That an array of this name has the shape which the other arguments ask for.
    pub fn expect_shape(&self, shape: &[usize], wanted: &[usize]) -> PyResult<()> {
        if shape == wanted {
            return Ok(());
        }
        Err(PyValueError::new_err(format!(
            "`{}` is of shape {shape:?}; the other arguments ask for {wanted:?}",
            self.0
        )))
    }

    fn borrowed(&self) -> PyErr {
        self.refuse(
            "in use by this call or another one",
            "an array that nothing else reads or writes meanwhile",
        )
    }

    fn array<T: numpy::Element>(&self, order: usize) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
        // Only for a refusal: a type's name takes longer than all the rest.
        let wanted =
            || format!("a {order}-dimensional C-contiguous NumPy array of {}", T::get_dtype(self.1.py()));
        let Ok(array) = self.1.cast::<PyArrayDyn<T>>() else {
            let what = match self.1.getattr("dtype") {
                Ok(dtype) => format!("an array of {dtype}"),
                Err(_) => format!("a {}", self.1.get_type().name()?),
            };
            return Err(self.refuse(&what, &wanted()));
        };
        if array.ndim() != order {
            return Err(self.refuse(&format!("of shape {:?}", array.shape()), &wanted()));
        }
        if !array.is_c_contiguous() {
            return Err(self.refuse("not C-contiguous", &wanted()));
        }
        Ok(array.clone())
    }
}

/// The elements of an array that [`Named::read`] has checked.
pub fn elements<'a, T: numpy::Element>(
    argument: &'static str,
    array: &'a PyReadonlyArrayDyn<'_, T>,
) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|error| PyValueError::new_err(format!("`{argument}`: {error}")))
}

/// The same for [`Named::write`].
pub fn elements_mut<'a, T: numpy::Element>(
    argument: &'static str,
    array: &'a mut PyReadwriteArrayDyn<'_, T>,
) -> PyResult<&'a mut [T]> {
    array.as_slice_mut().map_err(|error| PyValueError::new_err(format!("`{argument}`: {error}")))
}

/// The library's shape.
pub fn shape(batch: usize, outputs: usize, inputs: usize) -> PyResult<Shape> {
    Shape::new(batch, outputs, inputs).map_err(refusal)
}

/// The library's key of `(seed, layer, step)`.
pub fn key(key: &Bound<'_, PyAny>) -> PyResult<MaskKey> {
    let Ok((seed, layer, step)) = key.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>)>()
    else {
        return Err(Named("key", key).refuse(&key.repr()?.to_string(), "a tuple (seed, layer, step)"));
    };
    let key = MaskKey::new(Named("seed", &seed).integer(0, u64::MAX)?, Named("layer", &layer).word()?);
    Ok(key.at_step(Named("step", &step).integer(0, u64::MAX)?))
}

/// The mask of `key = (seed, layer, step)`, of groups of `sharing` examples (0: the whole batch).
pub fn mask(
    key: &Bound<'_, PyAny>,
    p: &Bound<'_, PyAny>,
    sharing: &Bound<'_, PyAny>,
    sample_origin: &Bound<'_, PyAny>,
) -> PyResult<Mask> {
    let key = self::key(key)?;
    let sharing = match NonZeroU32::new(Named("sharing", sharing).word()?) {
        None => Sharing::Batch,
        Some(size) if size.get() == 1 => Sharing::Example,
        Some(size) => Sharing::Group(size),
    };
    let example = Named("sample_origin", sample_origin).word()?;
    let probability = Named("p", p).probability()?;
    Ok(Mask::new(key, probability).shared(sharing).at(Origin { example, ..Origin::default() }))
}

/// The library's refusal as Python's exception.
pub fn refusal(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::HostMemory { .. } => PyMemoryError::new_err(text),
        Error::Threads { .. } => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
