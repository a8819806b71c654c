//! Integration events: exchanges of one to three events between systems.

use super::{
    row::{RecordFormat, Row},
    table::{Spec, Table},
};
use crate::{
    Error,
    company::{COUNT_SHAPE, Company},
    hostile::{Flaw, TEXTS},
    output::{Codec, FileFormat, Layout},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Mean number of exchanges per day at scale 1.
const EXCHANGES_PER_DAY: f64 = 26.0;
const TYPES: [&str; 4] = [
    "webhook_received",
    "api_call",
    "message_published",
    "file_transferred",
];
const SYSTEMS: [&str; 6] = [
    "shop",
    "ledger",
    "crm",
    "warehouse",
    "mail provider",
    "銀行",
];
const ERRORS: [&str; 3] = [
    "connection refused",
    "429: too many requests",
    "2 of 17 lines were refused",
];
/// Share of accepted events with a hostile payload.
const HOSTILE_SHARE: f64 = 0.01;

const FLAWS: [Flaw; 8] = [
    Flaw::Value("status", "\"ok\"", reason::NOT_ALLOWED),
    Flaw::MissingField("source_system"),
    Flaw::Value("duration_ms", "-3", reason::OUT_OF_RANGE),
    Flaw::Value("attempts", "\"three\"", reason::WRONG_TYPE),
    Flaw::Truncated,
    Flaw::Value("time", "\"2199-01-01T00:00:00Z\"", reason::OUT_OF_RANGE),
    Flaw::InvalidUtf8("target_system"),
    Flaw::DeepNesting,
];
const SPEC: Spec = Spec {
    name: "integration_events",
    stream: 25,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Weekly,
    file_format: FileFormat {
        no_final_newline: true,
        ..FileFormat::with_codec(Codec::Zstandard)
    },
    delay: 9,
    flaws: &FLAWS,
};

/// Writes all events under `root/integration_events`.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<(&'static str, SourceTruth), Error> {
    let days = &company.days;
    let mut table = Table::new(root, SPEC, seed, compress, days);
    let (mut number, mut exchange) = (0_u64, 0_u64);
    for day in days {
        table.open(day)?;
        let mut moments = Vec::new();
        for _ in 0..table
            .random
            .overdispersed(EXCHANGES_PER_DAY * company.scale, COUNT_SHAPE)
        {
            moments.push(day.start + table.random.below(day.seconds as usize) as i64);
        }
        moments.sort_unstable();
        for mut second in moments {
            exchange += 1;
            for _ in 0..=table.random.below(3) {
                number += 1;
                let row = event(&mut table.random, number, exchange, second);
                table.put(day, row)?;
                second += table.random.below(20) as i64;
            }
        }
        table.end_day(day, days)?;
    }
    table.close()
}

fn event(random: &mut Random, number: u64, exchange: u64, second: i64) -> Row {
    let hostile = random.chance(HOSTILE_SHARE);
    let note = if hostile { *random.pick(&TEXTS) } else { "" };
    let status = match random.unit() {
        share if share < 0.955 => "success",
        share if share < 0.985 => "failure",
        _ => "partial",
    };
    let from = random.below(SYSTEMS.len());
    let to = (from + 1 + random.below(SYSTEMS.len() - 1)) % SYSTEMS.len();
    let error = *random.pick(&ERRORS);
    let is_retried = random.chance(0.04);
    let payload = serde_json::json!({ "order": random.below(100_000), "note": note });
    Row::new()
        .text("id", format!("E-{number:08}"))
        .time("time", second)
        .text("type", *random.pick(&TYPES))
        .text("source_system", SYSTEMS[from])
        .maybe_text("target_system", random.chance(0.9).then_some(SYSTEMS[to]))
        .text("status", status)
        .raw("duration_ms", random.log_normal(180.0, 0.6).round())
        .raw("attempts", 1 + u8::from(is_retried))
        .raw("size_bytes", random.log_normal(2500.0, 1.0).round())
        .text("correlation_id", format!("X-{exchange:08}"))
        .maybe_text("error", (status != "success").then_some(error))
        .raw("payload", payload)
        .hostile(hostile)
}
