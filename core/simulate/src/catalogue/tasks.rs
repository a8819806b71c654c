//! Tasks, their attempts, and the links between tasks. Tasks come from plans, tickets and
//! incidents; one in ten is exported before it is done, and again some days later.

use super::{
    incidents::Incident,
    row::{Row, Shape},
    table::{Spec, Table},
};
use crate::{
    Error,
    calendar::Day,
    company::{COMPONENTS, COUNT_SHAPE, Company},
    hostile::{Flaw, TEXTS},
    output::{Layout, Packing, Style},
    tickets::TaskTicket,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Tasks per working day at scale 1; there are none on other days.
const PER_DAY: f64 = 22.0;
/// Share of tasks that are exported before they are done.
const UNDER_WAY_SHARE: f64 = 0.1;
/// Share of tasks that are not started for months.
const PARKED_SHARE: f64 = 0.06;
/// Share of tasks linked to an earlier one.
const TIED_SHARE: f64 = 0.35;
/// Number of preceding tasks that a task can be linked to.
const TIE_REACH: usize = 60;
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
    Flaw::Cut,
    Flaw::Without("title"),
    Flaw::Value("estimated_min", "\"2 days\"", reason::WRONG_TYPE),
    Flaw::Value("priority", "1.5", reason::WRONG_TYPE),
    Flaw::Value("updated_at", "null", reason::MISSING),
    Flaw::BadText("title"),
    Flaw::Long("description"),
    Flaw::RawNull("title"),
];
const TASKS: Spec = Spec {
    name: "tasks",
    stream: 22,
    shape: Shape::Json,
    header: None,
    layout: Layout::Weekly,
    style: Style::packed(Packing::Gzip),
    delay: 9,
    flaws: &TASK_FLAWS,
};

const EXECUTION_FLAWS: [Flaw; 7] = [
    Flaw::Cut,
    Flaw::Value("attempt", "0", reason::OUT_OF_RANGE),
    Flaw::Value("status", "done", reason::NOT_ALLOWED),
    Flaw::Without("task_id"),
    Flaw::Value("duration_s", "1h", reason::WRONG_TYPE),
    Flaw::Value("started_at", "soon", reason::WRONG_TYPE),
    Flaw::BadText("executor"),
];
const EXECUTIONS: Spec = Spec {
    name: "task_executions",
    stream: 23,
    shape: Shape::Csv(','),
    header: Some(
        "id,task_id,attempt,started_at,ended_at,status,duration_s,executor,cpu_s,memory_mb,error",
    ),
    layout: Layout::Weekly,
    style: Style {
        carriage_return: true,
        ..Style::packed(Packing::Zstandard)
    },
    delay: 9,
    flaws: &EXECUTION_FLAWS,
};

const DEPENDENCY_FLAWS: [Flaw; 4] = [
    Flaw::Value("kind", "parent", reason::NOT_ALLOWED),
    Flaw::Without("dependent_task_id"),
    Flaw::Cut,
    Flaw::Value("created_at", "2026-02-30", reason::WRONG_TYPE),
];
const DEPENDENCIES: Spec = Spec {
    name: "task_dependencies",
    stream: 24,
    shape: Shape::Csv(','),
    header: Some("parent_task_id,dependent_task_id,kind,created_at"),
    layout: Layout::Monthly,
    style: Style::packed(Packing::Plain),
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
    /// For each task so far, true if it waits for months.
    parked: Vec<bool>,
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
    let mut board = TaskTables {
        tasks: table(TASKS),
        executions: table(EXECUTIONS),
        dependencies: table(DEPENDENCIES),
        incidents,
        tickets,
        parked: Vec::new(),
        number: 0,
        attempt: 0,
        until: days.last().map_or(0, |day| day.start + day.seconds),
    };
    for day in days {
        board.day(day, company)?;
        for table in [
            &mut board.tasks,
            &mut board.executions,
            &mut board.dependencies,
        ] {
            table.end(day, days)?;
        }
    }
    Ok([
        board.tasks.close()?,
        board.executions.close()?,
        board.dependencies.close()?,
    ])
}

