//! Titles with a meaning to some interpreter are shown as text in everything that the program
//! writes: reports, pages, exports, the feed, mail, notifications, and names of files.

mod markup;
mod messages;
mod titles;

use super::support::*;
use markup::{Elements, parse, unknown};
use retrocast_mail::text::one_line;
use retrocast_render::sanitise::printable;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use titles::{harmless, hostile, marker};

const TITLES: usize = 10_000;
const SEED: u64 = 7;
/// Number of titles in a record, and of records in a table of a report.
const COLUMNS: usize = 5;
const ROWS: usize = 10;
/// Maximum length of a title in a table, in characters.
const SHOWN_MAX: usize = 60;

/// A workspace whose reports have one table for each 50 titles. The first tables are findings, too.
fn workspace(titles: &[String]) -> Scratch {
    // TOML has the escapes of JSON, and one more character to escape.
    let title = serde_json::to_string(&titles[..3].join(" ")).unwrap();
    let title = title.replace('\u{7f}', "\\u007f");
    let mut job = format!(
        "title = {title}\nwindow = \"day\"\ntimezone = \"UTC\"\n[source.titles]\n\
         uri = \"records/*.jsonl\"\ncontract = \"ticket\"\n[report.executive]\n[report.technical]\n\
         [stage.figures]\nkind = \"kpi\"\ninput = \"titles\"\ntime = \"at\"\nby = [\"t0\"]\n\
         [[stage.figures.metrics]]\nname = \"Titles\"\nkind = \"count\"\n"
    );
    let columns: Vec<String> = (0..COLUMNS).map(|n| format!("t{n}")).collect();
    let shown = columns.join(", ");
    for table in 0..titles.len() / COLUMNS / ROWS {
        let (from, to) = (table * ROWS, table * ROWS + ROWS);
        job += &format!(
            "[stage.table{table:03}]\nkind = \"sql\"\nquery = \"select {shown} from titles \
             where id >= {from} and id < {to} order by id\"\n"
        );
        if table < 5 {
            job += &format!("sentence = \"{{{}}}\"\n", columns.join("} {"));
        }
    }
    let scratch = workspace_of("titles", &job);
    let contract = scratch.join("jobs/contracts/ticket.toml");
    let mut fields = fs::read_to_string(&contract).unwrap();
    for column in &columns {
        fields += &format!("[field.{column}]\ntype = \"string\"\n");
    }
    scratch.write("jobs/contracts/ticket.toml", fields);
    let mut lines = String::new();
    for (id, row) in titles.chunks(COLUMNS).enumerate() {
        let mut record = serde_json::json!({"id": id, "at": "2026-01-05T10:00:00Z"});
        for (column, title) in columns.iter().zip(row) {
            record[column.as_str()] = title.as_str().into();
        }
        lines += &format!("{record}\n");
    }
    scratch.write("records/all.jsonl", lines);
    scratch
}

fn run(scratch: &Scratch) -> PathBuf {
    retrocast_in(scratch.path(), &["run", "titles", "--date", "2026-01-06"]).expect(0);
    runs(&scratch.join("reports"), "titles").remove(0)
}

/// All files below a folder. Their names must be safe on any file system and in links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(name.chars().all(is_safe) && name.len() < 80, "{name:?}");
        if path.is_dir() {
            paths.extend(files(&path));
        } else {
            paths.push(path);
        }
    }
    paths
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths = files(folder);
    paths.retain(|path| path.extension().is_some_and(|other| other == extension));
    paths
}

