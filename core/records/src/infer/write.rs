//! A draft as the text of a contract.

use super::{
    choose::{Choice, key, time},
    kind::{Kind, kind},
    looks, nameable,
    profile::{DISTINCT, Profile},
    quoted, records,
    sample::Sample,
    shown,
};
use jiff::Timestamp;
use std::fmt::Write as _;

/// Texts are a few words when there are 2 to [`DISTINCT`], seen this often on average
const REPEATED: u64 = 10;
/// and each of them this often at least.
const AGAIN: u64 = 2;
/// Limits of length begin here.
const SHORT: usize = 64;
/// How much longer than the longest text seen a text may be, at least.
const LONGER: usize = 4;
/// Column at which comments begin.
const COMMENTS: usize = 30;

/// The text of a contract that all records of the sample meet; `None` when no field can be named.
pub(super) fn draft(name: &str, sample: &Sample) -> Option<String> {
    let mut out = Draft {
        text: String::new(),
        fields: 0,
        without: Vec::new(),
    };
    out.line(&format!("title = {}", quoted(&title(name))), "");
    out.line("description = \"\"", "decide: what such a record is");
    let key = key(sample);
    if key.fields.is_empty() {
        let _ = writeln!(out.text, "# {}", key.why);
    } else {
        let names: Vec<String> = key.fields.iter().map(|name| quoted(name)).collect();
        out.line(&format!("key = [{}]", names.join(", ")), &key.why);
    }
    match time(sample) {
        Some(Choice { fields, why }) => {
            let name = fields.first().map(String::as_str).unwrap_or_default();
            out.line(&format!("time = {}", quoted(name)), &why);
        }
        None => {
            let none = "# no time: no timestamp or date that every record has, within 1970 to 2099";
            let _ = writeln!(out.text, "{none}");
        }
    }
    let mut names: Vec<&String> = sample.profiles.keys().collect();
    let place = |name: &str| sample.names.iter().position(|other| other == name);
    names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    for name in names {
        if let Some(profile) = sample.profiles.get(name).filter(|_| !doubled(sample, name)) {
            let is_key = key.fields.contains(name);
            out.field("field", name, profile, sample.records, is_key);
        }
    }
    out.empty_columns(sample);
    if !out.without.is_empty() {
        let without = out.without.join(", ");
        let _ = write!(out.text, "\n# Left to be counted as unknown: {without}\n");
    }
    (out.fields > 0).then_some(out.text)
}

/// Whether a CSV file has another column of the name, so that no contract can name it.
fn doubled(sample: &Sample, name: &str) -> bool {
    let other = format!("{name} (column ");
    sample.names.iter().any(|name| name.starts_with(&other))
}

/// `incident_report` -> `Incident report`.
fn title(name: &str) -> String {
    let text = looks::words(name).join(" ");
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => "Records".to_string(),
    }
}

struct Draft {
    text: String,
    /// Fields that are in it.
    fields: usize,
    /// Fields that are not in it, with the reason.
    without: Vec<String>,
}

impl Draft {
    /// A line with a comment, which may be empty.
    fn line(&mut self, line: &str, comment: &str) {
        let comment = if comment.is_empty() {
            String::new()
        } else {
            let room = COMMENTS.saturating_sub(line.chars().count()).max(2);
            format!("{:room$}# {comment}", "")
        };
        let _ = writeln!(self.text, "{line}{comment}");
    }

    /// The table of one field, and those of the fields within it. `outer` is the path of the table
    /// that holds it, `of` how many records or objects could have had it.
    fn field(&mut self, outer: &str, name: &str, profile: &Profile, of: u64, is_key: bool) {
        if !nameable(name) {
            self.without
                .push(format!("{} (no name for a field)", shown(name)));
            return;
        }
        self.fields += 1;
        let (kind, why) = kind(profile);
        let table = format!("{outer}.{}", bare(name));
        let _ = writeln!(self.text, "\n[{table}]");
        let type_line = format!("type = {}", quoted(&kind.written()));
        self.line(&type_line, &why.unwrap_or_default());
        self.presence(profile, of);
        let inner = innermost(profile);
        let personal = !matches!(kind.innermost(), Kind::Struct)
            && Sample::is_personal(name, profile)
            && inner.booleans == 0;
        match kind.innermost() {
            Kind::Text => self.texts(inner, kind == Kind::Text && !is_key, personal),
            Kind::Integer | Kind::Number => self.numbers(name, inner, personal),
            Kind::Timestamp | Kind::Date => self.times(inner),
            Kind::Struct => {
                let within = format!("{table}.field");
                for (name, field) in &inner.fields {
                    self.field(&within, name, field, inner.objects, false);
                }
            }
            Kind::Boolean | Kind::Json | Kind::List(_) => {}
        }
        if personal && !matches!(kind.innermost(), Kind::Text) {
            let line = "# decide: is it personal data? Then: personal = \"drop\"";
            let _ = writeln!(self.text, "{line}");
        }
    }

    /// Whether the field is always there.
    fn presence(&mut self, profile: &Profile, of: u64) {
        if profile.seen == of && of > 0 {
            self.line("required = true", &format!("in all {of}"));
        } else {
            let _ = writeln!(self.text, "# in {} of {of}", profile.seen);
        }
    }

