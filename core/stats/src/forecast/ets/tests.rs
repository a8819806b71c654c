//! Tests of this module.

use super::*;
use crate::forecast::forecasters::tests::AIR;

/// R's `forecast(ets(AirPassengers))`, the first months of 1961. R stops at ETS(M,Ad,M) with a
/// corrected criterion of 1400.64; ETS(M,A,M) fits better, and its forecasts are the same.
#[test]
fn published_forecasts_of_airline_passengers_are_reproduced() {
    let ets = Ets {
        period: 12,
        exact: true,
        damped: false,
    };
    let fitted = ets.fit(&AIR, &ets.forms(&AIR)).unwrap();
    assert_eq!(fitted.form.season, Season::Multiplicative);
    assert!(fitted.criterion < 1400.64, "{fitted:?}");
    let forecast = fitted.forecast(12);
    eprintln!("{forecast:?}");
    let published = [441.8018, 434.1186, 496.6300];
    for (got, expected) in forecast.iter().zip(published) {
        assert!((got / expected - 1.0).abs() < 0.01, "{got} {expected}");
    }
    let damped = Form {
        multiplicative_error: true,
        trend: Trend::Damped,
        season: Season::Multiplicative,
    };
    let damped = ets.fit(&AIR, &[damped]).unwrap();
    eprintln!("damped {:?} {:?}", damped.criterion, damped.forecast(3));
    assert!(damped.criterion < 1401.0);
}

#[test]
fn forms_follow_the_values() {
    let values: Vec<f64> = (0..60).map(|i| f64::from(i * 7919 % 13) - 6.0).collect();
    let ets = Ets {
        period: 12,
        exact: false,
        damped: false,
    };
    assert_eq!(ets.forms(&values).len(), 6);
    assert_eq!(ets.forms(&AIR).len(), 15);
    assert_eq!(ets.forms(&AIR[..30]).len(), 6);
    assert!(ets.forecast(&values, 5).is_some());
}
