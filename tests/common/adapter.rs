//! The adapter of a test binary, or the word that there is none. Also part of the unit tests in `src/gpu`,
//! which is why the types come from the parent module.

use std::io::Write as _;
use std::sync::LazyLock;

use super::{AdapterChoice, Error, Gpu, KernelOptions};

/// Set to 1 where a missing adapter is a failure, as in `scripts/test.sh`.
const REQUIRE_ADAPTER: &str = "DROPCONNECT_REQUIRE_ADAPTER";

static GPU: LazyLock<Result<Gpu, Error>> =
    LazyLock::new(|| Gpu::open(&AdapterChoice::default(), &KernelOptions::default()));

/// The adapter of this test binary. Without one the test is not run, which is said on stderr, or fails where
/// one is required. An adapter that does not open is a failure always.
pub fn adapter(test: &str) -> Option<&'static Gpu> {
    match &*GPU {
        Ok(gpu) => Some(gpu),
        Err(Error::NoAdapter { .. }) => {
            let required = std::env::var(REQUIRE_ADAPTER).is_ok_and(|value| value == "1");
            assert!(!required, "{test}: {REQUIRE_ADAPTER} is 1, and there is no adapter");
            not_run(test, "no adapter");
            None
        }
        Err(error) => panic!("{test}: {error}"),
    }
}

/// Says on stderr that something was not tested. Written past libtest, which hides what passing tests print.
pub fn not_run(test: &str, why: &str) {
    let _ = std::io::stderr().write_all(format!("NOT RUN: {test}: {why}\n").as_bytes());
}