fn document(path: &Path) -> markup::Document {
    let text = fs::read_to_string(path).unwrap();
    parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The elements of all pages of an archive.
fn elements(reports: &Path) -> Elements {
    let mut elements = Elements::new();
    for page in with_extension(reports, "html") {
        for (name, mut attributes) in document(&page).elements {
            elements.entry(name).or_default().append(&mut attributes);
        }
    }
    elements
}

/// Removes spaces, line breaks and soft hyphens, which depend on the layout.
fn without_spaces(text: &str) -> String {
    let is_kept = |c: &char| !c.is_whitespace() && *c != '\u{ad}';
    text.chars().filter(is_kept).collect()
}

/// The text of a document, in which texts are found most quickly in their order.
struct DocumentText {
    text: String,
    from: usize,
}

impl DocumentText {
    fn new(text: &str) -> Self {
        let text = without_spaces(text);
        Self { text, from: 0 }
    }

    fn contains(&mut self, needle: &str) -> bool {
        let needle = without_spaces(needle);
        let offset = self.text[self.from..].find(&needle);
        let position = offset.map(|index| self.from + index);
        let position = position.or_else(|| self.text.find(&needle));
        self.from = position.unwrap_or(self.from);
        position.is_some()
    }
}

#[test]
fn hostile_titles_are_text_in_reports_and_pages() {
    let known = {
        let scratch = workspace(&harmless(500));
        run(&scratch);
        elements(&scratch.join("reports"))
    };
    let titles = hostile(TITLES, SEED);
    let scratch = workspace(&titles);
    let run = run(&scratch);
    for page in with_extension(&scratch.join("reports"), "html") {
        let document = document(&page);
        let new = unknown(&document, &known);
        assert!(new.is_empty(), "{}: {new:?}", page.display());
        let script_count = match page.file_name().unwrap().to_str().unwrap() {
            "executive.html" | "technical.html" => 1,
            "search.html" => 2,
            "compare.html" => 3,
            _ => 0,
        };
        assert_eq!(document.scripts, script_count, "{}", page.display());
    }
    // The data of the comparison and of the search are calls with one JSON object.
    for path in with_extension(&scratch.join("reports/titles"), "js") {
        let text = fs::read_to_string(&path).unwrap();
        let object = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
        let parsed = serde_json::from_str::<Value>(object);
        assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
    }

    let mut html = DocumentText::new(&document(&run.join("technical.html")).text);
    let mut compared = 0;
    for title in titles.iter().filter(|title| is_whole(title)) {
        let (shown, ..) = printable(title, &|_| true, false);
        assert!(html.contains(&shown), "{title:?} is not in the HTML");
        compared += 1;
    }
    assert!(compared > TITLES * 9 / 10, "{compared}");

    if !has_tool("hostile_titles_are_text_in_reports_and_pages", "pdftotext") {
        return;
    }
    let output = Command::new("pdftotext")
        .arg("-raw")
        .arg(run.join("technical.pdf"))
        .arg("-")
        .output()
        .unwrap();
    let mut pdf = DocumentText::new(&String::from_utf8_lossy(&output.stdout));
    for (index, title) in titles
        .iter()
        .enumerate()
        .filter(|(_, title)| is_whole(title))
    {
        assert!(pdf.contains(&marker(index)), "{title:?} is not in the PDF");
        // Other characters may be without a glyph, or in the order of their script.
        let is_plain = title.chars().all(|c| (' '..='~').contains(&c));
        assert!(!is_plain || pdf.contains(title), "{title:?} in the PDF");
    }
}

/// Returns true for a title that a table shows whole.
fn is_whole(title: &str) -> bool {
    title.chars().count() <= SHOWN_MAX
}

/// Returns true for a cell that a spreadsheet computes; negative numbers are values.
fn begins_formula(cell: &str) -> bool {
    cell.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff0b}', '\u{ff0d}', '\u{ff1d}', '\u{ff20}',
    ]) && cell.parse::<f64>().is_err()
}

#[test]
fn hostile_titles_are_text_in_exports() {
    let titles = hostile(TITLES, SEED);
    let scratch = workspace(&titles);
    // The tables alone, without the reports.
    let job = fs::read_to_string(scratch.join("jobs/titles.toml")).unwrap();
    let job = job.replace("[report.executive]\n", "").replace(
        "[report.technical]",
        "[stage.all]\nkind = \"sql\"\nquery = \"select * from titles\"\n[report.executive]",
    );
    let stages = job.find("[stage.table005]").unwrap();
    scratch.write("jobs/titles.toml", &job[..stages]);
    run(&scratch);
    retrocast_in(scratch.path(), &["export", "latest", "--out", "export"]).expect(0);
    let mut cells = BTreeSet::new();
    for path in with_extension(&scratch.join("export"), "csv") {
        for record in csv::Reader::from_path(&path).unwrap().into_records() {
            for cell in &record.unwrap() {
                assert!(!begins_formula(cell), "{}: {cell:?}", path.display());
                cells.insert(cell.to_string());
            }
        }
    }
    let mut formulas = 0;
    for title in &titles {
        let is_formula = begins_formula(title);
        formulas += usize::from(is_formula);
        let cell = if is_formula {
            format!("'{title}")
        } else {
            title.clone()
        };
        assert!(cells.contains(&cell), "{title:?} is in no table");
    }
    assert!(formulas > TITLES / 20, "{formulas}");
    for path in with_extension(&scratch.join("export"), "json") {
        json(&path);
    }
}

