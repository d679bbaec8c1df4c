//! What other programs say to a benchmark: properties for fuzz targets and tests.

use std::time::Duration;

use dropconnect_testing::fuzz::{acts, is_message};
use serde_json::Value;

use super::plan::Plan;
use super::protocol::{Reply, Request};
use crate::cli::BenchOptions;
use crate::escape::escaped_json;

/// A line is refused in words, or is the same once it is written again; what it asks for is a problem or a reason.
pub fn protocol(input: &[u8]) {
    let line = &*String::from_utf8_lossy(input);
    // Names of devices go on into JSON, which says the same and is fit for a terminal.
    let shown = escaped_json(&Value::from(line).to_string()).into_owned();
    assert!(
        !acts(&shown) && serde_json::from_str::<Value>(&shown).is_ok_and(|value| value == line),
        "{shown:?}"
    );
    match Reply::parse(line) {
        Ok(reply) => {
            is_message(&reply.shown());
            let written = serde_json::to_string(&reply).expect("no map with keys of another kind");
            // NaN and infinity are no JSON, and so in no reply.
            let again = Reply::parse(&written).map(|reply| format!("{reply:?}"));
            assert_eq!(again, Ok(format!("{reply:?}")), "{written}");
            assert!(reply.duration().is_none_or(|time| time <= Duration::from_secs(1_000_000)));
        }
        Err(fault) => assert!(!acts(&fault) && fault.len() < 10_000, "{fault:?}"),
    }
    match Request::parse(line) {
        Ok(request) => {
            is_message(&request.shown());
            let written = serde_json::to_string(&request).expect("no map with keys of another kind");
            let again = Request::parse(&written).map(|request| format!("{request:?}"));
            assert_eq!(again, Ok(format!("{request:?}")), "{written}");
            if let Request::Prepare(task) = request
                && let Ok((shape, _, probability, _)) = task.problem()
            {
                assert!(shape.batch() > 0 && (0.0..1.0).contains(&probability.requested()));
            }
        }
        Err(fault) => is_message(&fault),
    }
}

/// Options make a plan of at least one measurement, or are refused in words.
pub fn plan(options: &BenchOptions) {
    match Plan::new(options) {
        Ok(plan) => assert!(
            !plan.shapes.is_empty()
                && plan.shapes.iter().all(|shape| shape.batch() > 0)
                && !plan.probabilities.is_empty()
                && !plan.elements.is_empty()
                && !plan.passes.is_empty()
        ),
        Err(error) => is_message(&error.to_string()),
    }
}
