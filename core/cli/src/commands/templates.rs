//! `retrocast templates`: writes the built-in templates, and checks a folder of changed templates.

use super::{print, print_json};
use crate::{
    Exit,
    arguments::TemplatesCommand,
    diagnose::{WrongUsage, in_one_line},
    executor, mail,
    workspace::Workspace,
};
use anyhow::Context as _;
use retrocast_domain::{number::plural, suggest};
use retrocast_render::{Layout, Templates, html, sample};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

pub fn templates(workspace: &Workspace, command: TemplatesCommand) -> anyhow::Result<Exit> {
    match command {
        TemplatesCommand::Export { folder } => export(&folder),
        TemplatesCommand::Check { folder, json } => {
            let folder = folder.or_else(|| workspace.templates.clone());
            check(folder.as_deref(), json)
        }
    }
}

/// The built-in templates of reports, mail and archive, by path below the templates folder.
fn built_in() -> BTreeMap<String, String> {
    let reports = Templates::built_in();
    let mail = retrocast_mail::Templates::built_in();
    let text =
        |name: &str, text: Option<&str>| (name.to_string(), text.unwrap_or_default().to_string());
    let mut templates: BTreeMap<String, String> = reports
        .names()
        .map(|name| text(name, reports.text(name)))
        .collect();
    templates.extend(mail.names().map(|name| text(name, mail.text(name))));
    let archive = retrocast_deliver::built_in_templates();
    templates.extend(archive.map(|(name, text)| (format!("archive/{name}"), text.to_string())));
    templates
}

