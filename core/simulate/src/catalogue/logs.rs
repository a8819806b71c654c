//! The logs of the AI components: details of every fourth decision, with the decision's id.

use super::{
    row::{RecordFormat, Row},
    table::{Spec, Table},
};
use crate::{
    Error,
    calendar::Day,
    company::DECISION_KINDS,
    hostile::Flaw,
    output::{Codec, FileFormat, Layout, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Every decision whose number is a multiple of this is logged by its component.
const LOGGED_EVERY: u64 = 4;
const NAMES: [&str; 4] = [
    "Mara Voss",
    "J. O'Neil",
    "Li Wei 李伟",
    "Robert'); drop table leads;--",
];
const COMPANIES: [&str; 4] = [
    "Harbour Freight & Sons",
    "Nordlicht GmbH",
    "=1+1 Ltd",
    "株式会社みどり",
];
const INDUSTRIES: [&str; 4] = ["retail", "logistics", "health", "education"];
const ERRORS: [&str; 3] = [
    "timeout after 30 s",
    "quota is used up",
    "403 </script><script>alert(1)</script>",
];

const MESSAGE_FLAWS: [Flaw; 6] = [
    Flaw::Value("quality_score", "101", reason::OUT_OF_RANGE),
    Flaw::Value("approved", "\"perhaps\"", reason::WRONG_TYPE),
    Flaw::Value("channel", "\"fax\"", reason::NOT_ALLOWED),
    Flaw::Truncated,
    Flaw::Value("success", "null", reason::MISSING),
    Flaw::LongText("template"),
];
const ENRICHMENT_FLAWS: [Flaw; 5] = [
    Flaw::Value("fields_filled", "-1", reason::OUT_OF_RANGE),
    Flaw::Value("confidence", "\"high\"", reason::WRONG_TYPE),
    Flaw::Value("method", "\"guess\"", reason::NOT_ALLOWED),
    Flaw::MissingField("id"),
    Flaw::Garbage,
];
const SCRAPING_FLAWS: [Flaw; 5] = [
    Flaw::Value("http_status", "1000", reason::OUT_OF_RANGE),
    Flaw::MissingField("site"),
    Flaw::Value("blocked", "2", reason::WRONG_TYPE),
    Flaw::RawNull("site"),
    Flaw::Value("time", "\"today\"", reason::WRONG_TYPE),
];
const SYNC_FLAWS: [Flaw; 5] = [
    Flaw::Value("operation", "\"upsert\"", reason::NOT_ALLOWED),
    Flaw::Value("conflicts", "0.5", reason::WRONG_TYPE),
    Flaw::Truncated,
    Flaw::MissingField("system"),
    Flaw::Value("latency_ms", "1e8", reason::OUT_OF_RANGE),
];

const fn spec(name: &'static str, stream: u64, codec: Codec, flaws: &'static [Flaw]) -> Spec {
    Spec {
        name,
        stream,
        format: RecordFormat::Json,
        header: None,
        layout: Layout::Weekly,
        file_format: FileFormat::with_codec(codec),
        delay: 9,
        flaws,
    }
}

/// The logs, in the order of [`DECISION_KINDS`].
const SPECS: [Spec; 4] = [
    spec("message_generations", 26, Codec::Gzip, &MESSAGE_FLAWS),
    spec("enrichments", 27, Codec::Zstandard, &ENRICHMENT_FLAWS),
    spec("scrapings", 28, Codec::Plain, &SCRAPING_FLAWS),
    spec("syncs", 29, Codec::Gzip, &SYNC_FLAWS),
];

/// A decision, as in the decision log.
pub(crate) struct Decision {
    pub number: u64,
    /// Time, in seconds since 1970.
    pub second: i64,
    /// Index into [`DECISION_KINDS`].
    pub kind: usize,
    pub outcome: &'static str,
    pub latency_ms: f64,
}

/// The logs being written.
pub(crate) struct Logs {
    tables: [Table; DECISION_KINDS.len()],
}

impl Logs {
    pub(crate) fn new(root: &Path, seed: u64, compress: bool, days: &[Day]) -> Self {
        Self {
            tables: SPECS.map(|spec| Table::new(root, spec, seed, compress, days)),
        }
    }

    pub(crate) fn open(&mut self, day: &Day) -> Result<(), Error> {
        self.tables.iter_mut().try_for_each(|table| table.open(day))
    }

    /// Adds the next decision.
    pub(crate) fn write_decision(&mut self, day: &Day, decision: &Decision) -> Result<(), Error> {
        if !decision.number.is_multiple_of(LOGGED_EVERY) {
            return Ok(());
        }
        let table = &mut self.tables[decision.kind];
        let random = &mut table.random;
        let row = match decision.kind {
            0 => message(random, decision),
            1 => enrichment(random, decision),
            2 => scraping(random, decision),
            _ => sync(random, decision),
        };
        table.put(day, row)
    }

    pub(crate) fn end_day(&mut self, day: &Day, days: &[Day]) -> Result<(), Error> {
        self.tables
            .iter_mut()
            .try_for_each(|table| table.end_day(day, days))
    }

    pub(crate) fn close(self) -> Result<Vec<(&'static str, SourceTruth)>, Error> {
        self.tables.into_iter().map(Table::close).collect()
    }
}

impl Decision {
    /// A row with the first fields of every log.
    fn row(&self) -> Row {
        Row::new()
            .text("id", format!("D-{:08}", self.number))
            .time("time", self.second)
            .text("session_id", format!("S-{:07}", self.number / 12))
    }

    fn succeeded(&self) -> bool {
        self.outcome != "rejected"
    }

    /// Adds the last fields of every log.
    fn with_result(&self, random: &mut Random, row: Row) -> Row {
        let error = *random.pick(&ERRORS);
        let level = if self.outcome == "accepted" {
            82.0
        } else {
            58.0
        };
        let score = (level + 9.0 * random.normal()).clamp(0.0, 100.0);
        row.maybe_raw(
            "quality_score",
            self.succeeded().then(|| format!("{score:.0}")),
        )
        .raw("success", self.succeeded())
        .raw("latency_ms", self.latency_ms)
        .maybe_text("error", (!self.succeeded()).then_some(error))
    }
}

/// Draws the customer of a message or an enrichment, as JSON; also returns true if a name is
/// hostile.
fn draw_customer(random: &mut Random) -> (String, bool) {
    let (name, company) = (*random.pick(&NAMES), *random.pick(&COMPANIES));
    let industry = *random.pick(&INDUSTRIES);
    let hostile = name.contains("--") || company.starts_with('=');
    let (name, company) = (quoted(name), quoted(company));
    let text = format!("{{\"name\":{name},\"company\":{company},\"industry\":\"{industry}\"}}");
    (text, hostile)
}

fn message(random: &mut Random, decision: &Decision) -> Row {
    let (subject, hostile) = draw_customer(random);
    let edited = match decision.outcome {
        "accepted" => 0.0,
        _ => random.between(0.02, 0.6),
    };
    let characters = random.log_normal(900.0, 0.4).round();
    let row = decision
        .row()
        .raw("subject", subject)
        .text(
            "channel",
            *random.pick(&["email", "email", "chat", "letter"]),
        )
        .maybe_text(
            "template",
            random
                .chance(0.8)
                .then(|| *random.pick(&["intro", "reminder", "{{ 7 * 7 }}"])),
        )
        .text("model", *random.pick(&["writer-2", "writer-3"]))
        .text("language", *random.pick(&["en", "de", "pt-BR", "ja"]))
        .raw("characters", characters)
        .raw("approved", decision.succeeded())
        .raw("edited_share", format!("{edited:.2}"));
    decision.with_result(random, row).hostile(hostile)
}

fn enrichment(random: &mut Random, decision: &Decision) -> Row {
    let (subject, hostile) = draw_customer(random);
    let requested = 3 + random.below(8);
    let filled = if decision.succeeded() {
        1 + random.below(requested)
    } else {
        0
    };
    let row = decision
        .row()
        .raw("subject", subject)
        .text(
            "method",
            *random.pick(&["register", "search", "website", "model"]),
        )
        .raw("fields_wanted", requested)
        .raw("fields_filled", filled)
        .raw(
            "confidence",
            format!("{:.2}", 1.0 - 0.5 * random.unit().powi(2)),
        );
    decision.with_result(random, row).hostile(hostile)
}

fn scraping(random: &mut Random, decision: &Decision) -> Row {
    let requested = 1 + random.below(40);
    let read = if decision.succeeded() {
        requested - random.below(requested / 4 + 1)
    } else {
        0
    };
    let blocked = !decision.succeeded() && random.chance(0.7);
    let size = read as f64 * random.log_normal(40_000.0, 0.5);
    let site = format!("www{}.example.org", random.below(300));
    let row = decision
        .row()
        .text("site", site)
        .text("method", *random.pick(&["sitemap", "search", "links"]))
        .raw("pages_wanted", requested)
        .raw("pages_read", read)
        .raw("size_bytes", size.round())
        .raw("http_status", if blocked { 403 } else { 200 })
        .raw("blocked", blocked);
    decision.with_result(random, row)
}

fn sync(random: &mut Random, decision: &Decision) -> Row {
    let read = random.log_normal(60.0, 0.8).round() as usize;
    let written = if decision.succeeded() {
        random.below(read + 1)
    } else {
        0
    };
    let row = decision
        .row()
        .text(
            "system",
            *random.pick(&["crm", "ledger", "mail provider", "表計算"]),
        )
        .text("direction", *random.pick(&["in", "out"]))
        .text(
            "operation",
            *random.pick(&["create", "update", "update", "merge", "delete"]),
        )
        .raw("records_read", read)
        .raw("records_written", written)
        .raw("conflicts", random.below(3));
    decision.with_result(random, row)
}
