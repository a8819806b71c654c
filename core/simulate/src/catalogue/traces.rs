//! Details of some executions of pipelines: their steps, one file per day, and their resources, as
//! CSV. Every fifth execution is traced, every tenth measured.

use super::{
    row::{RecordFormat, Row},
    table::{Spec, Table},
};
use crate::{
    Error,
    calendar::Day,
    company::PIPELINES,
    hostile::Flaw,
    output::{Codec, FileFormat, Layout},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Steps of each pipeline: the second and third may run at the same time.
pub(crate) const STEPS: [[&str; 4]; 6] = [
    ["fetch", "validate", "scan", "load"],
    ["collect", "render", "sign", "send"],
    ["crawl", "tokenise", "rank", "publish"],
    ["read", "count", "compare", "write"],
    ["取得", "照合", "match", "load"],
    [
        "open",
        "=sum(A1:A9)",
        "</script><script>alert(1)</script>",
        "close",
    ],
];
/// One execution in so many has records of its steps, and one in so many of its resource usage.
const TRACED_EVERY: u64 = 5;
const MEASURED_EVERY: u64 = 10;

const STEP_FLAWS: [Flaw; 8] = [
    Flaw::Value("status", "\"green\"", reason::NOT_ALLOWED),
    Flaw::Truncated,
    Flaw::MissingField("execution_id"),
    Flaw::Value("duration_s", "-0.5", reason::OUT_OF_RANGE),
    Flaw::Value("position", "\"first\"", reason::WRONG_TYPE),
    Flaw::Value("position", "0", reason::OUT_OF_RANGE),
    Flaw::RawNull("step"),
    Flaw::Value(
        "started_at",
        "\"0001-01-01T00:00:00Z\"",
        reason::OUT_OF_RANGE,
    ),
];
const STEPS_SPEC: Spec = Spec {
    name: "step_executions",
    stream: 16,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Daily,
    file_format: FileFormat::with_codec(Codec::Gzip),
    delay: 5,
    flaws: &STEP_FLAWS,
};

const USAGE_FLAWS: [Flaw; 7] = [
    Flaw::Value("usage_percent", "170", reason::OUT_OF_RANGE),
    Flaw::Value("usage_percent", "55,5", reason::WRONG_TYPE),
    Flaw::Truncated,
    Flaw::Value("resource", "gpu", reason::NOT_ALLOWED),
    Flaw::MissingField("usage_percent"),
    Flaw::InvalidUtf8("host"),
    Flaw::Value("amount", "=1+1", reason::WRONG_TYPE),
];
const USAGE_SPEC: Spec = Spec {
    name: "resource_usage",
    stream: 17,
    // The format of spreadsheets in locales with a decimal comma.
    format: RecordFormat::Csv(';'),
    header: Some(
        "execution_id;resource;measured_at;pipeline;host;usage_percent;peak_percent;amount;\
         amount_unit",
    ),
    layout: Layout::Weekly,
    file_format: FileFormat {
        byte_order_mark: true,
        ..FileFormat::with_codec(Codec::Zstandard)
    },
    delay: 9,
    flaws: &USAGE_FLAWS,
};

/// An execution of a pipeline, as in its own table.
pub(crate) struct Execution {
    pub number: u64,
    /// Start, in seconds since 1970.
    pub second: i64,
    pub pipeline: usize,
    pub files: u64,
    pub duration: f64,
    /// Error message, if it failed.
    pub error: Option<&'static str>,
}

/// Two or more consecutive failures of one pipeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streak {
    /// End of the last failure, in seconds since 1970.
    pub second: i64,
    pub pipeline: usize,
    pub failures: u32,
}

/// The tables of steps and resources being written, and the consecutive failures so far.
pub(crate) struct Traces {
    steps: Table,
    usage: Table,
    failures: [u32; PIPELINES.len()],
    streaks: Vec<Streak>,
}

