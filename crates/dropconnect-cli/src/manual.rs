//! `dropconnect completions` and `dropconnect man`: what the command line says of itself.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::{Cli, CompletionsCommand, ManCommand};
use crate::error::{CliError, shown};
use crate::output::{print_bytes, say};
use crate::target::Target;

/// Prints the completions of a shell.
pub fn completions(command: &CompletionsCommand) -> Result<(), CliError> {
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut visible(&Cli::command()), "dropconnect", &mut text);
    print_bytes(&text)
}

/// A command without what is hidden, which completions would name.
fn visible(command: &clap::Command) -> clap::Command {
    let mut copy = clap::Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    // With one it has `--version`.
    if let Some(version) = command.get_version() {
        copy = copy.version(version.to_owned());
    }
    copy.args(command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible))
}

/// Prints the page of the program, or writes those of it and of its commands.
pub fn pages(command: &ManCommand) -> Result<(), CliError> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Puts the global options into the commands.
    program.build();
    let Some(folder) = &command.out else {
        return print_bytes(&page(program, "dropconnect")?);
    };
    fs::create_dir_all(folder).map_err(|source| CliError::File {
        what: "cannot make the folder",
        path: folder.clone(),
        source,
    })?;
    let commands: Vec<_> =
        program.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    write(folder, "dropconnect", program)?;
    for command in &commands {
        write(folder, &format!("dropconnect-{}", command.get_name()), command.clone())?;
    }
    say(&format!("wrote {} manual pages into {}", 1 + commands.len(), shown(folder)));
    Ok(())
}

fn write(folder: &Path, name: &str, command: clap::Command) -> Result<(), CliError> {
    Target::new(&folder.join(format!("{name}.1")))?.write_all(&page(command, name)?)
}

/// The page of a command, by the name under which `man` finds it.
fn page(command: clap::Command, name: &str) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    // A command takes names for its life, and the program is about to end.
    let command = command.name(name.to_owned());
    Man::new(command).render(&mut text).map_err(CliError::Stdout)?;
    Ok(text)
}
