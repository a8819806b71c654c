//! Tickets for the comparison of readers: one file per week, as JSON Lines and as CSV.
//!
//! One record in fifty violates the contract, and one in two hundred repeats an earlier id. The
//! same size gives the same records on every machine.

use crate::date::date;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// Number of weeks of the full load; one more week is the increment.
pub const WEEKS: u64 = 52;
/// The contract of all records.
pub const CONTRACT: &str = r#"title = "Ticket"
key   = ["id"]
time  = "opened"

[field.id]
type       = "string"
required   = true
max_length = 40

[field.customer]
type = "string"
required = true

[field.service]
type     = "string"
required = true
allowed  = ["billing", "search", "login", "export", "mail", "payments", "reports", "api"]

[field.channel]
type    = "string"
allowed = ["phone", "chat", "mail", "form"]

[field.priority]
type     = "integer"
required = true
min      = 1
max      = 5

[field.opened]
type     = "timestamp"
required = true

[field.closed]
type = "timestamp"

[field.reopened]
type     = "boolean"
required = true

[field.cost]
type     = "number"
required = true
min      = 0
max      = 100000

[field.score]
type = "integer"
min  = 1
max  = 10

[field.subject]
type       = "string"
max_length = 200
"#;

const SERVICES: [&str; 8] = [
    "billing", "search", "login", "export", "mail", "payments", "reports", "api",
];
const CHANNELS: [&str; 4] = ["phone", "chat", "mail", "form"];
const WORDS: [&str; 16] = [
    "cannot",
    "order",
    "slow",
    "after",
    "update",
    "customer",
    "invoice",
    "page",
    "shows",
    "wrong",
    "amount",
    "since",
    "yesterday",
    "again",
    "report",
    "timeout",
];
/// 2025-01-06, the Monday of the first week, in days since 1970.
const FIRST_DAY: u64 = 20_094;
const WEEK_SECONDS: u64 = 7 * 86_400;

/// Format of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

/// The path of a week's file.
pub fn week_path(folder: &Path, number: u64, extension: &str) -> PathBuf {
    folder.join(format!("week-{number:02}.{extension}"))
}

/// Writes the records of one week, whose first record has the number `first`; returns their size in
/// bytes.
pub fn write(
    path: &Path,
    format: Format,
    number: u64,
    first: u64,
    records: u64,
) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    if format == Format::Csv {
        out.write_all(
            b"id,customer,service,channel,priority,opened,closed,reopened,cost,score,subject\n",
        )?;
    }
    let mut subject = String::new();
    for index in first..first + records {
        let ticket = Ticket::draw(index, number, index - first, records, &mut subject);
        match format {
            Format::Jsonl => ticket.write_json(&mut out)?,
            Format::Csv => ticket.write_csv(&mut out)?,
        }
    }
    out.flush()?;
    drop(out);
    fs::metadata(path).map(|meta| meta.len())
}

/// A ticket; `None` is null.
struct Ticket<'a> {
    id: u64,
    customer: u64,
    service: &'a str,
    channel: Option<&'a str>,
    priority: u64,
    opened: Option<u64>,
    closed: Option<u64>,
    reopened: bool,
    cents: i64,
    score: Option<u64>,
    subject: &'a str,
}

