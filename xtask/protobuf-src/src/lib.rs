//! Replaces the `protobuf-src` crate: the same two functions, but `protoc` comes from a crate with
//! binaries instead of from a long C++ build or from the system.

use std::path::PathBuf;

/// The path of a `protoc` that runs on this machine.
///
/// # Panics
/// If there is no vendored binary for this platform; set `PROTOC` there.
#[must_use]
pub fn protoc() -> PathBuf {
    protoc_bin_vendored::protoc_bin_path().expect("a vendored protoc for this platform")
}

/// The folder with the well-known `.proto` files.
///
/// # Panics
/// If there is no vendored binary for this platform.
#[must_use]
pub fn include() -> PathBuf {
    protoc_bin_vendored::include_path().expect("the vendored include folder")
}
