//! What the program says to people: help, `--quiet`, colours, time left, completions, manual pages, missing drivers.

use std::process::Command;

use crate::common::{fail, run, succeed, text};

const COMMANDS: [&str; 8] = ["bench", "verify", "adapters", "mask", "apply", "shader", "completions", "man"];

#[test]
fn every_help_has_examples() {
    for args in std::iter::once(vec!["--help"]).chain(COMMANDS.map(|command| vec![command, "--help"])) {
        let help = succeed(&args);
        assert!(help.contains("Example"), "{args:?}: {help}");
        assert!(help.contains("\n  dropconnect ") && help.contains("--quiet"), "{args:?}: {help}");
    }
}

#[test]
fn quiet_leaves_results_warnings_and_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mask.safetensors");
    let mask = ["mask", "--device", "cpu", "--shape", "2,3,8", "--out", text(&out)];
    let said = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{output:?}");
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let [stdout, stderr] = said(&mask);
    assert!(stdout.contains("kept") && stderr.contains("device: ") && stderr.contains("wrote "), "{stderr}");
    let written = std::fs::read(&out).unwrap();
    for quiet in ["--quiet", "-q"] {
        std::fs::remove_file(&out).unwrap();
        // In front of the command, too.
        assert_eq!(said(&[&[quiet], &mask[..]].concat()), ["", ""]);
        assert_eq!(std::fs::read(&out).unwrap(), written);
    }
    let [_, stderr] = said(&[&mask[..], &["-q", "--p", "0.000001"]].concat());
    assert!(stderr.starts_with("warning: ") && stderr.lines().count() == 1, "{stderr}");
    fail(&["mask", "-q", "--shape", "2,3", "--out", text(&out)], 2, &["--shape", "2,3", "three are needed"]);
}

#[test]
fn completions_name_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeed(&["completions", shell]);
        for word in COMMANDS.into_iter().chain(["examples-per-mask"]) {
            assert!(script.contains(word), "{shell} without {word}");
        }
        for word in ["bench-serve", "bench__serve", "bench__subcmd__serve"] {
            assert!(!script.contains(word), "{shell} with {word}, which is hidden");
        }
    }
    // The values of arguments without a name are completed by these two.
    for shell in ["bash", "zsh"] {
        assert!(succeed(&["completions", shell]).contains("monte-carlo"), "{shell}");
    }
    fail(&["completions", "tcsh"], 2, &["tcsh", "bash", "zsh"]);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let page = succeed(&["man"]);
    assert!(page.contains(".TH") && page.contains("dropconnect\\-verify(1)"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new").join("man1");
    succeed(&["man", "--out", text(&folder)]);
    assert_eq!(std::fs::read_to_string(folder.join("dropconnect.1")).unwrap(), page);
    for command in COMMANDS {
        let page = std::fs::read_to_string(folder.join(format!("dropconnect-{command}.1"))).unwrap();
        // The options of all commands, too.
        for part in [".TH", &format!("dropconnect-{command}"), "\\-\\-quiet", "Example"] {
            assert!(page.contains(part), "{command} without {part}:\n{page}");
        }
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1 + COMMANDS.len());
    let file = folder.join("dropconnect.1");
    fail(&["man", "--out", text(&file)], 2, &["cannot make the folder", "dropconnect.1"]);
}

/// The output of a program that sees no driver but what these variables say.
#[cfg(target_os = "linux")]
fn with(args: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, [String; 2]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dropconnect"));
    for name in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "WGPU_BACKEND", "WGPU_ADAPTER_NAME"] {
        command.env_remove(name);
    }
    let output = command.args(args).envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()))
}

/// Vulkan's loader is told of no driver.
#[cfg(target_os = "linux")]
#[test]
fn a_missing_driver_is_named_with_its_package_and_with_what_hides_it() {
    let folder = tempfile::tempdir().unwrap();
    let (out, broken) = (folder.path().join("mask.safetensors"), folder.path().join("icd.json"));
    std::fs::write(&broken, "{").unwrap();
    for (name, value) in [
        ("VK_DRIVER_FILES", "/nowhere.json"),
        ("VK_ICD_FILENAMES", "/nowhere.json"),
        ("VK_DRIVER_FILES", text(&broken)),
        ("VK_LOADER_DRIVERS_DISABLE", "*"),
        ("VK_LOADER_DRIVERS_SELECT", "none*"),
    ] {
        let told = |said: &str| {
            said.contains("no graphics driver was found: ")
                && ["apt ", "dnf ", "pacman ", "apk ", "loader"].iter().any(|it| said.contains(it))
                && said.contains(&format!("{name}={value} is set"))
                && said.contains("VK_LOADER_DEBUG=")
        };
        for args in [&["verify", "--device", "gpu"][..], &["shader", "forward"]] {
            let (code, [_, stderr]) = with(args, &[(name, value)]);
            assert_eq!(code, Some(2), "{args:?}: {stderr}");
            assert!(stderr.starts_with("error: ") && told(&stderr), "{name}, {args:?}: {stderr}");
        }
        let (code, [_, stderr]) = with(&["mask", "--shape", "2,3,8", "--out", text(&out)], &[(name, value)]);
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.starts_with("device: CPU") && told(&stderr), "{name}: {stderr}");
    }
}

