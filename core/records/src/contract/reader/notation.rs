//! Parses the notation of values from a contract.

use super::{ContractReader, Value};
use crate::{
    contract::notation::{
        EpochUnit, Notation, TimeFormat, Zone, allows_null_words, is_numeric, is_temporal,
        normalize_mark, zone_database,
    },
    read::time,
};
use retrocast_domain::suggest::nearest;
use toml::de::{DeTable, DeValue};

const DECIMALS: [char; 2] = ['.', ','];
const THOUSANDS: [char; 5] = ['.', ',', ' ', '\'', '_'];
/// Supported directives of time formats.
const DIRECTIVES: &str = "%Y %y year; %m month; %b %B its name; %d %e day; %j day of the year; %a %A weekday; \
    %H hour 00-23; %I hour 01-12 with %p AM or PM; %M minute; %S second; %f fraction, %.f with its point; \
    %z offset +0100, %:z +01:00; %Q zone; %s seconds since 1970; %F %Y-%m-%d; %T %H:%M:%S; %% a percent sign";
const EPOCHS: &str = "numbers since 1970 are epoch_s, epoch_ms, epoch_us or epoch_ns";

impl ContractReader<'_> {
    /// Parses the notation that the contract declares for all fields.
    pub(super) fn shared_notation(&mut self, root: &DeTable) -> Notation {
        let notation = self.declared_notation(root);
        self.report_ambiguous_mark(&notation, root);
        notation
    }

    /// Parses the notation of a field of this type.
    pub(in crate::contract) fn notation(
        &mut self,
        name: &str,
        kind: &str,
        table: &DeTable,
    ) -> Notation {
        let mut require = |key: &str, applies: bool, types: &str| {
            if let (false, Some(value)) = (applies, table.get(key)) {
                let message = format!("`{key}` does not apply to field `{name}`");
                let help = format!("`{key}` is for {types}");
                self.error(value.span(), message, Some(help));
            }
        };
        let (numeric, temporal) = (is_numeric(kind), is_temporal(kind));
        let nullable = allows_null_words(kind);
        require("null_words", nullable, "all types but json and struct");
        require("decimal", numeric, "numbers and integers");
        require("thousands", numeric, "numbers and integers");
        require("zone", temporal, "timestamps and dates");
        require("format", temporal, "timestamps and dates");
        require("true_words", kind == "boolean", "booleans");
        require("false_words", kind == "boolean", "booleans");

        let declared = self.declared_notation(table);
        let shared = self.shared.for_type(kind);
        // A field with its own decimal mark does not inherit the thousands separator.
        let thousands = shared.thousands.filter(|_| declared.decimal.is_none());
        let notation = Notation {
            null_words: declared.null_words.or(shared.null_words),
            decimal: declared.decimal.or(shared.decimal),
            thousands: declared.thousands.or(thousands),
            zone: declared.zone.or(shared.zone),
            format: if temporal {
                self.formats(table, kind == "timestamp")
            } else {
                Vec::new()
            },
            true_words: self.words(table, "true_words"),
            false_words: self.words(table, "false_words"),
        };
        self.report_ambiguous_mark(&notation, table);
        self.report_ambiguous_word(&notation, table);
        notation
    }

    /// Parses the keys that are common to a contract and its fields.
    fn declared_notation(&mut self, table: &DeTable) -> Notation {
        Notation {
            null_words: self.words(table, "null_words"),
            decimal: self.mark(table, "decimal", &DECIMALS),
            thousands: self.mark(table, "thousands", &THOUSANDS),
            zone: self.zone(table),
            ..Notation::default()
        }
    }

    /// Parses a decimal mark or thousands separator, in any of its variants.
    fn mark(&mut self, table: &DeTable, key: &str, marks: &[char]) -> Option<char> {
        let (span, text) = self.text(table, key)?;
        let mut characters = text.chars();
        let parsed = characters.next().map(normalize_mark);
        let parsed = parsed.filter(|mark| characters.next().is_none() && marks.contains(mark));
        if parsed.is_none() {
            let marks: Vec<String> = marks.iter().map(|mark| format!("\"{mark}\"")).collect();
            let help = format!("`{key}` may be: {}", marks.join(", "));
            self.error(span, format!("`{key}` cannot be {text:?}"), Some(help));
        }
        parsed
    }

    /// Reports a character that is both the decimal mark and the thousands separator.
    fn report_ambiguous_mark(&mut self, notation: &Notation, table: &DeTable) {
        let mark = notation.decimal_mark();
        let declaration = table.get("thousands").or(table.get("decimal"));
        if let (true, Some(value)) = (notation.thousands == Some(mark), declaration) {
            let message = format!("`thousands` and `decimal` are both {mark:?}");
            let other = if mark == '.' { ',' } else { '.' };
            let help = format!("with `thousands = \"{mark}\"`, write `decimal = \"{other}\"`");
            self.error(value.span(), message, Some(help));
        }
    }

    /// Reports a word that means both true and false.
    fn report_ambiguous_word(&mut self, notation: &Notation, table: &DeTable) {
        let false_words = notation.words_for(false);
        let ambiguous = notation
            .words_for(true)
            .into_iter()
            .find(|word| false_words.contains(word));
        let declaration = table.get("true_words").or(table.get("false_words"));
        if let (Some(word), Some(value)) = (ambiguous, declaration) {
            let message = format!("{word:?} means both true and false");
            let help = "words that are not declared keep their defaults: \
                        declare both `true_words` and `false_words`";
            self.error(value.span(), message, Some(help.into()));
        }
    }

    /// Parses a list of words.
    fn words(&mut self, table: &DeTable, key: &str) -> Option<Vec<String>> {
        let value = table.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of strings");
            return None;
        };
        let mut words = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(word) => words.push(word.trim().to_string()),
                None => self.wrong_type(key, item, "a list of strings"),
            }
        }
        Some(words)
    }

    fn zone(&mut self, table: &DeTable) -> Option<Zone> {
        let (span, name) = self.text(table, "zone")?;
        let zone = Zone::find(&name);
        if zone.is_none() {
            let names: Vec<String> = zone_database()
                .available()
                .map(|name| name.to_string())
                .collect();
            let help = match nearest(&name, names.iter().map(String::as_str)) {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None => "use an IANA name such as \"Europe/Berlin\" or \"UTC\"".to_string(),
            };
            self.error(
                span,
                format!("`zone` {name:?} is not a time zone"),
                Some(help),
            );
        }
        zone
    }

    /// Parses one format, or a list of them.
    fn formats(&mut self, table: &DeTable, with_time: bool) -> Vec<TimeFormat> {
        let Some(value) = table.get("format") else {
            return Vec::new();
        };
        match value.get_ref() {
            DeValue::String(_) => self.format(value, with_time).into_iter().collect(),
            DeValue::Array(items) if !items.is_empty() => {
                let formats = items.iter().filter_map(|item| self.format(item, with_time));
                formats.collect()
            }
            _ => {
                self.wrong_type("format", value, "a string or a list of strings");
                Vec::new()
            }
        }
    }

    fn format(&mut self, value: &Value, with_time: bool) -> Option<TimeFormat> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type("format", value, "a string or a list of strings");
            return None;
        };
        if let Some(unit) = EpochUnit::ALL.into_iter().find(|unit| unit.word() == text) {
            return Some(TimeFormat::Epoch(unit));
        }
        if let Err((at, message)) = check_directives(text) {
            let location = at.and_then(|at| self.locate(&value.span(), text, at));
            let epochs = EpochUnit::ALL.map(EpochUnit::word);
            let help = match nearest(text, epochs).filter(|_| text.contains('_')) {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None if text.starts_with("epoch") => EPOCHS.to_string(),
                None => format!("{DIRECTIVES}; {EPOCHS}"),
            };
            self.error(location.unwrap_or(value.span()), message, Some(help));
            return None;
        }
        if let Err(reason) = time::check_format(text, with_time) {
            let message = format!("`format` {text:?} {reason}");
            self.error(value.span(), message, Some(DIRECTIVES.to_string()));
            return None;
        }
        Some(TimeFormat::Text(text.to_string()))
    }
}

