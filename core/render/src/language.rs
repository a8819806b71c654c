//! The language of a report: headings, labels, fixed words, numbers and dates.
//!
//! The analyses write the sentences of findings in English. A report in another language keeps
//! them, and its templates mark them as English for screen readers. The files
//! `language/<code>.toml` hold the words; every language defines the same words as English.

mod verdict;

use crate::Error;
use jiff::civil::Date;
use retrocast_domain::{Report, Window};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The files of the shipped languages with their contents, English first.
pub(crate) const BUILT_IN: [(&str, &str); 2] = [
    (
        "language/en.toml",
        include_str!("../../../templates/language/en.toml"),
    ),
    (
        "language/de.toml",
        include_str!("../../../templates/language/de.toml"),
    ),
];

/// Code of English, the language of the analyses.
pub const ENGLISH: &str = "en";

/// The words of a language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Words of templates by key.
    pub words: BTreeMap<String, String>,
    /// Months by their English name in lower case.
    months: BTreeMap<String, String>,
    /// Fixed phrases of analyses, such as table headings, by their English wording.
    #[serde(default)]
    phrases: BTreeMap<String, String>,
    /// Terms of the glossary by their English name: name and meaning.
    #[serde(default)]
    glossary: BTreeMap<String, [String; 2]>,
    /// Clauses of the verdict by key; without them, the verdict stays English.
    #[serde(default)]
    verdict: BTreeMap<String, String>,
}

impl Language {
    /// Parses a language file. It must have the words of `english`, and no others.
    pub(crate) fn parse(file: &str, text: &str, english: Option<&Self>) -> Result<Self, Error> {
        let error = |line: usize, column: usize, message: &str| Error::Template {
            message: format!("{file}:{line}:{column}: {message}"),
        };
        let language: Self = toml::from_str(text).map_err(|problem| {
            let start = problem.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let column = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count()
                + 1;
            error(
                before.matches('\n').count() + 1,
                column,
                problem.message().trim(),
            )
        })?;
        let Some(english) = english else {
            return Ok(language);
        };
        let line_of = |key: &str| {
            let is_key = |line: &str| {
                line.split('=')
                    .next()
                    .is_some_and(|start| start.trim() == key)
            };
            text.lines().position(is_key).map_or(1, |line| line + 1)
        };
        for (words, expected) in [
            (&language.words, &english.words),
            (&language.months, &english.months),
        ] {
            if let Some(unknown) = words.keys().find(|key| !expected.contains_key(*key)) {
                let help = retrocast_domain::suggest::help(
                    unknown,
                    expected.keys().map(String::as_str),
                    "words",
                );
                return Err(error(
                    line_of(unknown),
                    1,
                    &format!("unknown word {unknown}; {help}"),
                ));
            }
            if let Some(missing) = expected.keys().find(|key| !words.contains_key(*key)) {
                let message = format!(
                    "the word {missing} is missing; in English it is {:?}",
                    expected[missing]
                );
                return Err(error(1, 1, &message));
            }
        }
        for (key, words) in &language.words {
            for name in names_in(&english.words[key]) {
                if !words.contains(&name) {
                    let message = format!("{key} lacks {name}, which is replaced by a value");
                    return Err(error(line_of(key), 1, &message));
                }
            }
        }
        Ok(language)
    }

    fn is_english(&self) -> bool {
        self.words.get("lang").is_none_or(|lang| lang == ENGLISH)
    }

