//! Where results go: links, pipes, devices, standard output, and what is there already.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::common::{read_tensors, text, write_tensors};
use safetensors::{Dtype, SafeTensors};

const MASK: [&str; 6] = ["mask", "--device", "cpu", "--shape", "2,3,4", "--out"];
const BENCH: [&str; 11] =
    ["bench", "--device", "cpu", "--shape", "4,4,8", "--p", "0.5", "--repeats", "1", "--warmup", "0"];

fn dropconnect() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dropconnect"))
}

/// Runs a line of shell in which `$D` is the program.
fn shell(folder: &Path, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("D", env!("CARGO_BIN_EXE_dropconnect")).current_dir(folder);
    command.output().expect("a shell")
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary was built")
}

#[track_caller]
fn good(output: &Output) {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for part in parts {
        assert!(error.contains(part) && !error.contains("panicked"), "no `{part}` in\n{error}");
    }
}

#[track_caller]
fn is_mask(bytes: &[u8]) {
    let file = SafeTensors::deserialize(bytes).expect("nothing but a safetensors file");
    assert_eq!(file.tensor("mask").expect("the mask").shape(), [2, 3, 4]);
}

/// What is in a folder, hidden files as well.
fn listed(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn a_link_is_written_through_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("deep")).unwrap();
    fs::write(at("deep/old"), "old").unwrap();
    symlink("deep/old", at("to_old")).unwrap();
    // Relative to the link's own folder, by way of another link.
    symlink("deep/second", at("to_new")).unwrap();
    symlink("new", at("deep/second")).unwrap();
    for link in ["to_old", "to_new"] {
        good(&dropconnect().args(MASK).arg(at(link)).output().unwrap());
        assert!(at(link).symlink_metadata().unwrap().is_symlink(), "{link}");
    }
    is_mask(&fs::read(at("deep/old")).unwrap());
    is_mask(&fs::read(at("deep/new")).unwrap());
    assert_eq!(listed(&at("deep")), ["new", "old", "second"]);
}

#[test]
fn a_pipe_is_opened_once_and_stays_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
    fifo(&pipe);
    symlink("pipe", &link).unwrap();
    for path in [&pipe, &link] {
        let child = start(dropconnect().args(MASK).arg(path));
        let mut bytes = Vec::new();
        // Its end comes with the first writer that closes it; a second opening would wait for ever.
        File::open(&pipe).unwrap().read_to_end(&mut bytes).unwrap();
        good(&child.wait_with_output().unwrap());
        is_mask(&bytes);
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
    // Two pipes, whose reader takes one after the other.
    let second = folder.path().join("second");
    fifo(&second);
    let child = start(dropconnect().args(BENCH).arg("--json").arg(&pipe).arg("--html").arg(&second));
    let (mut json, mut html) = (String::new(), String::new());
    File::open(&pipe).unwrap().read_to_string(&mut json).unwrap();
    File::open(&second).unwrap().read_to_string(&mut html).unwrap();
    good(&child.wait_with_output().unwrap());
    assert!(json.starts_with('{') && html.ends_with("</html>\n"));
}

#[test]
fn a_reader_that_goes_away_is_an_error_of_the_file_and_none_of_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    // Larger than any buffer of a pipe.
    let large = ["mask", "--device", "cpu", "--shape", "64,100,1000", "--out"];
    let child = start(dropconnect().args(large).arg(&pipe));
    File::open(&pipe).unwrap().read_exact(&mut [0]).unwrap();
    refused(&child.wait_with_output().unwrap(), &["cannot write", "pipe", "Broken pipe"]);
    let mut child = start(dropconnect().args(MASK).arg(folder.path().join("mask")));
    drop(child.stdout.take());
    good(&child.wait_with_output().unwrap());
}

#[test]
fn standard_output_gets_the_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    // What `/dev/stdout` is. That one itself would be lost with a program that fails here, where root runs it.
    let link = folder.path().join("stdout");
    symlink("/dev/fd/1", &link).unwrap();
    for path in [text(&link), "/dev/fd/1", "/proc/self/fd/1"] {
        if path.starts_with("/proc") && !Path::new(path).exists() {
            continue;
        }
        let output = dropconnect().args(MASK).arg(path).output().unwrap();
        good(&output);
        is_mask(&output.stdout);
        assert!(String::from_utf8_lossy(&output.stderr).contains(" kept ("));
        // Into a file: behind what is there, or from its start.
        let output = shell(
            folder.path(),
            &format!(
                "echo before > file && $D {} {path} >> file && $D {} {path} > only",
                MASK.join(" "),
                MASK.join(" ")
            ),
        );
        good(&output);
        let file = fs::read(folder.path().join("file")).unwrap();
        is_mask(file.strip_prefix(b"before\n").expect("what was there"));
        is_mask(&fs::read(folder.path().join("only")).unwrap());
    }
    // By its own name, as the target of the shell's redirection.
    good(&shell(folder.path(), &format!("$D {} only > only", MASK.join(" "))));
    is_mask(&fs::read(folder.path().join("only")).unwrap());
    let output = dropconnect().args(BENCH).args(["--json", "/dev/fd/1"]).output().unwrap();
    good(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("nothing but JSON");
    assert_eq!(json["stopped"], serde_json::Value::Null);
    assert!(String::from_utf8_lossy(&output.stderr).contains("both gradients"));
    let output = dropconnect().args(MASK).arg("/dev/fd/2").output().unwrap();
    good(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains(" kept ("));
}

