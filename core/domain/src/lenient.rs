//! Reads numbers that were NaN or infinite when written: JSON has `null` for them. They become NaN,
//! which number formats print as "n/a".

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
    fn what_was_no_number_can_be_read() {
        let mut finding = Finding::new("a", "trend", "all", "x");
        finding.magnitude = Some(Magnitude::point(f64::NAN, "ratio"));
        finding.confidence = f64::INFINITY;
        let text = serde_json::to_string(&finding).expect("JSON");
        let again: Finding = serde_json::from_str(&text).expect("a finding");
        let magnitude = again.magnitude.expect("a magnitude");
        assert_eq!(sensible(magnitude.value), "n/a");
        assert!(again.confidence.is_nan());
        let band = r#"{"name": "b", "times": [], "lower": [null, 1.0], "upper": [2.0, null]}"#;
        let band: Band = serde_json::from_str(band).expect("a band");
        assert!(band.lower[0].is_nan() && band.upper[1].is_nan() && band.lower[1] == 1.0);
    }
}
