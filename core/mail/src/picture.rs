//! Draws charts as PNG for mail: most mail programs do not show SVG.
//!
//! A picture has twice the pixels of its size in the page, a white background, and a palette of 256
//! colours: charts have few colours, so they look the same, and the file is a third of the size.

use crate::Error;
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{ImageHrefResolver, Options, Tree, fontdb},
};
use std::{collections::HashMap, fmt, sync::Arc};

/// Pixels of a picture per pixel of the page.
const SCALE: f32 = 2.0;
/// Maximum height of a picture, in pixels of the page.
const HEIGHT_MAX: f32 = 1600.0;
/// Maximum size of an SVG file, in bytes; a chart has about ten thousand.
const SVG_MAX: usize = 8 << 20;

/// The fonts for text in charts. System fonts are not used, so a picture is the same on every
/// machine.
#[derive(Clone)]
pub struct Fonts(Arc<fontdb::Database>);

impl fmt::Debug for Fonts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fonts({})", self.0.len())
    }
}

impl Fonts {
    /// Loads font files; the first family is the default, the others are fallbacks.
    pub fn new(files: impl IntoIterator<Item = &'static [u8]>) -> Self {
        let mut database = fontdb::Database::new();
        for file in files {
            database.load_font_source(fontdb::Source::Binary(Arc::new(file)));
        }
        let first = database
            .faces()
            .next()
            .and_then(|face| face.families.first());
        if let Some((family, _)) = first.cloned() {
            database.set_sans_serif_family(family);
        }
        Self(Arc::new(database))
    }
}

/// A PNG file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes.
    pub png: Vec<u8>,
    /// Width in the page, in pixels.
    pub width: u32,
    /// Height in the page, in pixels.
    pub height: u32,
}

/// Draws an SVG file as a picture of this width in the page, in pixels.
pub fn draw(svg: &str, fonts: &Fonts, width: u32) -> Result<Picture, Error> {
    if svg.len() > SVG_MAX {
        return Err(Error::Picture(format!(
            "the drawing has {} bytes",
            svg.len()
        )));
    }
    // External references are neither read nor fetched.
    let no_external_images = ImageHrefResolver {
        resolve_data: Box::new(|_, _, _| None),
        resolve_string: Box::new(|_, _| None),
    };
    let options = Options {
        fontdb: fonts.0.clone(),
        image_href_resolver: no_external_images,
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| Error::Picture(error.to_string()))?;
    let size = tree.size();
    let zoom = (width as f32 / size.width()).min(HEIGHT_MAX / size.height());
    let page_size = [size.width() * zoom, size.height() * zoom];
    let pixels = page_size.map(|side| (side * SCALE).round().max(1.0) as u32);
    let mut pixmap = Pixmap::new(pixels[0], pixels[1])
        .ok_or_else(|| Error::Picture("the drawing has no size".to_string()))?;
    pixmap.fill(Color::WHITE);
    let zoom = zoom * SCALE;
    resvg::render(
        &tree,
        Transform::from_scale(zoom, zoom),
        &mut pixmap.as_mut(),
    );
    // The background is white, so every pixel is opaque.
    let colours: Vec<[u8; 3]> = pixmap
        .pixels()
        .iter()
        .map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let png = encode(&colours, pixels)
        .map_err(|error| Error::Picture(format!("cannot write a PNG file: {error}")))?;
    Ok(Picture {
        png,
        width: page_size[0].round().max(1.0) as u32,
        height: page_size[1].round().max(1.0) as u32,
    })
}

fn encode(colours: &[[u8; 3]], [width, height]: [u32; 2]) -> Result<Vec<u8>, png::EncodingError> {
    let (palette, indices) = build_palette(colours);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(out)
}

/// Reduces colours to at most 256: similar colours become the most frequent of them, so flat areas
/// keep their exact colour. Returns the palette and each pixel's index in it.
fn build_palette(colours: &[[u8; 3]]) -> (Vec<[u8; 3]>, Vec<u8>) {
    let mut counts: HashMap<[u8; 3], u64> = HashMap::new();
    for colour in colours {
        *counts.entry(*colour).or_default() += 1;
    }
    let mut by_frequency: Vec<([u8; 3], u64)> = counts.into_iter().collect();
    by_frequency.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    for bits in 0..8 {
        let mut palette: Vec<[u8; 3]> = Vec::new();
        let mut cells: HashMap<[u8; 3], u8> = HashMap::new();
        let mut indices: HashMap<[u8; 3], u8> = HashMap::new();
        let fits = by_frequency.iter().all(|(colour, _)| {
            let cell = colour.map(|channel| channel >> bits);
            let index = cells.get(&cell).copied().or_else(|| {
                let index = u8::try_from(palette.len()).ok()?;
                palette.push(*colour);
                cells.insert(cell, index);
                Some(index)
            });
            index.is_some_and(|index| indices.insert(*colour, index).is_none())
        });
        if fits {
            let index = |colour: &[u8; 3]| indices.get(colour).copied().unwrap_or_default();
            return (palette, colours.iter().map(index).collect());
        }
    }
    (vec![[0xff; 3]], vec![0; colours.len()])
}
