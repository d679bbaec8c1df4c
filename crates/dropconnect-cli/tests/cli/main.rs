//! The binary as its users have it: each test runs it. One program, linked once.

mod apply;
mod bench;
#[cfg(unix)]
mod beside;
mod common;
mod export;
#[cfg(unix)]
mod files;
mod hostile;
#[cfg(unix)]
mod interrupt;
mod mask;
mod shader;
mod terminal;
mod verify;
