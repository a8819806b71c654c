use super::*;

fn text(bytes: &[u8], name: &str) -> Result<String, String> {
    let message = |error: io::Error| error.to_string();
    let mut text = decode(Box::new(bytes), name, None).map_err(message)?;
    let mut rest = Vec::new();
    text.rest.read_to_end(&mut rest).map_err(message)?;
    text.head.extend(rest);
    Ok(String::from_utf8_lossy(&text.head).into_owned())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzEncoder::new(text, flate2::Compression::fast())
        .read_to_end(&mut out)
        .unwrap();
    out
}

#[test]
fn text_is_decompressed_and_loses_its_byte_order_mark() {
    let check = |bytes: &[u8], expected: &str| assert_eq!(text(bytes, "x").unwrap(), expected);
    check(b"", "");
    check(b"a", "a");
    check("\u{FEFF}ab".as_bytes(), "ab");
    check(b"\xFF\xFEa\0b\0", "ab");
    let two = [gzip("\u{FEFF}one\n".as_bytes()), gzip(b"two\n")].concat();
    check(&two, "one\ntwo\n");
    let zstd = zstd::stream::encode_all(&b"\xFE\xFF\0a\0b"[..], 3).unwrap();
    check(&[zstd.clone(), zstd].concat(), "ab\u{FEFF}ab");
}

#[test]
fn a_byte_order_mark_overrides_the_declared_encoding() {
    let check = |bytes: &[u8], expected: &str| {
        let mut text = decode(Box::new(bytes), "x", Some(encoding_rs::WINDOWS_1252)).unwrap();
        let mut rest = Vec::new();
        text.rest.read_to_end(&mut rest).unwrap();
        text.head.extend(rest);
        assert_eq!(String::from_utf8_lossy(&text.head), expected);
    };
    check(b"Gr\xF6\xDFe", "Größe");
    check("\u{FEFF}Größe".as_bytes(), "Größe");
    check(b"\xFF\xFEa\0", "a");
    check(&gzip(b"\xFC"), "ü");
}

#[test]
fn zeros_after_members_are_padding() {
    let zstd = |text: &[u8]| zstd::stream::encode_all(text, 3).unwrap();
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    for (compress, noun) in [
        (&gzip as &dyn Fn(&[u8]) -> Vec<u8>, "gzip member"),
        (&zstd, "zstd frame"),
    ] {
        let (one, two) = (compress(b"one\n"), compress(b"two\n"));
        let check = |parts: &[&[u8]], expected: Result<&str, &str>| {
            let decoded = text(&parts.concat(), "x");
            match expected {
                Ok(expected) => assert_eq!(decoded.as_deref(), Ok(expected)),
                Err(words) => assert!(decoded.clone().unwrap_err().contains(words), "{decoded:?}"),
            }
        };
        let zeros = vec![0; 3 * BUFFER_BYTES];
        check(&[&one, &zeros], Ok("one\n"));
        check(&[&one, &[0; 512], &two, &[0; 7]], Ok("one\ntwo\n"));
        check(&[&one, &compress(b""), &two], Ok("one\ntwo\n"));
        let message = format!("after the last {noun} there are bytes that are neither");
        check(&[&one, b"x"], Err(&message));
        check(&[&one, &[0; 512], b"garbage"], Err(&message));
        check(&[&one, &two[..2]], Err("is cut off"));
        check(&[&one, &[0; 3], &two[..two.len() - 1]], Err("is cut off"));
    }
    let frames = [zstd(b"one\n"), skipped.clone(), zstd(b"two\n"), skipped].concat();
    assert_eq!(text(&frames, "x").as_deref(), Ok("one\ntwo\n"));
}

#[test]
fn invalid_compression_is_an_error() {
    let check = |bytes: &[u8], name: &str, words: &str| {
        let message = text(bytes, name).unwrap_err();
        assert!(message.contains(words), "{message}");
    };
    let whole = gzip("some text ".repeat(1000).as_bytes());
    check(&whole[..whole.len() / 2], "x", "is cut off");
    let whole = zstd::stream::encode_all(&b"some text"[..], 3).unwrap();
    check(&whole[..whole.len() - 2], "x", "is cut off");
    check(
        b"BZh91AY",
        "x",
        "compressed with bzip2, which is not supported",
    );
    check(b"PK\x03\x04....", "x", "compressed with zip");
    check(b"id,name\n1,one and more\n", "x.csv.gz", "but it is not");
    check(b"id,name\n1,one and more\n", "x.csv.zst", "frame");
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    io::Write::write_all(&mut encoder, b"some text").unwrap();
    let compressed = encoder.finish().unwrap();
    let message = text(&compressed, "x").unwrap_err();
    assert!(message.contains("more than 128 MiB of memory"), "{message}");
}

#[test]
fn expansion_is_limited() {
    // Compressed, 2 GiB of zeros take about 70 kB.
    let bomb = zstd::stream::encode_all(io::repeat(0).take(2 << 30), 1).unwrap();
    let mut text = decode(Box::new(&bomb[..]), "x", None).unwrap();
    let mut chunk = vec![0; 1 << 20];
    let mut total = 0;
    let message = loop {
        match text.rest.read(&mut chunk) {
            Ok(0) => panic!("decompressed completely"),
            Ok(read) => total += read,
            Err(error) => break error.to_string(),
        }
    };
    assert!(total <= 1 << 30, "{total}");
    assert!(
        message.contains("more than 200 times its compressed size"),
        "{message}"
    );
}
