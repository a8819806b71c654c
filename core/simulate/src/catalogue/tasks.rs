//! Tasks, their attempts, and the links between tasks. Tasks come from plans, tickets and
//! incidents; one in ten is exported as open first, and in its final state some days later.

use super::{
    incidents::Incident,
    row::{RecordFormat, Row},
    table::{Spec, Table},
};
use crate::{
    Error,
    calendar::Day,
    company::{COMPONENTS, COUNT_SHAPE, Company},
    hostile::{Flaw, TEXTS},
    output::{Codec, FileFormat, Layout},
    tickets::TaskTicket,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Mean number of tasks per working day at scale 1; no tasks are created on other days.
const TASKS_PER_DAY: f64 = 22.0;
/// Share of tasks that are exported as open first.
const EARLY_EXPORT_SHARE: f64 = 0.1;
/// Share of tasks that are not started for months.
const POSTPONED_SHARE: f64 = 0.06;
/// Share of tasks that are linked to an earlier task.
const LINKED_SHARE: f64 = 0.35;
/// Number of preceding tasks that a task can be linked to.
const LINK_REACH: usize = 60;
/// Number of preceding tickets that a task can come from.
const TICKET_REACH: usize = 10;
/// Share of accepted tasks with a hostile title.
const HOSTILE_TITLE_SHARE: f64 = 0.01;
const TITLES: [&str; 6] = [
    "Write the index anew",
    "Raise the limit for uploads",
    "Describe how to restore a backup",
    "Rechnungen auf die neue Vorlage umstellen",
    "Find out why the import is slow",
    "Ask the supplier for a second line",
];
const PROJECTS: [&str; 4] = ["platform", "growth", "compliance", "顧客"];
const PEOPLE: [&str; 5] = [
    "Ana Ruiz",
    "Bo Lindqvist",
    "Chidi Okafor",
    "佐藤 花子",
    "=cmd('name')",
];
const TAGS: [&str; 5] = ["debt", "customer", "security", "ops", "übersetzung"];
const ERRORS: [&str; 5] = [
    "tests failed: 3 of 412",
    "review asked for changes; see the notes",
    "no machine was free",
    "=cmd()",
    "he said \"no\"; then left",
];

const TASK_FLAWS: [Flaw; 10] = [
    Flaw::Value("priority", "9", reason::OUT_OF_RANGE),
    Flaw::Value("status", "\"nearly done\"", reason::NOT_ALLOWED),
    Flaw::Truncated,
    Flaw::MissingField("title"),
    Flaw::Value("estimated_min", "\"2 days\"", reason::WRONG_TYPE),
    Flaw::Value("priority", "1.5", reason::WRONG_TYPE),
    Flaw::Value("updated_at", "null", reason::MISSING),
    Flaw::InvalidUtf8("title"),
    Flaw::LongText("description"),
    Flaw::RawNull("title"),
];
const TASKS: Spec = Spec {
    name: "tasks",
    stream: 22,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Weekly,
    file_format: FileFormat::with_codec(Codec::Gzip),
    delay: 9,
    flaws: &TASK_FLAWS,
};

const EXECUTION_FLAWS: [Flaw; 7] = [
    Flaw::Truncated,
    Flaw::Value("attempt", "0", reason::OUT_OF_RANGE),
    Flaw::Value("status", "done", reason::NOT_ALLOWED),
    Flaw::MissingField("task_id"),
    Flaw::Value("duration_s", "1h", reason::WRONG_TYPE),
    Flaw::Value("started_at", "soon", reason::WRONG_TYPE),
    Flaw::InvalidUtf8("executor"),
];
const EXECUTIONS: Spec = Spec {
    name: "task_executions",
    stream: 23,
    format: RecordFormat::Csv(','),
    header: Some(
        "id,task_id,attempt,started_at,ended_at,status,duration_s,executor,cpu_s,memory_mb,error",
    ),
    layout: Layout::Weekly,
    file_format: FileFormat {
        carriage_return: true,
        ..FileFormat::with_codec(Codec::Zstandard)
    },
    delay: 9,
    flaws: &EXECUTION_FLAWS,
};

const DEPENDENCY_FLAWS: [Flaw; 4] = [
    Flaw::Value("kind", "parent", reason::NOT_ALLOWED),
    Flaw::MissingField("dependent_task_id"),
    Flaw::Truncated,
    Flaw::Value("created_at", "2026-02-30", reason::WRONG_TYPE),
];
const DEPENDENCIES: Spec = Spec {
    name: "task_dependencies",
    stream: 24,
    format: RecordFormat::Csv(','),
    header: Some("parent_task_id,dependent_task_id,kind,created_at"),
    layout: Layout::Monthly,
    file_format: FileFormat::with_codec(Codec::Plain),
    delay: 40,
    flaws: &DEPENDENCY_FLAWS,
};

/// The three tables, and the state between tasks.
struct TaskTables<'a> {
    tasks: Table,
    executions: Table,
    dependencies: Table,
    incidents: &'a [Incident],
    tickets: &'a [TaskTicket],
    /// For each task so far, true if it is not started for months.
    postponed: Vec<bool>,
    /// Number of the last task.
    number: usize,
    /// Number of the last attempt.
    attempt: usize,
    until: i64,
}