    /// Translates the fixed words, numbers and dates of a view into this language, but not
    /// sentences.
    pub(crate) fn localise(&self, view: &mut Value, report: &Report) {
        if self.is_english() {
            return;
        }
        if let Ok(window) = Window::parse(&report.window, &report.timezone)
            && let Ok(last) = window.end.yesterday()
        {
            view["period"] = self.period(window.start, last).into();
        }
        if let Ok(date) = report.date.parse() {
            view["date"] = self.date(date).into();
        }
        self.translate_phrase(&mut view["before"]);
        match self.verdict(report) {
            Some(verdict) => view["verdict"] = verdict.into(),
            None => view["verdict_english"] = true.into(),
        }
        for term in items(&mut view["glossary"]) {
            let name = term[0].as_str().unwrap_or_default();
            if let Some([name, meaning]) = self.glossary.get(name).cloned() {
                *term = serde_json::json!([name, meaning]);
            }
        }
        for list in ["findings", "headlines", "forecasts", "set_aside", "gone"] {
            self.translate_findings(&mut view[list]);
        }
        for figure in items(&mut view["restated"]) {
            self.translate_fields(figure, &["published", "now"]);
        }
        self.translate_kpis(&mut view["kpis"]);
        self.translate_effects(&mut view["effects"]);
        self.translate_effects(&mut view["ledger"]);
        for node in items(&mut view["plan"]) {
            self.translate_fields(node, &["rows", "status"]);
        }
        for source in items(&mut view["sources"]) {
            let numbers = [
                "files",
                "records",
                "accepted",
                "accepted_share",
                "left_out",
                "duplicates",
            ];
            self.translate_fields(source, &numbers);
            for row in items(&mut source["reasons"]).iter_mut().flat_map(items) {
                self.translate_phrase(row);
            }
        }
        for row in items(&mut view["provenance"]["datasets"]) {
            self.translate_short(&mut row[2]);
        }
        for cell in items(&mut view["cells"]) {
            self.translate_fields(cell, &["status_words"]);
            self.translate_findings(&mut cell["findings"]);
            self.translate_kpis(&mut cell["kpis"]);
            self.translate_effects(&mut cell["effects"]);
            // The columns of queries have names, not headings.
            let is_raw = matches!(cell["kind"].as_str(), Some("sql" | "features"));
            items(&mut cell["tables"])
                .iter_mut()
                .for_each(|table| self.translate_table(table, is_raw));
        }
    }

    fn translate_findings(&self, findings: &mut Value) {
        for finding in items(findings) {
            self.translate_fields(finding, &["severity_word"]);
        }
    }

    fn translate_kpis(&self, kpis: &mut Value) {
        let fields = [
            "text",
            "noun",
            "interval",
            "delta",
            "baseline_delta",
            "tone_word",
            "target",
            "target_word",
            "n",
        ];
        items(kpis)
            .iter_mut()
            .for_each(|kpi| self.translate_fields(kpi, &fields));
    }

    fn translate_effects(&self, effects: &mut Value) {
        let fields = [
            "date",
            "date_short",
            "before",
            "after",
            "counterfactual",
            "relative",
            "relative_interval",
            "absolute",
            "absolute_interval",
            "p",
            "verdict",
            "days",
            "placebos",
            "controls",
        ];
        items(effects)
            .iter_mut()
            .for_each(|effect| self.translate_fields(effect, &fields));
    }

    /// Translates headings, and the cells that hold figures or fixed words. Names from records are
    /// kept.
    fn translate_table(&self, table: &mut Value, is_raw: bool) {
        const FIXED: [&str; 8] = [
            "verdict", "trend", "state", "severity", "risk", "weekday", "month", "when",
        ];
        // A longer text is a sentence, which stays whole.
        const FIXED_LETTERS_MAX: usize = 40;
        let mut is_fixed = Vec::new();
        for column in items(&mut table["columns"]) {
            let title = column["title"].as_str().unwrap_or_default().to_lowercase();
            let has_words = !is_raw && FIXED.contains(&title.as_str());
            is_fixed.push(column["align"] == "right" || has_words);
            if !is_raw {
                self.translate_phrase(&mut column["title"]);
            }
        }
        for row in items(&mut table["rows"]) {
            let cells = items(row).iter_mut().zip(&is_fixed);
            let is_short = |cell: &Value| {
                let text = cell.as_str();
                text.is_some_and(|text| text.chars().count() <= FIXED_LETTERS_MAX)
            };
            cells
                .filter(|(cell, is_fixed)| **is_fixed && is_short(cell))
                .for_each(|(cell, _)| self.translate_short(cell));
        }
    }

    fn translate_fields(&self, value: &mut Value, names: &[&str]) {
        for name in names {
            if let Some(field) = value.get_mut(*name) {
                self.translate_short(field);
            }
        }
    }

    fn translate_phrase(&self, value: &mut Value) {
        if let Some(phrase) = value.as_str().and_then(|text| self.phrase(text)) {
            *value = phrase.into();
        }
    }

    fn translate_short(&self, value: &mut Value) {
        if let Some(text) = value.as_str() {
            *value = self.short(text).into();
        }
    }

