//! Deserializes numbers that were NaN or infinite when written: JSON has `null` instead. They
//! become NaN, which is formatted as "n/a".

use serde::{Deserialize, Deserializer};

/// Reads a number or `null`.
pub(crate) fn number<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or(f64::NAN))
}

/// Reads three numbers, each of which may be `null`.
pub(crate) fn three<'de, D: Deserializer<'de>>(source: D) -> Result<[f64; 3], D::Error> {
    let numbers = <[Option<f64>; 3]>::deserialize(source)?;
    Ok(numbers.map(|number| number.unwrap_or(f64::NAN)))
}

/// Reads a list of numbers, each of which may be `null`.
pub(crate) fn numbers<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<f64>, D::Error> {
    let numbers = Vec::<Option<f64>>::deserialize(source)?;
    let numbers = numbers.into_iter();
    Ok(numbers.map(|number| number.unwrap_or(f64::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use crate::{Finding, Magnitude, chart::Band, number::sensible};

    #[test]
    fn null_is_read_as_nan() {
        let mut finding = Finding::new("a", "trend", "all", "x");
        finding.magnitude = Some(Magnitude::point(f64::NAN, "ratio"));
        finding.confidence = f64::INFINITY;
        let text = serde_json::to_string(&finding).expect("JSON");
        let parsed: Finding = serde_json::from_str(&text).expect("a finding");
        let magnitude = parsed.magnitude.expect("a magnitude");
        assert_eq!(sensible(magnitude.value), "n/a");
        assert!(parsed.confidence.is_nan());
        let band = r#"{"name": "b", "times": [], "lower": [null, 1.0], "upper": [2.0, null]}"#;
        let band: Band = serde_json::from_str(band).expect("a band");
        assert!(band.lower[0].is_nan() && band.upper[1].is_nan() && band.lower[1] == 1.0);
    }
}
