//! Rules for the source code of the project, its documentation and its commits.

#[path = "tidy/cycles.rs"]
mod cycles;
#[path = "tidy/guards.rs"]
mod guards;

use cycles::{Cycle, cycles};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of the project: those that git tracks.
fn tracked_files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "tidy needs a git checkout");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_string)
        .collect()
}

/// The crates that may use heavy dependencies. The other crates must not depend on them.
const HEAVY_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("polars", &["stages", "store"]),
    ("polars-arrow", &["store"]),
    ("arrow", &["records", "store"]),
    ("parquet", &["records"]),
    ("lance", &["store"]),
    ("lance-datafusion", &["store"]),
    ("datafusion", &["store"]),
    ("object_store", &["records", "storage", "store"]),
    ("typst", &["render"]),
    ("typst-pdf", &["render"]),
    ("typst-layout", &["render"]),
    ("lettre", &["mail"]),
    ("resvg", &["mail"]),
    ("ureq", &["mail"]),
    ("augurs", &["stats"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
];

#[test]
fn only_listed_crates_have_heavy_dependencies() {
    let mut violations = Vec::new();
    for entry in fs::read_dir(root().join("core")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) else {
            continue;
        };
        let crate_name = path.file_name().unwrap().to_str().unwrap().to_string();
        if !tracked_files().contains(&format!("core/{crate_name}/Cargo.toml")) {
            continue;
        }
        for line in manifest.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let allowed = HEAVY_DEPENDENCIES.iter().find(|(heavy, _)| *heavy == name);
            if allowed.is_some_and(|(_, crates)| !crates.contains(&crate_name.as_str())) {
                violations.push(format!("core/{crate_name} depends on {name}"));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn crates_depend_on_allowed_crates_only() {
    for (name, allowed) in [
        ("domain", &[][..]),
        ("stats", &["retrocast-domain"]),
        ("run", &["retrocast-domain"]),
        (
            "engine",
            &["retrocast-domain", "retrocast-run", "retrocast-storage"],
        ),
        ("storage", &["retrocast-run"]),
        ("accuracy", &["retrocast-stats"]),
        ("deliver", &["retrocast-domain", "retrocast-run"]),
        ("mail", &["retrocast-domain", "retrocast-run"]),
        ("simulate", &["retrocast-domain"]),
        ("history", &["retrocast-domain"]),
        (
            "records",
            &["retrocast-domain", "retrocast-history", "retrocast-storage"],
        ),
        (
            "store",
            &["retrocast-domain", "retrocast-records", "retrocast-storage"],
        ),
        ("stages", &["retrocast-domain", "retrocast-stats"]),
        ("render", &["retrocast-domain"]),
    ] {
        let manifest = read(&format!("core/{name}/Cargo.toml"));
        // Tests may use more.
        let shipped = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();
        for line in shipped.lines() {
            let dependency = line.split('.').next().unwrap_or_default();
            if dependency.starts_with("retrocast-") {
                assert!(
                    allowed.contains(&dependency),
                    "core/{name} depends on {dependency}"
                );
            }
        }
    }
}

/// Known dependency cycles that remain to be removed. Do not add any.
const KNOWN_CYCLES: &[&[&str]] = &[];

#[test]
fn files_have_no_dependency_cycles() {
    let read = |path: &str| fs::read_to_string(root().join(path)).ok();
    let roots = tracked_files()
        .into_iter()
        .filter(|file| file.ends_with("/src/lib.rs") || file.ends_with("/src/main.rs"));
    let existing: Vec<Cycle> = roots.flat_map(|root| cycles(&root, &read)).collect();
    let is_known = |cycle: &Cycle, known: &[&str]| cycle.files.iter().eq(known);
    let mut violations: Vec<String> = existing
        .iter()
        .filter(|cycle| !KNOWN_CYCLES.iter().any(|known| is_known(cycle, known)))
        .map(|cycle| {
            let files: Vec<&str> = cycle.files.iter().map(String::as_str).collect();
            format!(
                "{} form a dependency cycle:\n  {}",
                files.join(", "),
                cycle.uses.join("\n  ")
            )
        })
        .collect();
    violations.extend(
        KNOWN_CYCLES
            .iter()
            .filter(|known| !existing.iter().any(|cycle| is_known(cycle, known)))
            .map(|known| {
                format!(
                    "{} form no cycle any more: remove it from KNOWN_CYCLES",
                    known.join(", ")
                )
            }),
    );
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Pages for users: the two READMEs and everything in `core/docs`.
fn pages() -> Vec<String> {
    let mut pages = tracked_files();
    pages.retain(|file| {
        let is_page = Path::new(file).extension().is_some_and(|end| end == "md");
        file == "README.md" || file == "core/README.md" || is_page && file.starts_with("core/docs/")
    });
    pages
}

#[test]
fn paths_and_links_in_pages_exist() {
    assert!(pages().len() > 10, "pages are missing: {:?}", pages());
    for page in pages() {
        let text = read(&page);
        let mut missing = BTreeSet::new();
        // Every second part between backticks is code; code with a slash and without spaces is a
        // path.
        for code in text.split('`').skip(1).step_by(2) {
            let is_path = code.contains('/')
                && !code.contains([' ', '<', '*', '\n', ':', '$', '"', '{'])
                && !code.starts_with(['/', '-', '~'])
                && !code.starts_with("data/raw")
                && !code.starts_with("data/lake")
                && !code.starts_with("reports/")
                && !code.starts_with("target/")
                // Names of runs: `JOB/WINDOW/RUN`.
                && !code.starts_with("JOB/");
            if is_path && !root().join(code).exists() && !root().join("core").join(code).exists() {
                missing.insert(code.to_string());
            }
        }
        // Links are relative to the page. The archive is not in a fresh clone.
        let folder = Path::new(&page).parent().unwrap().to_path_buf();
        for target in text.split("](").skip(1) {
            let target = target.split([')', '#']).next().unwrap();
            let is_external = target.contains("://") || target.starts_with("reports/");
            if !is_external && !root().join(&folder).join(target).exists() {
                missing.insert(target.to_string());
            }
        }
        assert!(
            missing.is_empty(),
            "{page} names paths that do not exist: {missing:?}"
        );
    }
}

#[test]
fn every_stage_file_is_registered_and_documented() {
    let lib = read("core/stages/src/lib.rs");
    let mut checked = 0;
    for file in tracked_files() {
        let Some(name) = file.strip_prefix("core/stages/src/") else {
            continue;
        };
        let Some(name) = name.strip_suffix(".rs").filter(|name| !name.contains('/')) else {
            continue;
        };
        let text = read(&file);
        let constant = format!("pub const {}: StageKind = StageKind", name.to_uppercase());
        let is_registered = lib.contains(&format!("&{name}::{}", name.to_uppercase()));
        if !text.contains(&constant) {
            assert!(
                !is_registered,
                "{file} is registered but has no constant of its name"
            );
            continue;
        }
        checked += 1;
        assert!(
            lib.contains(&format!("mod {name};")),
            "{file} is not a module of lib.rs"
        );
        assert!(is_registered, "{file} is not registered in KINDS");
        assert!(
            text.starts_with("//! "),
            "{file} does not begin with documentation"
        );
        assert!(text.contains("#[cfg(test)]"), "{file} has no tests");
        // The params of a large kind are in a separate file in its folder.
        let params = format!("core/stages/src/{name}/params.rs");
        let params = tracked_files().contains(&params).then(|| read(&params));
        assert!(
            params
                .as_ref()
                .unwrap_or(&text)
                .contains("deny_unknown_fields"),
            "{file} would ignore unknown params"
        );
    }
    assert!(checked >= 10, "only {checked} stage kinds were found");
}

#[test]
fn files_contain_no_machine_paths_or_registries() {
    let forbidden = [
        "/ro\u{6f}t/",
        "/wor\u{6b}/",
        "/home\u{2f}",
        "static.crate\u{73}.io",
    ];
    let mut violations = Vec::new();
    for file in tracked_files() {
        if file == "Cargo.lock" {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for fragment in forbidden {
            if text.contains(fragment) {
                violations.push(format!("{file} contains {fragment}"));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// The platform the tests run on; packages for other platforms may not have been downloaded.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap()
        .to_string()
}

#[test]
fn licences_of_dependencies_are_allowed() {
    const ALLOWED: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "0BSD",
        "Unlicense",
        "CC0-1.0",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "BSL-1.0",
        "MPL-2.0",
        "CDLA-Permissive-2.0",
        "MIT-0",
        "bzip2-1.0.6",
        "OFL-1.1",
        "LicenseRef-UFL-1.0",
    ];
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            &host(),
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut violations = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"]
            .as_str()
            .unwrap_or("")
            .replace('/', " OR ");
        // An expression is allowed if all parts of one of its alternatives are.
        let is_allowed = licence.split(" OR ").any(|alternative| {
            !alternative.is_empty()
                && alternative
                    .split(" AND ")
                    .all(|part| ALLOWED.contains(&part.trim().trim_matches(['(', ')'])))
        });
        let has_licence_file = package["license_file"].is_string();
        if !is_allowed && !has_licence_file {
            violations.push(format!(
                "{} {}: {licence:?}",
                package["name"], package["version"]
            ));
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Rust files of the project with their text.
fn rust_files() -> Vec<(String, String)> {
    let files = tracked_files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"));
    files
        .map(|path| {
            let text = read(&path);
            (path, text)
        })
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let violations = guards::check_lengths(&rust_files());
    assert!(violations.is_empty(), "{violations}");
}

#[test]
fn files_use_no_listed_words() {
    // The list of words is in `tests/tidy`.
    let files = tracked_files().into_iter().filter(|path| {
        let extensions = [".rs", ".md", ".toml", ".j2", ".typ"];
        extensions.iter().any(|extension| path.ends_with(extension))
            && !path.starts_with("tests/tidy")
    });
    let violations: String = files
        .map(|path| guards::check_words(&path, &read(&path)))
        .collect();
    assert!(violations.is_empty(), "{violations}");
}

#[test]
fn tests_neither_print_nor_sleep() {
    let files = rust_files().into_iter();
    let violations: String = files
        .filter(|(path, _)| !path.starts_with("tests/tidy"))
        .map(|(path, text)| guards::check_prints_and_sleeps(&path, &text))
        .collect();
    assert!(violations.is_empty(), "{violations}");
}

/// Commits before this rule have longer subjects.
const FIRST_SHORT_SUBJECT: &str = "41d63eb";

#[test]
fn subjects_of_commits_are_short() {
    let range = format!("{FIRST_SHORT_SUBJECT}..HEAD");
    let output = Command::new("git")
        .args(["log", "--format=%h %s", &range])
        .current_dir(root())
        .output()
        .unwrap();
    // A clone without its history has nothing to check.
    let subjects = String::from_utf8_lossy(&output.stdout).into_owned();
    let long: Vec<&str> = subjects
        .lines()
        .filter(|line| {
            line.split_once(' ')
                .is_some_and(|(_, s)| s.chars().count() > 72)
        })
        .collect();
    assert!(
        long.is_empty(),
        "longer than 72 characters:\n{}",
        long.join("\n")
    );
}