#[test]
fn other_descriptors_are_written_where_they_lead() {
    let folder = tempfile::tempdir().unwrap();
    let mask = MASK.join(" ");
    good(&shell(
        folder.path(),
        &format!("$D {mask} /dev/fd/3 3> file && $D {mask} /dev/fd/4 4>&1 >&2 | cat > piped"),
    ));
    is_mask(&fs::read(folder.path().join("file")).unwrap());
    is_mask(&fs::read(folder.path().join("piped")).unwrap());
    refused(&dropconnect().args(MASK).arg("/dev/fd/99").output().unwrap(), &["cannot write", "/dev/fd/99"]);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    if Path::new("/dev/full").exists() {
        refused(
            &dropconnect().args(MASK).arg("/dev/full").output().unwrap(),
            &["/dev/full", "No space left"],
        );
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
        // A table that cannot be printed does not cost the report.
        let line = format!("$D {} --json report > /dev/full", BENCH.join(" "));
        refused(&shell(folder.path(), &line), &["standard output", "No space left"]);
        assert!(fs::read_to_string(folder.path().join("report")).unwrap().ends_with("}\n"));
        // Nor one report the other.
        let line = format!("$D {} --json /dev/full --html page", BENCH.join(" "));
        refused(&shell(folder.path(), &line), &["/dev/full", "No space left"]);
        assert!(fs::read_to_string(folder.path().join("page")).unwrap().ends_with("</html>\n"));
    }
    let before = listed(folder.path());
    fs::write(folder.path().join("file"), "old").unwrap();
    let line = "ulimit -f 100; $D mask --device cpu --shape 64,100,1000 --out file";
    refused(&shell(folder.path(), line), &["cannot write `file`", "File too large"]);
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
    assert_eq!(listed(folder.path()).len(), before.len() + 1);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask");
    for mode in [0o600, 0o640, 0o664, 0o777] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        good(&dropconnect().args(MASK).arg(&path).output().unwrap());
        is_mask(&fs::read(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        fs::remove_file(&path).unwrap();
    }
    // One that may not be written is not replaced, whoever asks.
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    refused(&dropconnect().args(MASK).arg(&path).output().unwrap(), &["cannot write", "permission denied"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn paths_that_cannot_be_files_are_refused_before_anything_is_computed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("file"), "old").unwrap();
    symlink("around", at("around")).unwrap();
    symlink("no/such/folder", at("nowhere")).unwrap();
    symlink("folder", at("to_folder")).unwrap();
    let before = listed(folder.path());
    for name in [
        "folder",
        "folder/",
        "folder/..",
        "to_folder",
        "new/",
        "new/.",
        "file/new",
        "around",
        "nowhere",
        "no/such",
        "",
    ] {
        let path = if name.is_empty() { "".into() } else { at(name) };
        let output = dropconnect().args(MASK).arg(&path).output().unwrap();
        refused(&output, &[if name.is_empty() { "--out" } else { "cannot write" }]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("device:"), "{name}: a device was opened");
        assert_eq!(listed(folder.path()), before, "{name}");
    }
    assert_eq!(fs::read(at("file")).unwrap(), b"old");
    if Path::new("/proc/self").exists() {
        refused(
            &dropconnect().args(MASK).arg("/proc/mask").output().unwrap(),
            &["cannot write `/proc/mask`"],
        );
    }
    for (json, html) in [("a", "./a"), ("a", "folder/../a"), ("/dev/fd/1", "/dev/fd/1"), ("pipe", "pipe")] {
        let line = format!("mkfifo pipe 2> /dev/null; $D {} --json {json} --html {html}", BENCH.join(" "));
        refused(&shell(folder.path(), &line), &["same file"]);
    }
}

/// A file that can be written, in a folder that takes no other: what Linux shows of a process, whoever asks.
#[cfg(target_os = "linux")]
#[test]
fn a_file_in_a_folder_that_takes_no_other_is_written_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let output = dropconnect().args(BENCH).args(["--markdown", "/proc/self/comm"]).output().unwrap();
    good(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrote /proc/self/comm"));
    // The same with a file that has contents to read again, for those whom rights hold up.
    let (closed, path) = (folder.path().join("closed"), folder.path().join("closed/mask"));
    fs::create_dir(&closed).unwrap();
    fs::write(&path, vec![b'o'; 100_000]).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    if File::create(closed.join("another")).is_ok() {
        println!("NOT RUN: a closed folder: this user may write everywhere");
    } else {
        good(&dropconnect().args(MASK).arg(&path).output().unwrap());
        is_mask(&fs::read(&path).unwrap());
        refused(
            &dropconnect().args(MASK).arg(closed.join("new")).output().unwrap(),
            &["cannot write", "new"],
        );
    }
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).unwrap();
}

/// As `docker run -v` has it. The library's unit tests have one that needs no rights.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_mounted_by_itself_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["outside", "inside"] {
        fs::write(folder.path().join(name), "old").unwrap();
    }
    let unshare = "unshare --mount --map-root-user sh -c";
    let mounted = "mount --bind outside inside";
    if !shell(folder.path(), &format!("{unshare} '{mounted}'")).status.success() {
        println!("NOT RUN: a_file_that_is_mounted_by_itself_is_written: no file can be mounted here");
        return;
    }
    let line = format!("{unshare} '{mounted} && $D {} inside'", MASK.join(" "));
    good(&shell(folder.path(), &line));
    is_mask(&fs::read(folder.path().join("outside")).unwrap());
    assert_eq!(fs::read(folder.path().join("inside")).unwrap(), b"old");
    assert_eq!(listed(folder.path()), ["inside", "outside"]);
}

