//! Plain text for a terminal or a mail: headings, entries with a hanging indent, columns.

use retrocast_domain::number::count;
use std::fmt::Write as _;

/// Maximum number of printed entries of a list.
pub(crate) const ENTRIES_MAX: usize = 20;
/// Minimum and maximum indent of the text of an entry.
const INDENT: [usize; 2] = [12, 36];

/// A text under construction.
pub(crate) struct Page {
    pub text: String,
    /// Maximum width of lines, in columns.
    width: usize,
}

impl Page {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds a sentence, wrapped into lines.
    pub(crate) fn paragraph(&mut self, text: &str) {
        self.indented("", text);
    }

    /// Like [`Page::paragraph`], with an indent.
    pub(crate) fn indented(&mut self, indent: &str, text: &str) {
        for line in wrap(text, self.width - indent.len()) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// Adds a heading and entries, each a label and its text; adds nothing without entries. Entries
    /// beyond the first few are only counted. Line breaks of a text are kept.
    pub(crate) fn list(&mut self, title: &str, entries: &[(String, String)]) {
        if entries.is_empty() {
            return;
        }
        self.blank();
        self.line(title);
        self.entries(entries);
    }

    /// Like [`Page::list`], without a heading.
    pub(crate) fn entries(&mut self, entries: &[(String, String)]) {
        let shown = &entries[..entries.len().min(ENTRIES_MAX)];
        let widest = shown.iter().map(|(label, _)| label.chars().count()).max();
        let indent = (widest.unwrap_or(0) + 4).clamp(INDENT[0], INDENT[1]);
        for (label, text) in shown {
            self.entry(label, text, indent);
        }
        self.note_hidden(entries.len());
    }

    fn entry(&mut self, label: &str, text: &str, indent: usize) {
        let pad = " ".repeat(indent);
        let gap = (indent - 2).saturating_sub(label.chars().count());
        let mut head = format!("  {label}{}", " ".repeat(gap));
        // A long label has its own line.
        if gap < 2 {
            self.line(&head);
            head.clone_from(&pad);
        }
        if text.is_empty() {
            self.line(&head);
        }
        for line in text.lines() {
            for part in wrap(line, self.width - indent) {
                self.line(&format!("{head}{part}"));
                head.clone_from(&pad);
            }
        }
    }

    /// Adds the number of entries beyond the printed ones, if there are more.
    pub(crate) fn note_hidden(&mut self, total: usize) {
        if total > ENTRIES_MAX {
            let more = count((total - ENTRIES_MAX) as u64);
            self.line(&format!("  and {more} more"));
        }
    }
}

/// Formats an old and a new value.
pub(crate) fn arrow(old: &str, new: &str) -> String {
    format!("{old} → {new}")
}

/// Formats rows with right-aligned columns of equal width; empty columns take no space.
pub(crate) fn align<const N: usize>(rows: &[[String; N]], right: &[usize]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (column, text) in row
            .iter()
            .enumerate()
            .filter(|(column, _)| width(*column) > 0)
        {
            let gap = " ".repeat(width(column) - text.chars().count());
            let between = if line.is_empty() { "" } else { "  " };
            let _ = if right.contains(&column) {
                write!(line, "{between}{gap}{text}")
            } else {
                write!(line, "{between}{text}{gap}")
            };
        }
        line
    };
    rows.iter().map(line).collect()
}

/// Wraps a text at spaces; a longer word has its own line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
