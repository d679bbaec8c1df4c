//! `dropconnect bench --beside`: programs of others in the rounds, and what is refused of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::common::{devices, fail, succeed, text};
use serde_json::Value;

const HELLO: &str = concat!(
    r#"{"hello":{"protocol":1,"name":"fake","version":"Fake 7","adapter":"AD","#,
    r#""kernels":"none <b>","timer":"sundial"}}"#
);

/// A program for the shell.
fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.into_os_string().into_string().unwrap()
}

/// One that speaks the protocol: what it answers when asked to prepare and to sample.
fn fake(folder: &Path, name: &str, hello: &str, prepare: &str, sample: &str) -> String {
    let text = format!(
        "while read -r line; do case \"$line\" in\n\
         *hello*) echo '{hello}';;\n\
         *'\"input gradient\"'*) echo '{{\"unable\":\"no such <i>pass</i>\"}}';;\n\
         *prepare*) {prepare};;\n*) {sample};;\nesac; done"
    );
    script(folder, name, &text)
}

#[test]
fn programs_take_part_in_the_rounds_under_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let me = env!("CARGO_BIN_EXE_dropconnect");
    let served = script(folder.path(), "served", &format!("exec '{me}' \"$@\" --name served"));
    let [ready, took] = ["echo '{\"ready\":2e-7}'", "echo '{\"milliseconds\":0.001}'"];
    let fake = fake(folder.path(), "fake program", HELLO, ready, took);
    let [json, csv, markdown, html] =
        ["json", "csv", "md", "html"].map(|name| folder.path().join(format!("bench.{name}")));
    let small = ["bench", "--shape", "5,9,13", "--p", "0.5", "--pass", "forward", "--pass", "input-gradient"];
    let beside = ["--warmup", "0", "--rival", "none", "--beside", &fake, "--beside", &served];
    let written = ["--csv", text(&csv), "--markdown", text(&markdown), "--html", text(&html)];
    for device in devices("programs_take_part_in_the_rounds_under_their_names") {
        let more = ["--device", device, "--repeats", "3", "--json", text(&json)];
        let table = succeed(&[&small[..], &beside, &more, &written].concat());
        for part in [
            "fake: Fake 7, none <b>; AD; sundial; off by 2e-7 at most, by its own check.",
            "fake is unable: 5 x 9 x 13, f32, input gradient: no such <i>pass</i>",
            "served: ",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
        let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["format"], 2);
        let [first, second] = [0, 1].map(|at| &report["beside"][at]);
        assert_eq!((&first["name"], &second["name"]), (&"fake".into(), &"served".into()));
        assert_eq!((&first["command"], &first["timer"]), (&"fake program".into(), &"sundial".into()));
        assert_eq!(second["adapter"], report["environment"]["adapter"]);
        let passes = report["results"][0]["passes"].as_array().unwrap();
        for pass in passes {
            let [fake, served] = [0, 1].map(|at| &pass["beside"][at]);
            assert_eq!((&fake["name"], &served["name"]), (&"fake".into(), &"served".into()));
            assert_eq!(served["samples_ms"].as_array().unwrap().len(), 3);
            assert!(served["over_ours"]["median"].as_f64().unwrap() > 0.0 && served["missing"].is_null());
            assert!(served["error"].as_f64().unwrap() < 1e-5);
            if pass["pass"] == "forward" {
                assert_eq!((&fake["error"], fake["samples_ms"].as_array().unwrap().len()), (&2e-7.into(), 3));
            } else {
                assert_eq!(fake["missing"], "no such <i>pass</i>");
                assert!(fake.get("samples_ms").is_none() && fake["error"].is_null());
            }
        }
        let lines = fs::read_to_string(&csv).unwrap();
        // Ours, the one and the other; the one is unable to do the second pass.
        assert_eq!((lines.lines().count(), lines.matches(",fake,").count()), (1 + 2 * 3 - 1, 1), "{lines}");
        assert!(lines.lines().all(|line| line.split(',').count() >= 23), "{lines}");
        let said = fs::read_to_string(&markdown).unwrap();
        assert!(said.contains("\n| fake | ") && said.contains(" | unable | "), "{said}");
        assert!(said.contains("\n- fake: Fake 7, none \\<b\\>;") && !said.contains("<b>"), "{said}");
        let page = fs::read_to_string(&html).unwrap();
        for part in ["rect class=\"beside0\"", "rect class=\"beside1\"", ">unable</text>", "&lt;i&gt;pass"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<b>") && !page.contains("<i>"), "{page}");
    }
    // An earlier build takes part in the same rounds, and is last.
    let more = ["--device", "cpu", "--repeats", "10", "--baseline", me, "--json", text(&json)];
    let table = succeed(&[&small[..], &beside, &more].concat());
    assert!(table.contains("verdict"), "{table}");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    for pass in report["results"][0]["passes"].as_array().unwrap() {
        assert_eq!(pass["beside"][1]["samples_ms"].as_array().unwrap().len(), 10);
        assert!(pass["baseline"]["launches"].as_u64().unwrap() >= 2 && pass["baseline"]["name"].is_null());
    }
}

