//! `docs/results/`: every file is what `bench --json` writes, and the table there is made of them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

const REWRITE: &str = "DROPCONNECT_EXPAND=1 cargo test -p dropconnect-cli --test results";
const BEGIN: &str = "<!-- The table is made of the files. -->\n";
const END: &str = "<!-- end of the table -->";
/// Batch, outputs and inputs of the row.
const SHAPE: [u64; 3] = [128, 1024, 1024];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/results")
}

fn text<'v>(value: &'v Value, field: &str) -> Result<&'v str, String> {
    value[field].as_str().ok_or_else(|| format!("has no `{field}`"))
}

/// Median and spread of measurements, in milliseconds.
fn time(samples: &Value) -> Result<String, String> {
    let number = |field: &str| match samples[field].as_f64() {
        Some(value) if value > 0.0 => Ok(value),
        other => Err(format!("has {other:?} as `{field}`")),
    };
    let shown = |value: f64| match value {
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    let [median, min, max] = [number("median_ms")?, number("min_ms")?, number("max_ms")?];
    if !(min..=max).contains(&median) {
        return Err(format!("has a median of {median} in {min}..{max}"));
    }
    Ok(format!("{} ({}..{})", shown(median), shown(min), shown(max)))
}

/// The row of one file.
fn row(name: &str, report: &Value) -> Result<String, String> {
    // Both have the medians that are shown.
    let readable = [1, 2].iter().any(|format| report["format"] == *format);
    if !readable || !report["stopped"].is_null() {
        return Err(format!("is of format {}, stopped: {}", report["format"], report["stopped"]));
    }
    let environment = &report["environment"];
    let results = report["results"].as_array().ok_or("has no results")?;
    for pass in results.iter().flat_map(|entry| entry["passes"].as_array().into_iter().flatten()) {
        let bound = dropconnect_testing::bound(dropconnect::ElementType::BF16);
        if !pass["error"].as_f64().is_some_and(|error| error < bound) {
            return Err(format!("has a wrong result: {}", pass["error"]));
        }
    }
    let pass = |p: f64, pass: &str| {
        let is = |entry: &&Value| {
            ["batch", "outputs", "inputs"].map(|axis| entry[axis].as_u64()) == SHAPE.map(Some)
                && entry["element"] == "f32"
                && entry["p"] == p
        };
        let entry = results.iter().find(is).ok_or_else(|| format!("has no {SHAPE:?} in f32 at p = {p}"))?;
        let passes = entry["passes"].as_array().into_iter().flatten();
        passes.clone().find(|one| one["pass"] == pass).ok_or_else(|| format!("has no {pass} at p = {p}"))
    };
    let [half, fifth] = [0.5, 0.2];
    let cells = [
        format!("[{}]({name})", text(environment, "adapter")?),
        format!("{}, {}", text(environment, "backend")?, text(environment, "driver")?),
        text(environment, "cpu")?.to_owned(),
        text(report, "date")?.chars().take(10).collect(),
        time(&pass(half, "forward")?["ours"])?,
        time(&pass(half, "both gradients")?["ours"])?,
        time(&pass(fifth, "forward")?["ours"])?,
        time(&pass(half, "forward")?["dense"])?,
    ];
    Ok(format!("| {} |\n", cells.join(" | ")))
}

fn table() -> String {
    let mut table = "| adapter | by | processor | date | forward, p = 0.5 | both gradients, p = 0.5 \
                     | forward, p = 0.2 | forward, dense |\n|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.filter(|name| name.ends_with(".json")).collect();
    files.sort();
    for name in files {
        let json = fs::read_to_string(folder().join(&name)).unwrap();
        let report =
            serde_json::from_str(&json).unwrap_or_else(|error| panic!("docs/results/{name}: {error}"));
        table += &row(&name, &report).unwrap_or_else(|fault| panic!("docs/results/{name} {fault}"));
    }
    table
}

/// With `DROPCONNECT_EXPAND` set this writes the table; else it compares it.
#[test]
fn the_table_is_that_of_the_files() {
    let path = folder().join("README.md");
    let kept = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let (before, rest) = kept.split_once(BEGIN).expect("the place of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let made = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("DROPCONNECT_EXPAND").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        assert!(made == kept, "docs/results/README.md is not of its files; `{REWRITE}` writes it anew");
    }
}

#[test]
fn a_file_that_is_none_is_refused() {
    let samples = |median: f64| serde_json::json!({ "median_ms": median, "min_ms": 1.0, "max_ms": 3.0 });
    let report = |error: f64, median: f64, p: f64| {
        let pass = |name| {
            let (ours, dense) = (samples(median), samples(1.5));
            serde_json::json!({ "pass": name, "error": error, "ours": ours, "dense": dense })
        };
        let entry = |p: f64| {
            let [batch, outputs, inputs] = SHAPE;
            let passes = [pass("forward"), pass("both gradients")];
            serde_json::json!({ "batch": batch, "outputs": outputs, "inputs": inputs, "element": "f32", "p": p,
                                "passes": passes })
        };
        let environment =
            serde_json::json!({ "adapter": "A", "backend": "vulkan", "driver": "D 1", "cpu": "C" });
        serde_json::json!({ "format": 1, "date": "2026-01-02T03:04:05Z", "environment": environment,
                            "results": [entry(0.5), entry(p)] })
    };
    assert_eq!(
        row("a.json", &report(1e-7, 2.0, 0.2)).unwrap(),
        "| [A](a.json) | vulkan, D 1 | C | 2026-01-02 | 2.00 (1.00..3.00) | 2.00 (1.00..3.00) | 2.00 (1.00..3.00) | \
         1.50 (1.00..3.00) |\n"
    );
    for (report, fault) in [
        (report(0.5, 2.0, 0.2), "wrong result"),
        (report(1e-7, 4.0, 0.2), "median"),
        (report(1e-7, 2.0, 0.3), "p = 0.2"),
    ] {
        assert!(row("a.json", &report).unwrap_err().contains(fault), "{fault}");
    }
    let stopped = serde_json::json!({ "format": 1, "stopped": "Ctrl-C" });
    assert!(row("a.json", &stopped).unwrap_err().contains("Ctrl-C"));
    let mut newer = report(1e-7, 2.0, 0.2);
    newer["format"] = 2.into();
    assert!(row("a.json", &newer).is_ok());
    newer["format"] = 3.into();
    assert!(row("a.json", &newer).unwrap_err().contains("format 3"));
}