    fn texts(&mut self, profile: &Profile, may_be_few: bool, personal: bool) {
        if personal {
            let why = "decide: \"hash\", \"drop\", or \"keep\" if it is not personal data";
            self.line("personal = \"hash\"", why);
        }
        let few = may_be_few && !personal && is_one_of_few(profile);
        if few {
            let words: Vec<String> = profile.words.keys().map(|word| quoted(word)).collect();
            let _ = writeln!(
                self.text,
                "# decide: any other text will be refused; these were seen {} in all",
                times(profile.texts)
            );
            let _ = writeln!(self.text, "allowed = [{}]", words.join(", "));
        } else {
            let most = profile.longest.saturating_mul(LONGER).max(SHORT);
            let most = most.checked_next_power_of_two().unwrap_or(most);
            let line = format!("max_length = {most}");
            self.line(&line, &format!("longest seen: {}", profile.longest));
        }
    }

    fn numbers(&mut self, name: &str, profile: &Profile, personal: bool) {
        let unit = looks::unit(name, profile.range);
        if let Some(unit) = &unit {
            self.line(&format!("unit = {}", quoted(unit)), "");
        }
        let Some((least, greatest)) = profile.range.filter(|_| !personal) else {
            return;
        };
        let seen = format!("seen: {} to {}", number(least), number(greatest));
        if least >= 0.0 && looks::from_zero(name, unit.as_deref()) {
            self.line("min = 0", &seen);
        } else {
            let _ = writeln!(self.text, "# {seen}");
        }
        let epoch = |from: f64, to: f64| least >= from && greatest <= to;
        let since = if epoch(9e8, 4e9) {
            "seconds"
        } else if epoch(9e11, 4e12) {
            "milliseconds"
        } else {
            return;
        };
        if looks::time_rank(name).is_some() {
            let line =
                format!("# it may be a time, in {since} since 1970; times are read as texts");
            let _ = writeln!(self.text, "{line}");
        }
    }

    fn times(&mut self, profile: &Profile) {
        if let Some((first, last)) = profile.span {
            let at = |micros| Timestamp::from_microsecond(micros).map(|at| at.to_string());
            if let (Ok(first), Ok(last)) = (at(first), at(last)) {
                let _ = writeln!(self.text, "# seen: {first} to {last}");
            }
        }
    }

    /// Columns of CSV files in which nothing was ever written.
    fn empty_columns(&mut self, sample: &Sample) {
        let cells = sample.profiles.values().any(|profile| profile.cells > 0);
        for name in sample.names.iter().filter(|_| cells) {
            if sample.profiles.contains_key(name) || name.ends_with('…') || doubled(sample, name)
            {
                continue;
            }
            if !nameable(name) || name.starts_with("(column ") {
                self.without.push(format!("{} (always empty)", shown(name)));
                continue;
            }
            self.fields += 1;
            let _ = writeln!(self.text, "\n[field.{}]", bare(name));
            self.line("type = \"string\"", "always empty");
        }
    }
}

/// The values at the heart of lists.
fn innermost(profile: &Profile) -> &Profile {
    let lists = profile.seen > 0 && profile.arrays == profile.seen;
    match profile.items.as_deref().filter(|_| lists) {
        Some(items) => innermost(items),
        None => profile,
    }
}

fn is_one_of_few(profile: &Profile) -> bool {
    let kinds = profile.words.len() as u64;
    kinds > 1
        && profile.words.len() <= DISTINCT
        && profile.texts == profile.seen
        && !profile.words.contains_key("")
        && profile.texts >= kinds * REPEATED
        && profile.words.values().all(|times| *times >= AGAIN)
}

fn times(n: u64) -> String {
    retrocast_domain::number::plural(n, "time").replace('\u{a0}', " ")
}

fn number(value: f64) -> String {
    let whole = value.fract() == 0.0 && value.abs() < 1e15;
    if whole {
        format!("{value:.0}")
    } else {
        serde_json::Value::from(value).to_string()
    }
}

/// A key of TOML.
fn bare(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(plain) {
        name.to_string()
    } else {
        quoted(name)
    }
}

/// What is said above the draft.
pub(super) fn head(sample: &Sample, unmet: &[String]) -> String {
    let files = retrocast_domain::number::plural(sample.files.len() as u64, "file");
    let mut text = format!(
        "# A draft, made from {} of {}. It says what these records look like, not what records\n\
         # must look like: read it, decide where it says so, and write descriptions.\n",
        records(sample.records),
        files.replace('\u{a0}', " "),
    );
    if sample.broken > 0 {
        let _ = writeln!(
            text,
            "# Besides, {} could not be taken apart.",
            records(sample.broken)
        );
    }
    for (file, reason) in sample.damaged.iter().take(3) {
        let _ = writeln!(
            text,
            "# Not read to its end: {}: {}",
            shown(file),
            shown(reason)
        );
    }
    for told in unmet {
        let _ = writeln!(text, "# {told}");
    }
    text.push('\n');
    text
}