#[test]
fn what_takes_no_part_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["bench", "--device", "cpu", "--shape", "5,9,13", "--p", "0.5", "--pass", "forward"];
    let few = ["--repeats", "2", "--warmup", "0", "--rival", "none"];
    let with = |more: &[&str], parts: &[&str]| {
        fail(&[&small[..], &few, more].concat(), 2, &[&["--beside"], parts].concat());
    };
    let program = |name: &str, text: &str| script(folder.path(), name, text);
    let greets =
        |name: &str, hello: &str| program(name, &format!("read -r line; echo '{hello}'; cat > /dev/null"));
    with(&["--beside", " "], &["names no program"]);
    with(&["--beside", "/no/such/program --way dense"], &["does not start"]);
    with(&["--beside", &program("ends", "echo 'no way' >&2; exit 3")], &["ended", "no way", "protocol 1"]);
    with(
        &["--beside", &program("garbage", "read -r line; echo Loading; cat > /dev/null")],
        &["answers `Loading`"],
    );
    // It names itself; not as we do, nor as another does; in words that fit a column and do not colour the terminal.
    let named = |name: &str| HELLO.replace("\"fake\"", &format!("\"{name}\""));
    with(&["--beside", &greets("nobody", &HELLO.replace("\"name\":\"fake\",", ""))], &["without a `name`"]);
    with(
        &["--beside", &greets("ours", &named("Stored Mask"))],
        &["`Stored Mask`", "one of ours", "baseline"],
    );
    for (file, name) in
        [("none", ""), ("comma", "a,b"), ("spaces", " a"), ("long", &"a".repeat(33)), ("red", "\\u001b[31m")]
    {
        with(&["--beside", &greets(file, &named(name))], &["its name is", "1 to 32"]);
    }
    let one = greets("one", HELLO);
    with(&["--beside", &one, "--beside", &one], &["`fake`", "another --beside"]);
    with(&["--beside", &greets("newer", &HELLO.replace(":1,", ":7,"))], &["protocol 7"]);
    // It has to be right by its own account, to take part until the end, and no longer than we waited.
    let fake = |name: &str, prepare: &str, sample: &str| fake(folder.path(), name, HELLO, prepare, sample);
    let [ready, took] = ["echo '{\"ready\":2e-7}'", "echo '{\"milliseconds\":0.001}'"];
    with(&["--beside", &fake("wrong", "echo '{\"ready\":0.5}'", took)], &["forward", "5.0e-1", "0.02"]);
    with(&["--beside", &fake("below", "echo '{\"ready\":-1}'", took)], &["-1.0e0"]);
    with(&["--beside", &fake("leaves", ready, "exit 1")], &["ended without an answer"]);
    with(&["--beside", &fake("fault", ready, "echo '{\"fault\":\"out of luck\"}'")], &["out of luck"]);
    with(&["--beside", &fake("unasked", ready, "echo '{\"ready\":0}'")], &["Ready(0.0)", "not asked"]);
    with(
        &["--beside", &fake("slow", ready, "echo '{\"milliseconds\":1e8}'")],
        &["100000000 ms", "that passed"],
    );
    with(&["--beside", &fake("minus", ready, "echo '{\"milliseconds\":-1}'")], &["not asked"]);
    let eager = format!("echo '{HELLO}'; while :; do echo '{{\"ready\":0}}'; done");
    with(&["--beside", &program("eager", &eager)], &["before it is asked"]);
    // With it ends what it has started.
    let number = folder.path().join("number");
    let waits = format!("sleep 100 & echo $! > '{}'; wait", text(&number));
    with(&["--beside", &fake("hangs", ready, &waits), "--timeout", "0.5"], &["no answer within 0.5 s"]);
    if cfg!(target_os = "linux") {
        let number = fs::read_to_string(&number).unwrap();
        let gone = || match fs::read_to_string(format!("/proc/{}/stat", number.trim())) {
            Ok(stat) => stat.contains(") Z "),
            Err(_) => true,
        };
        // Signals are delivered when they are.
        assert!(
            (0..1000).any(|_| gone() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }),
            "{number}"
        );
    }
    // Nor is an earlier build waited for, or believed.
    let mute = program("mute", "exec sleep 100");
    fail(
        &[&small[..], &["--baseline", &mute, "--timeout", "0.5"]].concat(),
        2,
        &["--baseline", "within 0.5 s"],
    );
}
