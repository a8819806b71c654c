//! The closed world of a Typst document: bundled fonts and the given files.
//!
//! This implementation of `World` is the sandbox: without disk, network, packages and clock, a
//! template can neither read other files nor render differently on another day.

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};
use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult},
    foundations::{Bytes, Datetime, Duration},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};

/// Font files: the text font first, then the fallbacks.
const FONT_FILES: &[&[u8]] = &[
    include_bytes!("../fonts/Inter-Regular.otf"),
    include_bytes!("../fonts/Inter-Italic.otf"),
    include_bytes!("../fonts/Inter-Medium.otf"),
    include_bytes!("../fonts/Inter-SemiBold.otf"),
    include_bytes!("../fonts/Inter-Bold.otf"),
    include_bytes!("../fonts/NotoSansMono-Regular.ttf"),
    include_bytes!("../fonts/NotoSansMono-Bold.ttf"),
    include_bytes!("../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../fonts/NotoSansCJKsc-Regular.otf"),
    include_bytes!("../fonts/NotoEmoji-Regular.ttf"),
    include_bytes!("../fonts/NotoSansSymbols-Regular.ttf"),
    include_bytes!("../fonts/NotoSansSymbols2-Regular.ttf"),
    include_bytes!("../fonts/NotoSansMath-Regular.ttf"),
    include_bytes!("../fonts/NotoSansArabic-Regular.ttf"),
    include_bytes!("../fonts/NotoSansHebrew-Regular.ttf"),
    include_bytes!("../fonts/NotoSansDevanagari-Regular.ttf"),
    include_bytes!("../fonts/NotoSansBengali-Regular.ttf"),
    include_bytes!("../fonts/NotoSansTamil-Regular.ttf"),
    include_bytes!("../fonts/NotoSansThai-Regular.ttf"),
    include_bytes!("../fonts/NotoSansGeorgian-Regular.ttf"),
    include_bytes!("../fonts/NotoSansArmenian-Regular.ttf"),
];

/// The bundled font files, for charts that are rasterised elsewhere.
pub fn font_files() -> impl Iterator<Item = &'static [u8]> {
    FONT_FILES.iter().copied()
}

/// A set of characters as bits, because a lookup in the table of a font scans it from the start.
struct Characters(Vec<u64>);

impl Characters {
    fn from_fonts(fonts: impl Iterator<Item = Font>) -> Self {
        let mut bits = vec![0; (char::MAX as usize + 1).div_ceil(64)];
        for code in fonts.flat_map(|font| font.info().coverage.iter().collect::<Vec<u32>>()) {
            if let Some(word) = bits.get_mut(code as usize / 64) {
                *word |= 1 << (code % 64);
            }
        }
        Self(bits)
    }

    fn contains(&self, c: char) -> bool {
        let code = c as usize;
        self.0
            .get(code / 64)
            .is_some_and(|word| word >> (code % 64) & 1 == 1)
    }
}

struct SharedAssets {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    covered: Characters,
    covered_by_text_font: Characters,
}

static SHARED: LazyLock<SharedAssets> = LazyLock::new(|| {
    let fonts: Vec<Font> = FONT_FILES
        .iter()
        .flat_map(|file| Font::iter(Bytes::new(*file)))
        .collect();
    SharedAssets {
        library: LazyHash::new(Library::default()),
        book: LazyHash::new(FontBook::from_fonts(&fonts)),
        covered: Characters::from_fonts(fonts.iter().cloned()),
        // All styles of the text font have the same characters.
        covered_by_text_font: Characters::from_fonts(fonts.iter().take(1).cloned()),
        fonts,
    }
});

/// Returns true if any bundled font has a glyph for a character.
pub fn covered(c: char) -> bool {
    SHARED.covered.contains(c)
}

/// Like [`covered`], without combining marks: on a letter from another font, some cannot be placed.
pub fn covered_without_marks(c: char) -> bool {
    let is_mark = matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        | '\u{8d3}'..='\u{8ff}' | '\u{1cd0}'..='\u{1cff}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}' | '\u{3099}' | '\u{309a}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{1f3fb}'..='\u{1f3ff}');
    !is_mark && covered(c)
}

/// Returns true if the text font has a glyph for a character.
pub fn covered_by_text_font(c: char) -> bool {
    SHARED.covered_by_text_font.contains(c)
}

/// The files of a closed world, by path with a leading slash.
pub struct Files {
    main: FileId,
    sources: BTreeMap<String, Source>,
    others: BTreeMap<String, Bytes>,
}

/// Parses a Typst file; `None` if the path is invalid.
pub(crate) fn source(path: &str, text: &str) -> Option<Source> {
    Some(Source::new(file_id(path)?, text.to_string()))
}

/// The id of a path, the same in every world.
fn file_id(path: &str) -> Option<FileId> {
    Some(RootedPath::new(VirtualRoot::Project, VirtualPath::new(path).ok()?).intern())
}

impl Files {
    /// Creates a world with the main file `main`; `None` if a path is invalid.
    pub fn new(
        main: &str,
        sources: BTreeMap<String, Source>,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Option<Self> {
        Some(Self {
            main: file_id(main)?,
            sources,
            others: files
                .into_iter()
                .map(|(path, bytes)| (path, Bytes::new(bytes)))
                .collect(),
        })
    }

    fn file_error(id: FileId) -> FileError {
        match id.get().root() {
            VirtualRoot::Project => {
                FileError::NotFound(PathBuf::from(id.get().vpath().get_without_slash()))
            }
            VirtualRoot::Package(_) => FileError::AccessDenied,
        }
    }

    fn path(id: FileId) -> Option<&'static str> {
        let inside = matches!(id.get().root(), VirtualRoot::Project);
        inside.then(|| id.get().vpath().get_with_slash())
    }
}

impl World for Files {
    fn library(&self) -> &LazyHash<Library> {
        &SHARED.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &SHARED.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let source = Self::path(id).and_then(|path| self.sources.get(path));
        source.cloned().ok_or_else(|| Self::file_error(id))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let file = Self::path(id).and_then(|path| self.others.get(path));
        file.cloned().ok_or_else(|| Self::file_error(id))
    }

    fn font(&self, index: usize) -> Option<Font> {
        SHARED.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_cover_the_characters_of_reports_and_records() {
        let needed = "Aé−…–“”□▲▼■→×±≥≤≈ · Ωж 中文 日本語 かな カナ 한국어 😀🚀 שלום مرحبا नमस्ते ไทย";
        for c in needed.chars().chain(['\u{a0}', '\u{202f}', '\u{200b}']) {
            assert!(covered(c), "{c:?} U+{:04X}", c as u32);
        }
        assert!(!covered('\u{e000}') && !covered('\u{10ffff}'));
        assert!(covered_by_text_font('é') && !covered_by_text_font('中'));
    }

    #[test]
    fn every_font_file_is_loaded() {
        let families: Vec<&str> = SHARED
            .fonts
            .iter()
            .map(|font| font.info().family.as_str())
            .collect();
        assert_eq!(families.len(), FONT_FILES.len());
        assert_eq!(families[..5], ["Inter"; 5]);
    }

    #[test]
    fn files_outside_the_world_are_not_found() {
        let files = Files::new("/main.typ", BTreeMap::new(), BTreeMap::new());
        let files = files.unwrap_or_else(|| panic!("a good path"));
        for path in ["/etc/passwd", "/main.typ", "/../secret"] {
            if let Some(id) = file_id(path) {
                assert!(
                    files.file(id).is_err() && files.source(id).is_err(),
                    "{path}"
                );
            }
        }
        assert!(files.today(None).is_none());
    }
}