fn export(folder: &Path) -> anyhow::Result<Exit> {
    let templates = built_in();
    let changed: Vec<String> = templates
        .iter()
        .filter(|(name, text)| {
            let existing = fs::read_to_string(folder.join(name));
            existing.is_ok_and(|existing| existing != **text)
        })
        .map(|(name, _)| folder.join(name).display().to_string())
        .collect();
    if !changed.is_empty() {
        let message = format!(
            "{} would be replaced by the built-in ones: {}; export to another folder, or remove them first",
            plural(changed.len() as u64, "changed file"),
            changed.join(", ")
        );
        return Err(WrongUsage(message).into());
    }
    for (name, text) in &templates {
        let path = folder.join(name);
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, text)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(&format!(
        "wrote {} to {folder}\nnext: remove the files that you do not change; after each change, run \
         `retrocast templates check {folder}`",
        plural(templates.len() as u64, "template"),
        folder = folder.display()
    ))?;
    Ok(Exit::Done)
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Mistake {
    /// Location and problem: "html/executive.html.j2:7:12: undefined value".
    message: String,
    /// Advice on how to fix it; empty for none.
    help: String,
}

impl Mistake {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

fn check(folder: Option<&Path>, as_json: bool) -> anyhow::Result<Exit> {
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let folder = folder.display();
        let message = format!(
            "there is no folder {folder}; `retrocast templates export {folder}` writes the built-in templates"
        );
        return Err(WrongUsage(message).into());
    }
    let mut mistakes: BTreeSet<Mistake> = BTreeSet::new();
    let known = built_in();
    let files = folder.map_or_else(|| Ok(Vec::new()), files_below)?;
    match executor::templates(folder) {
        Ok(templates) => {
            let pictures: BTreeSet<&str> = templates.pictures().collect();
            let others = files.iter().filter(|name| !known.contains_key(*name));
            let unknown = others.filter(|name| !pictures.contains(name.as_str()));
            mistakes.extend(unknown.map(|name| unknown_file(name, &known)));
            mistakes.extend(report_mistakes(&templates));
        }
        Err(failure) => {
            mistakes.insert(Mistake::new(failure.message, failure.hint));
        }
    }
    mistakes.extend(mail_mistakes(folder));
    if let Err(error) = retrocast_deliver::check_templates(folder) {
        mistakes.insert(Mistake::new(in_one_line(&error.into()), ""));
    }
    let exit = if mistakes.is_empty() {
        Exit::Done
    } else {
        Exit::Usage
    };
    if as_json {
        let templates = folder.map(|folder| folder.display().to_string());
        print_json(&serde_json::json!({ "templates": templates, "mistakes": mistakes }))?;
        return Ok(exit);
    }
    let mut text = String::new();
    for mistake in &mistakes {
        let _ = writeln!(text, "error: {}", mistake.message);
        if !mistake.help.is_empty() {
            let _ = writeln!(text, "       {}", mistake.help);
        }
    }
    let checked = folder.map_or_else(
        || "the built-in templates".to_string(),
        |folder| folder.display().to_string(),
    );
    match mistakes.len() as u64 {
        0 => {
            let replaced = files
                .iter()
                .filter(|name| known.contains_key(*name))
                .count() as u64;
            let _ = writeln!(
                text,
                "{checked}: no mistakes; {} replaced",
                plural(replaced, "template")
            );
        }
        n => {
            let _ = writeln!(text, "{checked}: {}", plural(n, "mistake"));
        }
    }
    print(&text)?;
    Ok(exit)
}

/// The mistake for a file that no report uses.
fn unknown_file(name: &str, known: &BTreeMap<String, String>) -> Mistake {
    let help = suggest::nearest(name, known.keys().map(String::as_str)).map_or_else(
        || "remove it; `retrocast templates export` lists the templates".to_string(),
        |nearest| format!("did you mean {nearest}?"),
    );
    Mistake::new(
        format!("{name} is not a template, and no theme names it"),
        help,
    )
}

/// Paths of all files below a folder, with slashes.
fn files_below(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(next) = folders.pop() {
        let path = folder.join(&next);
        let entries =
            fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = next.join(entry.file_name());
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else {
                let parts: Vec<_> = name.iter().map(|part| part.to_string_lossy()).collect();
                names.push(parts.join("/"));
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Renders the sample reports in every layout and form.
fn report_mistakes(templates: &Templates) -> Vec<Mistake> {
    let mut names = retrocast_render::view::field_names(&sample::sample());
    if let Ok(english) = templates.language("") {
        names.extend(english.words.keys().cloned());
    }
    let mut mistakes = Vec::new();
    for report in sample::all() {
        for layout in Layout::ALL {
            let page = html::report_with(&report, layout, templates).map(drop);
            let pdf = retrocast_render::pdf(&report, layout, templates).map(drop);
            for error in [page, pdf].into_iter().filter_map(Result::err) {
                let message = error.to_string();
                let help = help_for(&message, templates, &names);
                mistakes.push(Mistake::new(message, help));
            }
        }
    }
    mistakes
}

/// Suggests a known name for the first unknown one in the line that an error names.
fn help_for(message: &str, templates: &Templates, names: &BTreeSet<String>) -> String {
    let Some((file, line)) = location(message, templates) else {
        return String::new();
    };
    let text = templates.text(file).unwrap_or_default();
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (dot, _) in line.match_indices('.') {
        let name: String = line[dot + 1..]
            .chars()
            .take_while(|c| is_name(*c))
            .collect();
        let is_call = line[dot + 1 + name.len()..].starts_with('(');
        let is_field = name.starts_with(|c: char| c.is_ascii_lowercase())
            && !is_call
            && !names.contains(&name);
        // Only a name that resembles a field is an error: names of files have dots, too.
        let nearest = suggest::nearest(&name, names.iter().map(String::as_str));
        if let Some(nearest) = nearest.filter(|_| is_field) {
            return format!(
                "column {}: did you mean {nearest} instead of {name}?",
                dot + 2
            );
        }
    }
    String::new()
}

/// The template and the line that an error names: `FILE:LINE:` or "template FILE, line LINE".
fn location<'a>(message: &str, templates: &'a Templates) -> Option<(&'a str, usize)> {
    templates.names().find_map(|name| {
        let after_name = message.split(name).nth(1)?;
        let digits = after_name
            .trim_start_matches([':', ',', ' '])
            .trim_start_matches("line ");
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        Some((name, digits.parse().ok()?))
    })
}

fn mail_mistakes(folder: Option<&Path>) -> Vec<Mistake> {
    let report = sample::sample();
    let checked = mail::templates(folder)
        .and_then(|templates| Ok(retrocast_mail::check(&templates, &report)?));
    let error = checked.err().map(|error| in_one_line(&error));
    error
        .map(|message| Mistake::new(message, ""))
        .into_iter()
        .collect()
}
