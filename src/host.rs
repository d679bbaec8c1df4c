//! Host memory whose size a caller decides: a refusal is an error, and no `capacity overflow` or abort.

use std::borrow::Cow;

use bytemuck::{AnyBitPattern, Zeroable};

use crate::{ElementType, Error};

/// So many zeros. The operating system has pages of them, so that a large vector costs what is touched of it.
pub(crate) fn zeros<T: Zeroable>(len: usize) -> Result<Vec<T>, Error> {
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| refused::<T>(len))
}

/// A copy of a slice.
pub(crate) fn copy<T: AnyBitPattern>(values: &[T]) -> Result<Vec<T>, Error> {
    let mut copy = empty(values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

/// An empty vector with room for so many.
pub(crate) fn empty<T>(len: usize) -> Result<Vec<T>, Error> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| refused::<T>(len))?;
    Ok(vec)
}

/// One more at the end.
pub(crate) fn push<T>(vec: &mut Vec<T>, value: T) -> Result<(), Error> {
    if vec.len() == vec.capacity() {
        vec.try_reserve(1).map_err(|_| refused::<T>(vec.len() + 1))?;
    }
    vec.push(value);
    Ok(())
}

/// What an iterator yields, however much that is.
pub(crate) fn collect<T>(values: impl IntoIterator<Item = T>) -> Result<Vec<T>, Error> {
    try_collect(values.into_iter().map(Ok))
}

/// The same for items that may be faults, of which the first ends it.
pub(crate) fn try_collect<T>(values: impl IntoIterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    let values = values.into_iter();
    let mut vec = empty(values.size_hint().0)?;
    values.into_iter().try_for_each(|value| push(&mut vec, value?))?;
    Ok(vec)
}

/// The bytes of values in an element type, see [`ElementType::encode`]; f32 is in memory as it is.
pub(crate) fn encode(element: ElementType, values: &[f32]) -> Result<Cow<'_, [u8]>, Error> {
    if element == ElementType::F32 {
        return Ok(Cow::Borrowed(bytemuck::cast_slice(values)));
    }
    let mut bytes = empty(values.len().saturating_mul(element.size()))?;
    element.encode_into(values, &mut bytes);
    Ok(Cow::Owned(bytes))
}

/// Values as they read after being stored.
pub(crate) fn rounded(element: ElementType, values: &[f32]) -> Result<Cow<'_, [f32]>, Error> {
    if element == ElementType::F32 {
        return Ok(Cow::Borrowed(values));
    }
    let mut values = copy(values)?;
    round_all(element, &mut values);
    Ok(Cow::Owned(values))
}

/// The same in place.
pub(crate) fn round_all(element: ElementType, values: &mut [f32]) {
    if element != ElementType::F32 {
        values.iter_mut().for_each(|value| *value = element.round(*value));
    }
}

fn refused<T>(len: usize) -> Error {
    Error::HostMemory { bytes: (len as u64).saturating_mul(size_of::<T>() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than any address space holds, by bytes and by elements.
    #[test]
    fn what_no_memory_holds_is_refused() {
        for len in [usize::MAX / 8, usize::MAX] {
            let bytes = (len as u64).saturating_mul(4);
            let all = [zeros::<f32>(len).map(drop), empty::<f32>(len).map(drop)];
            for refused in all {
                assert!(matches!(refused, Err(Error::HostMemory { bytes: b }) if b == bytes));
            }
            // The iterator says how much it will be.
            assert!(matches!(collect((0..len).map(|_| 0.0f32)), Err(Error::HostMemory { .. })));
        }
        let none: Vec<f32> = zeros(0).unwrap();
        assert!(none.is_empty());
        assert_eq!(zeros::<u8>(3).unwrap(), [0; 3]);
        assert_eq!(collect(0..1000).unwrap(), (0..1000).collect::<Vec<_>>());
        assert_eq!(collect((0..9).filter(|k| k % 2 == 0)).unwrap(), [0, 2, 4, 6, 8]);
    }

    #[test]
    fn bytes_are_those_of_the_element_type() {
        let values = [1.0, -0.3, f32::INFINITY, 1e-30];
        for element in ElementType::ALL {
            assert_eq!(encode(element, &values).unwrap(), element.encode(&values));
            let read = element.decode(&element.encode(&values));
            assert_eq!(*rounded(element, &values).unwrap(), *read);
        }
    }
}
