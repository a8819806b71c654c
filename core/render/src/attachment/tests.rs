use super::*;
use crate::{Layout, Templates, pdf, report_json, sample::sample};
use flate2::{Compression, write::ZlibEncoder};
use std::io::Write as _;

/// Builds a PDF with one attached file, in the form in which this crate writes PDFs.
fn small_pdf(dictionary: &str, contents: &[u8]) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, body: &[u8]| {
        offsets.push(out.len());
        let number = offsets.len();
        out.extend(format!("{number} 0 obj\n").bytes());
        out.extend(body);
        out.extend(b"\nendobj\n");
    };
    let catalog =
        "<</Type/Catalog/Names<</EmbeddedFiles<</Names[(a\\)b)9 0 R(report.json)2 0 R]>>>>>>";
    object(&mut out, catalog.as_bytes());
    object(&mut out, b"<</F(report.json)/ID[<00><01>]/EF<</F 3 0 R>>>>");
    let length = contents.len();
    let mut stream = format!("<</Length {length}{dictionary}>>\nstream\n").into_bytes();
    stream.extend(contents);
    stream.extend(b"\nendstream");
    object(&mut out, &stream);
    let start = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f\r\n", offsets.len() + 1).bytes());
    for offset in offsets {
        out.extend(format!("{offset:010} 00000 n\r\n").bytes());
    }
    out.extend(format!("trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF").bytes());
    out
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Checks the message of an error.
#[track_caller]
fn check_error(pdf: &[u8], message: &str) {
    let error = attachment(pdf, "report.json").unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn the_report_is_read_from_each_layout() {
    let report = sample();
    for layout in Layout::ALL {
        let bytes = pdf(&report, layout, &Templates::built_in()).unwrap();
        let attached = attachment(&bytes, "report.json").unwrap();
        assert!(attached == report_json(&report).unwrap(), "{layout:?}");
    }
}

#[test]
fn errors_describe_the_problem() {
    let filter = "/Filter/FlateDecode";
    let valid = small_pdf(filter, &compress(b"{}"));
    assert_eq!(attachment(&valid, "report.json").unwrap(), b"{}");
    let replace_bytes = |old: &str, new: &str| {
        assert_eq!(old.len(), new.len());
        let start = valid
            .windows(old.len())
            .position(|part| part == old.as_bytes());
        let start = start.unwrap_or_else(|| panic!("no {old}"));
        let mut bytes = valid.clone();
        bytes.splice(start..start + old.len(), new.bytes());
        bytes
    };
    check_error(b"", "not a PDF");
    check_error(&valid[1..], "not a PDF");
    check_error(&valid[..valid.len() - 30], "cross-reference table");
    check_error(
        &replace_bytes("xref\n0 4", "xref\n0 9"),
        "cross-reference table",
    );
    check_error(
        &replace_bytes("(report.json)2", "(report.jsox)2"),
        "no attached file",
    );
    check_error(
        &replace_bytes("/EmbeddedFiles", "/Dests________"),
        "no attached files",
    );
    check_error(&replace_bytes("1 0 obj", "7 0 obj"), "an object of the PDF");
    check_error(&replace_bytes("/EF<", "/XX<"), "no contents");
    check_error(&small_pdf(&format!("0000{filter}"), b"{}"), "cut off");
    for other in ["", "/Filter/LZWDecode"] {
        check_error(&small_pdf(other, b"{}"), "not compressed with Deflate");
    }
    check_error(&small_pdf(filter, b"{}"), "cannot be decompressed");
}

#[test]
fn large_files_are_refused() {
    // 300 MiB of zeros, compressed to less than 1 MiB.
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..300 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = small_pdf("/Filter/FlateDecode", &encoder.finish().unwrap());
    check_error(&bomb, "larger than 256 MiB");
}

#[test]
fn deep_values_are_refused() {
    for open in ["[", "<</A", "("] {
        let deep = open.repeat(100_000).into_bytes();
        assert_eq!(Parser::at(&deep, 0).value(), None, "{open}");
    }
    assert_eq!(Parser::at(b"", 7).value(), None);
}

/// Random numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

#[test]
fn damaged_files_neither_panic_nor_give_other_contents_silently() {
    let valid = small_pdf("/Filter/FlateDecode", &compress(b"{\"schema\": 1}"));
    let tokens: [&[u8]; 8] = [
        b"<<",
        b">>",
        b"[",
        b"(",
        b"18446744073709551615",
        b"0 R",
        b"stream",
        b"xref\n",
    ];
    let mut random = Random(1);
    for _ in 0..20_000 {
        let mut bytes = valid.clone();
        for _ in 0..=random.below(4) {
            let index = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[index] = random.below(256) as u8,
                1 => bytes.truncate(index.max(1)),
                2 => drop(bytes.remove(index)),
                _ => {
                    let token = tokens[random.below(tokens.len())];
                    bytes.splice(index..index, token.iter().copied());
                }
            }
            if bytes.len() < 2 {
                break;
            }
        }
        // Deflate carries a checksum, so the contents that are read equal those that were attached.
        if let Ok(contents) = attachment(&bytes, "report.json") {
            assert_eq!(contents, b"{\"schema\": 1}");
        }
    }
}
