//! Limits decompression: a small file must not expand without bound.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Maximum ratio of decompressed to compressed size. Logs and tables expand 5 to 50 times; gzip
/// expands at most 1032 times.
pub(super) const RATIO_MAX: u64 = 200;
/// Decompressed size below which the ratio is not limited, in bytes.
pub(super) const ALLOWED_BYTES: u64 = 1 << 30;

/// A reader that counts the bytes read from it.
pub(super) struct CountingReader<R> {
    inner: R,
    compressed_bytes: Arc<AtomicU64>,
}

impl<R> CountingReader<R> {
    /// Wraps a reader; returns it with the count of bytes read.
    pub fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let compressed_bytes = Arc::new(AtomicU64::new(0));
        let counted = Self {
            inner,
            compressed_bytes: Arc::clone(&compressed_bytes),
        };
        (counted, compressed_bytes)
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.compressed_bytes
            .fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The output of a decoder, up to a limit.
pub(super) struct BoundedReader<R> {
    inner: R,
    compressed_bytes: Arc<AtomicU64>,
    delivered: u64,
    allowance: u64,
}

impl<R> BoundedReader<R> {
    /// Wraps a decoder; `compressed_bytes` is the number of bytes that it has read.
    pub fn new(inner: R, compressed_bytes: Arc<AtomicU64>) -> Self {
        Self {
            inner,
            compressed_bytes,
            delivered: 0,
            allowance: ALLOWED_BYTES,
        }
    }
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out).map_err(reword)?;
        self.delivered += read as u64;
        let limit = self
            .compressed_bytes
            .load(Ordering::Relaxed)
            .saturating_mul(RATIO_MAX);
        if self.delivered > limit.max(self.allowance) {
            return Err(io::Error::other(format!(
                "the file expands to more than {RATIO_MAX} times its compressed size; \
                 if that is intended, decompress it first"
            )));
        }
        Ok(read)
    }
}

/// Rewords an error of a decoder, with advice.
fn reword(error: io::Error) -> io::Error {
    let message = error.to_string();
    let lower = message.to_lowercase();
    if error.kind() == io::ErrorKind::UnexpectedEof || lower.contains("incomplete frame") {
        return io::Error::new(error.kind(), "the compressed file is cut off");
    }
    if lower.contains("too much memory") {
        return io::Error::other(
            "decompression needs more than 128 MiB of memory; compress the file without `--long` or `--ultra`",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decompression_stops_at_the_limit() {
        let read_bounded = |length: u64, compressed_bytes: u64, allowance: u64| {
            let mut bounded = BoundedReader::new(io::repeat(b'x').take(length), Arc::default());
            bounded.allowance = allowance;
            bounded
                .compressed_bytes
                .store(compressed_bytes, Ordering::Relaxed);
            let mut out = Vec::new();
            let read = bounded.read_to_end(&mut out).map_err(|e| e.to_string());
            (read.is_ok(), out.len() as u64)
        };
        assert_eq!(read_bounded(200_000, 1000, 0), (true, 200_000));
        assert_eq!(read_bounded(90_000, 0, 90_000), (true, 90_000));
        let (ok, length) = read_bounded(10_000_000, 1000, 0);
        assert!(!ok && length <= 200_000, "{length}");
    }
}