impl<'a> Ticket<'a> {
    /// Draws the record with this index, in a week of `records` records.
    fn draw(
        index: u64,
        week: u64,
        index_in_week: u64,
        records: u64,
        subject: &'a mut String,
    ) -> Self {
        let mut random = Random(index);
        let opened =
            FIRST_DAY * 86_400 + (week - 1) * WEEK_SECONDS + index_in_week * WEEK_SECONDS / records;
        let closed = (random.below(10) > 0).then(|| opened + 600 + random.below(400_000));
        subject.clear();
        for word in 0..6 + random.below(5) {
            if word > 0 {
                subject.push(' ');
            }
            subject.push_str(random.pick(&WORDS));
        }
        let is_repeated = random.below(200) == 0 && index > 5_000;
        let distance = random.below(5_000);
        let mut ticket = Self {
            id: if is_repeated { index - distance } else { index },
            customer: random.below(100_000),
            service: random.pick(&SERVICES),
            channel: (random.below(20) > 0).then(|| random.pick(&CHANNELS)),
            priority: 1 + random.below(5),
            opened: Some(opened),
            closed,
            reopened: random.below(10) == 0,
            cents: random.below(2_000_000) as i64,
            score: (random.below(3) == 0).then(|| 1 + random.below(10)),
            subject,
        };
        match random.below(200) {
            0 => ticket.service = "unknown",
            1 => ticket.priority = 9,
            2 => ticket.opened = None,
            3 => ticket.cents = -100,
            _ => {}
        }
        ticket
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write!(
            out,
            r#"{{"id":"T-{:010}","customer":"customer-{:05}","service":"{}","channel":"#,
            self.id, self.customer, self.service
        )?;
        match self.channel {
            Some(channel) => write!(out, r#""{channel}""#)?,
            None => write!(out, "null")?,
        }
        write!(out, r#","priority":{},"opened":"#, self.priority)?;
        match self.opened {
            Some(second) => write!(out, r#""{}""#, Timestamp(second))?,
            None => write!(out, "null")?,
        }
        write!(out, r#","closed":"#)?;
        match self.closed {
            Some(second) => write!(out, r#""{}""#, Timestamp(second))?,
            None => write!(out, "null")?,
        }
        let (euros, cents) = (self.cents / 100, self.cents.abs() % 100);
        write!(
            out,
            r#","reopened":{},"cost":{euros}.{cents:02},"score":"#,
            self.reopened
        )?;
        match self.score {
            Some(score) => write!(out, "{score}")?,
            None => write!(out, "null")?,
        }
        writeln!(out, r#","subject":"{}"}}"#, self.subject)
    }

    fn write_csv(&self, out: &mut impl Write) -> io::Result<()> {
        let text = |seconds: Option<u64>| seconds.map(|seconds| Timestamp(seconds).to_string());
        let (euros, cents) = (self.cents / 100, self.cents.abs() % 100);
        writeln!(
            out,
            "T-{:010},customer-{:05},{},{},{},{},{},{},{euros}.{cents:02},{},{}",
            self.id,
            self.customer,
            self.service,
            self.channel.unwrap_or_default(),
            self.priority,
            text(self.opened).unwrap_or_default(),
            text(self.closed).unwrap_or_default(),
            self.reopened,
            self.score
                .map_or_else(String::new, |score| score.to_string()),
            self.subject
        )
    }
}

/// Formats seconds since 1970.
struct Timestamp(u64);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        write!(
            f,
            "{}T{:02}:{:02}:{:02}Z",
            date(days as i64),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014), restarted for each record.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        items[self.below(items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_calendar_dates() {
        let first = FIRST_DAY * 86_400;
        assert_eq!(Timestamp(first).to_string(), "2025-01-06T00:00:00Z");
        assert_eq!(
            Timestamp(first + 52 * WEEK_SECONDS).to_string(),
            "2026-01-05T00:00:00Z"
        );
    }

    #[test]
    fn records_are_the_same_in_both_formats() {
        let folder = std::env::temp_dir().join(format!("xtask-records-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (json, csv) = (week_path(&folder, 3, "jsonl"), week_path(&folder, 3, "csv"));
        write(&json, Format::Jsonl, 3, 70_000, 1_000).unwrap();
        write(&csv, Format::Csv, 3, 70_000, 1_000).unwrap();
        let (json, csv) = (fs::read_to_string(json), fs::read_to_string(csv));
        let (json, csv) = (json.unwrap(), csv.unwrap());
        assert_eq!((json.lines().count(), csv.lines().count()), (1_000, 1_001));
        for (json, csv) in json.lines().zip(csv.lines().skip(1)) {
            let id = csv.split(',').next().unwrap();
            assert!(
                json.starts_with(&format!("{{\"id\":\"{id}\"")),
                "{json}\n{csv}"
            );
        }
        assert!(json.matches("\"unknown\"").count() > 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
