//! `cargo xtask package`: builds binary packages: an archive, a Debian package, and the folder for
//! the container image.

use crate::{build, gallery::copy, program, root, run, target};
use std::{fs, path::Path, process::Command};

/// Files that are packaged with the program.
const PAGES: [&str; 3] = ["README.md", "LICENSE-APACHE", "LICENSE-MIT"];
/// Folders that are packaged with the program, with their names in the package.
const FOLDERS: [(&str, &str); 2] = [("core/docs", "docs"), ("jobs", "jobs")];

/// Writes `target/package/retrocast-VERSION-ARCH.tar.gz` and, if `dpkg-deb` exists, the same as
/// `.deb`.
pub fn package() -> Result<(), String> {
    build()?;
    let version = env!("CARGO_PKG_VERSION");
    let machine = std::env::consts::ARCH;
    let folder = target().join("package");
    let name = format!("retrocast-{version}-{machine}");
    let tree = folder.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    }
    copy_files(&tree.join("bin"), &tree)?;
    let archive = folder.join(format!("{name}.tar.gz"));
    // Owners and file order of this machine must not affect the archive.
    run(Command::new("tar")
        .args([
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "-czf",
        ])
        .arg(&archive)
        .arg("-C")
        .arg(&folder)
        .arg(&name))?;
    print_size(&archive)?;
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        println!("dpkg-deb is not installed: no Debian package");
        return Ok(());
    }
    debian(&folder, version, machine)
}

/// Copies the program to `bin` and everything else to `share`.
fn copy_files(bin: &Path, share: &Path) -> Result<(), String> {
    for folder in [bin, share] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let copy_file = |from: &Path, to: &Path| {
        let copied = fs::copy(from, to);
        copied.map_err(|error| format!("{}: {error}", from.display()))
    };
    copy_file(&program(), &bin.join("retrocast"))?;
    for page in PAGES {
        copy_file(&root().join(page), &share.join(page))?;
    }
    for (from, to) in FOLDERS {
        copy(&root().join(from), &share.join(to))?;
    }
    Ok(())
}

fn debian(folder: &Path, version: &str, machine: &str) -> Result<(), String> {
    let machine = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let tree = folder.join("debian");
    copy_files(&tree.join("usr/bin"), &tree.join("usr/share/doc/retrocast"))?;
    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control).map_err(|error| error.to_string())?;
    let text = format!(
        "Package: retrocast\nVersion: {version}\nArchitecture: {machine}\nMaintainer: Retrocast authors \
         <retrocast@localhost>\nDepends: libc6, libgcc-s1\nRecommends: git, ca-certificates\nSection: \
         utils\nPriority: optional\nDescription: weekly operations reports from records in object storage\n \
         Declarative jobs read records, analyse them, measure improvements before and\n after, and write \
         reports as PDF and HTML with an archive.\n"
    );
    fs::write(control.join("control"), text).map_err(|error| error.to_string())?;
    let file = folder.join(format!("retrocast_{version}_{machine}.deb"));
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(&file))?;
    print_size(&file)
}

fn print_size(file: &Path) -> Result<(), String> {
    let bytes = fs::metadata(file).map_err(|error| error.to_string())?.len();
    println!("wrote {} ({} MB)", file.display(), bytes / 1_000_000);
    Ok(())
}
