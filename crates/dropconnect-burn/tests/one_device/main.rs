//! Everything that needs no device but Burn's default one, in one process: Burn is linked once for all of it.

mod backends;
#[path = "../common/mod.rs"]
mod common;
mod conv;
mod convert;
mod inference;
mod layer;
mod records;
mod recurrent;
mod sampling;
mod schedule;
