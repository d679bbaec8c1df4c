//! The check before the timing: some elements of a result against float64 sums.

use dropconnect::Mask;
use dropconnect::mask::philox::philox4x32;
use dropconnect_testing::Kind;

use super::problem::Problem;

/// Elements looked at, besides the corners.
const SAMPLES: usize = 60;

/// The largest relative error allowed: what [`dropconnect_testing::bound`] allows, and for very long sums their
/// rounding, which grows with the root of their length.
pub fn bound(problem: &Problem, pass: Kind) -> f64 {
    let terms = match pass {
        Kind::Forward => problem.shape.inputs(),
        Kind::InputGradient => problem.shape.outputs(),
        _ => problem.shape.batch(),
    };
    dropconnect_testing::bound(problem.element) + 2f64.powi(-24) * (terms as f64).sqrt()
}

/// The relative L2 error of a sample of a result.
pub fn relative_error(problem: &Problem, pass: Kind, mask: Option<&Mask>, got: &[f32]) -> f64 {
    let columns = match pass {
        Kind::Forward => problem.shape.outputs(),
        _ => problem.shape.inputs(),
    };
    let last = got.len() - 1;
    let mut places = vec![0, columns - 1, last + 1 - columns, last];
    for k in 0..SAMPLES {
        let words = philox4x32([k as u32, 0, 0, 0], [7, pass as u32]);
        places.push((u64::from(words[0]) << 32 | u64::from(words[1])) as usize % got.len());
    }
    let want: Vec<_> = places.iter().map(|&at| expected(problem, pass, mask, at)).collect();
    let got: Vec<_> = places.iter().map(|&at| got[at]).collect();
    dropconnect_testing::relative_error(&got, &want)
}

fn expected(problem: &Problem, pass: Kind, mask: Option<&Mask>, at: usize) -> f64 {
    let Problem { shape, x, weight, grad_output, .. } = problem;
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let kept = |n: usize, o: usize, i: usize| mask.is_none_or(|mask| mask.keep(n as u32, o as u32, i as u32));
    let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
    let (row, column) = match pass {
        Kind::Forward => (at / outputs, at % outputs),
        _ => (at / inputs, at % inputs),
    };
    let sum: f64 = match pass {
        Kind::Forward => (0..inputs)
            .filter(|&i| kept(row, column, i))
            .map(|i| product(x[row * inputs + i], weight[column * inputs + i]))
            .sum(),
        Kind::InputGradient => (0..outputs)
            .filter(|&o| kept(row, o, column))
            .map(|o| product(grad_output[row * outputs + o], weight[o * inputs + column]))
            .sum(),
        _ => (0..shape.batch())
            .filter(|&n| kept(n, row, column))
            .map(|n| product(grad_output[n * outputs + row], x[n * inputs + column]))
            .sum(),
    };
    mask.map_or(1.0, Mask::scale) * sum
}