/// A task, drawn completely in advance.
struct Task {
    id: String,
    created: i64,
    begun: i64,
    /// End, in seconds since 1970; after the simulation for open tasks.
    ended: i64,
    attempts: usize,
    cancelled: bool,
    under_way: bool,
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
            .overdispersed(PER_DAY * company.scale, COUNT_SHAPE);
        let random = &mut self.tasks.random;
        let mut moments: Vec<i64> = (0..count)
            .map(|_| day.start + random.below(day.seconds as usize) as i64)
            .collect();
        moments.sort_unstable();
        for second in moments {
            self.number += 1;
            let waits = self.tie(day, second)?;
            let task = self.draw(second, waits);
            self.put(day, &task)?;
            self.attempts(day, &task)?;
        }
        Ok(())
    }

    fn draw(&mut self, created: i64, waits: bool) -> Task {
        let number = self.number;
        // The last incident before the task, if it is of the last three days.
        let begun = self.incidents.partition_point(|one| one.second <= created);
        let cause = self.incidents[..begun].last();
        let cause = cause.filter(|one| created - one.second < 3 * 86_400);
        // One of the last tickets before the task.
        let opened = self
            .tickets
            .partition_point(|(second, _)| *second <= created);
        let tickets = &self.tickets[opened.saturating_sub(TICKET_REACH)..opened];
        let random = &mut self.tasks.random;
        let hostile = random.chance(HOSTILE_TITLE_SHARE);
        let title = *random.pick(if hostile { &TEXTS[..] } else { &TITLES[..] });
        let estimated = (random.log_normal(180.0, 0.7) / 15.0).ceil() * 15.0;
        let mut begins = created + random.log_normal(86_400.0, 0.8) as i64;
        let is_parked = waits || random.chance(PARKED_SHARE);
        self.parked.push(is_parked);
        if is_parked {
            begins += 90 * 86_400;
        }
        let ends = begins + (estimated * 60.0 * random.log_normal(1.1, 0.4)) as i64;
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
            begun: begins,
            ended: ends,
            attempts: 1 + usize::from(random.chance(0.25)) + usize::from(random.chance(0.1)),
            cancelled: random.chance(0.05),
            under_way: random.chance(UNDER_WAY_SHARE),
            row,
            estimated,
        }
    }

    /// Writes the final state of the task, or its state at the end of the simulation; for some
    /// tasks, an earlier state first.
    fn put(&mut self, day: &Day, task: &Task) -> Result<(), Error> {
        let last = if task.ended < self.until {
            let status = if task.cancelled { "cancelled" } else { "done" };
            let took = (task.ended - task.begun) as f64 / 60.0;
            task.state(status, task.ended, (!task.cancelled).then_some(took))
        } else if task.begun < self.until {
            task.state("in_progress", task.begun, None)
        } else {
            task.state("open", task.created, None)
        };
        if !task.under_way {
            return self.tasks.put(day, last);
        }
        self.tasks
            .put(day, task.state("open", task.created, None))?;
        let delay = 1 + self.tasks.random.below(6);
        self.tasks.put_again(day, delay, &last)
    }

    /// Writes the attempts: the last one ends with the task's result, the others failed.
    fn attempts(&mut self, day: &Day, task: &Task) -> Result<(), Error> {
        let length = (task.ended - task.begun) / task.attempts as i64;
        for attempt in 1..=task.attempts {
            let from = task.begun + length * (attempt as i64 - 1);
            if from >= self.until {
                break;
            }
            let to = (from + length < self.until).then_some(from + length);
            let status = match to {
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
                .time("started_at", from)
                .maybe_time("ended_at", to)
                .text("status", status)
                .maybe_raw("duration_s", to.map(|to| to - from))
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

    /// Links some tasks to an earlier one; returns true if the task has to wait for it.
    fn tie(&mut self, day: &Day, second: i64) -> Result<bool, Error> {
        let random = &mut self.dependencies.random;
        if self.number < 2 || !random.chance(TIED_SHARE) {
            return Ok(false);
        }
        let back = 1 + random.below(TIE_REACH.min(self.number - 1));
        let kind = match random.unit() {
            share if share < 0.6 => "blocks",
            share if share < 0.9 => "relates_to",
            _ => "duplicates",
        };
        let row = Row::new()
            .text("parent_task_id", format!("TASK-{:06}", self.number - back))
            .text("dependent_task_id", format!("TASK-{:06}", self.number))
            .text("kind", kind)
            .time("created_at", second);
        self.dependencies.put(day, row)?;
        Ok(kind == "blocks" && self.parked[self.number - back - 1])
    }
}

impl Task {
    fn state(&self, status: &str, updated: i64, took: Option<f64>) -> Row {
        self.row
            .clone()
            .text("status", status)
            .time("updated_at", updated)
            .maybe_raw("actual_min", took.map(|took| format!("{took:.0}")))
    }
}