/// Adds a run with each headline to an archive, and writes its pages and its feed again.
fn publish(scratch: &Scratch, first: &Path, headlines: &[String]) {
    let mut summary = json(&first.join("run.json"));
    for (number, headline) in headlines.iter().enumerate() {
        let run = format!("{number:08x}");
        let folder = first.with_file_name(&run);
        fs::create_dir_all(&folder).unwrap();
        for file in ["plan.json", "report.json", "journal.jsonl"] {
            fs::copy(first.join(file), folder.join(file)).unwrap();
        }
        summary["run"] = run.into();
        summary["headline"] = headline.trim().into();
        fs::write(folder.join("run.json"), summary.to_string()).unwrap();
    }
    retrocast_in(scratch.path(), &["archive", "rebuild"]).expect(0);
}

#[test]
fn hostile_headlines_are_text_in_the_feed() {
    // The feed has 50 entries, whose summaries have 320 characters.
    const ENTRIES: usize = 49;
    const HEADLINE_MAX: usize = 320;
    let job = "title = \"Titles\"\nwindow = \"day\"\ntimezone = \"UTC\"\n[source.tickets]\n\
               uri = \"records/*.jsonl\"\ncontract = \"ticket\"\n[stage.all]\nkind = \"sql\"\n\
               query = \"select count(*) as n from tickets\"\n[report.technical]\n";
    let scratch = workspace_of("titles", job);
    let record = "{\"id\": 1, \"at\": \"2026-01-05T10:00:00Z\"}\n";
    scratch.write("records/all.jsonl", record);
    let first = run(&scratch);
    let pages = ["feed.xml", "index.html", "titles/index.html"];
    let documents = || pages.map(|page| document(&scratch.join("reports").join(page)));
    publish(&scratch, &first, &harmless(ENTRIES));
    let known = documents().map(|document| document.elements);

    let mut headlines = vec![String::new()];
    for title in hostile(TITLES, SEED).iter().filter(|title| is_whole(title)) {
        let last = headlines.last_mut().unwrap();
        if last.chars().count() + 1 + title.chars().count() > HEADLINE_MAX {
            headlines.push(title.clone());
        } else {
            *last += &format!(" {title}");
        }
    }
    for part in headlines.chunks(ENTRIES) {
        publish(&scratch, &first, part);
        let documents = documents();
        for ((document, known), page) in documents.iter().zip(&known).zip(pages) {
            let new = unknown(document, known);
            assert!(new.is_empty(), "{page}: {new:?}");
        }
        let mut text = DocumentText::new(&documents[0].text);
        for headline in part {
            let shown = one_line(headline, HEADLINE_MAX);
            assert!(text.contains(&shown), "{headline:?} is not in the feed");
        }
    }
}

#[test]
fn names_of_files_are_safe() {
    let mut names = BTreeSet::new();
    for title in hostile(TITLES, SEED) {
        let name = retrocast_run::slices::file_name("executive", &title);
        let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(is_safe) && name.len() < 64, "{name}");
        assert!(names.insert(name.clone()), "{name} occurs twice");
    }
}

#[test]
fn markup_and_formulas_are_recognised() {
    let known = parse("<p class=\"x\">a</p>").unwrap().elements;
    let check = |source: &str, expected: Result<&[&str], ()>| {
        let result = parse(source).map(|document| unknown(&document, &known));
        let strings = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
        let expected: Result<Vec<String>, ()> = expected.map(strings);
        assert_eq!(result.map_err(|_| ()), expected, "{source}");
    };
    check("<p class=\"&lt;b&gt;\">a &amp; &#x2f;</p>", Ok(&[]));
    check("<p>a <b>c</b></p>", Ok(&["b"]));
    check("<p class=\"\" onclick=\"x()\">a</p>", Ok(&["p onclick"]));
    check("<script>1 < 2</script>", Ok(&["script"]));
    for broken in [
        "<p>a & b</p>",
        "<p>a < b</p>",
        "<p>a</p></style>",
        "<p class=x>a</p>",
        "<p>\u{202e}</p>",
        "<p>\u{0}</p>",
        "<p>]]><!-- </p>",
    ] {
        check(broken, Err(()));
    }
    assert!(begins_formula("=1") && begins_formula("-1+1") && !begins_formula("-1.5"));
    let mut text = DocumentText::new("one two");
    assert!(text.contains("o\nne") && !text.contains("three"));
}
