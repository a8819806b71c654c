//! Charts as PNG.

use super::fixture::{SVG, fonts};
use crate::picture::draw;
use std::io::Cursor;

/// Width, height, palette and pixels of a picture.
fn decode(png: &[u8]) -> (u32, u32, Vec<u8>, Vec<u8>) {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let info = reader.info();
    let palette = info.palette.as_ref().unwrap().to_vec();
    (info.width, info.height, palette, pixels)
}

#[test]
fn picture_has_twice_the_pixels_and_exact_colours() {
    let picture = draw(SVG, &fonts(), 552).unwrap();
    assert_eq!(picture, draw(SVG, &fonts(), 552).unwrap());
    assert_eq!((picture.width, picture.height), (552, 230));
    let (width, height, palette, pixels) = decode(&picture.png);
    assert_eq!((width, height), (1104, 460));
    assert!(palette.len() <= 3 * 256);
    let colour = |x: u32, y: u32| {
        let start = usize::from(pixels[(y * width + x) as usize]) * 3;
        [palette[start], palette[start + 1], palette[start + 2]]
    };
    assert_eq!(colour(230, 90), [0x0b, 0x5f, 0xa5]);
    assert_eq!(colour(1, 1), [0xff; 3]);
    // The text is drawn: there are dark pixels at its position.
    let ink = (0..300).filter(|x| colour(*x + 25, 320) == [0x1b, 0x24, 0x2c]);
    assert!(ink.count() > 10);
    let without_fonts = draw(SVG, &crate::Fonts::new([]), 552).unwrap();
    assert_ne!(without_fonts.png, picture.png);
}

#[test]
fn many_colours_are_reduced() {
    let bands: String = (0..400)
        .map(|i| {
            let (x, red, green) = (f64::from(i) * 1.2, i % 256, (i * 7) % 256);
            format!("<rect x=\"{x}\" y=\"0\" width=\"1.2\" height=\"100\" fill=\"rgb({red},{green},90)\"/>")
        })
        .collect();
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"100\">{bands}</svg>"
    );
    let picture = draw(&svg, &fonts(), 480).unwrap();
    let (_, _, palette, pixels) = decode(&picture.png);
    assert!(
        palette.len() <= 768 && palette.len() > 90,
        "{}",
        palette.len()
    );
    let highest = pixels.iter().max().unwrap();
    assert!(usize::from(*highest) < palette.len() / 3);
}

#[test]
fn external_files_are_not_read_and_height_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("red.svg");
    let red = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"50\" height=\"50\"><rect \
               width=\"50\" height=\"50\" fill=\"#ff0000\"/></svg>";
    std::fs::write(&path, red).unwrap();
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"50\" height=\"50\">\
         <image href=\"{}\" width=\"50\" height=\"50\"/></svg>",
        path.display()
    );
    let (_, _, palette, _) = decode(&draw(&svg, &fonts(), 50).unwrap().png);
    assert_eq!(palette, [0xff; 3]);
    let tall = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1000000\"/>";
    assert!(draw(tall, &fonts(), 552).unwrap().height <= 1600);
    for bad in [
        "",
        "<svg",
        "text",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\"/>",
    ] {
        assert!(draw(bad, &fonts(), 552).is_err(), "{bad}");
    }
}
