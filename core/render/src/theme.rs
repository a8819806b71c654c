//! The theme: paper, logo and colours of reports, in `theme.toml`.

use crate::Error;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Component, Path},
};
use toml::Spanned;

/// Name of the file below the templates folder.
pub const FILE: &str = "theme.toml";
/// Minimum contrast of text on its background (WCAG 2.2, AA).
const CONTRAST_MIN: f64 = 4.5;
/// Background of the dark mode of pages.
const DARK_PAPER: &str = "#10171d";
/// Names of the colours, with their built-in values.
const COLOURS: [(&str, &str); 6] = [
    ("accent", "#0b5fa5"),
    ("ink", "#1b242c"),
    ("soft", "#56626e"),
    ("good", "#1a7342"),
    ("bad", "#b3261e"),
    ("warn", "#8a5a00"),
];
/// Media types of pictures by file extension.
const PICTURES: [(&str, &str); 4] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
];

/// Paper of PDFs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paper {
    /// 210 × 297 mm.
    #[default]
    A4,
    /// 8.5 × 11 in.
    Letter,
}

/// A picture at the top of reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logo {
    /// Path below the templates folder.
    pub file: String,
    /// Alternative text.
    pub alt: String,
}

/// The appearance of reports, with valid values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Theme {
    /// Paper of PDFs.
    pub paper: Paper,
    /// The logo, if there is one.
    pub logo: Option<Logo>,
    /// Colours by name, as "#rrggbb" in lower case.
    pub colours: BTreeMap<String, String>,
}

/// The contents of the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ThemeFile {
    paper: Paper,
    logo: Option<Spanned<Logo>>,
    colours: BTreeMap<Spanned<String>, Spanned<String>>,
}

impl Theme {
    /// Parses and checks the text of a theme; errors have line and column.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let file: ThemeFile = toml::from_str(text).map_err(|error| {
            error_at(
                text,
                error.span().map_or(0, |span| span.start),
                error.message().trim(),
            )
        })?;
        let mut colours: BTreeMap<String, String> = COLOURS
            .iter()
            .map(|(name, colour)| ((*name).to_string(), (*colour).to_string()))
            .collect();
        for (name, value) in &file.colours {
            let colour = value.get_ref().to_lowercase();
            if !colours.contains_key(name.get_ref()) {
                let names = COLOURS.iter().map(|(name, _)| *name);
                let help = retrocast_domain::suggest::help(name.get_ref(), names, "colours");
                let message = format!("unknown colour {}; {help}", name.get_ref());
                return Err(error_at(text, name.span().start, &message));
            }
            let Some(rgb) = parse_colour(&colour) else {
                let message = format!("{colour:?} is not a colour: write it as \"#0b5fa5\"");
                return Err(error_at(text, value.span().start, &message));
            };
            let contrast = contrast(rgb, [255; 3]);
            if contrast < CONTRAST_MIN {
                let message = format!(
                    "{} has a contrast of {contrast:.1} to 1 on white, and text needs {CONTRAST_MIN} to 1: \
                     choose a darker colour, such as \"{}\"",
                    name.get_ref(),
                    format_colour(make_readable(rgb, [255; 3], [0; 3]))
                );
                return Err(error_at(text, value.span().start, &message));
            }
            colours.insert(name.get_ref().clone(), colour);
        }
        if let Some(logo) = &file.logo
            && let Err(message) = check_picture(&logo.get_ref().file, &logo.get_ref().alt)
        {
            return Err(error_at(text, logo.span().start, &message));
        }
        Ok(Self {
            paper: file.paper,
            logo: file.logo.map(Spanned::into_inner),
            colours,
        })
    }

    /// The accent colour.
    pub fn accent(&self) -> &str {
        self.colours
            .get("accent")
            .map_or(COLOURS[0].1, String::as_str)
    }

    /// The values of `theme.json`, which print templates read.
    pub(crate) fn json(&self) -> serde_json::Value {
        let logo = self
            .logo
            .as_ref()
            .map(|logo| serde_json::json!({ "path": format!("/{}", logo.file), "alt": logo.alt }));
        serde_json::json!({
            "paper": self.paper,
            "logo": logo,
            "colours": self.colours,
        })
    }

    /// Style rules for the colours that differ from the built-in ones, in light and dark mode.
    pub(crate) fn css(&self) -> String {
        let (mut light, mut dark) = (String::new(), String::new());
        for (name, built_in) in COLOURS {
            let Some(colour) = self.colours.get(name).filter(|colour| *colour != built_in) else {
                continue;
            };
            let Some((rgb, paper)) = parse_colour(colour).zip(parse_colour(DARK_PAPER)) else {
                continue;
            };
            let lighter = format_colour(make_readable(rgb, paper, [255; 3]));
            let _ = write!(light, "--{name}:{colour};");
            let _ = write!(dark, "--{name}:{lighter};");
            if name == "accent" {
                light.push_str("} .fill-accent{fill:var(--accent)} .stroke-accent{stroke:var(--accent)} :root{");
            }
        }
        if light.is_empty() {
            return String::new();
        }
        format!(
            ":root{{{light}}}\n@media screen and (prefers-color-scheme: dark) {{ :root{{{dark}}} }}\n"
        )
    }

    /// Recolours a chart with the accent colour of the theme. Text in a chart is escaped, so it
    /// cannot look like an attribute.
    pub(crate) fn recolour(&self, svg: String) -> String {
        let built_in = COLOURS[0].1;
        if self.accent() == built_in {
            return svg;
        }
        ["fill", "stroke"].iter().fold(svg, |svg, attribute| {
            let [from, to] = [built_in, self.accent()].map(|c| format!("{attribute}=\"{c}\""));
            svg.replace(&from, &to)
        })
    }
}

