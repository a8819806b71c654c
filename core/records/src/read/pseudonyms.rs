//! Replaces personal data with hashes.
//!
//! With a key, they are keyed BLAKE3 hashes: nobody can recover a value without the key, and equal
//! values have the same hash in all datasets written with it. Without a key, they are BLAKE3 hashes
//! in key derivation mode, with the dataset's name as the context: equal values are recognisable
//! within one dataset only, but an attacker can verify guesses.

use std::fmt;

const KEY_CONTEXT: &str = "retrocast 2026-11 personal data";
const KEY_ID_CONTEXT: &str = "retrocast 2026-11 identity of the key for personal data";

/// Replaces values with hashes.
#[derive(Clone)]
pub(super) struct Pseudonyms {
    hasher: blake3::Hasher,
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// Creates the hasher for a dataset, with a key if there is one.
    pub fn new(dataset: &str, key: Option<&[u8]>) -> Self {
        let hasher = match non_empty(key) {
            Some(key) => blake3::Hasher::new_keyed(&blake3::derive_key(KEY_CONTEXT, key)),
            None => blake3::Hasher::new_derive_key(&format!("{KEY_CONTEXT} of {dataset}")),
        };
        Self { hasher }
    }

    /// The hash of a value: 32 hex digits.
    pub fn hash(&self, value: &str) -> String {
        let hash = self.hasher.clone().update(value.as_bytes()).finalize();
        hash.to_hex()[..32].to_string()
    }
}

/// The key; `None` if it is missing or empty.
pub(super) fn non_empty(key: Option<&[u8]>) -> Option<&[u8]> {
    key.filter(|key| !key.is_empty())
}

/// Identifies a key without revealing it; `None` without a key. Another key gives another dataset,
/// so this is part of a dataset's identity.
pub fn key_id(key: Option<&[u8]>) -> Option<String> {
    let key = non_empty(key)?;
    let mut hasher = blake3::Hasher::new_derive_key(KEY_ID_CONTEXT);
    Some(hasher.update(key).finalize().to_hex()[..16].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_key_or_dataset() {
        let hash =
            |dataset: &str, key: Option<&[u8]>| Pseudonyms::new(dataset, key).hash("ada@b.org");
        assert_eq!(
            hash("a", Some(b"k")),
            hash("b", Some(b"k")),
            "one key, one hash"
        );
        assert_ne!(hash("a", Some(b"k")), hash("a", Some(b"l")));
        assert_ne!(hash("a", None), hash("b", None));
        assert_eq!(
            hash("a", Some(b"")),
            hash("a", None),
            "an empty key is none"
        );
        assert_eq!(hash("people", None), "72c7ed1cc644a0f8a6c308ee1aef75af");
        assert_ne!(key_id(Some(b"k")), key_id(Some(b"l")));
        assert_eq!(key_id(Some(b"")), None);
        assert!(!format!("{:?}", Pseudonyms::new("a", Some(b"kkkk"))).contains("107"));
    }
}
