//! Validation of mail addresses.

/// Returns true if mail can be sent to an address: an ASCII dot-atom on both sides of the @ sign
/// (RFC 5322, 3.4.1).
pub fn is_mail_address(text: &str) -> bool {
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            // An address that starts with a dash could be read as an option.
            !local.starts_with('-') && local.split('.').all(atom) && domain.split('.').all(label)
        })
}

#[cfg(test)]
mod tests {
    use super::is_mail_address;

    #[test]
    fn addresses_are_distinguished_from_other_texts() {
        for valid in ["ops@example.org", "a.b+c@x-y.example", "root@localhost"] {
            assert!(is_mail_address(valid), "{valid}");
        }
        for bad in [
            "",
            "ops",
            "a@@b",
            "-oQ/tmp@x",
            "ops@ex\u{e4}mple.org",
            "a b@x",
            "a@x\nb@y",
            "@x",
            "a@",
        ] {
            assert!(!is_mail_address(bad), "{bad:?}");
        }
    }
}
