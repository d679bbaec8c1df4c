//! `dropconnect bench`: that it runs, what it writes, what it refuses.

use std::fs;

use dropconnect_testing::full;

use crate::common::{devices, fail, run, succeed, text};
use serde_json::Value;

#[test]
fn a_small_benchmark_writes_its_reports() {
    let folder = tempfile::tempdir().unwrap();
    let [json, html, csv, markdown] =
        ["json", "html", "csv", "md"].map(|name| folder.path().join(format!("bench.{name}")));
    for device in devices("a_small_benchmark_writes_its_reports") {
        let passes: &[&str] = match device {
            // The gradient alone: the mask that it reads has to be stored without a forward pass.
            "gpu" if !full() => &["--pass", "weight-gradient"],
            _ => &[],
        };
        let passes_run = if passes.is_empty() { 4 } else { 1 };
        let small = [
            "bench",
            "--device",
            device,
            "--shape",
            "5,9,13",
            "--shape",
            "8x16x32",
            "--p",
            "0.5",
            "--repeats",
            "3",
            "--warmup",
            "0",
            "--json",
            text(&json),
            "--html",
            text(&html),
            "--csv",
            text(&csv),
            "--markdown",
            text(&markdown),
        ];
        let table = succeed(&[&small[..], passes].concat());
        assert!(table.contains("5 x 9 x 13") && table.contains("both gradients"), "{table}");
        let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
        for field in ["adapter", "driver", "backend", "os", "cpu"] {
            assert!(report["environment"][field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
        }
        let results = report["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            assert_eq!((&result["p"], &result["element"]), (&Value::from(0.5), &Value::from("f32")));
            for pass in result["passes"].as_array().unwrap() {
                for way in ["ours", "dense", "shared_mask", "stored_mask"] {
                    let times = &pass[way];
                    for sorted in [["min_ms", "median_ms", "max_ms"], ["low_ms", "median_ms", "high_ms"]] {
                        let sorted = sorted.map(|of| times[of].as_f64().unwrap());
                        assert!(0.0 < sorted[0] && sorted.is_sorted(), "{sorted:?}");
                    }
                    let samples: Vec<_> = times["samples_ms"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one.as_f64().unwrap())
                        .collect();
                    assert_eq!((samples.len(), times["every"].as_u64()), (3, Some(1)));
                    assert!(times["calls"].as_u64().unwrap() > 0);
                    assert_eq!(times["over_ours"].is_null(), way == "ours");
                }
                assert!(pass["baseline"].is_null());
            }
        }
        let lines = fs::read_to_string(&csv).unwrap();
        let (head, lines) = lines.split_once('\n').unwrap();
        // Two problems, all passes, four ways; the adapter, which may have commas, is last.
        assert_eq!(lines.lines().count(), 2 * passes_run * 4, "{lines}");
        assert!(head.ends_with(",error,adapter") && !head.contains(' '), "{head}");
        for line in lines.lines() {
            let fields = line.split(',').take(head.matches(',').count()).collect::<Vec<_>>();
            let times: Vec<f64> = fields[7..12].iter().map(|field| field.parse().unwrap()).collect();
            assert!(times.iter().all(|&time| time > 0.0), "{line}");
            assert!(line.ends_with('"'), "{line}");
        }
        let said = fs::read_to_string(&markdown).unwrap();
        assert!(said.starts_with("On ") && said.contains("with a fresh mask for every example"), "{said}");
        let rows: Vec<_> = said.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 2 * (2 + 4), "{said}");
        assert!(rows.iter().all(|row| row.matches('|').count() == 3 + passes_run), "{said}");
        let page = fs::read_to_string(&html).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        for resource in ["http:", "https:", "src=", "<script", "<link"] {
            assert!(!page.contains(resource), "{resource}");
        }
        for tag in ["svg", "table", "figure", "section", "dl", "main"] {
            let (opened, closed) =
                (page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count());
            assert!(opened == closed && opened > 0, "{tag}: {opened} opened, {closed} closed");
        }
    }
}

/// Without a GPU the fast device is the CPU backend, and a software adapter has to be asked for.
#[test]
fn the_device_is_named_and_why() {
    let found: Value = serde_json::from_str(&succeed(&["adapters", "--json"])).unwrap();
    let adapters = found["adapters"].as_array().unwrap();
    let as_gpu = adapters.iter().find(|adapter| adapter["chosen_as_gpu"] == true);
    let software = as_gpu.is_some_and(|adapter| adapter["kind"] == "software");
    let hardware = as_gpu.is_some() && !software;
    assert_eq!(adapters.iter().any(|adapter| adapter["chosen"] == true), hardware);
    assert_eq!(found["cpu_backend"]["chosen"], !hardware);

    let one = ["--pass", "forward", "--rival", "none"];
    let quick =
        [&["bench", "--shape", "5,9,13", "--p", "0.5", "--repeats", "1", "--warmup", "0"], &one[..]].concat();
    let said = |options: &[&str]| {
        let output = run(&[&quick[..], options].concat());
        let (table, text) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{options:?}: {text}");
        let line = text.lines().find(|line| line.starts_with("device: ")).unwrap_or_default();
        (line.to_owned(), table.lines().next().unwrap_or_default().to_owned())
    };
    let (line, head) = said(&[]);
    if hardware {
        assert!(line.contains("the best adapter found"), "{line}");
    } else {
        assert!(line.contains("CPU backend") && line.contains("no hardware adapter was found"), "{line}");
        assert!(head.contains("CPU backend"), "{head}");
    }
    if !software {
        println!("NOT RUN: the rest of the_device_is_named_and_why: the best adapter is no software adapter");
        return;
    }
    assert!(line.contains("--device gpu"), "{line}");
    let name = as_gpu.unwrap()["name"].as_str().unwrap();
    // The device, a name, an API and kernel shapes each ask for an adapter.
    let backend = as_gpu.unwrap()["backend"].as_str().unwrap();
    let shapes = "1x1x8x8,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576";
    let (_, head) = said(&["--tuning", shapes]);
    assert!(head.contains(name), "{head}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mask");
    for options in [["--device", "gpu"], ["--adapter", name], ["--backend", backend], ["--tuning", shapes]] {
        let output = run(&[&["mask", "--shape", "1,1,1", "--out", text(&out)], &options[..]].concat());
        let line = String::from_utf8_lossy(&output.stderr);
        assert!(line.contains(name) && line.contains("a software adapter"), "{options:?}: {line}");
        let named = &["verify", "--device", "cpu", options[0], options[1]];
        if options[0] != "--device" {
            fail(named, 2, &[options[0], "--device cpu"]);
        }
    }
}

#[test]
fn a_quick_run_is_of_little() {
    let quick = ["bench", "--device", "cpu", "--quick", "--repeats", "1", "--warmup", "0"];
    let table = succeed(&quick);
    // One row with its shape in the table of times, one in that of memory.
    assert_eq!(table.matches("128 x 512 x 512   0.5   f32    forward").count(), 1, "{table}");
    assert_eq!(table.matches(" x ").count(), 4, "{table}");
    assert!(
        table.contains("stored mask") && !table.contains("shared mask") && !table.contains("input gradient")
    );
    let table = succeed(&[&quick[..], &["--shape", "3,4,8", "--p", "0.2", "--rival", "shared"]].concat());
    assert!(table.contains("3 x 4 x 8   0.2") && table.contains("shared mask"), "{table}");
}

#[test]
fn a_sweep_goes_through_one_dimension() {
    let quick = ["bench", "--device", "cpu", "--p", "0.5", "--repeats", "1", "--warmup", "0"];
    for (dimension, shapes) in [
        ("batch", ["2 x 6 x 10", "4 x 6 x 10", "8 x 6 x 10", "16 x 6 x 10", "32 x 6 x 10"]),
        ("inputs", ["8 x 6 x 3", "8 x 6 x 5", "8 x 6 x 10", "8 x 6 x 20", "8 x 6 x 40"]),
    ] {
        let table = succeed(&[&quick[..], &["--shape", "8,6,10", "--sweep", dimension]].concat());
        for shape in shapes {
            assert!(table.contains(shape), "{shape}: {table}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("curves.html");
    let all = ["--shape", "128,128,128", "--sweep", "batch", "--sweep", "outputs", "--sweep", "inputs"];
    let table = succeed(&[&quick[..], &all, &["--pass", "forward", "--html", text(&html)]].concat());
    // 13 shapes: each dimension goes through the same one.
    assert_eq!(table.matches("   0.5   f32    forward").count(), 13, "{table}");
    let page = fs::read_to_string(&html).unwrap();
    // For each dimension four curves of time, and two of memory, of which the stored mask's leaves the picture.
    assert_eq!(
        (page.matches("<polyline").count(), page.matches(" ↑</text>").count()),
        (3 * (4 + 2), 3),
        "{page}"
    );
    assert!(!page.contains("NaN") && !page.contains("inf,"), "{page}");
    let two = ["--shape", "8,6,10", "--shape", "1,1,1", "--sweep", "outputs"];
    fail(&[&quick[..], &two].concat(), 2, &["--sweep", "2 times"]);
    let large = ["--shape", "1,1,4000000000", "--sweep", "inputs"];
    fail(&[&quick[..], &large].concat(), 2, &["--sweep", "8000000000"]);
}

/// This build as an earlier one of itself. What the verdict is, this machine decides: that verdicts are right is
/// tested with made-up samples.
#[test]
fn an_earlier_build_takes_part_in_the_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("bench.json");
    let me = env!("CARGO_BIN_EXE_dropconnect");
    for device in devices("an_earlier_build_takes_part_in_the_rounds") {
        if device == "gpu" && !full() {
            println!("NOT RUN without DROPCONNECT_TEST_FULL=1: an earlier build on an adapter");
            continue;
        }
        let slow = ["bench", "--device", device, "--shape", "16,16,32", "--p", "0.5", "--pass", "forward"];
        let more = ["--repeats", "12", "--warmup", "0", "--baseline", me, "--rival", "none"];
        let table = succeed(&[&slow[..], &more, &["--json", text(&json)]].concat());
        assert!(table.contains("change (99 % interval)   verdict"), "{table}");
        let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["baseline"]["adapter"], report["environment"]["adapter"]);
        let pass = &report["results"][0]["passes"][0];
        let baseline = &pass["baseline"];
        let verdict = baseline["verdict"].as_str().unwrap();
        assert!(
            ["faster", "slower", "same", "unclear"].contains(&verdict) && table.contains(verdict),
            "{table}"
        );
        assert!(pass["dense"].is_null() && pass["stored_mask"].is_null());
        // A verdict is one that shows twice.
        let launches = baseline["launches"].as_u64().unwrap();
        assert!((2..=3).contains(&launches), "{baseline}");
        assert_eq!(baseline["samples_ms"].as_array().unwrap().len() as u64, 12 * launches);
        if ["faster", "slower"].contains(&verdict) {
            let over = baseline["over_ours"]["median"].as_f64().unwrap();
            assert_eq!(over < 1.0, verdict == "slower", "{baseline}");
        }
    }
}

#[test]
fn what_is_no_earlier_build_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let with = |program: &str, parts: &[&str]| {
        let args = ["bench", "--device", "cpu", "--repeats", "1", "--baseline", program];
        fail(&args, 2, &[&["--baseline", "bench-serve"], parts].concat());
    };
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let missing = folder.path().join("none");
    fail(&["bench", "--device", "cpu", "--baseline", text(&missing)], 2, &["does not start"]);
    if cfg!(unix) {
        let hello =
            r#"{"hello":{"protocol":1,"version":"9","adapter":"AD","kernels":"","timer":"wall clock"}}"#;
        // One that knows no `bench-serve`; one that says something else; one of another device, with a name that would
        // colour the terminal; one of another protocol; one that fails later.
        with(
            &script("old", "#!/bin/sh\necho 'unrecognized subcommand' >&2; exit 2\n"),
            &["unrecognized", "ended"],
        );
        with(&script("echo", "#!/bin/sh\nexec cat\n"), &["hello"]);
        with(
            &script("other", &format!("#!/bin/sh\nread line; echo '{hello}'; read line\n")),
            &["AD", "adapter"],
        );
        let hello = hello.replace(":1,", ":7,");
        with(&script("newer", &format!("#!/bin/sh\nread line; echo '{hello}'; read line\n")), &["7"]);
        with(&script("zeros", "#!/bin/sh\nexec cat /dev/zero\n"), &["answers"]);
    }
}

#[test]
fn unwritable_reports_are_refused_before_anything_is_timed() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/bench.json");
    for option in ["--json", "--html", "--csv", "--markdown"] {
        let args = ["bench", "--device", "cpu", "--repeats", "100000", option, text(&missing)];
        fail(&args, 2, &["cannot write", "bench.json"]);
        let args = ["bench", "--device", "cpu", "--repeats", "100000", option, text(folder.path())];
        fail(&args, 2, &["cannot write"]);
    }
    let both = folder.path().join("both");
    fail(&["bench", "--device", "cpu", "--json", text(&both), "--html", text(&both)], 2, &["same file"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn bad_arguments_are_named_with_their_values() {
    let with = |extra: &[&str], parts: &[&str]| {
        let mut args = vec!["bench", "--device", "cpu"];
        args.extend(extra);
        fail(&args, 2, parts);
    };
    with(&["--shape", "0,3,4"], &["--shape", "`batch` is 0"]);
    with(&["--shape", "4294967295,4294967295,4294967295"], &["memory"]);
    with(&["--p", "NaN"], &["--p", "NaN"]);
    with(&["--p", "0.5", "--p", "2"], &["--p", "2", "below 1"]);
    with(&["--element", "f64"], &["--element", "f64", "bf16"]);
    with(&["--element", "f16"], &["--element", "f32", "--device gpu"]);
    with(&["--seconds", "0"], &["--seconds", "above 0"]);
    with(&["--seconds", "-1"], &["--seconds", "-1"]);
    with(&["--seconds", "nan"], &["--seconds", "nan"]);
    with(&["--repeats", "0"], &["--repeats", "0"]);
    with(&["--pass", "bias"], &["--pass", "bias", "both-gradients"]);
    with(&["--rival", "torch"], &["--rival", "torch", "stored"]);
    with(&["--rival", "none", "--rival", "dense"], &["--rival none"]);
    with(&["--tune"], &["--tune", "adapters"]);
    with(&["--tuning", "1x1"], &["--tuning", "1x1", "1x1x8x8"]);
    with(
        &["--tune", "--tuning", "1x1x8x8,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576"],
        &["--tune", "cannot be used"],
    );
    with(&["--backend", "vulkan"], &["--backend", "--device cpu"]);
}
