//! Tests of option values, and of the commands in the documentation.

use super::{
    resources::{memory, size},
    *,
};

#[test]
fn sizes_have_units_and_plain_numbers_are_mib() {
    for (text, bytes) in [
        ("512", 512 << 20),
        ("512MiB", 512 << 20),
        ("2 GiB", 2 << 30),
        ("2G", 2 << 30),
        ("2GB", 2_000_000_000),
        ("16", 16 << 20),
    ] {
        assert_eq!(memory(text), Ok(bytes), "{text}");
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    assert_eq!(size("0"), Ok(0));
    for (text, expected) in [
        ("15", "at least 16 MiB"),
        ("512 B", "at least 16 MiB"),
        ("much", "\"2 GiB\""),
        ("2 gigs", "a plain number is in MiB"),
    ] {
        let error = memory(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Splits a shell command into words, up to a comment, a pipe or a redirection.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (None, '#' | '>' | '|' | '&') if word.is_empty() => break,
            (None, ' ') if word.is_empty() => {}
            (None, ' ') => words.push(std::mem::take(&mut word)),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn documented_commands_parse() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    for entry in std::fs::read_dir(root.join("core/docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    let mut commands = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        // A command may continue on the next line.
        let text = text.replace("\\\n", " ");
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| line.starts_with("retrocast ")) {
            if let Err(error) = Arguments::try_parse_from(split_words(line)) {
                panic!("{}: {line}\n{error}", page.display());
            }
            commands += 1;
        }
    }
    assert!(commands > 30, "only {commands} commands were found");
}

/// Longer lines would be broken in the middle of a paragraph.
#[test]
fn examples_fit_the_width_of_help() {
    use clap::CommandFactory as _;
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string);
        for line in help.unwrap_or_default().lines() {
            let width = line.chars().count();
            assert!(width <= 100, "{}: {width}: {line}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Arguments::command());
}

#[test]
fn arguments_are_consistent() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}