/// Those of wgpu's own programs.
#[cfg(target_os = "linux")]
#[test]
fn wgpus_variables_are_followed() {
    let mask = ["mask", "--shape", "1,1,1", "--out", "/dev/null"];
    let gpu = [&mask[..], &["--device", "gpu"]].concat();
    for (args, variable, part) in [
        (&gpu[..], ("WGPU_ADAPTER_NAME", "no such"), "adapter named like `no such`"),
        (&gpu, ("WGPU_BACKEND", "metal"), "adapter on metal"),
        (&gpu, ("WGPU_BACKEND", "glide"), "vulkan, metal, dx12 or gl"),
        (&["shader", "forward"], ("WGPU_BACKEND", "metal"), "no adapter matches"),
        (&["adapters"], ("WGPU_BACKEND", "glide"), "vulkan, metal, dx12 or gl"),
    ] {
        let (code, [_, stderr]) = with(args, &[variable]);
        let set = format!("{}={} is set", variable.0, variable.1);
        assert!(code == Some(2) && stderr.contains(part) && stderr.contains(&set), "{args:?}: {stderr}");
    }
    // `auto` still takes the CPU backend, and `cpu` does not ask.
    for device in ["auto", "cpu"] {
        let args = [&mask[..], &["--device", device]].concat();
        let (code, [_, stderr]) = with(&args, &[("WGPU_ADAPTER_NAME", "no such")]);
        assert!(code == Some(0) && stderr.contains("device: CPU"), "{stderr}");
        assert_eq!(stderr.contains("WGPU_ADAPTER_NAME"), device == "auto", "{stderr}");
    }
    // An option of the command line comes first.
    let args = [&mask[..], &["--device", "gpu", "--adapter", "neither"]].concat();
    let (_, [_, stderr]) = with(&args, &[("WGPU_ADAPTER_NAME", "no such")]);
    assert!(stderr.contains("adapter named like `neither`"), "{stderr}");
}

/// What is shown on a terminal only.
#[cfg(unix)]
mod on_a_terminal {
    use std::fs::File;
    use std::io::Read;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    /// Runs the program with a terminal for its standard error, until that has been told something with `end` in it or
    /// the program is through, and returns what it was told.
    fn shown(args: &[&str], environment: &[(&str, &str)], end: &str) -> String {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = File::options().read(true).write(true).open(theirs).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dropconnect"));
        command.args(args).env("TERM", "xterm-256color").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.envs(environment.iter().copied()).stdout(Stdio::null()).stderr(theirs);
        let mut child = command.spawn().unwrap();
        // With its copy of the terminal: reading ends when the last one is closed.
        drop(command);
        let (mut ours, mut said, mut buffer) = (File::from(ours), String::new(), [0; 4096]);
        // Linux ends a terminal that nobody has open by an error.
        while let Ok(count @ 1..) = ours.read(&mut buffer) {
            said += &String::from_utf8_lossy(&buffer[..count]);
            if said.contains(end) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        said
    }

    /// Longer than any test lasts, in many steps.
    const LONG: [&str; 5] = ["verify", "--device", "cpu", "--masks", "1000000000000"];

    #[test]
    fn progress_has_colours_and_the_time_left() {
        let said = shown(&LONG, &[], " left ");
        assert!(said.contains("\u{1b}[36m") && said.contains(" left "), "{said:?}");
    }

    #[test]
    fn no_color_is_respected() {
        let said = shown(&LONG, &[("NO_COLOR", "1")], " left ");
        assert!(said.contains(" left "), "{said:?}");
        // A colour is an escape that ends with `m`; others move the cursor.
        let parts = said.split("\u{1b}[").skip(1);
        let codes = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
        assert_eq!(codes.filter(|rest| rest.starts_with('m')).count(), 0, "{said:?}");
        // And by the errors of the command line.
        let wrong = shown(&["mask", "--p", "2"], &[("NO_COLOR", "1")], "nothing");
        assert!(wrong.contains("error") && !wrong.contains('\u{1b}'), "{wrong:?}");
        let coloured = shown(&["mask", "--p", "2"], &[], "nothing");
        assert!(coloured.contains('\u{1b}'), "{coloured:?}");
    }

    #[test]
    fn quiet_shows_no_progress() {
        let said = shown(&["verify", "--device", "cpu", "--masks", "1000", "--quiet"], &[], "nothing");
        assert_eq!(said, "");
    }
}