/// Checks that a format consists of supported directives; the error gives the position and the
/// reason.
fn check_directives(format: &str) -> Result<(), (Option<usize>, String)> {
    const PLAIN: &str = "%AaBbCDdeFfGgHhIjklMmNnPpQRSsTtUuVWwYyz";
    let mut has_directive = false;
    let mut rest = format.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        if c != '%' {
            continue;
        }
        let mut marks = String::new();
        let is_flag = |c: &char| matches!(c, '_' | '-' | '^' | '#' | '.' | ':' | '0'..='9');
        while let Some((_, mark)) = rest.next_if(|(_, c)| is_flag(c)) {
            marks.push(mark);
        }
        let Some((_, letter)) = rest.next() else {
            let message = "`format` ends in the middle of a directive".to_string();
            return Err((Some(at), message));
        };
        let colons = marks.chars().filter(|mark| *mark == ':').count();
        let is_plain = PLAIN.contains(letter)
            && match letter {
                'f' => colons == 0,
                'z' => colons <= 3 && !marks.contains('.'),
                'Q' => colons <= 1 && !marks.contains('.'),
                _ => colons == 0 && !marks.contains('.'),
            };
        if !is_plain {
            return Err((
                Some(at),
                format!("`%{marks}{letter}` is not a supported directive"),
            ));
        }
        has_directive = true;
    }
    if has_directive {
        Ok(())
    } else {
        Err((None, format!("`format` {format:?} has no directive")))
    }
}
