//! A named check: how many cases, the worst of them, and how bad it may be.

use crate::demanding;

/// A named check and what it found so far.
pub struct Check {
    /// What is claimed.
    pub name: String,
    /// How often it was tried.
    pub cases: u64,
    /// How long that took, compiling included, beside other checks.
    pub seconds: f64,
    /// Largest value allowed; 0 for checks that count differing bits or values.
    bound: f64,
    worst: f64,
    worst_case: String,
    failure: Option<String>,
}

impl Check {
    /// A check on relative L2 errors. Bounds that prove nothing are refused.
    pub fn error(name: String, bound: f64) -> Self {
        Self { bound: demanding(bound), ..Self::count(name) }
    }

    /// A check that nothing differs.
    pub fn count(name: String) -> Self {
        Self {
            name,
            cases: 0,
            seconds: 0.0,
            bound: 0.0,
            worst: 0.0,
            worst_case: String::new(),
            failure: None,
        }
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

    /// Adds cases that were counted elsewhere, and what was wrong among them.
    pub fn count_all(&mut self, cases: u64, wrong: &[String]) {
        self.cases += cases;
        self.worst = self.worst.max(wrong.len() as f64);
        self.worst_case = wrong.join("; ");
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
