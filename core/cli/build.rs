//! Makes the program smaller: without symbols, and with the addresses that are set when it starts in
//! short form, which are 14 MB of its memory otherwise.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
        if loads_short_addresses() {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Whether the C library that the program is started by knows the short form: glibc does since 2.36.
fn loads_short_addresses() -> bool {
    if env::var("HOST") != env::var("TARGET") {
        return false;
    }
    // Prints such as "glibc 2.36"; there is no such word where another C library is at work.
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let told = told.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let version = told.trim().strip_prefix("glibc 2.");
    let minor = version.and_then(|minor| minor.split('.').next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 36)
}
