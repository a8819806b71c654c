//! The log of decisions of AI components, one JSON object per line, one file per day.

use crate::{
    Error,
    calendar::{Clock, Day},
    catalogue::logs::{Decision, Logs},
    company::{COUNT_SHAPE, Company, DECISION_KINDS, HOSTILE_SHARE, LATE_SHARE, REPEAT_SHARE},
    hostile::{self, Flaw},
    output::{Feed, Layout, Packing, Style, quoted},
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
/// Share of accepted decisions with a hostile summary and an unlisted field.
const HOSTILE_SUMMARY_SHARE: f64 = 0.003;
const TRACE_SHARE: f64 = 0.01;
/// Share of decisions with their inputs.
const PAYLOAD_SHARE: f64 = 0.05;
/// Index of `sync` in [`DECISION_KINDS`].
const SYNC: usize = 3;
/// Number of records of one day in a truncated gzip file.
const CUT_FILE_LINES: usize = 5;

const FLAWS: [Flaw; 9] = [
    Flaw::Value("confidence", "1.7", reason::OUT_OF_RANGE),
    Flaw::Cut,
    Flaw::Value("outcome", "\"maybe\"", reason::NOT_ALLOWED),
    Flaw::Value("tokens", "\"many\"", reason::WRONG_TYPE),
    Flaw::Value("tokens", "12.5", reason::WRONG_TYPE),
    Flaw::Without("kind"),
    Flaw::Deep,
    Flaw::Value("latency_ms", "-1", reason::OUT_OF_RANGE),
    Flaw::Long("summary"),
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
    let mut feed = Feed::new(root, "decisions", "jsonl", None, Layout::Daily, last);
    let mut logs = Logs::new(root, seed, compress, days);
    let mut writer = Writer::new();
    let mut moments: Vec<(i64, u8)> = Vec::new();
    let mut line = Vec::with_capacity(512);
    let mut turn = 0;
    for day in days {
        feed.open(day, || Style {
            packing: if compress {
                Packing::Zstandard
            } else {
                Packing::Plain
            },
            open_end: day.weekday == 6,
            ..Style::plain()
        })?;
        logs.open(day)?;
        draw_moments(company, day, &mut random, &mut moments);
        let mut cut = Vec::new();
        let cut_today = day.index + 6 == days.len();
        for (at, &(second, kind)) in moments.iter().enumerate() {
            line.clear();
            let kind = usize::from(kind);
            let marks = writer.decision(&mut random, day.start + second, kind, true, &mut line);
            logs.decision(day, &marks.decision)?;
            feed.truth.hostile_texts += u64::from(marks.hostile);
            if marks.trace {
                *feed
                    .truth
                    .unknown_fields
                    .entry("trace".to_string())
                    .or_default() += 1;
            }
            if cut_today && at < CUT_FILE_LINES {
                cut.push(line.clone());
                continue;
            }
            if random.chance(LATE_SHARE) {
                let delay = 1 + random.below(4);
                feed.accept_late(day, delay, &line)?;
                continue;
            }
            feed.accept(&line)?;
            // Records with an unlisted field are not duplicated, so that their count is exact.
            if random.chance(REPEAT_SHARE) && !marks.trace {
                let delay = random.below(2);
                feed.repeat(day, delay, &line)?;
            }
        }
        if !cut.is_empty() {
            feed.truncated_file(day, &cut)?;
        }
        let expected = moments.len() as f64 * HOSTILE_SHARE;
        let all = day.index + 7 == days.len();
        hostile::scatter(
            &mut feed,
            &mut random,
            &mut turn,
            expected,
            all,
            &FLAWS,
            |random, out| {
                let second = day.start + random.below(day.seconds as usize) as i64;
                writer.decision(random, second, SYNC, false, out);
            },
        )?;
        logs.end(day, days)?;
    }
    feed.close()?;
    let mut sources = logs.close()?;
    sources.insert(0, ("decisions", feed.truth));
    Ok(sources)
}

fn draw_moments(company: &Company, day: &Day, random: &mut Random, moments: &mut Vec<(i64, u8)>) {
    moments.clear();
    let mean = company.decisions(day);
    for (kind, (_, share)) in DECISION_KINDS.iter().enumerate() {
        for _ in 0..random.overdispersed(mean * share, COUNT_SHAPE) {
            moments.push((random.below(day.seconds as usize) as i64, kind as u8));
        }
    }
    moments.sort_unstable();
}

struct Marks {
    decision: Decision,
    hostile: bool,
    trace: bool,
}

struct Writer {
    clock: Clock,
    next: u64,
    summaries: Vec<String>,
    hostile_summaries: Vec<String>,
}

impl Writer {
    fn new() -> Self {
        Self {
            clock: Clock::default(),
            next: 1,
            summaries: SUMMARIES.iter().map(|text| quoted(text)).collect(),
            hostile_summaries: hostile::TEXTS.iter().map(|text| quoted(text)).collect(),
        }
    }

    fn decision(
        &mut self,
        random: &mut Random,
        second: i64,
        kind: usize,
        may_carry_more: bool,
        out: &mut Vec<u8>,
    ) -> Marks {
        let hostile = random.chance(HOSTILE_SUMMARY_SHARE);
        let texts = if hostile {
            &self.hostile_summaries
        } else {
            &self.summaries
        };
        let summary = random.pick(texts);
        let trace = may_carry_more && random.chance(TRACE_SHARE);
        let confidence = 1.0 - 0.5 * random.unit().powi(2);
        let outcome = match random.unit() {
            share if share < 0.92 => "accepted",
            share if share < 0.98 => "corrected",
            _ => "rejected",
        };
        let tokens = random.log_normal(700.0, 0.5).round();
        let latency = random.log_normal(900.0, 0.4).round();
        let number = self.next;
        self.next += 1;
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
        if may_carry_more && random.chance(PAYLOAD_SHARE) {
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
        Marks {
            decision,
            hostile,
            trace,
        }
    }
}
