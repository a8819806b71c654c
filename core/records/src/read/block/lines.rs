//! Splits JSON with one record per line.

use super::{BLOCK_BYTES, BlockReader, Content, Stop};
use crate::read::quarantine::{RECORD_BYTES_MAX, too_long};

impl BlockReader<'_, '_> {
    pub(super) fn read_lines(&mut self) -> Result<(), Stop> {
        let mut min_length = BLOCK_BYTES;
        loop {
            let more = self.fill(min_length);
            let bytes = &self.input.bytes;
            // All lines except the first of a longer buffer begin within the last block read.
            let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
            if first > RECORD_BYTES_MAX {
                self.refuse(first, too_long())?;
                self.skip_line();
                min_length = BLOCK_BYTES;
                continue;
            }
            let last = memchr::memrchr(b'\n', bytes).map(|end| end + 1);
            // A partial line is a record if the file ends with it, but not if the file is broken
            // there.
            let whole = if more || self.input.error().is_some() {
                last.unwrap_or(0)
            } else {
                bytes.len()
            };
            self.emit_buffered(whole, Content::Lines)?;
            if !more {
                return self.check_read_error();
            }
            min_length = self.input.bytes.len() + BLOCK_BYTES;
        }
    }
}
