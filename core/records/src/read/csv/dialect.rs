//! The dialect of a CSV file: its declared parts, and the detection of the others.

use super::marks::Marks;
use encoding_rs::Encoding;

/// The declared dialect of CSV files; undeclared parts are detected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// Delimiter. If undeclared, it is the delimiter of a line `sep=;` above the header, or else
    /// the most frequent of comma, semicolon, tab and bar in the first record.
    pub delimiter: Option<u8>,
    /// Quote character of cells that contain a delimiter or a line break; `None` for none.
    pub quote: Option<u8>,
    /// First character of comment lines.
    pub comment: Option<u8>,
    /// True if the first record has the column names.
    pub header: bool,
    /// Column names that replace the names in the file; required without a header.
    pub columns: Option<Vec<String>>,
    /// Encoding of text without a byte-order mark, also of JSON; by default UTF-8.
    pub encoding: Option<&'static Encoding>,
}

impl Dialect {
    /// A dialect with double quotes, a header and a detected delimiter.
    pub const DEFAULT: Self = Self {
        delimiter: None,
        quote: Some(b'"'),
        comment: None,
        header: true,
        columns: None,
        encoding: None,
    };

    /// Validates the dialect; the error contains advice.
    pub fn check(&self) -> Result<(), String> {
        let declared = [
            ("delimiter", self.delimiter),
            ("quote", self.quote),
            ("comment", self.comment),
        ];
        for (index, (name, mark)) in declared.iter().enumerate() {
            let Some(byte) = mark else { continue };
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0) {
                return Err(format!("`{name}` must be one ASCII character"));
            }
            if let Some((other, _)) = declared[..index].iter().find(|(_, other)| other == mark) {
                return Err(format!("`{name}` and `{other}` are the same"));
            }
        }
        match &self.columns {
            None if !self.header => Err("without a header the `columns` must be named".to_string()),
            Some(columns) if columns.is_empty() => Err("`columns` is empty".to_string()),
            _ => Ok(()),
        }
    }

    /// Finds an encoding by a name of the Encoding Standard, such as "windows-1252"; the error
    /// contains advice.
    pub fn encoding(name: &str) -> Result<&'static Encoding, String> {
        Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            format!(
                "the encoding {name:?} is unknown; examples: windows-1252, iso-8859-15, utf-16le"
            )
        })
    }

    /// The delimiter declared by a line above the header, as spreadsheets write it: `sep=;`.
    pub(crate) fn declared_delimiter(line: &str) -> Option<u8> {
        let line = line.trim_end_matches(['\n', '\r']);
        let inner = line
            .strip_prefix('"')
            .and_then(|line| line.strip_suffix('"'));
        let (key, marks) = inner.unwrap_or(line).split_at_checked(4)?;
        // A program that saved the file again may have padded the line with empty cells.
        let (mark, more) = marks.as_bytes().split_first()?;
        let is_named = key.eq_ignore_ascii_case("sep=") && more.iter().all(|byte| byte == mark);
        is_named.then_some(*mark)
    }

    /// The dialect of a file that declares its delimiter in a line; an error if that contradicts
    /// the delimiter of the source.
    pub(crate) fn with_delimiter(&self, mark: u8, line: u64) -> Result<Self, String> {
        let name = char::from(mark);
        if let Some(declared) = self.delimiter.filter(|declared| *declared != mark) {
            return Err(format!(
                "line {line} names the delimiter {name:?} (`sep=`), and the source declares \
                 {:?}; remove its `delimiter`, or make it {name:?}",
                char::from(declared)
            ));
        }
        let dialect = Self {
            delimiter: Some(mark),
            ..self.clone()
        };
        let checked = dialect.check();
        checked.map_err(|reason| {
            format!("line {line} names the delimiter {name:?} (`sep=`), which is invalid: {reason}")
        })?;
        Ok(dialect)
    }

    /// Detects the structural characters of a file from its first line.
    pub(crate) fn marks(&self, line: &str) -> Marks {
        let marks_with = |delimiter| Marks {
            delimiter,
            quote: self.quote,
            comment: self.comment,
        };
        if let Some(delimiter) = self.delimiter {
            return marks_with(delimiter);
        }
        // Ties go to the first, so a header with one column is treated as comma-separated.
        let best = [b';', b'\t', b'|'].into_iter().fold(
            (b',', marks_with(b',').count_cells(line)),
            |best, candidate| match marks_with(candidate).count_cells(line) {
                count if count > best.1 => (candidate, count),
                _ => best,
            },
        );
        marks_with(best.0)
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_detected() {
        let check = |line: &str, delimiter: u8| {
            assert_eq!(
                Dialect::DEFAULT.marks(line).delimiter,
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
    fn delimiter_lines_of_spreadsheets_are_read() {
        let check = |line: &str, delimiter: Option<u8>| {
            assert_eq!(Dialect::declared_delimiter(line), delimiter, "{line:?}");
        };
        check("sep=;\r\n", Some(b';'));
        check("SEP=,", Some(b','));
        check("sep=\t\n", Some(b'\t'));
        check("\"sep=|\"\n", Some(b'|'));
        check("sep=;;;\n", Some(b';'));
        check("sep=;a\n", None);
        check("sep=", None);
        check("sep;id\n", None);
        check("s\u{e9}p=;", None);
        let semicolon = Dialect {
            delimiter: Some(b';'),
            ..Dialect::DEFAULT
        };
        assert_eq!(
            Dialect::DEFAULT.with_delimiter(b';', 1),
            Ok(semicolon.clone())
        );
        assert_eq!(semicolon.with_delimiter(b';', 1), Ok(semicolon.clone()));
        let message = "line 1 names the delimiter ',' (`sep=`), and the source declares ';'; remove its \
                    `delimiter`, or make it ','";
        assert_eq!(semicolon.with_delimiter(b',', 1), Err(message.to_string()));
        let message = Dialect::DEFAULT.with_delimiter(b'"', 3).unwrap_err();
        assert!(
            message.contains("line 3") && message.contains("`quote` and `delimiter`"),
            "{message}"
        );
    }

    #[test]
    fn invalid_dialects_are_reported() {
        let check = |dialect: Dialect, words: &str| {
            let message = dialect.check().err().unwrap_or_default();
            assert!(
                message.contains(words) && message.is_empty() == words.is_empty(),
                "{message}"
            );
        };
        let undeclared = Dialect::DEFAULT;
        check(undeclared.clone(), "");
        check(
            Dialect {
                delimiter: Some(b'"'),
                ..undeclared.clone()
            },
            "`quote` and `delimiter` are the same",
        );
        check(
            Dialect {
                comment: Some(0xE9),
                ..undeclared.clone()
            },
            "`comment` must be one ASCII character",
        );
        check(
            Dialect {
                header: false,
                ..undeclared
            },
            "the `columns` must be named",
        );
    }
}
