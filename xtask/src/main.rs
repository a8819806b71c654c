//! `cargo xtask`: the project's build tasks, without dependencies except cargo and this crate.

mod accuracy;
mod analysis;
mod archive;
mod date;
mod effects;
mod engine;
mod figures;
mod gallery;
mod ingest;
mod measure;
mod options;
mod package;
mod reports;
mod tidy_times;
mod venv;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

const HELP: &str = "\
Usage: cargo xtask <command>

  demo            simulate a company's records, run the weekly job on them, print the report paths
  run JOB [...]   build and run `retrocast run JOB ...`
  test [...]      run every test (arguments are passed to cargo test)
  ci              format, lints, tests: the checks that a change must pass
  bench [...]     benchmarks: the hot parts, the engine, then the main job with its peak memory
  bench engine    scheduling overhead of no-op jobs, compared with other schedulers
  bench ingest    reading records: seconds, MB/s, peak memory, compared with other readers
  bench figures   the main job, compared with scripts in polars and pandas
  bench archive   pages of 10 000 synthetic runs: seconds, files written when one is added, sizes
  bench effects   measuring changes, compared with CausalImpact packages
  bench reports   rendering, slices, restated figures and `why`, compared with other ways to a PDF
  bench analysis  forecasts, anomalies, shifts and drift, compared with packages in Python; growth
  accuracy        results on public data beside published ones; needs RETROCAST_REAL_DATA
  accuracy power  planted outages, steps and ramps found by a job, compared with other methods
  bless           regenerate jobs/job.schema.json
  gallery         regenerate the sample reports in reports/ from real records
  package         archive and Debian package of the program, its pages and example jobs
  new-stage NAME  write and register a stage kind, and print the next steps

Examples:
  cargo xtask demo
  cargo xtask run github-incidents --set records=DIR --date 2026-08-10
  cargo xtask test -p retrocast-stats
  cargo xtask bench figures --records 1000000
  cargo xtask bench engine --no-peers
  cargo xtask bench ingest --gigabytes 5 --times 3";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.is_empty() || arguments[0] == "--help" || arguments[0] == "help" {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let command = arguments.remove(0);
    if let Err(error) = tidy_times::fix_times(&root()) {
        eprintln!("xtask: {error}");
    }
    let result = match command.as_str() {
        "demo" => demo(&arguments),
        "run" => build().and_then(|()| retrocast(&[&["run".to_string()], &arguments[..]].concat())),
        "test" => test(&arguments),
        "ci" => ci(),
        "bench" => bench(&arguments),
        "accuracy" => accuracy::accuracy(&arguments),
        "bless" => bless(),
        "gallery" => gallery::gallery(),
        "package" => package::package(),
        "new-stage" => new_stage(&arguments),
        other => Err(format!("no command {other:?}; see `cargo xtask help`")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout. Cargo names it when it runs this program, which may have been compiled
/// in another checkout with the same build folder.
fn root() -> PathBuf {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().unwrap_or(Path::new(".")).to_path_buf()
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(describes_package) {
            command.env_remove(name);
        }
    }
    run(command.args(arguments).current_dir(root()))
}

/// Returns true for variables in which cargo describes the running package. If inherited, they
/// would rerun build scripts that read them (such as that of `ring`) in every clone, and recompile
/// all of Lance.
fn describes_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
        || [
            "CARGO_BIN_NAME",
            "CARGO_CRATE_NAME",
            "CARGO_PRIMARY_PACKAGE",
            "OUT_DIR",
        ]
        .contains(&variable)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = format!("{command:?}").replace('"', "");
    let status = command
        .status()
        .map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {status}"))
    }
}

/// Builds the workspace in release mode.
fn build() -> Result<(), String> {
    cargo(&["build", "--release", "--workspace"])
}

/// The target folder.
fn target() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    if target.is_absolute() {
        target
    } else {
        root().join(target)
    }
}

/// The path of the built program.
fn program() -> PathBuf {
    target().join("release").join("retrocast")
}

fn retrocast(arguments: &[String]) -> Result<(), String> {
    run(Command::new(program()).args(arguments).current_dir(root()))
}

