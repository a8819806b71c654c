//! Reduces the size of the program: strips symbols, and packs relative relocations, which would
//! otherwise take 14 MB of memory. Embeds the commit of the sources.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=RETROCAST_COMMIT={}", commit());
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
        if supports_packed_relocations() {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// The commit of the sources in short form; empty outside of a repository.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_string())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return String::new();
    };
    // A commit changes the file of the branch, and switching branches changes HEAD.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    commit
}

/// Returns true if the C library supports packed relocations, as glibc does since 2.36.
fn supports_packed_relocations() -> bool {
    if env::var("HOST") != env::var("TARGET") {
        return false;
    }
    // Prints a version such as "glibc 2.36"; the word is missing with other C libraries.
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let output = output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let version = output.trim().strip_prefix("glibc 2.");
    let minor = version.and_then(|minor| minor.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 36)
}