    /// Translates a fixed text; the case of its first letter is kept.
    fn phrase(&self, text: &str) -> Option<String> {
        let plain = text.replace('\u{a0}', " ");
        if let Some(translation) = self.phrases.get(&plain) {
            return Some(translation.clone());
        }
        let translation = self.phrases.get(&plain.to_lowercase())?;
        let is_upper = plain.starts_with(char::is_uppercase);
        let mut letters = translation.chars();
        let first = letters.next()?;
        Some(if is_upper {
            first.to_uppercase().chain(letters).collect()
        } else {
            translation.clone()
        })
    }

    /// Translates a figure, date or fixed word; other text is returned unchanged.
    fn short(&self, text: &str) -> String {
        if let Some(phrase) = self.phrase(text) {
            return phrase;
        }
        let words: Vec<&str> = text.split([' ', '\u{a0}']).collect();
        if let [day, english, year] = words.as_slice()
            && let (Ok(_), Some((n, month)), Ok(_)) =
                (day.parse::<u8>(), self.month(english), year.parse::<u16>())
        {
            // A short date has the first three letters of the month, and a numeric date is as
            // short.
            return if english.len() == 3 {
                format!("{day}.{n}.{year}")
            } else {
                format!("{day}.\u{a0}{month}\u{a0}{year}")
            };
        }
        if !text.contains(|c: char| c.is_ascii_digit()) {
            return text.to_string();
        }
        let mut out = self.units(text);
        for (english, translated) in [(" to ", " {to} "), ("\u{a0}to ", "\u{a0}{to} ")] {
            let to = self.words.get("to").map_or("to", String::as_str);
            out = out.replace(english, &translated.replace("{to}", to));
        }
        numbers(&out)
    }

    /// Translates the unit at the end of a figure.
    fn units(&self, text: &str) -> String {
        let start = text
            .find(|c: char| c.is_alphabetic())
            .filter(|start| *start > 0);
        let Some((figure, unit)) = start.map(|start| text.split_at(start)) else {
            return text.to_string();
        };
        // An interval may follow: "+0.8 percentage points (−0.7 to +2.3)".
        let (unit, suffix) = unit.split_at(unit.find('(').unwrap_or(unit.len()));
        let space = &unit[unit.trim_end().len()..];
        match self.phrase(unit.trim_end()) {
            Some(unit) => format!("{figure}{unit}{space}{suffix}"),
            None => text.to_string(),
        }
    }

    /// The number and the name of a month, from its English name or the first three letters of the
    /// name.
    fn month(&self, name: &str) -> Option<(usize, &String)> {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let name = name.to_lowercase();
        let is_month =
            |english: &str| english == name || (name.len() == 3 && english.starts_with(&name));
        let index = MONTHS.iter().position(|english| is_month(english))?;
        Some((index + 1, self.months.get(MONTHS[index])?))
    }

    /// Formats a date: "15. November 2026".
    fn date(&self, date: Date) -> String {
        let day = date.day();
        format!("{day}. {}\u{a0}{}", self.month_of(date), date.year())
    }

    fn month_of(&self, date: Date) -> &str {
        let english = retrocast_domain::window::month_name(date);
        self.month(english).map_or(english, |(_, month)| month)
    }

    /// Formats a period: "9. bis 15. November 2026".
    fn period(&self, first: Date, last: Date) -> String {
        let to = self.words.get("to").map_or("–", String::as_str);
        let last_words = self.date(last);
        if first == last {
            last_words
        } else if (first.year(), first.month()) == (last.year(), last.month()) {
            format!("{}. {to} {last_words}", first.day())
        } else if first.year() == last.year() {
            format!(
                "{}. {} {to} {last_words}",
                first.day(),
                self.month_of(first)
            )
        } else {
            format!("{} {to} {last_words}", self.date(first))
        }
    }
}

