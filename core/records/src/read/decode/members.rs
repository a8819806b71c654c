//! Decompresses files of several compressed members with zero padding between and after them.
//!
//! Tapes, disks and archives pad their contents with zeros to whole blocks, and concatenated
//! archives keep the padding. Bytes after a member that are neither zeros nor another member are an
//! error.

use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};
use zstd::stream::read::Decoder as ZstdDecoder;

/// Maximum window of a zstd stream, as a power of two: the memory that the decoder allocates. All
/// levels of the zstd tool stay within 2^27 bytes (128 MiB).
const WINDOW_LOG_MAX: u32 = 27;

/// Decompresses one member.
pub(super) trait Member: Read + Sized {
    /// Reader of the compressed bytes.
    type Compressed: BufRead;
    /// Name of a member in messages.
    const NOUN: &'static str;

    /// Returns true for the first byte of a member.
    fn is_start(byte: u8) -> bool;

    /// Starts to decompress the next member.
    fn start(compressed: Self::Compressed) -> io::Result<Self>;

    /// Returns the reader after the member.
    fn into_compressed(self) -> Self::Compressed;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Compressed = R;
    const NOUN: &'static str = "gzip member";

    fn is_start(byte: u8) -> bool {
        byte == 0x1f
    }

    fn start(compressed: R) -> io::Result<Self> {
        Ok(Self::new(compressed))
    }

    fn into_compressed(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for ZstdDecoder<'static, R> {
    type Compressed = R;
    const NOUN: &'static str = "zstd frame";

    /// Frames start with 0x28, skippable frames with 0x50 to 0x5F.
    fn is_start(byte: u8) -> bool {
        matches!(byte, 0x28 | 0x50..=0x5f)
    }

    fn start(compressed: R) -> io::Result<Self> {
        let mut decoder = Self::with_buffer(compressed)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(decoder)
    }

    fn into_compressed(self) -> R {
        self.finish()
    }
}

/// Decompresses all members of a file.
pub(super) struct Members<M> {
    /// The current member; `None` after the last.
    member: Option<M>,
}

impl<M: Member> Members<M> {
    pub fn new(compressed: M::Compressed) -> io::Result<Self> {
        let member = Some(M::start(compressed)?);
        Ok(Self { member })
    }

    /// Skips zeros up to the next member, if there is one.
    fn advance(&mut self) -> io::Result<()> {
        let Some(mut compressed) = self.member.take().map(M::into_compressed) else {
            return Ok(());
        };
        loop {
            let bytes = compressed.fill_buf()?;
            let Some(first) = bytes.first().copied() else {
                return Ok(());
            };
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 && !M::is_start(first) {
                return Err(io::Error::other(format!(
                    "after the last {} there are bytes that are neither another one nor zeros",
                    M::NOUN
                )));
            }
            if zeros == 0 {
                self.member = Some(M::start(compressed)?);
                return Ok(());
            }
            compressed.consume(zeros);
        }
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(out)?;
            if read > 0 {
                return Ok(read);
            }
            self.advance()?;
        }
        Ok(0)
    }
}
