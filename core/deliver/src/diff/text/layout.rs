//! Lines of a terminal: headings, entries with a hanging indent, columns.

use super::SHOWN;
use retrocast_domain::number::count;
use std::fmt::Write as _;

/// Columns that lines are kept within.
const WIDTH: usize = 100;
/// Where the text of an entry begins: at least, and at most.
const INDENT: [usize; 2] = [12, 36];

/// A text that grows.
#[derive(Default)]
pub(super) struct Page {
    pub text: String,
}

impl Page {
    pub(super) fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A sentence, broken into lines.
    pub(super) fn paragraph(&mut self, text: &str) {
        for line in wrapped(text, WIDTH) {
            self.line(&line);
        }
    }

    /// A heading and entries, each a label and its text, when there are any; those beyond the first
    /// few are counted. Lines that a text brings with it stay lines.
    pub(super) fn list(&mut self, title: &str, entries: &[(String, String)]) {
        if entries.is_empty() {
            return;
        }
        self.blank();
        self.line(title);
        let shown = &entries[..entries.len().min(SHOWN)];
        let widest = shown.iter().map(|(label, _)| label.chars().count()).max();
        let indent = (widest.unwrap_or(0) + 4).clamp(INDENT[0], INDENT[1]);
        for (label, text) in shown {
            self.entry(label, text, indent);
        }
        self.more(entries.len());
    }

    fn entry(&mut self, label: &str, text: &str, indent: usize) {
        let pad = " ".repeat(indent);
        let gap = (indent - 2).saturating_sub(label.chars().count());
        let mut head = format!("  {label}{}", " ".repeat(gap));
        // A label that leaves no room has a line of its own.
        if gap < 2 {
            self.line(&head);
            head.clone_from(&pad);
        }
        for line in text.lines() {
            for part in wrapped(line, WIDTH - indent) {
                self.line(&format!("{head}{part}"));
                head.clone_from(&pad);
            }
        }
    }

    pub(super) fn more(&mut self, number: usize) {
        if number > SHOWN {
            let more = count((number - SHOWN) as u64);
            self.line(&format!("  and {more} more; --json has all"));
        }
    }
}

/// Old and new.
pub(super) fn arrow(old: &str, new: &str) -> String {
    format!("{old} → {new}")
}

/// Rows with columns of one width; these stand at the right of theirs. Empty columns take no room.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], right: &[usize]) -> Vec<String> {
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

/// The words of a text in lines of a width; a word that is longer has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
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