/// Simulates records and runs the weekly job; the date is fixed, so that the bytes are
/// reproducible.
fn demo(arguments: &[String]) -> Result<(), String> {
    build()?;
    let seed = arguments
        .iter()
        .position(|argument| argument == "--seed")
        .and_then(|index| arguments.get(index + 1).cloned())
        .unwrap_or_else(|| "1".to_string());
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_string).collect() };
    let records = root().join("data/raw/operations");
    if records.exists() {
        fs::remove_dir_all(&records).map_err(|error| error.to_string())?;
    }
    retrocast(&words(&format!(
        "simulate data/raw/operations --seed {seed} --weeks 60 --until 2026-11-16"
    )))?;
    retrocast(&words("run weekly-operations --date 2026-11-16"))
}

fn test(arguments: &[String]) -> Result<(), String> {
    let mut cargo_arguments = vec!["test", "--release"];
    if !arguments
        .iter()
        .any(|argument| argument == "-p" || argument == "--package")
    {
        cargo_arguments.push("--workspace");
    }
    cargo_arguments.extend(arguments.iter().map(String::as_str));
    cargo(&cargo_arguments)
}

fn ci() -> Result<(), String> {
    for (name, arguments) in [
        ("format", &["fmt", "--all", "--check"][..]),
        (
            "lints",
            &[
                "clippy",
                "--release",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        ),
        // The tidy checks are tests, too: `tests/tidy.rs`.
        (
            "tests",
            &["test", "--release", "--workspace", "--no-fail-fast"],
        ),
    ] {
        let start = Instant::now();
        println!("ci: {name}");
        cargo(arguments)?;
        println!("ci: {name} passed in {} s", start.elapsed().as_secs());
    }
    Ok(())
}

/// Runs the named benchmark, or those of the performance-critical code, the engine and the main
/// job.
fn bench(arguments: &[String]) -> Result<(), String> {
    // These build only if no program is given.
    match arguments.first().map(String::as_str) {
        Some("analysis") => return analysis::bench(&arguments[1..]),
        Some("reports") => return reports::bench(&arguments[1..]),
        _ => {}
    }
    build()?;
    match arguments.first().map(String::as_str) {
        Some("engine") => return engine::bench(&arguments[1..]),
        Some("ingest") => return ingest::bench(&arguments[1..]),
        Some("figures") => return figures::bench(&arguments[1..]),
        Some("archive") => return archive::bench(&arguments[1..]),
        Some("effects") => return effects::bench(&arguments[1..]),
        _ => {}
    }
    for (package, name) in [("retrocast-cli", "hot"), ("retrocast-engine", "engine")] {
        cargo(&["bench", "--package", package, "--bench", name])?;
    }
    figures::bench(arguments)
}

/// Writes the JSON Schema of job files for editors; a test compares it with that of the program.
fn bless() -> Result<(), String> {
    build()?;
    let output = Command::new(program())
        .arg("schema")
        .output()
        .map_err(|e| e.to_string())?;
    let path = root().join("jobs/job.schema.json");
    fs::write(&path, output.stdout).map_err(|error| error.to_string())?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Writes `core/stages/src/<name>.rs` with the required headings, and registers the kind.
fn new_stage(arguments: &[String]) -> Result<(), String> {
    let [name] = arguments else {
        return Err("usage: cargo xtask new-stage NAME (a noun of the field, snake_case)".into());
    };
    if !name.chars().all(|c| c.is_ascii_lowercase() || c == '_') || name.is_empty() {
        return Err(format!("{name:?}: use a noun in snake_case"));
    }
    let path = root().join("core/stages/src").join(format!("{name}.rs"));
    if path.exists() {
        return Err(format!("{} already exists", path.display()));
    }
    let constant = name.to_uppercase();
    let text = include_str!("stage.rs.txt")
        .replace("{name}", name)
        .replace("{NAME}", &constant);
    fs::write(&path, text).map_err(|error| error.to_string())?;
    println!("wrote {}", path.display());
    let registry = root().join("core/stages/src/lib.rs");
    let text = fs::read_to_string(&registry).map_err(|error| error.to_string())?;
    let text = text
        .replacen(
            "pub mod noop;\n",
            &format!("pub mod {name};\npub mod noop;\n"),
            1,
        )
        .replacen(
            "    &noop::NOOP,\n",
            &format!("    &{name}::{constant},\n    &noop::NOOP,\n"),
            1,
        );
    fs::write(&registry, text).map_err(|error| error.to_string())?;
    println!("registered it in {}", registry.display());
    println!("next steps: the method and its source, its findings, and tests");
    Ok(())
}
