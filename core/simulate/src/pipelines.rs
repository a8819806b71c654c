//! Executions of pipelines, one JSON object per line, one file per week.

use crate::{
    Error,
    calendar::Clock,
    catalogue::traces::{Execution, TraceSummary, Traces},
    company::{COUNT_SHAPE, Company, DUPLICATE_SHARE, FLAWED_SHARE, LATE_SHARE, PIPELINES},
    hostile::{self, Flaw},
    output::{Codec, FileFormat, Layout, SourceWriter, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::{io::Write, path::Path};

/// Number of the random stream of executions.
const STREAM: u64 = 3;
const ERRORS: [&str; 5] = [
    "timeout after 600 s",
    "disk full",
    "row 17: \"amount\" is not a number",
    "</script><script>alert(1)</script>",
    "=cmd()",
];

const FLAWS: [Flaw; 8] = [
    Flaw::Value("files", "-3", reason::OUT_OF_RANGE),
    Flaw::Truncated,
    Flaw::Value("status", "\"green\"", reason::NOT_ALLOWED),
    Flaw::Value("files", "\"12\"", reason::WRONG_TYPE),
    Flaw::Value("duration_s", "null", reason::MISSING),
    Flaw::Garbage,
    Flaw::Value("started_at", "\"2026-13-45T00:00:00Z\"", reason::WRONG_TYPE),
    Flaw::RawNull("pipeline"),
];

/// Writes all executions under `root/pipelines`, and the details of some of them in other folders.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<(SourceTruth, TraceSummary), Error> {
    let days = &company.days;
    let mut random = Random::new(seed, STREAM);
    let mut output = SourceWriter::new(
        root,
        "pipelines",
        "jsonl",
        None,
        Layout::Weekly,
        days.len() - 1,
    );
    let mut traces = Traces::new(root, seed, compress, days);
    let mut writer = Writer::new();
    let mut times: Vec<(i64, u8)> = Vec::new();
    let mut line = Vec::with_capacity(512);
    let mut flaws_so_far = 0;
    for day in days {
        let odd_week = (day.index / 7) % 2 == 1;
        output.open(day, || FileFormat {
            codec: match (compress, odd_week) {
                (false, _) => Codec::Plain,
                (true, false) => Codec::Gzip,
                (true, true) => Codec::Zstandard,
            },
            carriage_return: odd_week,
            ..FileFormat::plain()
        })?;
        traces.open(day)?;
        times.clear();
        let mean = company.executions(day);
        for pipeline in 0..PIPELINES.len() {
            for _ in 0..random.overdispersed(mean, COUNT_SHAPE) {
                times.push((random.below(day.seconds as usize) as i64, pipeline as u8));
            }
        }
        times.sort_unstable();
        for &(second, pipeline) in &times {
            line.clear();
            let second = day.start + second;
            let execution = writer.execution(
                &mut random,
                company,
                second,
                usize::from(pipeline),
                &mut line,
            );
            traces.write_execution(day, &execution)?;
            output.truth.hostile_texts += u64::from(pipeline >= 4);
            if random.chance(LATE_SHARE) {
                let delay = 7 + random.below(7);
                output.accept_late(day, delay, &line)?;
                continue;
            }
            output.accept(&line)?;
            if random.chance(DUPLICATE_SHARE) {
                let delay = random.below(9);
                output.repeat(day, delay, &line)?;
            }
        }
        let expected = times.len() as f64 * FLAWED_SHARE;
        let every_flaw = day.index + 7 == days.len();
        hostile::write_flawed_records(
            &mut output,
            &mut random,
            &mut flaws_so_far,
            expected,
            every_flaw,
            &FLAWS,
            |random, out| {
                let second = day.start + random.below(day.seconds as usize) as i64;
                writer.execution(random, company, second, 0, out);
            },
        )?;
        traces.end_day(day, days)?;
    }
    output.close()?;
    Ok((output.truth, traces.close()?))
}

struct Writer {
    clock: Clock,
    next_number: u64,
    names: Vec<String>,
    errors: Vec<String>,
}

impl Writer {
    fn new() -> Self {
        Self {
            clock: Clock::default(),
            next_number: 1,
            names: PIPELINES.iter().map(|name| quoted(name)).collect(),
            errors: ERRORS.iter().map(|text| quoted(text)).collect(),
        }
    }

    fn execution(
        &mut self,
        random: &mut Random,
        company: &Company,
        second: i64,
        pipeline: usize,
        out: &mut Vec<u8>,
    ) -> Execution {
        let files = random.log_normal(500.0, 0.9).clamp(1.0, 50_000.0) as u64;
        let above = usize::from(files > company.threshold_files);
        let failed = random.chance(company.failure_share[above]);
        let duration = 20.0 + files as f64 * random.log_normal(0.05, 0.3);
        let component = random.pick(&company.components).name;
        let error = random.below(ERRORS.len());
        let number = self.next_number;
        self.next_number += 1;
        let _ = write!(out, "{{\"id\":\"P-{number:08}\",\"started_at\":\"");
        self.clock.write(second, out);
        let _ = write!(
            out,
            "\",\"pipeline\":{},\"component\":\"{component}\",\"files\":{files},\
             \"status\":\"{}\",\"duration_s\":{duration:.1},\"error\":{}}}",
            self.names[pipeline],
            if failed { "failed" } else { "ok" },
            if failed {
                self.errors[error].as_str()
            } else {
                "null"
            },
        );
        Execution {
            number,
            second,
            pipeline,
            files,
            duration,
            error: failed.then_some(ERRORS[error]),
        }
    }
}
