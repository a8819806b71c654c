//! The log of decisions of AI components, one JSON object per line, one file per day.

use crate::{
    Error,
    calendar::{Clock, Day},
    catalogue::logs::{Decision, Logs},
    company::{COUNT_SHAPE, Company, DECISION_KINDS, DUPLICATE_SHARE, FLAWED_SHARE, LATE_SHARE},
    hostile::{self, Flaw},
    output::{Codec, FileFormat, Layout, SourceWriter, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::{io::Write, path::Path};

/// Number of the random stream of decisions.
const STREAM: u64 = 2;
const SUMMARIES: [&str; 5] = [
    "Drafted a reply from three earlier messages",
    "Added address and industry to the account",
    "Read 14 pages of the catalogue",
    "Merged two records of one customer",
    "Antwort auf Rückfrage entworfen",
];
/// Share of accepted decisions with a hostile summary.
const HOSTILE_SUMMARY_SHARE: f64 = 0.003;
/// Share of accepted decisions with an undeclared field.
const TRACE_SHARE: f64 = 0.01;
/// Share of decisions with their inputs.
const PAYLOAD_SHARE: f64 = 0.05;
/// Index of `sync` in [`DECISION_KINDS`].
const SYNC: usize = 3;
/// Number of records of one day in a truncated gzip file.
const TRUNCATED_FILE_LINES: usize = 5;

const FLAWS: [Flaw; 9] = [
    Flaw::Value("confidence", "1.7", reason::OUT_OF_RANGE),
    Flaw::Truncated,
    Flaw::Value("outcome", "\"maybe\"", reason::NOT_ALLOWED),
    Flaw::Value("tokens", "\"many\"", reason::WRONG_TYPE),
    Flaw::Value("tokens", "12.5", reason::WRONG_TYPE),
    Flaw::MissingField("kind"),
    Flaw::DeepNesting,
    Flaw::Value("latency_ms", "-1", reason::OUT_OF_RANGE),
    Flaw::LongText("summary"),
];

/// Writes all decisions under `root/decisions`, and the logs of their components.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<Vec<(&'static str, SourceTruth)>, Error> {
    let days = &company.days;
    let last = days.len() - 1;
    let mut random = Random::new(seed, STREAM);
    let mut output = SourceWriter::new(root, "decisions", "jsonl", None, Layout::Daily, last);
    let mut logs = Logs::new(root, seed, compress, days);
    let mut writer = Writer::new();
    let mut times: Vec<(i64, u8)> = Vec::new();
    let mut line = Vec::with_capacity(512);
    let mut flaws_so_far = 0;
    for day in days {
        output.open(day, || FileFormat {
            codec: if compress {
                Codec::Zstandard
            } else {
                Codec::Plain
            },
            no_final_newline: day.weekday == 6,
            ..FileFormat::plain()
        })?;
        logs.open(day)?;
        draw_times(company, day, &mut random, &mut times);
        let mut truncated = Vec::new();
        let truncate_today = day.index + 6 == days.len();
        for (index, &(second, kind)) in times.iter().enumerate() {
            line.clear();
            let kind = usize::from(kind);
            let record = writer.decision(&mut random, day.start + second, kind, true, &mut line);
            logs.write_decision(day, &record.decision)?;
            output.truth.hostile_texts += u64::from(record.hostile);
            if record.trace {
                *output
                    .truth
                    .unknown_fields
                    .entry("trace".to_string())
                    .or_default() += 1;
            }
            if truncate_today && index < TRUNCATED_FILE_LINES {
                truncated.push(line.clone());
                continue;
            }
            if random.chance(LATE_SHARE) {
                let delay = 1 + random.below(4);
                output.accept_late(day, delay, &line)?;
                continue;
            }
            output.accept(&line)?;
            // Records with an undeclared field are not duplicated, so that their count is exact.
            if random.chance(DUPLICATE_SHARE) && !record.trace {
                let delay = random.below(2);
                output.repeat(day, delay, &line)?;
            }
        }
        if !truncated.is_empty() {
            output.write_truncated_file(day, &truncated)?;
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
                writer.decision(random, second, SYNC, false, out);
            },
        )?;
        logs.end_day(day, days)?;
    }
    output.close()?;
    let mut sources = logs.close()?;
    sources.insert(0, ("decisions", output.truth));
    Ok(sources)
}

fn draw_times(company: &Company, day: &Day, random: &mut Random, times: &mut Vec<(i64, u8)>) {
    times.clear();
    let mean = company.decisions(day);
    for (kind, (_, share)) in DECISION_KINDS.iter().enumerate() {
        for _ in 0..random.overdispersed(mean * share, COUNT_SHAPE) {
            times.push((random.below(day.seconds as usize) as i64, kind as u8));
        }
    }
    times.sort_unstable();
}

/// A decision with the properties of its record.
struct DecisionRecord {
    decision: Decision,
    hostile: bool,
    trace: bool,
}

struct Writer {
    clock: Clock,
    next_number: u64,
    summaries: Vec<String>,
    hostile_summaries: Vec<String>,
}

impl Writer {
    fn new() -> Self {
        Self {
            clock: Clock::default(),
            next_number: 1,
            summaries: SUMMARIES.iter().map(|text| quoted(text)).collect(),
            hostile_summaries: hostile::TEXTS.iter().map(|text| quoted(text)).collect(),
        }
    }

    fn decision(
        &mut self,
        random: &mut Random,
        second: i64,
        kind: usize,
        allow_extra_fields: bool,
        out: &mut Vec<u8>,
    ) -> DecisionRecord {
        let hostile = random.chance(HOSTILE_SUMMARY_SHARE);
        let texts = if hostile {
            &self.hostile_summaries
        } else {
            &self.summaries
        };
        let summary = random.pick(texts);
        let trace = allow_extra_fields && random.chance(TRACE_SHARE);
        let confidence = 1.0 - 0.5 * random.unit().powi(2);
        let outcome = match random.unit() {
            share if share < 0.92 => "accepted",
            share if share < 0.98 => "corrected",
            _ => "rejected",
        };
        let tokens = random.log_normal(700.0, 0.5).round();
        let latency = random.log_normal(900.0, 0.4).round();
        let number = self.next_number;
        self.next_number += 1;
        let _ = write!(out, "{{\"id\":\"D-{number:08}\",\"time\":\"");
        self.clock.write(second, out);
        let _ = write!(
            out,
            "\",\"kind\":\"{}\",\"outcome\":\"{outcome}\",\"confidence\":{confidence:.3},\
             \"tokens\":{tokens},\"latency_ms\":{latency},\"summary\":{summary}",
            DECISION_KINDS[kind].0
        );
        if trace {
            out.extend_from_slice(b",\"trace\":{\"span\":\"7f3a\",\"level\":2}");
        }
        if allow_extra_fields && random.chance(PAYLOAD_SHARE) {
            let _ = write!(
                out,
                ",\"payload\":{{\"records\":{},\"source\":{{\"page\":null,\"tags\":[\"a\",1]}}}}",
                random.below(20)
            );
        }
        out.push(b'}');
        let decision = Decision {
            number,
            second,
            kind,
            outcome,
            latency_ms: latency,
        };
        DecisionRecord {
            decision,
            hostile,
            trace,
        }
    }
}