/// Builds an error with its line and column in the theme.
fn error_at(text: &str, start: usize, message: &str) -> Error {
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Error::Template {
        message: format!("{FILE}:{line}:{column}: {message}"),
    }
}

/// The media type of a picture.
pub(crate) fn media_type(file: &str) -> Option<&'static str> {
    let extension = Path::new(file).extension()?.to_str()?.to_lowercase();
    let entry = PICTURES.iter().find(|(end, _)| *end == extension);
    entry.map(|(_, media_type)| *media_type)
}

fn check_picture(file: &str, alt: &str) -> Result<(), String> {
    let mut parts = Path::new(file).components();
    let is_inside = !file.is_empty()
        && !file.contains('\\')
        && parts.all(|part| matches!(part, Component::Normal(_)));
    if !is_inside {
        return Err(format!(
            "the picture {file:?} must be in the templates folder: write its path below that folder"
        ));
    }
    if media_type(file).is_none() {
        return Err(format!(
            "the picture {file:?} must be a PNG, JPEG or SVG file"
        ));
    }
    if alt.trim().is_empty() {
        return Err(
            "`alt` must describe the picture, such as the name of your company".to_string(),
        );
    }
    Ok(())
}

fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |start: usize| u8::from_str_radix(digits.get(start..start + 2)?, 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}

fn format_colour([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Relative luminance (WCAG 2.2).
fn luminance(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Mixes a colour with just enough of another to make it readable on a background.
fn make_readable(colour: [u8; 3], background: [u8; 3], with: [u8; 3]) -> [u8; 3] {
    let mixes = (0..=20).map(|step| {
        let share = f64::from(step) / 20.0;
        let mix =
            |a: u8, b: u8| (f64::from(a) * (1.0 - share) + f64::from(b) * share).round() as u8;
        [0, 1, 2].map(|i| mix(colour[i], with[i]))
    });
    let mut readable = mixes.filter(|mix| contrast(*mix, background) >= CONTRAST_MIN);
    readable.next().unwrap_or(with)
}

/// Encodes a picture as a data URI.
pub(crate) fn data_uri(file: &str, bytes: &[u8]) -> String {
    let media_type = media_type(file).unwrap_or_default();
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart;

    fn error(text: &str) -> String {
        Theme::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_theme_is_valid_and_changes_nothing() {
        let theme = Theme::parse(include_str!("../../../templates/theme.toml")).unwrap();
        assert_eq!(theme, Theme::parse("").unwrap());
        assert_eq!(theme.css(), "");
        let style = include_str!("../../../templates/html/style.css");
        assert!(style.contains(theme.accent()) && chart::dark_css().contains("accent"));
    }

    #[test]
    fn errors_have_line_column_and_advice() {
        let pale = error("paper = \"a4\"\n[colours]\naccent = \"#ffcc00\"\n");
        assert!(
            pale.starts_with("theme.toml:3:10: accent has a contrast of 1.5 to 1"),
            "{pale}"
        );
        let suggested = pale.rsplit('"').nth(1).unwrap();
        Theme::parse(&format!("[colours]\naccent = \"{suggested}\"")).unwrap();
        let unknown = error("[colours]\nacent = \"#000000\"");
        assert!(
            unknown.starts_with("theme.toml:2:1: unknown colour acent; did you mean"),
            "{unknown}"
        );
        assert!(error("paper = \"a5\"").starts_with("theme.toml:1:9: "));
        assert!(error("papre = \"a4\"").starts_with("theme.toml:1:1: "));
        assert!(error("[colours]\nink = \"black\"").starts_with("theme.toml:2:7: "));
        for file in [
            "../secret.png",
            "/etc/logo.png",
            "a/../../b.png",
            "..\\b.png",
            "",
            "./../x.svg",
        ] {
            let text = format!("logo = {{ file = '{file}', alt = \"x\" }}");
            let message = error(&text);
            assert!(
                message.contains("must be in the templates folder"),
                "{file}: {message}"
            );
        }
        assert!(error("logo = { file = 'a.gif', alt = 'x' }").contains("PNG, JPEG or SVG"));
        assert!(error("logo = { file = 'a.png', alt = ' ' }").contains("`alt`"));
    }

    #[test]
    fn colours_of_the_dark_mode_are_readable() {
        let theme = Theme::parse("[colours]\naccent = \"#7a1fa2\"\nsoft = \"#444444\"").unwrap();
        let css = theme.css();
        assert!(
            css.contains("--accent:#7a1fa2;") && !css.contains("--ink"),
            "{css}"
        );
        let dark = css.split("dark").nth(1).unwrap();
        for name in ["--accent:", "--soft:"] {
            let colour = parse_colour(&dark.split(name).nth(1).unwrap()[..7]).unwrap();
            assert!(contrast(colour, parse_colour(DARK_PAPER).unwrap()) >= CONTRAST_MIN);
        }
        let svg = "<path fill=\"#0b5fa5\"/><text>fill=&quot;#0b5fa5&quot;</text>";
        let recoloured = theme.recolour(svg.to_string());
        assert_eq!(recoloured, svg.replacen("#0b5fa5", "#7a1fa2", 1));
    }

    #[test]
    fn pictures_are_encoded() {
        assert_eq!(data_uri("a.png", b"Man"), "data:image/png;base64,TWFu");
        assert_eq!(data_uri("a.svg", b"Ma"), "data:image/svg+xml;base64,TWE=");
        assert_eq!(data_uri("a.JPG", b"M"), "data:image/jpeg;base64,TQ==");
    }
}
