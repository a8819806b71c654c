//! A small reader of JSON, for the findings of a run.

use std::{iter::Peekable, str::Chars};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`, `true` and `false` as `None`, `Some(true)` and `Some(false)`.
    Word(Option<bool>),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a document.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser(text.chars().peekable());
        let value = parser.value()?;
        parser.skip_space();
        match parser.0.next() {
            None => Ok(value),
            Some(c) => Err(format!("unexpected {c:?} after the JSON document")),
        }
    }

    /// The member of an object; `null` if there is none.
    pub fn get(&self, key: &str) -> &Self {
        const NULL: Json = Json::Word(None);
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(name, _)| name == key)
                .map_or(&NULL, |(_, value)| value),
            _ => &NULL,
        }
    }

    /// The text; empty for other values.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns true for `true`.
    pub fn is_true(&self) -> bool {
        *self == Self::Word(Some(true))
    }

    /// The items of a list; none for other values.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

struct Parser<'a>(Peekable<Chars<'a>>);

impl Parser<'_> {
    fn skip_space(&mut self) {
        while self.0.next_if(|c| c.is_whitespace()).is_some() {}
    }

    fn expect(&mut self, expected: char) -> Result<(), String> {
        self.skip_space();
        match self.0.next() {
            Some(c) if c == expected => Ok(()),
            other => Err(format!("expected {expected:?} in JSON, found {other:?}")),
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        self.skip_space();
        match self.0.peek() {
            Some('{') => self
                .members('{', '}', |parser| {
                    let name = parser.string()?;
                    parser.expect(':')?;
                    Ok((name, parser.value()?))
                })
                .map(Json::Object),
            Some('[') => self.members('[', ']', Self::value).map(Json::List),
            Some('"') => self.string().map(Json::Text),
            _ => self.word(),
        }
    }

    /// The members between two brackets, separated by commas.
    fn members<T>(
        &mut self,
        open: char,
        close: char,
        member: impl Fn(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(open)?;
        let mut members = Vec::new();
        loop {
            self.skip_space();
            if self.0.next_if_eq(&close).is_some() {
                return Ok(members);
            }
            if !members.is_empty() {
                self.expect(',')?;
            }
            members.push(member(self)?);
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.0.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
                None => return Err("unterminated string in JSON".to_string()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.0.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('u') => {
                let digits: String = self.0.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .map_err(|_| format!("no character \\u{digits} in JSON"))?;
                // Halves of a surrogate pair matter to no reader of findings.
                Ok(char::from_u32(code).unwrap_or('\u{fffd}'))
            }
            Some(c) => Ok(c),
            None => Err("unterminated string in JSON".to_string()),
        }
    }

    fn word(&mut self) -> Result<Json, String> {
        let mut word = String::new();
        while let Some(c) = self
            .0
            .next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c))
        {
            word.push(c);
        }
        match word.as_str() {
            "null" => Ok(Json::Word(None)),
            "true" => Ok(Json::Word(Some(true))),
            "false" => Ok(Json::Word(Some(false))),
            _ => word
                .parse()
                .map(Json::Number)
                .map_err(|_| format!("no JSON value: {word:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_parsed() {
        let json = Json::parse(
            r#" [{"a": -1.5e2, "b": [true, null, []], "c": "x\"\u00e9\n", "d": {}}, 2] "#,
        );
        let json = json.unwrap();
        let [first, second] = json.items() else {
            panic!("{json:?}")
        };
        assert_eq!(first.get("a").number(), Some(-150.0));
        assert!(first.get("b").items()[0].is_true());
        assert_eq!(first.get("b").items().len(), 3);
        assert_eq!(first.get("c").text(), "x\"é\n");
        assert_eq!(first.get("missing"), &Json::Word(None));
        assert_eq!(second.number(), Some(2.0));
    }

    #[test]
    fn mistakes_are_errors() {
        for text in [
            "",
            "[1 2]",
            "[1",
            "{\"a\" 1}",
            "\"a",
            "nul",
            "1 2",
            "\"\\u12",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
