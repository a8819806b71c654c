//! Validates Thrift's compact protocol before the library parses it.
//!
//! The library allocates as many elements as a list declares, and recurses as deeply as a schema
//! nests; a crafted file could abort the program with either. The structure is therefore validated
//! first: afterwards, every list has as many elements as it declares.
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// The reason why bytes are invalid.
pub(super) type ThriftError = &'static str;

const TRUNCATED: ThriftError = "it is truncated";
/// Maximum nesting of structs; structs of Parquet are 6 deep.
const DEPTH_MAX: u32 = 32;
/// Maximum number of elements of one list; each takes some hundred bytes of memory.
const ELEMENTS_MAX: u64 = 1 << 20;

/// Types in field headers.
pub(super) const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;

/// Reads values from bytes.
pub(super) struct ThriftReader<'a> {
    bytes: &'a [u8],
    depth: u32,
}

impl<'a> ThriftReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: 0 }
    }

    /// Number of remaining bytes.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn byte(&mut self) -> Result<u8, ThriftError> {
        let (first, rest) = self.bytes.split_first().ok_or(TRUNCATED)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64, ThriftError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number in it is too long")
    }

    /// Reads a signed integer.
    pub fn integer(&mut self, kind: u8) -> Result<i64, ThriftError> {
        if !matches!(kind, I16 | I32 | I64) {
            return Err("a number in it has the wrong type");
        }
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn advance(&mut self, length: u64) -> Result<(), ThriftError> {
        let length = usize::try_from(length).map_err(|_| TRUNCATED)?;
        self.bytes = self.bytes.get(length..).ok_or(TRUNCATED)?;
        Ok(())
    }

    /// Skips a value of type `kind`.
    pub fn skip(&mut self, kind: u8) -> Result<(), ThriftError> {
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.advance(8),
            BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            LIST | SET => self.for_each_item(&mut |reader, kind| reader.skip_element(kind)),
            MAP => {
                let pairs = self.varint()?;
                if pairs == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                for _ in 0..pairs {
                    self.skip_element(kinds >> 4)?;
                    self.skip_element(kinds & 0x0F)?;
                }
                Ok(())
            }
            STRUCT => self.for_each_field(&mut |reader, _, kind| reader.skip(kind)),
            _ => Err("a type in it is unknown"),
        }
    }

    /// Skips an element of a list. Unlike the value of a boolean field, a boolean element takes a
    /// byte.
    fn skip_element(&mut self, kind: u8) -> Result<(), ThriftError> {
        match kind {
            TRUE | FALSE => self.advance(1),
            kind => self.skip(kind),
        }
    }

    /// Reads a list; `each` reads an element.
    pub fn for_each_item(
        &mut self,
        each: &mut dyn FnMut(&mut Self, u8) -> Result<(), ThriftError>,
    ) -> Result<(), ThriftError> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        if length > ELEMENTS_MAX {
            return Err("a list in it is too long");
        }
        for _ in 0..length {
            each(self, head & 0x0F)?;
        }
        Ok(())
    }

    /// Reads a struct; `each` gets the number and type of a field, and reads its value.
    pub fn for_each_field(
        &mut self,
        each: &mut dyn FnMut(&mut Self, i64, u8) -> Result<(), ThriftError>,
    ) -> Result<(), ThriftError> {
        if self.depth == DEPTH_MAX {
            return Err("it is nested too deep");
        }
        self.depth += 1;
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0F;
            if kind == 0 {
                self.depth -= 1;
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.integer(I16)?,
                step => id + i64::from(step),
            };
            each(self, id, kind)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(bytes: &[u8]) -> Result<(), ThriftError> {
        ThriftReader::new(bytes).skip(STRUCT)
    }

    #[test]
    fn claims_beyond_the_data_are_refused() {
        // One field: i32 = -3; then the end.
        assert_eq!(skip(&[0x15, 5, 0]), Ok(()));
        assert_eq!(skip(&[0x15, 5]), Err(TRUNCATED));
        // A binary of 100 bytes; a list of 2^19 structs; a list of too many.
        assert_eq!(skip(&[0x18, 100, 1, 2, 0]), Err(TRUNCATED));
        assert_eq!(skip(&[0x19, 0xFC, 0x80, 0x80, 0x20, 0]), Err(TRUNCATED));
        let many = [0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0];
        assert_eq!(skip(&many), Err("a list in it is too long"));
        assert_eq!(skip(&[0x1C; 100]), Err("it is nested too deep"));
        assert_eq!(skip(&[0x1E, 0]), Err("a type in it is unknown"));
    }

    #[test]
    fn fields_are_numbered_by_steps() {
        let mut seen = Vec::new();
        // Field numbers 1 and 3 as deltas, then 100 as an absolute number.
        ThriftReader::new(&[0x15, 2, 0x25, 4, 0x05, 200, 1, 6, 0])
            .for_each_field(&mut |reader, id, kind| {
                seen.push((id, reader.integer(kind)?));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(1, 1), (3, 2), (100, 3)]);
    }
}