/// The items of a list; empty for other values.
fn items(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

/// The names in braces in a text, with their braces.
fn names_in(text: &str) -> Vec<String> {
    let parts = text.split('{').skip(1);
    parts
        .filter_map(|part| Some(format!("{{{}}}", part.split_once('}')?.0)))
        .collect()
}

/// Writes decimal commas, and points between thousands: "1.234,5". A text with two points in one
/// number, such as a version, is returned unchanged.
fn numbers(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let is_digit = |index: Option<usize>| {
        index
            .and_then(|index| letters.get(index))
            .is_some_and(char::is_ascii_digit)
    };
    let is_in_number = |index: usize| is_digit(index.checked_sub(1)) && is_digit(Some(index + 1));
    let is_version = text
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .any(|part| part.trim_matches('.').matches('.').count() > 1);
    if is_version {
        return text.to_string();
    }
    let converted = letters.iter().enumerate().map(|(index, c)| match c {
        '.' if is_in_number(index) => ',',
        '\u{202f}' if is_in_number(index) => '.',
        c => *c,
    });
    converted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Templates, html, pdf, sample};

    fn german() -> Language {
        Templates::built_in().language("de").unwrap().clone()
    }

    #[test]
    fn figures_and_dates_have_the_form_of_the_language() {
        let german = german();
        for (english, expected) in [
            ("97.2\u{a0}%", "97,2\u{a0}%"),
            ("59\u{202f}530", "59.530"),
            ("1\u{202f}234\u{202f}567.5", "1.234.567,5"),
            ("96.8 to 97.6\u{a0}%", "96,8 bis 97,6\u{a0}%"),
            ("+0.4 percentage points", "+0,4 Prozentpunkte"),
            ("19 July 2026", "19.\u{a0}Juli\u{a0}2026"),
            ("21\u{a0}Sep\u{a0}2026", "21.9.2026"),
            ("retrocast 0.1.0", "retrocast 0.1.0"),
            ("Monday", "Montag"),
            ("not proven", "unbewiesen"),
            ("Against baseline", "Gegen Vergleich"),
            ("billing", "billing"),
            ("–", "–"),
        ] {
            assert_eq!(german.short(english), expected);
        }
        let day = |text: &str| text.parse::<Date>().unwrap();
        let period = |first, last| german.period(day(first), day(last)).replace('\u{a0}', " ");
        assert_eq!(
            period("2026-11-09", "2026-11-15"),
            "9. bis 15. November 2026"
        );
        assert_eq!(
            period("2026-09-28", "2026-10-04"),
            "28. September bis 4. Oktober 2026"
        );
        assert_eq!(
            period("2026-12-28", "2027-01-03"),
            "28. Dezember 2026 bis 3. Januar 2027"
        );
        assert_eq!(period("2026-03-01", "2026-03-01"), "1. März 2026");
    }

    #[test]
    fn errors_in_a_language_file_are_located() {
        let templates = |from: &str, to: &str| {
            let text = Templates::built_in()
                .text("language/de.toml")
                .unwrap()
                .replace(from, to);
            let templates = Templates::built_in().with("language/de.toml", text);
            templates.language("de").unwrap_err().to_string()
        };
        let unknown = templates("what_matters =", "what_maters =");
        assert!(
            unknown.contains("unknown word what_maters; did you mean"),
            "{unknown}"
        );
        let missing = templates("what_matters =", "# what_matters =");
        assert!(
            missing.contains("the word what_matters is missing"),
            "{missing}"
        );
        let value = templates("Seite {page}", "Seite");
        assert!(value.contains("page_of lacks {page}"), "{value}");
        let broken = templates("[months]", "[months");
        assert!(broken.starts_with("language/de.toml:"), "{broken}");
    }

    #[test]
    fn german_reports_mark_english_sentences() {
        let mut report = sample::sample();
        report.language = "de".to_string();
        report.notices.clear();
        report.cells.retain(|cell| !cell.status.is_failed());
        for layout in Layout::ALL {
            let page = html::report(&report, layout).unwrap();
            assert!(page.contains("<html lang=\"de\">") && page.contains("November\u{a0}2026"));
            assert!(page.contains("finding-sentence\" lang=\"en\""));
            assert!(!page.contains("Requested actions") && !page.contains(">Data quality<"));
            let bytes = pdf(&report, layout, &Templates::built_in()).unwrap();
            assert_eq!(bytes, pdf(&report, layout, &Templates::built_in()).unwrap());
        }
        let page = html::report(&report, Layout::Executive).unwrap();
        assert!(page.contains("Diese Woche"), "the verdict is German");
        // An unusual case keeps the sentence that explains it.
        report.verdict = "No record was accepted.".to_string();
        let page = html::report(&report, Layout::Executive).unwrap();
        assert!(page.contains("lang=\"en\">No record was accepted."));
    }
}