#[test]
fn names_may_be_any_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"\xff\x1b[31m\n"));
    let output = dropconnect().args(MASK).arg(&path).output().unwrap();
    good(&output);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("\\u{1b}[31m\\n") && !said.contains('\x1b'), "{said}");
    is_mask(&fs::read(&path).unwrap());
}

fn layer(path: &Path) {
    write_tensors(path, Dtype::F32, &[("x", &[1, 2], &[1.0, 2.0]), ("weight", &[1, 2], &[1.0, 2.0])]);
}

#[test]
fn input_may_come_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    layer(&folder.path().join("in"));
    let line = "$D apply --device cpu --input /dev/stdin --output /dev/fd/1 < in > a && \
                cat in | $D apply --device cpu --input /dev/stdin --output b";
    good(&shell(folder.path(), line));
    assert_eq!(read_tensors(&folder.path().join("a")), read_tensors(&folder.path().join("b")));
    for (input, part) in [("/dev/null", "ends too early"), ("/dev/zero", "not a whole"), (".", "directory")] {
        let line = format!("$D apply --device cpu --input {input} --output c");
        refused(&shell(folder.path(), &line), &[input, part]);
    }
    // A pipe that goes on after its tensors, or ends within them.
    for cut in ["(cat in; echo)", "head -c 100 in"] {
        let line = format!("{cut} | $D apply --device cpu --input /dev/stdin --output c");
        refused(&shell(folder.path(), &line), &["not a whole safetensors file"]);
    }
    assert_eq!(listed(folder.path()), ["a", "b", "in"]);
}

#[test]
fn the_input_is_safe_by_every_name() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    layer(&input);
    let before = fs::read(&input).unwrap();
    symlink("in", folder.path().join("link")).unwrap();
    fifo(&folder.path().join("pipe"));
    for line in [
        "$D apply --device cpu --input in --output link",
        "$D apply --device cpu --input link --output in",
        "$D apply --device cpu --input in --output /dev/fd/1 1<> in",
        "$D apply --device cpu --input in --output /dev/fd/3 3<> in",
        "$D apply --device cpu --input pipe --output pipe",
    ] {
        refused(&shell(folder.path(), line), &["--output", "is the input file"]);
        assert_eq!(fs::read(&input).unwrap(), before, "{line}");
    }
}

#[test]
fn a_folder_that_vanishes_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (input, pipe) = (folder.path().join("in"), folder.path().join("pipe"));
    let gone = folder.path().join("gone");
    layer(&input);
    fifo(&pipe);
    fs::create_dir(&gone).unwrap();
    let mut command = dropconnect();
    command.args(["apply", "--device", "cpu", "--input", text(&pipe), "--output"]).arg(gone.join("out"));
    let child = start(&mut command);
    // Opens once the program reads, and it has looked at its output by then.
    let mut writer = File::options().write(true).open(&pipe).unwrap();
    fs::remove_dir(&gone).unwrap();
    writer.write_all(&fs::read(&input).unwrap()).unwrap();
    drop(writer);
    refused(&child.wait_with_output().unwrap(), &["cannot write", "out"]);
}
