//! A whole home on a real disk: loading, switching, writing, and following changes.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot go on ends the test")]

mod bad_files;
mod canon;
mod loading;
mod memory;
mod memory_crash;
mod memory_files;
mod memory_recall;
#[cfg(feature = "sentence-model")]
mod memory_sense;
mod memory_setting;
mod scratch;
mod watching;
mod writing;
