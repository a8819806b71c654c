//! How a CSV file is written: what its author may say of it, and what it tells itself.

use super::marks::Marks;

/// What is known of how CSV files are written. What is not said is told by the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between cells; without it, the one of comma, semicolon, tab and bar that the first
    /// record has most of.
    pub delimiter: Option<u8>,
    /// What stands around cells that hold a delimiter or a line break; `None` when nothing does.
    pub quote: Option<u8>,
    /// With what lines begin that are no records.
    pub comment: Option<u8>,
    /// Whether the first record names the columns.
    pub header: bool,
    /// Names of the columns, in place of those in the file; needed when it has none.
    pub columns: Option<Vec<String>>,
}

impl Dialect {
    /// Everything as the file tells it.
    pub const AS_FOUND: Self = Self {
        delimiter: None,
        quote: Some(b'"'),
        comment: None,
        header: true,
        columns: None,
    };

    /// Whether files can be written like that; the error says what to change.
    pub fn check(&self) -> Result<(), String> {
        let given = [
            ("delimiter", self.delimiter),
            ("quote", self.quote),
            ("comment", self.comment),
        ];
        for (index, (name, mark)) in given.iter().enumerate() {
            let Some(byte) = mark else { continue };
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) {
                return Err(format!("`{name}` must be one ASCII character"));
            }
            if let Some((other, _)) = given[..index].iter().find(|(_, other)| other == mark) {
                return Err(format!("`{name}` and `{other}` are the same"));
            }
        }
        match &self.columns {
            None if !self.header => Err("without a header the `columns` must be named".to_string()),
            Some(columns) if columns.is_empty() => Err("`columns` names none".to_string()),
            _ => Ok(()),
        }
    }

    /// The marks of a file whose first line this is.
    pub(crate) fn marks(&self, line: &str) -> Marks {
        let with = |delimiter| Marks {
            delimiter,
            quote: self.quote,
            comment: self.comment,
        };
        if let Some(delimiter) = self.delimiter {
            return with(delimiter);
        }
        // The first of equals wins, so that a header of one column is a comma's.
        let best = [b';', b'\t', b'|'].into_iter().fold(
            (b',', with(b',').count(line)),
            |best, candidate| match with(candidate).count(line) {
                count if count > best.1 => (candidate, count),
                _ => best,
            },
        );
        with(best.0)
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::AS_FOUND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_seen() {
        let check = |line: &str, delimiter: u8| {
            assert_eq!(
                Dialect::AS_FOUND.marks(line).delimiter,
                delimiter,
                "{line:?}"
            );
        };
        check("a,b", b',');
        check("State;Year;PacksPerCapita", b';');
        check("one", b',');
        check("a\tb\tc,d", b'\t');
        check("\"a;b;c\",d", b',');
    }

    #[test]
    fn impossible_dialects_are_told() {
        let check = |dialect: Dialect, words: &str| {
            let said = dialect.check().err().unwrap_or_default();
            assert!(
                said.contains(words) && said.is_empty() == words.is_empty(),
                "{said}"
            );
        };
        let found = Dialect::AS_FOUND;
        check(found.clone(), "");
        check(
            Dialect {
                delimiter: Some(b'"'),
                ..found.clone()
            },
            "`quote` and `delimiter` are the same",
        );
        check(
            Dialect {
                comment: Some(0xE9),
                ..found.clone()
            },
            "`comment` must be one ASCII character",
        );
        check(
            Dialect {
                header: false,
                ..found
            },
            "the `columns` must be named",
        );
    }
}
