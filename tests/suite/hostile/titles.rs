//! Titles with a meaning to some interpreter, generated from a seed.

/// Fragments that are code or markup to Typst, Jinja, HTML, spreadsheets, mail, chat programs or
/// file systems, and control characters.
const COMMON: &[&str] = &[
    "#eval(\"1+1\")",
    "#read(\"/etc/passwd\")",
    "$x$",
    "@ref",
    "<label>",
    "*b* _i_ `c`",
    "// c",
    "/* c",
    "\\",
    "#{ panic() }",
    "[",
    "]",
    "= H",
    "- l",
    "/ t: d",
    "```",
    "~",
    "--",
    "\"",
    "'",
    "{{ 7*7 }}",
    "{% raw %}",
    "{# c #}",
    "{{",
    "}}",
    "{%",
    "%}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onclick=\"x()",
    "' autofocus x='",
    "&amp;",
    "&#60;b&#62;",
    "&lt;",
    "</style>",
    "</title>",
    "</script>",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<svg/onload=1>",
    "</table>",
    "javascript:1",
    "=cmd|' /C calc'!A0",
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\u{ff1d}1",
    "|",
    "%00",
    ";",
    ",",
    "\"\"",
    "\r\nBcc: a@example.org",
    "\nSubject: x",
    "\r\n\r\nbody",
    "\n.\n",
    "=?utf-8?q?=41?=",
    "--=_page_",
    "<!channel>",
    "<https://e.example|x>",
    "[x](https://e.example)",
    "{{DATE(2026-01-01)}}",
    "../../etc/passwd",
    "a/b",
    "\\\\srv\\x",
    "%2e%2e%2f",
    "\u{0}",
    "\u{7}",
    "\u{1b}[31m",
    "\u{7f}\u{85}\u{9b}",
];

/// Characters that reorder, hide or combine, or that fonts lack. They are rarer because each costs
/// a search for a font.
const RARE: &[&str] = &[
    "\u{202e}",
    "\u{2066}",
    "\u{2069}",
    "\u{200f}",
    "\u{61c}",
    "\u{200b}",
    "\u{feff}",
    "\u{2060}",
    "\u{ad}",
    "\u{2028}",
    "\u{e000}",
    "\u{10ffff}",
    "\u{fffe}",
    "\u{378}",
    "\u{e0041}",
    "\u{301}",
    "\u{489}",
    "\u{20dd}",
    "\u{300}\u{300}\u{300}\u{300}\u{300}\u{300}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{1f468}\u{200d}\u{1f469}",
    "中文",
    "עברית",
    "العربية",
    "हिन्दी",
    "ﷺ",
    "\u{fffd}",
    "\u{fff9}",
];

/// A sequence of numbers that depends only on its seed (`SplitMix64`).
struct Random(u64);

impl Random {
    /// The next number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn fragment(&mut self) -> String {
        match self.below(200) {
            0 => "x".repeat(90),
            1 => "long ".repeat(30),
            2..20 => RARE[self.below(RARE.len())].to_string(),
            _ => COMMON[self.below(COMMON.len())].to_string(),
        }
    }
}

/// The word in a title by which a test finds it.
pub fn marker(index: usize) -> String {
    format!("q{index:04}z")
}

/// Generates distinct titles: each has its marker and one or two fragments around it.
pub fn hostile(count: usize, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    let mut title = |index: usize| {
        let (first, second) = (random.fragment(), random.fragment());
        let (gap, marker) = (["", " "][random.below(2)], marker(index));
        match random.below(4) {
            0 => format!("{first}{gap}{marker}{gap}{second}"),
            1 => format!("{marker}{gap}{first}"),
            2 => format!("{first}{gap}{marker}"),
            _ => format!("{first}{second}{marker}"),
        }
    };
    (0..count).map(&mut title).collect()
}

/// Generates plain titles of the same form.
pub fn harmless(count: usize) -> Vec<String> {
    let title = |index| format!("plain {}", marker(index));
    (0..count).map(title).collect()
}
