//! Mail addresses with names.

use crate::{Error, text::one_line};
use lettre::message::Mailbox;
use retrocast_domain::is_mail_address;
use serde::Deserialize;
use std::{fmt, str::FromStr};

/// A mail address with an optional name: "ops@example.org" or "Operations <ops@example.org>".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// The name; empty for none.
    pub name: String,
    /// The address itself, in ASCII.
    pub email: String,
}

impl Address {
    /// The part after the @ sign.
    pub fn domain(&self) -> &str {
        self.email.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    pub(crate) fn mailbox(&self) -> Result<Mailbox, Error> {
        let email = self.email.parse::<lettre::Address>();
        let email = email.map_err(|error| Error::Message(format!("{}: {error}", self.email)))?;
        let name = one_line(&self.name, 80);
        Ok(Mailbox::new((!name.is_empty()).then_some(name), email))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, email) = match text
            .trim()
            .strip_suffix('>')
            .and_then(|text| text.split_once('<'))
        {
            Some((name, email)) => (name.trim().trim_matches('"'), email.trim()),
            None => ("", text.trim()),
        };
        if !is_mail_address(email) || name.chars().any(char::is_control) {
            return Err(format!(
                "{text:?} is not a mail address; write one such as \"reports@example.org\""
            ));
        }
        Ok(Self {
            name: name.to_string(),
            email: email.to_string(),
        })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.email),
            name => write!(f, "{name} <{}>", self.email),
        }
    }
}
