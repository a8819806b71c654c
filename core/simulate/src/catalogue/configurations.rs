//! Configurations of the pipelines: one on the first day, and a new version from time to time.

use super::{
    row::{RecordFormat, Row},
    table::{Spec, Table},
    traces::STEPS,
};
use crate::{
    Error,
    company::{Company, PIPELINES},
    hostile::Flaw,
    output::{Codec, FileFormat, Layout, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Mean number of days between versions of one pipeline.
const DAYS_BETWEEN_VERSIONS: f64 = 90.0;
const AUTHORS: [&str; 4] = ["Ana Ruiz", "Bo Lindqvist", "Chidi Okafor", "=cmd('author')"];

const FLAWS: [Flaw; 5] = [
    Flaw::Value("parallel", "0", reason::OUT_OF_RANGE),
    Flaw::Value("active", "\"perhaps\"", reason::WRONG_TYPE),
    Flaw::MissingField("version"),
    Flaw::Value("expected_success_share", "97.5", reason::OUT_OF_RANGE),
    Flaw::Truncated,
];
const SPEC: Spec = Spec {
    name: "pipeline_configurations",
    stream: 18,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Monthly,
    file_format: FileFormat::with_codec(Codec::Plain),
    delay: 40,
    flaws: &FLAWS,
};

/// Writes all configurations under `root/pipeline_configurations`.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<(&'static str, SourceTruth), Error> {
    let days = &company.days;
    let mut table = Table::new(root, SPEC, seed, compress, days);
    // Days with a new version are drawn first, because the newest version of each pipeline is the
    // active one.
    let changes: Vec<Vec<usize>> = PIPELINES
        .iter()
        .map(|_| {
            let later = days[1..].iter().map(|day| day.index);
            let later = later.filter(|_| table.random.chance(1.0 / DAYS_BETWEEN_VERSIONS));
            std::iter::once(0).chain(later).collect()
        })
        .collect();
    for day in days {
        table.open(day)?;
        for (pipeline, changes) in changes.iter().enumerate() {
            if let Some(version) = changes.iter().position(|change| *change == day.index) {
                let second = day.start + table.random.below(day.seconds as usize) as i64;
                let active = version + 1 == changes.len();
                let row = configuration(&mut table.random, pipeline, version, second, active);
                table.put(day, row)?;
            }
        }
        table.end_day(day, days)?;
    }
    table.close()
}

fn configuration(
    random: &mut Random,
    pipeline: usize,
    version: usize,
    second: i64,
    active: bool,
) -> Row {
    let names = STEPS[pipeline].map(quoted);
    let [a, b, c, d] = &names;
    let steps = format!(
        "[{{\"name\":{a},\"depends_on\":[]}},{{\"name\":{b},\"depends_on\":[{a}]}},\
         {{\"name\":{c},\"depends_on\":[{a}]}},{{\"name\":{d},\"depends_on\":[{b},{c}]}}]"
    );
    let author = *random.pick(&AUTHORS);
    Row::new()
        .text("pipeline", PIPELINES[pipeline])
        .text("version", format!("1.{version}"))
        .time("created_at", second)
        .text("author", author)
        .raw("active", active)
        .text("schedule", format!("{} * * * *", random.below(60)))
        .raw("timeout_s", 600 * (1 + random.below(6)))
        .raw("retries", random.below(4))
        .raw("parallel", 1 + random.below(2))
        .raw("expected_duration_s", 40 + random.below(30))
        .raw("expected_success_share", 0.95)
        .raw("steps", steps)
        .raw("settings", "{\"pool\":{\"size\":8,\"names\":[\"a\",null]}}")
        .hostile(pipeline >= 4 || author.starts_with('='))
}
