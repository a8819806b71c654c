//! Options and temporary folder of the measurements of a built program.

use crate::{build, program};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Options of a measurement.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of repetitions, or of series.
    pub count: usize,
    /// Only rows whose title contains this.
    pub only: String,
    /// A program that is already built.
    program: Option<PathBuf>,
    pub with_peers: bool,
}

impl Options {
    /// Parses arguments; `counter` is the option of the number (such as `--times`) with its default.
    pub fn parse(
        arguments: &[String],
        counter: (&str, usize),
        usage: &str,
    ) -> Result<Self, String> {
        let mut options = Self {
            count: counter.1,
            only: String::new(),
            program: None,
            with_peers: true,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--no-peers" {
                options.with_peers = false;
                continue;
            }
            let value = rest.next().ok_or(usage)?;
            match name.as_str() {
                "--only" => options.only.clone_from(value),
                "--program" => options.program = Some(PathBuf::from(value)),
                name if name == counter.0 => {
                    options.count = value.parse::<usize>().map_err(|_| usage)?.max(1);
                }
                _ => return Err(usage.to_string()),
            }
        }
        Ok(options)
    }

    /// The path of the given program; without one, of the program built from this checkout.
    pub fn program(&self) -> Result<PathBuf, String> {
        match &self.program {
            Some(path) => path
                .canonicalize()
                .map_err(|error| format!("{}: {error}", path.display())),
            None => {
                build()?;
                Ok(program())
            }
        }
    }
}

/// Creates a folder of this process in `parent`, does the work in it and removes it, also after an
/// error.
pub fn in_folder(
    parent: &Path,
    work: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let folder = parent.join(format!("retrocast-xtask-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let result = work(&folder);
    let removed = fs::remove_dir_all(&folder).map_err(|error| error.to_string());
    result.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Options::parse(&words, ("--times", 3), "usage")
    }

    #[test]
    fn options_are_parsed() {
        let expected = Options {
            count: 1,
            only: "why".to_string(),
            program: Some("p".into()),
            with_peers: false,
        };
        let all = parse("--no-peers --times 0 --only why --program p");
        assert_eq!(all.unwrap(), expected);
        let defaults = parse("").unwrap();
        assert!(defaults.count == 3 && defaults.with_peers && defaults.program.is_none());
        for wrong in ["--times", "--times x", "--more 1", "--program"] {
            assert_eq!(parse(wrong).unwrap_err(), "usage", "{wrong}");
        }
    }

    #[test]
    fn folders_are_removed_after_errors() {
        let parent = std::env::temp_dir();
        let mut seen = PathBuf::new();
        let result = in_folder(&parent, |folder| {
            seen = folder.to_path_buf();
            assert!(folder.is_dir());
            Err("failed".to_string())
        });
        assert_eq!(result.unwrap_err(), "failed");
        assert!(seen.starts_with(&parent) && !seen.exists());
    }
}
