//! Reads the bytes of a file into a bounded buffer.

use crate::read::decode::Text;
use std::io::{self, Read};

/// The buffered part of a file, and its unread rest.
pub(super) struct InputBuffer<'r> {
    rest: Box<dyn Read + Send + 'r>,
    /// Data that was read but not consumed.
    pub bytes: Vec<u8>,
    end: Option<Result<(), io::Error>>,
    /// True if lines end with a lone carriage return.
    converts_returns: bool,
}

impl<'r> InputBuffer<'r> {
    pub fn new(text: Text<'r>) -> Self {
        Self {
            rest: text.rest,
            bytes: text.head,
            end: None,
            converts_returns: false,
        }
    }

    /// Reads until the buffer has at least `min_length` bytes, or the file ends.
    pub fn fill(&mut self, min_length: usize) {
        if self.end.is_some() || self.bytes.len() >= min_length {
            return;
        }
        let length = self.bytes.len();
        let missing = min_length - length;
        // Reserve all at once: growing would copy, and allocate memory that is never used.
        self.bytes.reserve_exact(missing);
        let read = (&mut self.rest)
            .take(missing as u64)
            .read_to_end(&mut self.bytes);
        match read {
            Ok(read) if read == missing => {}
            Ok(_) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
        }
        if self.converts_returns {
            replace_carriage_returns(&mut self.bytes[length..]);
        }
    }

    /// Converts lone carriage returns, the line ends of classic Mac OS.
    pub fn convert_carriage_returns(&mut self) {
        self.converts_returns = true;
        replace_carriage_returns(&mut self.bytes);
    }

    /// Returns true if there may be more data than is buffered.
    pub fn may_have_more(&self) -> bool {
        self.end.is_none()
    }

    /// The error that ended the file early.
    pub fn error(&self) -> Option<&io::Error> {
        self.end.as_ref().and_then(|end| end.as_ref().err())
    }

    /// Removes the first bytes from the buffer and returns them.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(length);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Drops the first bytes.
    pub fn discard(&mut self, length: usize) {
        self.bytes.drain(..length);
    }
}

fn replace_carriage_returns(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte == b'\r' {
            *byte = b'\n';
        }
    }
}
