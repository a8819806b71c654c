//! Parses sizes: "500 MB", "2 GiB", "512M".

/// The forms that [`parse`] accepts, for help messages.
pub const SIZE_HELP: &str = "use a size such as \"500 MB\", \"2 GiB\" or \"2G\" (K, M, G and T are KiB, MiB, GiB \
                             and TiB)";

/// Upper limit of sizes in bytes, low enough that sums of sizes cannot overflow.
const MAX: f64 = 1e18;

/// Parses a size into bytes; a number without a unit is multiplied by `unit`.
///
/// Units are SI ("MB" is 1,000,000 bytes) or IEC ("MiB" is 1,048,576 bytes). A single letter is the
/// IEC unit, as in `systemd` and `docker`. Case does not matter.
pub fn parse(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, suffix) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let suffix = suffix.trim().to_ascii_uppercase();
    let bytes = match suffix.as_str() {
        "" => unit,
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        "T" | "TIB" => 1 << 40,
        _ => return None,
    };
    let size = number * bytes as f64;
    (0.0..MAX).contains(&size).then_some(size as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_with_units_are_parsed() {
        let sizes = [
            ("2 GiB", Some(2 << 30)),
            ("2GiB", Some(2 << 30)),
            ("2G", Some(2 << 30)),
            ("2 g", Some(2 << 30)),
            ("2GB", Some(2_000_000_000)),
            ("512MiB", Some(512 << 20)),
            ("512m", Some(512 << 20)),
            ("1.5KiB", Some(1536)),
            ("500 mb", Some(500_000_000)),
            ("0.5 TiB", Some(1 << 39)),
            ("7", Some(7)),
            ("0 B", Some(0)),
            ("2 gigabytes", None),
            ("-1 MB", None),
            ("1.2.3 MB", None),
            ("2000000 TB", None),
            ("MB", None),
            ("", None),
        ];
        for (text, bytes) in sizes {
            assert_eq!(parse(text, 1), bytes, "{text}");
        }
        assert_eq!(parse("512", 1 << 20), Some(512 << 20));
        assert_eq!(parse("512 B", 1 << 20), Some(512));
    }
}
