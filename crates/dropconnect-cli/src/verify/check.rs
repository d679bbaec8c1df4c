//! A named check: how many cases, the worst of them, and how bad it may be.

use dropconnect::{ElementType, reference};

use super::Context;
use super::data::{Data, mask, shape};
use super::runner::{BiasMode, Call, Pass, Runner};
use crate::error::CliError;

/// A named check and what it found so far.
pub struct Check {
    /// What is claimed.
    pub name: String,
    /// How often it was tried.
    pub cases: u64,
    /// How long that took, compiling included.
    pub seconds: f64,
    /// Largest value allowed; 0 for checks that count differing bits or values.
    bound: f64,
    worst: f64,
    worst_case: String,
    failure: Option<String>,
}

impl Check {
    /// A check on relative L2 errors.
    pub fn error(name: String, bound: f64) -> Self {
        Self { name, cases: 0, seconds: 0.0, bound, worst: 0.0, worst_case: String::new(), failure: None }
    }

    /// A check that nothing differs.
    pub fn count(name: String) -> Self {
        Self::error(name, 0.0)
    }

    /// Adds a case. NaN is as wrong as it gets.
    pub fn case(&mut self, error: f64, what: impl FnOnce() -> String) {
        self.cases += 1;
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error > self.worst {
            self.worst = error;
            self.worst_case = what();
        }
    }

    /// Fails for a reason that is not a number.
    pub fn fail(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| reason.to_owned());
    }

    /// A check that tried nothing has shown nothing.
    pub fn ok(&self) -> bool {
        self.failure.is_none() && self.cases > 0 && self.worst <= self.bound
    }

    /// Why it failed.
    pub fn reason(&self) -> String {
        match &self.failure {
            Some(failure) => failure.clone(),
            None if self.cases == 0 => "no case was run".to_owned(),
            None => format!("{} at {}", self.worst_text(), self.worst_case),
        }
    }

    /// The worst case.
    pub fn worst_text(&self) -> String {
        self.number(self.worst)
    }

    /// The bound.
    pub fn bound_text(&self) -> String {
        self.number(self.bound)
    }

    fn number(&self, value: f64) -> String {
        if self.bound == 0.0 { format!("{value}") } else { format!("{value:.1e}") }
    }
}

/// The relative L2 error. Infinite for a NaN anywhere, for a wrong length, and where all of `want` is zero
/// and something of `got` is not.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    error_in_units(got, want, 0.0)
}

/// The same, relative to no less than as many elements of size `unit`: the terms of few sums may cancel by chance,
/// and rounding is that of the terms.
pub fn error_in_units(got: &[f32], want: &[f64], unit: f64) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let difference: f64 = got.iter().zip(want).map(|(&g, w)| (f64::from(g) - w).powi(2)).sum();
    let norm: f64 = want.iter().map(|w| w * w).sum();
    match difference {
        d if d.is_nan() => f64::INFINITY,
        0.0 => 0.0,
        _ => (difference / norm.max(unit * unit * want.len() as f64)).sqrt(),
    }
}

/// What storing a result in this type, and summing it in f32, may cost: half a unit in the last place each
/// for storage, and 1e-5 for the sum.
pub fn bound(element: ElementType) -> f64 {
    let storage = match element {
        ElementType::F32 => 0.0,
        ElementType::F16 => 1.0 / 2048.0,
        ElementType::BF16 => 1.0 / 256.0,
    };
    storage + 1e-5
}

/// The same for sums of many products: rounding errors of f32 additions, each 2^-25 of a sum that grows like a random
/// walk, come to about 2^-25 sqrt(n / 2) of the whole; ten times that is allowed.
pub fn bound_of_sum(element: ElementType, products: usize) -> f64 {
    bound(element).max(10.0 * f64::from(2f32.powi(-25)) * (products as f64 / 2.0).sqrt())
}

/// How many values differ.
pub fn differences<T: PartialEq>(got: &[T], want: &[T]) -> f64 {
    let missing = got.len().abs_diff(want.len());
    (got.iter().zip(want).filter(|(got, want)| got != want).count() + missing) as f64
}

/// How many values differ in some bit.
pub fn bit_differences(got: &[f32], want: &[f32]) -> f64 {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    differences(&bits(got), &bits(want))
}

/// Feeds wrong results to the comparisons that every check above relies on. Each must be found.
pub fn self_test(context: &Context, checks: &mut Vec<Check>, runner: &Runner) {
    let check = Check::count("self-test: wrong results are found".to_owned());
    context.check(checks, check, |check| {
        let shape = shape([31, 33, 100])?;
        let (right, other) = (mask(0.5, 1)?, mask(0.5, 2)?);
        for element in ElementType::ALL {
            let data = Data::new(&shape, element);
            let mut missed = |what: &str, pass: Pass, mask, break_it: fn(&mut Vec<f32>)| {
                let call = Call::new(shape, element, Some(mask), BiasMode::Plain, &data);
                let mut got = runner.run(pass, &call)?;
                break_it(&mut got);
                let want = pass.reference(&Call { mask: Some(&right), ..call })?;
                let found = relative_error(&got, &want) > bound(element);
                check.case(if found { 0.0 } else { 1.0 }, || {
                    format!("{what} in {} went unnoticed", pass.name())
                });
                Ok::<_, CliError>(())
            };
            for pass in Pass::LINEAR {
                missed("the mask of another step", pass, &other, |_| {})?;
                missed("a value never written", pass, &right, |got| got[7] = f32::NAN)?;
                missed("a wrong scale", pass, &right, |got| got.iter_mut().for_each(|y| *y *= 1.01))?;
                missed("two values exchanged", pass, &right, |got| got.swap(0, 40))?;
                missed("a short result", pass, &right, |got| got.truncate(got.len() - 1))?;
            }
        }
        let mut bits = reference::mask::mask(&shape, &right)?;
        let want = bits.clone();
        bits[1234] = !bits[1234];
        let found = differences(&bits, &want) > 0.0 && differences(&want, &want) == 0.0;
        check.case(if found { 0.0 } else { 1.0 }, || "a wrong mask bit went unnoticed".to_owned());
        Ok(())
    });
}
