//! Keys of rows as 128-bit hashes, and sort keys of rows with the same key. Both are the same for
//! rows that are being read and for rows of a dataset.

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BooleanArray, Date32Array, Float64Array, Int64Array,
        StringArray, TimestampMicrosecondArray,
    },
    datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType},
    error::ArrowError,
};
use arrow_schema::{DataType, TimeUnit};
use std::{
    hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState},
    sync::OnceLock,
};

/// A part of a key.
pub(super) enum KeyPart<'a> {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Date(i32),
    Text(&'a [u8]),
}

/// Hashes the parts of a key unambiguously. Records may be hostile: an attacker who could construct
/// a collision could make a record disappear. The hash is therefore `SipHash` with a random key per
/// process, computed twice with different prefixes for 128 bits. Hashes of different processes are
/// not comparable.
#[derive(Clone)]
pub(super) struct KeyHasher([DefaultHasher; 2]);

impl Default for KeyHasher {
    fn default() -> Self {
        static SEEDED: OnceLock<KeyHasher> = OnceLock::new();
        let seed = || {
            let random_keys = RandomState::new();
            Self([0, 1].map(|half| {
                let mut hasher = random_keys.build_hasher();
                hasher.write_u64(half);
                hasher
            }))
        };
        SEEDED.get_or_init(seed).clone()
    }
}

impl KeyHasher {
    pub fn add(&mut self, part: KeyPart) {
        match part {
            KeyPart::Boolean(value) => self.write(&[u8::from(value)]),
            KeyPart::Integer(value) => self.write(&value.to_le_bytes()),
            KeyPart::Number(value) => self.write(&unsigned_zero(value).to_bits().to_le_bytes()),
            KeyPart::Date(value) => self.write(&value.to_le_bytes()),
            KeyPart::Text(bytes) => {
                self.write(&(bytes.len() as u64).to_le_bytes());
                self.write(bytes);
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|half| half.write(bytes));
    }

    pub fn finish(&self) -> u128 {
        let [low, high] = [0, 1].map(|half: usize| u128::from(self.0[half].finish()));
        high << 64 | low
    }
}

/// Zero without a sign.
fn unsigned_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

/// Maps a number to an integer that sorts in the same order.
pub(super) fn sortable_bits(value: f64) -> i64 {
    let bits = unsigned_zero(value).to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// A column of a key or sort key, by type of the contract.
enum KeyColumn<'a> {
    Boolean(&'a BooleanArray),
    Integer(&'a Int64Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Number(&'a Float64Array),
    Date(&'a Date32Array),
    Text(&'a StringArray),
}

impl<'a> KeyColumn<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Float64 => Self::Number(array.as_primitive::<Float64Type>()),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>()),
            DataType::Utf8 => Self::Text(array.as_string::<i32>()),
            other => {
                let message = format!("a column of type {other} cannot be part of a key");
                return Err(ArrowError::SchemaError(message));
            }
        })
    }

    fn part(&self, row: usize) -> KeyPart<'a> {
        match self {
            Self::Boolean(values) => KeyPart::Boolean(values.value(row)),
            Self::Integer(values) => KeyPart::Integer(values.value(row)),
            Self::Timestamp(values) => KeyPart::Integer(values.value(row)),
            Self::Number(values) => KeyPart::Number(values.value(row)),
            Self::Date(values) => KeyPart::Date(values.value(row)),
            Self::Text(values) => KeyPart::Text(values.value(row).as_bytes()),
        }
    }

    fn order(&self, row: usize) -> i64 {
        match self.part(row) {
            KeyPart::Integer(value) => value,
            KeyPart::Number(value) => sortable_bits(value),
            KeyPart::Date(value) => i64::from(value),
            KeyPart::Boolean(_) | KeyPart::Text(_) => i64::MIN,
        }
    }
}

/// The hash of each row's key, from the key's columns.
pub fn hashes(columns: &[ArrayRef]) -> Result<Vec<u128>, ArrowError> {
    let parts = columns
        .iter()
        .map(KeyColumn::new)
        .collect::<Result<Vec<_>, _>>()?;
    let rows = columns.first().map_or(0, Array::len);
    Ok((0..rows)
        .map(|row| {
            let mut hasher = KeyHasher::default();
            parts.iter().for_each(|part| hasher.add(part.part(row)));
            hasher.finish()
        })
        .collect())
}