/// The counts of both tables, and the consecutive failures.
pub(crate) struct TraceSummary {
    pub sources: [(&'static str, SourceTruth); 2],
    pub streaks: Vec<Streak>,
}

impl Traces {
    pub(crate) fn new(root: &Path, seed: u64, compress: bool, days: &[Day]) -> Self {
        Self {
            steps: Table::new(root, STEPS_SPEC, seed, compress, days),
            usage: Table::new(root, USAGE_SPEC, seed, compress, days),
            failures: [0; PIPELINES.len()],
            streaks: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, day: &Day) -> Result<(), Error> {
        self.steps.open(day)?;
        self.usage.open(day)
    }

    /// Adds the next execution, in order of start.
    pub(crate) fn write_execution(&mut self, day: &Day, run: &Execution) -> Result<(), Error> {
        let failures = &mut self.failures[run.pipeline];
        *failures = if run.error.is_some() {
            *failures + 1
        } else {
            0
        };
        if *failures > 1 {
            self.streaks.push(Streak {
                second: run.second + run.duration as i64,
                pipeline: run.pipeline,
                failures: *failures,
            });
        }
        if run.number.is_multiple_of(TRACED_EVERY) {
            for row in steps(&mut self.steps.random, run) {
                self.steps.put(day, row)?;
            }
        }
        if run.number.is_multiple_of(MEASURED_EVERY) {
            for row in usage(&mut self.usage.random, run) {
                self.usage.put(day, row)?;
            }
        }
        Ok(())
    }

    pub(crate) fn end_day(&mut self, day: &Day, days: &[Day]) -> Result<(), Error> {
        self.steps.end_day(day, days)?;
        self.usage.end_day(day, days)
    }

    pub(crate) fn close(self) -> Result<TraceSummary, Error> {
        Ok(TraceSummary {
            sources: [self.steps.close()?, self.usage.close()?],
            streaks: self.streaks,
        })
    }
}

/// Start and end of each step, in seconds from the start of the execution. The second and third
/// start when the first ends, the last when both have ended.
fn spans(random: &mut Random, duration: f64) -> [[f64; 2]; 4] {
    let [a, b, c, d] = [1.0, 2.5, 1.5, 1.2].map(|median| random.log_normal(median, 0.3));
    let unit = duration / (a + b.max(c) + d);
    let (first, last) = (a * unit, (a + b.max(c)) * unit);
    [
        [0.0, first],
        [first, first + b * unit],
        [first, first + c * unit],
        [last, duration],
    ]
}

fn steps(random: &mut Random, run: &Execution) -> Vec<Row> {
    let mut spans = spans(random, run.duration);
    let failing = random.below(4);
    let is_skipped = |step| run.error.is_some() && step > failing && !(failing == 1 && step == 2);
    // The steps that are not skipped take the execution's whole duration.
    let ends = (0..4)
        .filter(|step| !is_skipped(*step))
        .map(|step| spans[step][1]);
    let stretch = run.duration / ends.fold(f64::MIN_POSITIVE, f64::max);
    spans = spans.map(|span| span.map(|second| second * stretch));
    let names = STEPS[run.pipeline];
    let dependencies: [&[usize]; 4] = [&[], &[0], &[0], &[1, 2]];
    let mut records = run.files * 120;
    (0..4)
        .map(|position| {
            let failed = run.error.is_some() && position == failing;
            let skipped = is_skipped(position);
            let [start, end] = spans[position];
            let duration = (!skipped).then_some(end - start);
            let read = records;
            if !skipped && position != 2 {
                records = (records as f64 * random.between(0.9, 1.0)) as u64;
            }
            let status = match (failed, skipped) {
                (true, _) => "failed",
                (_, true) => "skipped",
                _ => "ok",
            };
            let depends_on: Vec<&str> = dependencies[position]
                .iter()
                .map(|step| names[*step])
                .collect();
            let is_retried = random.chance(0.03);
            Row::new()
                .text("id", format!("P-{:08}/{}", run.number, position + 1))
                .text("execution_id", format!("P-{:08}", run.number))
                .text("pipeline", PIPELINES[run.pipeline])
                .text("step", names[position])
                .raw("position", position + 1)
                .list("depends_on", &depends_on)
                .time("started_at", run.second + start as i64)
                .maybe_time("ended_at", duration.map(|_| run.second + end as i64))
                .maybe_raw(
                    "duration_s",
                    duration.map(|duration| format!("{duration:.1}")),
                )
                .text("status", status)
                .raw(
                    "attempts",
                    if skipped { 0 } else { 1 + u8::from(is_retried) },
                )
                .maybe_raw("records_in", (!skipped).then_some(read))
                .maybe_raw("records_out", (status == "ok").then_some(records))
                .maybe_text("error", run.error.filter(|_| failed))
                .hostile(run.pipeline >= 4)
        })
        .collect()
}

fn usage(random: &mut Random, run: &Execution) -> Vec<Row> {
    let host = format!("runner-{}", 1 + random.below(4));
    let end = run.second + run.duration as i64;
    let files = run.files as f64;
    // Mean use, and the total that an execution of this size needs.
    let resources = [
        ("cpu", 48.0, run.duration * 1.6, "s"),
        ("memory", 37.0, 300.0 + files * 0.4, "MB"),
        ("disk", 22.0, files * 3.5, "MB"),
        ("network", 15.0, files * 2.0, "MB"),
    ];
    let row = |random: &mut Random, (resource, level, amount, unit): (&str, f64, f64, &str)| {
        let used = (level + 6.0 * random.normal()).clamp(0.5, 95.0);
        let peak = (used * random.between(1.1, 1.8)).min(100.0);
        Row::new()
            .text("execution_id", format!("P-{:08}", run.number))
            .text("resource", resource)
            .time("measured_at", end)
            .text("pipeline", PIPELINES[run.pipeline])
            .text("host", host.as_str())
            .raw("usage_percent", format!("{used:.1}"))
            .raw("peak_percent", format!("{peak:.1}"))
            .raw(
                "amount",
                format!("{:.1}", amount * random.log_normal(1.0, 0.2)),
            )
            .text("amount_unit", unit)
            .hostile(run.pipeline >= 4)
    };
    resources.map(|resource| row(random, resource)).into()
}
