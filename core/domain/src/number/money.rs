//! Amounts of money.

use super::{NBSP, fixed};

/// Formats an amount of money: "EUR 1 200"; without a currency, "1 200".
pub fn money(value: f64, currency: &str) -> String {
    let [amount] = amounts([value]);
    in_currency(&amount, currency)
}

/// Formats amounts that are compared, with equal decimals: "120" and "80", "4.00" and "2.00".
pub fn amounts<const N: usize>(values: [f64; N]) -> [String; N] {
    let is_small = values.iter().all(|value| value.abs() < 100.0);
    values.map(|value| fixed(value, if is_small { 2 } else { 0 }))
}

/// Puts the currency before a formatted amount: "EUR 120".
pub fn in_currency(amount: &str, currency: &str) -> String {
    match currency {
        "" => amount.to_string(),
        currency => format!("{currency}{NBSP}{amount}"),
    }
}