/// Number of bytes of a string that determine its position.
const POSITION_BYTES: usize = 16;

/// The position of each row's key in the order of keys, from the first column of the key:
/// monotonic, but not unique, because only the start of a string determines its position.
pub fn positions(column: &ArrayRef) -> Result<Vec<u128>, ArrowError> {
    let values = KeyColumn::new(column)?;
    let signed = |value: i64| (value as u64 ^ 1 << 63).into();
    let position = |row| match values.part(row) {
        KeyPart::Boolean(value) => u128::from(value),
        KeyPart::Integer(value) => signed(value),
        KeyPart::Number(value) => signed(sortable_bits(value)),
        KeyPart::Date(value) => signed(value.into()),
        KeyPart::Text(text) => {
            let mut bytes = [0; POSITION_BYTES];
            let length = text.len().min(POSITION_BYTES);
            bytes[..length].copy_from_slice(&text[..length]);
            u128::from_be_bytes(bytes)
        }
    };
    Ok((0..column.len()).map(position).collect())
}

/// The sort key of each row among rows with the same key; null comes first.
pub fn orders(column: &ArrayRef) -> Result<Vec<i64>, ArrowError> {
    let values = KeyColumn::new(column)?;
    Ok((0..column.len())
        .map(|row| {
            if column.is_null(row) {
                i64::MIN
            } else {
                values.order(row)
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, contract, read};

    #[test]
    fn keys_of_read_and_stored_rows_are_equal() {
        let text = "title = \"T\"\nkey = [\"a\", \"b\", \"c\", \"d\", \"e\"]\nlatest = \"n\"\n\
            [field.a]\ntype = \"string\"\n[field.b]\ntype = \"integer\"\n[field.c]\ntype = \"timestamp\"\n\
            [field.d]\ntype = \"boolean\"\n[field.e]\ntype = \"date\"\n[field.n]\ntype = \"number\"\n";
        let contract = contract::parse("t", "t.toml", text).unwrap();
        let lines = "{\"a\":\"x\",\"b\":-1,\"c\":\"2026-01-01T00:00:00Z\",\"d\":true,\"e\":\"2026-01-02\",\"n\":1.5}\n\
            {\"a\":\"\",\"b\":2,\"c\":\"1999-01-01T00:00:00Z\",\"d\":false,\"e\":\"1960-01-02\",\"n\":-2.5}\n\
            {\"a\":\"é\",\"b\":2,\"c\":\"1999-01-01T00:00:00Z\",\"d\":false,\"e\":\"1960-01-02\"}\n";
        let parsed = read::read_block(lines.as_bytes(), Format::Jsonl, &contract).unwrap();
        let batch = parsed.batch.unwrap();
        assert_eq!(batch.num_rows(), 3);
        assert_eq!(hashes(&batch.columns()[..5]).unwrap(), parsed.keys);
        assert_eq!(orders(batch.column(5)).unwrap(), parsed.order);
        let mut sorted = parsed.order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [parsed.order[2], parsed.order[1], parsed.order[0]]);
    }

    #[test]
    fn positions_keep_the_order_of_keys() {
        let check = |column: ArrayRef| {
            let positions = positions(&column).unwrap();
            assert!(positions.is_sorted(), "{column:?}: {positions:?}");
            assert_ne!(positions.first(), positions.last());
        };
        check(std::sync::Arc::new(Int64Array::from(vec![
            i64::MIN,
            -1,
            0,
            1,
            i64::MAX,
        ])));
        check(std::sync::Arc::new(Float64Array::from(vec![
            -7e9, -0.5, 0.0, 0.25, 1e300,
        ])));
        check(std::sync::Arc::new(Date32Array::from(vec![
            -400, 0, 20_000,
        ])));
        check(std::sync::Arc::new(BooleanArray::from(vec![false, true])));
        let texts = [
            "",
            "T",
            "T-1",
            "T-10",
            "T-2",
            "T-2222222222222222",
            "T-2222222222222223",
            "é",
        ];
        check(std::sync::Arc::new(StringArray::from(texts.to_vec())));
    }

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 1.0, 7e8];
        assert!(numbers.is_sorted_by_key(|number| sortable_bits(*number)));
    }
}
