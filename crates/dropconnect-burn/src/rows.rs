//! Leading dimensions as the rows of a matrix, and back. Burn's `reshape` takes a 0 for "as it was", so that it has no
//! way to say most empty shapes.

use burn::tensor::{Shape, Tensor};

/// `[..., features]` as `[rows, features]`.
pub(crate) fn flatten<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    let (rows, features) = (dims[..D - 1].iter().product::<usize>(), dims[D - 1]);
    match empty(&dims) {
        // Where the 0 stays where it was, "as it was" is right.
        Some(axis) => tensor.swap_dims(0, axis).reshape([0, features]),
        None => tensor.reshape([rows, features]),
    }
}

/// `[rows, features]` as `[..., features]` of these dimensions, so many rows in all.
pub(crate) fn unflatten<const D: usize>(rows: Tensor<2>, dims: [usize; D]) -> Tensor<D> {
    let Some(axis) = empty(&dims) else { return rows.reshape(dims) };
    let mut ones = [1; D];
    (ones[0], ones[D - 1]) = (0, dims[D - 1]);
    rows.reshape(ones).swap_dims(0, axis).expand(Shape::from(dims))
}

/// Which leading dimension is 0.
fn empty(dims: &[usize]) -> Option<usize> {
    dims[..dims.len() - 1].iter().position(|&size| size == 0)
}