/// Writes the three tables.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    (incidents, tickets): (&[Incident], &[TaskTicket]),
    seed: u64,
    compress: bool,
) -> Result<[(&'static str, SourceTruth); 3], Error> {
    let days = &company.days;
    let table = |spec| Table::new(root, spec, seed, compress, days);
    let mut tables = TaskTables {
        tasks: table(TASKS),
        executions: table(EXECUTIONS),
        dependencies: table(DEPENDENCIES),
        incidents,
        tickets,
        postponed: Vec::new(),
        number: 0,
        attempt: 0,
        until: days.last().map_or(0, |day| day.start + day.seconds),
    };
    for day in days {
        tables.day(day, company)?;
        for table in [
            &mut tables.tasks,
            &mut tables.executions,
            &mut tables.dependencies,
        ] {
            table.end_day(day, days)?;
        }
    }
    Ok([
        tables.tasks.close()?,
        tables.executions.close()?,
        tables.dependencies.close()?,
    ])
}

/// A task, drawn completely in advance.
struct Task {
    id: String,
    created: i64,
    started: i64,
    /// End, in seconds since 1970; after the simulation for open tasks.
    ended: i64,
    attempts: usize,
    cancelled: bool,
    exported_early: bool,
    row: Row,
    estimated: f64,
}

impl TaskTables<'_> {
    fn day(&mut self, day: &Day, company: &Company) -> Result<(), Error> {
        for table in [
            &mut self.tasks,
            &mut self.executions,
            &mut self.dependencies,
        ] {
            table.open(day)?;
        }
        if day.is_weekend() {
            return Ok(());
        }
        let count = self
            .tasks
            .random
            .overdispersed(TASKS_PER_DAY * company.scale, COUNT_SHAPE);
        let random = &mut self.tasks.random;
        let mut moments: Vec<i64> = (0..count)
            .map(|_| day.start + random.below(day.seconds as usize) as i64)
            .collect();
        moments.sort_unstable();
        for second in moments {
            self.number += 1;
            let is_blocked = self.link(day, second)?;
            let task = self.draw(second, is_blocked);
            self.put(day, &task)?;
            self.attempts(day, &task)?;
        }
        Ok(())
    }

    fn draw(&mut self, created: i64, is_blocked: bool) -> Task {
        let number = self.number;
        // The last incident before the task, if it is less than three days old.
        let count = self
            .incidents
            .partition_point(|incident| incident.second <= created);
        let cause = self.incidents[..count].last();
        let cause = cause.filter(|incident| created - incident.second < 3 * 86_400);
        // One of the last tickets before the task.
        let count = self
            .tickets
            .partition_point(|(second, _)| *second <= created);
        let tickets = &self.tickets[count.saturating_sub(TICKET_REACH)..count];
        let random = &mut self.tasks.random;
        let hostile = random.chance(HOSTILE_TITLE_SHARE);
        let title = *random.pick(if hostile { &TEXTS[..] } else { &TITLES[..] });
        let estimated = (random.log_normal(180.0, 0.7) / 15.0).ceil() * 15.0;
        let mut started = created + random.log_normal(86_400.0, 0.8) as i64;
        let is_postponed = is_blocked || random.chance(POSTPONED_SHARE);
        self.postponed.push(is_postponed);
        if is_postponed {
            started += 90 * 86_400;
        }
        let ended = started + (estimated * 60.0 * random.log_normal(1.1, 0.4)) as i64;
        let from_incident = cause.filter(|_| random.chance(0.4));
        let from_ticket = (!tickets.is_empty() && random.chance(0.3)).then(|| random.pick(tickets));
        let (source, source_id) = match (from_incident, from_ticket) {
            (Some(incident), _) => ("incident", Some(incident.id.clone())),
            (None, Some((_, ticket))) => ("ticket", Some(format!("T-{ticket:08}"))),
            (None, None) => ("plan", None),
        };
        let row = Row::new()
            .text("id", format!("TASK-{number:06}"))
            .time("created_at", created)
            .text("title", title)
            .text(
                "description",
                *random.pick(&["", "See the notes of the last meeting.\nNo hurry."]),
            )
            .raw("priority", (random.unit().powi(2) * 5.0) as u8)
            .text("project", *random.pick(&PROJECTS))
            .text("component", *random.pick(&COMPONENTS))
            .text("assignee", *random.pick(&PEOPLE))
            .text("source", source)
            .maybe_text("source_id", source_id)
            .raw("estimated_min", estimated)
            .raw(
                "complexity",
                format!("{:.1}", 100.0 * random.unit().powi(2)),
            )
            .list("tags", &[*random.pick(&TAGS), *random.pick(&TAGS)])
            .hostile(hostile);
        Task {
            id: format!("TASK-{number:06}"),
            created,
            started,
            ended,
            attempts: 1 + usize::from(random.chance(0.25)) + usize::from(random.chance(0.1)),
            cancelled: random.chance(0.05),
            exported_early: random.chance(EARLY_EXPORT_SHARE),
            row,
            estimated,
        }
    }

    /// Writes the final state of the task, or its state at the end of the simulation; for some
    /// tasks, an earlier state first.
    fn put(&mut self, day: &Day, task: &Task) -> Result<(), Error> {
        let latest_state = if task.ended < self.until {
            let status = if task.cancelled { "cancelled" } else { "done" };
            let minutes = (task.ended - task.started) as f64 / 60.0;
            task.state(status, task.ended, (!task.cancelled).then_some(minutes))
        } else if task.started < self.until {
            task.state("in_progress", task.started, None)
        } else {
            task.state("open", task.created, None)
        };
        if !task.exported_early {
            return self.tasks.put(day, latest_state);
        }
        self.tasks
            .put(day, task.state("open", task.created, None))?;
        let delay = 1 + self.tasks.random.below(6);
        self.tasks.put_update(day, delay, &latest_state)
    }

    /// Writes the attempts: the last attempt ends with the task's result, all others failed.
    fn attempts(&mut self, day: &Day, task: &Task) -> Result<(), Error> {
        let length = (task.ended - task.started) / task.attempts as i64;
        for attempt in 1..=task.attempts {
            let start = task.started + length * (attempt as i64 - 1);
            if start >= self.until {
                break;
            }
            let end = (start + length < self.until).then_some(start + length);
            let status = match end {
                None => "running",
                Some(_) if attempt < task.attempts => "failed",
                Some(_) if task.cancelled => "cancelled",
                Some(_) => "ok",
            };
            self.attempt += 1;
            let random = &mut self.executions.random;
            let error = random.pick(&ERRORS);
            let executor = random.pick(&PEOPLE);
            let row = Row::new()
                .text("id", format!("TE-{:08}", self.attempt))
                .text("task_id", task.id.as_str())
                .raw("attempt", attempt)
                .time("started_at", start)
                .maybe_time("ended_at", end)
                .text("status", status)
                .maybe_raw("duration_s", end.map(|end| end - start))
                .text("executor", *executor)
                .raw(
                    "cpu_s",
                    format!("{:.1}", task.estimated * random.log_normal(2.0, 0.5)),
                )
                .raw("memory_mb", random.log_normal(800.0, 0.5).round())
                .maybe_text("error", (status == "failed").then_some(*error))
                .hostile(
                    executor.starts_with('=') || (status == "failed" && error.starts_with('=')),
                );
            self.executions.put(day, row)?;
        }
        Ok(())
    }

    /// Links some tasks to an earlier task; returns true if the task must wait for the earlier
    /// task.
    fn link(&mut self, day: &Day, second: i64) -> Result<bool, Error> {
        let random = &mut self.dependencies.random;
        if self.number < 2 || !random.chance(LINKED_SHARE) {
            return Ok(false);
        }
        let distance = 1 + random.below(LINK_REACH.min(self.number - 1));
        let kind = match random.unit() {
            share if share < 0.6 => "blocks",
            share if share < 0.9 => "relates_to",
            _ => "duplicates",
        };
        let row = Row::new()
            .text(
                "parent_task_id",
                format!("TASK-{:06}", self.number - distance),
            )
            .text("dependent_task_id", format!("TASK-{:06}", self.number))
            .text("kind", kind)
            .time("created_at", second);
        self.dependencies.put(day, row)?;
        Ok(kind == "blocks" && self.postponed[self.number - distance - 1])
    }
}

impl Task {
    fn state(&self, status: &str, updated: i64, minutes: Option<f64>) -> Row {
        self.row
            .clone()
            .text("status", status)
            .time("updated_at", updated)
            .maybe_raw("actual_min", minutes.map(|minutes| format!("{minutes:.0}")))
    }
}
