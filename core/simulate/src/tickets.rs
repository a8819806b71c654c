//! Support tickets, one JSON object per line, one file per day.

use crate::{
    Error,
    calendar::Clock,
    company::{Company, DUPLICATE_SHARE, FLAWED_SHARE, LATE_SHARE, TICKET_TYPES},
    hostile::{self, Flaw},
    output::{Codec, FileFormat, Layout, SourceWriter, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::{io::Write, path::Path};

/// Number of the random stream of tickets.
const STREAM: u64 = 1;
const SEVERITIES: [&str; 4] = ["low", "normal", "high", "critical"];
const PLANS: [&str; 3] = ["free", "team", "enterprise"];
const TAGS: [&str; 8] = [
    "import",
    "export",
    "login",
    "slow",
    "mobile",
    "api",
    "übersetzung",
    "请求",
];
const TITLES: [&str; 8] = [
    "Import fails with error 500",
    "Page does not load",
    "Numbers differ from last month",
    "Cannot sign in",
    "Export is empty",
    "Messages arrive twice",
    "Please add a second administrator",
    "Wie ändere ich die Währung?",
];
const BODIES: [&str; 4] = [
    "It happened this morning and again after lunch. The same file worked last week.",
    "Nothing happens when I press the button.\nThe page says \"try again\".",
    "We see this for two customers only.",
    "",
];
/// Share of accepted tickets with a hostile title.
const HOSTILE_TITLE_SHARE: f64 = 0.005;

const FLAWS: [Flaw; 15] = [
    Flaw::Truncated,
    Flaw::Value("component", "17", reason::WRONG_TYPE),
    Flaw::MissingField("id"),
    Flaw::Value("minutes_to_resolve", "-5", reason::OUT_OF_RANGE),
    Flaw::Value("severity", "\"catastrophic\"", reason::NOT_ALLOWED),
    Flaw::Garbage,
    Flaw::Value("created_at", "null", reason::MISSING),
    Flaw::RawNull("title"),
    Flaw::Value("minutes_to_resolve", "\"two hours\"", reason::WRONG_TYPE),
    Flaw::Value("title", "{\"text\":\"nested\"}", reason::WRONG_TYPE),
    Flaw::InvalidUtf8("title"),
    Flaw::Value("type", "\"=cmd()\"", reason::NOT_ALLOWED),
    Flaw::Value("created_at", "\"yesterday at noon\"", reason::WRONG_TYPE),
    Flaw::Value("minutes_to_resolve", "1e300", reason::OUT_OF_RANGE),
    Flaw::LongText("body"),
];

/// Every ticket whose number is a multiple of this may lead to a task.
const TASK_TICKET_EVERY: u64 = 20;

/// A ticket that may lead to a task: time of opening in seconds since 1970, and number.
pub(crate) type TaskTicket = (i64, u64);

/// Writes all tickets under `root/tickets`; returns the tickets that may lead to tasks.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<(SourceTruth, Vec<TaskTicket>), Error> {
    let days = &company.days;
    let last = days.len() - 1;
    let mut random = Random::new(seed, STREAM);
    let mut output = SourceWriter::new(root, "tickets", "jsonl", None, Layout::Daily, last);
    let mut writer = Writer::new();
    let mut times: Vec<(i64, u8, u8)> = Vec::new();
    let mut task_tickets = Vec::new();
    let mut line = Vec::with_capacity(1024);
    let mut flaws_so_far = 0;
    for day in days {
        let recent = day.index + 14 > last;
        output.open(day, || FileFormat {
            codec: if compress && !recent {
                Codec::Gzip
            } else {
                Codec::Plain
            },
            byte_order_mark: day.weekday == 0,
            ..FileFormat::plain()
        })?;
        times.clear();
        for component in 0..company.components.len() {
            for kind in 0..TICKET_TYPES.len() {
                let mean = company.tickets(day, component, kind);
                for _ in 0..random.overdispersed(mean, crate::company::COUNT_SHAPE) {
                    let second = random.below(day.seconds as usize) as i64;
                    times.push((second, component as u8, kind as u8));
                }
            }
        }
        times.sort_unstable();
        for &(second, component, kind) in &times {
            line.clear();
            let name = company.components[usize::from(component)].name;
            if writer.next_number.is_multiple_of(TASK_TICKET_EVERY) {
                task_tickets.push((day.start + second, writer.next_number));
            }
            let hostile = writer.ticket(
                &mut random,
                day.start + second,
                name,
                TICKET_TYPES[usize::from(kind)],
                &mut line,
            );
            output.truth.hostile_texts += u64::from(hostile);
            if random.chance(LATE_SHARE) {
                let delay = 1 + random.below(5);
                output.accept_late(day, delay, &line)?;
                continue;
            }
            output.accept(&line)?;
            if random.chance(DUPLICATE_SHARE) {
                let delay = random.below(3);
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
                writer.ticket(random, second, company.components[0].name, "request", out);
            },
        )?;
        if day.index % 10 == 3 {
            output.write_blank()?;
            output.write_blank()?;
        }
        if day.index + 5 == days.len() {
            output.write_empty_file(day)?;
        }
    }
    output.close()?;
    Ok((output.truth, task_tickets))
}

/// Formats lines, with a cache of escaped strings.
struct Writer {
    clock: Clock,
    next_number: u64,
    titles: Vec<String>,
    hostile_titles: Vec<String>,
    bodies: Vec<String>,
    tags: Vec<String>,
}

impl Writer {
    fn new() -> Self {
        let quote_all = |texts: &[&str]| texts.iter().map(|text| quoted(text)).collect();
        Self {
            clock: Clock::default(),
            next_number: 1,
            titles: quote_all(&TITLES),
            hostile_titles: quote_all(&hostile::TEXTS),
            bodies: quote_all(&BODIES),
            tags: quote_all(&TAGS),
        }
    }

    /// Appends a ticket; returns true if its title is hostile.
    fn ticket(
        &mut self,
        random: &mut Random,
        second: i64,
        component: &str,
        kind: &str,
        out: &mut Vec<u8>,
    ) -> bool {
        let hostile = random.chance(HOSTILE_TITLE_SHARE);
        let title = if hostile {
            random.pick(&self.hostile_titles)
        } else {
            random.pick(&self.titles)
        };
        let severity = SEVERITIES[(random.unit().powi(2) * 4.0) as usize % 4];
        let minutes = (random.log_normal(90.0, 0.8).min(1200.0) * 10.0).round() / 10.0;
        let open = random.chance(0.02);
        let plan = random.pick(&PLANS);
        let customer = random.below(4000);
        let (first_tag, second_tag) =
            (random.below(self.tags.len()), random.below(self.tags.len()));
        let body = random.pick(&self.bodies);
        let status = if open { "open" } else { "resolved" };
        let _ = write!(
            out,
            "{{\"id\":\"T-{:08}\",\"created_at\":\"",
            self.next_number
        );
        self.next_number += 1;
        self.clock.write(second, out);
        let _ = write!(
            out,
            "\",\"type\":\"{kind}\",\"component\":\"{component}\",\"severity\":\"{severity}\",\
             \"status\":\"{status}\",\"minutes_to_resolve\":"
        );
        let _ = if open {
            write!(out, "null")
        } else {
            write!(out, "{minutes}")
        };
        let _ = write!(
            out,
            ",\"title\":{title},\"body\":{body},\"tags\":[{},{}],\
             \"customer\":{{\"id\":\"C-{customer:04}\",\"plan\":\"{plan}\"}},\"updates\":[",
            self.tags[first_tag], self.tags[second_tag]
        );
        out.extend_from_slice(b"{\"at\":\"");
        self.clock.write(second, out);
        out.extend_from_slice(b"\",\"status\":\"open\"}");
        if !open {
            out.extend_from_slice(b",{\"at\":\"");
            self.clock.write(second + (minutes * 60.0) as i64, out);
            out.extend_from_slice(b"\",\"status\":\"resolved\"}");
        }
        out.extend_from_slice(b"]}");
        hostile
    }
}
