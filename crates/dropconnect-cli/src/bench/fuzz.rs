//! What other programs and earlier runs say to a benchmark: properties for fuzz targets and tests.

use std::time::Duration;

use dropconnect::ElementType;
use serde_json::Value;

use super::compare::Earlier;
use super::json::{Entry, Memory, PassEntry, Samples};
use super::plan::Plan;
use super::problem::PASSES;
use super::protocol::{Reply, Request};
use super::rounds::Series;
use crate::cli::BenchOptions;
use crate::escape::{escaped_json, excerpt};
use crate::fuzz::{acts, is_message};

/// A report is refused in words, or compared with in cells of a table, whatever its samples are.
pub fn report(input: &[u8]) {
    let earlier = match Earlier::parse(input) {
        Ok(earlier) => earlier,
        Err(error) => return is_message(&excerpt(&error.to_string())),
    };
    earlier.describe().lines().for_each(is_message);
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    for result in value["results"].as_array().into_iter().flatten().take(4) {
        for pass in result["passes"].as_array().into_iter().flatten().take(4) {
            let Some((entry, pass)) = now(result, pass) else { continue };
            for cell in earlier.cells(&entry, &pass) {
                assert!(cell.len() < 100 && !acts(&cell), "{cell:?}");
            }
        }
    }
}

/// A measurement of a pass that a report has.
fn now(result: &Value, pass: &Value) -> Option<(Entry, PassEntry)> {
    let size = |name: &str| result[name].as_u64().and_then(|size| usize::try_from(size).ok());
    let element = ElementType::ALL.into_iter().find(|element| result["element"] == element.name())?;
    let pass = PASSES.into_iter().find(|known| pass["pass"] == known.name())?;
    let series = |every| Series {
        calls: 1,
        every,
        warmup: 0,
        steady: true,
        milliseconds: (1..=24).map(f64::from).collect(),
    };
    let ours = Samples::new(&series(1), 1);
    let dense = Samples::beside(&series(3), 1, &series(1));
    let pass = PassEntry { dense: Some(dense), ..PassEntry::new(pass.name(), 0.0, ours) };
    let entry = Entry {
        batch: size("batch")?,
        outputs: size("outputs")?,
        inputs: size("inputs")?,
        element: element.name(),
        p: result["p"].as_f64()?,
        p_realised: 0.5,
        memory: Memory { tensors: 0, ours_extra: None, stored_mask_extra: None },
        stored_mask_missing: None,
        passes: Vec::new(),
    };
    Some((entry, pass))
}

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
