//! Canonical JSON for hashing: sorted keys and no spaces.

use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// The canonical JSON text of a value.
pub fn json<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    let mut out = String::new();
    write_value(&value, &mut out);
    out
}

/// The first 32 hex digits of the BLAKE3 hash of the canonical JSON of a value.
pub fn hash<T: Serialize>(value: &T) -> String {
    blake3::hash(json(value).as_bytes()).to_hex()[..32].to_string()
}

/// The same hash for a list, computed without holding its whole text in memory.
pub fn hash_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut separator = "[";
    for item in items {
        hasher.update(separator.as_bytes());
        hasher.update(json(&item).as_bytes());
        separator = ",";
    }
    let end = if separator == "[" { "[]" } else { "]" };
    hasher.update(end.as_bytes());
    hasher.finalize().to_hex()[..32].to_string()
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::String(key.clone()));
                write_value(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_list_equals_hash_of_the_list() {
        for list in [vec![], vec![("a", 1)], vec![("a", 1), ("b", 2)]] {
            assert_eq!(hash_list(&list), hash(&list));
        }
    }

    #[test]
    fn key_order_does_not_matter() {
        let a: Value = serde_json::from_str(r#"{"b":[1,{"y":null,"x":"é"}],"a":1.50}"#).unwrap();
        assert_eq!(json(&a), r#"{"a":1.5,"b":[1,{"x":"é","y":null}]}"#);
        let b: Value = serde_json::from_str(r#"{"a":1.5,"b":[1,{"x":"é","y":null}]}"#).unwrap();
        assert_eq!(hash(&a), hash(&b));
    }
}
