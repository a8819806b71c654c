//! Alerts, raised when metrics pass their limits, when a pipeline fails twice in a row, and during
//! incidents.

use super::{
    incidents::Incident,
    row::{RecordFormat, Row},
    table::{Spec, Table},
    traces::Streak,
};
use crate::{
    Error,
    company::{Company, PIPELINES, SERVICES},
    hostile::Flaw,
    output::{Codec, FileFormat, Layout},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Memory use from which an alert is raised, in percent.
pub(crate) const MEMORY_ALERT_LIMIT: f64 = 80.0;
/// Latency from which an alert is raised, relative to the service's normal level.
pub(crate) const LATENCY_FACTOR: f64 = 1.4;
/// Error rate from which an alert is raised, relative to the service's normal level.
pub(crate) const ERROR_FACTOR: f64 = 2.0;
/// Maximum time from the start of an incident to its alerts, in seconds.
const MAX_ALERT_DELAY_S: usize = 1800;
/// Number of recent incidents that an alert may belong to.
const RECENT_INCIDENTS: usize = 32;

const FLAWS: [Flaw; 8] = [
    Flaw::Value("severity", "\"page\"", reason::NOT_ALLOWED),
    Flaw::Value("raised_at", "\"25 o'clock\"", reason::WRONG_TYPE),
    Flaw::MissingField("rule"),
    Flaw::Truncated,
    Flaw::Value("consecutive", "0", reason::OUT_OF_RANGE),
    Flaw::Value("value", "\"high\"", reason::WRONG_TYPE),
    Flaw::InvalidUtf8("message"),
    Flaw::Garbage,
];
const SPEC: Spec = Spec {
    name: "alerts",
    stream: 21,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Weekly,
    file_format: FileFormat {
        byte_order_mark: true,
        carriage_return: true,
        ..FileFormat::with_codec(Codec::Plain)
    },
    delay: 9,
    flaws: &FLAWS,
};

/// A metric with alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    Memory,
    Latency,
    Errors,
}

impl Metric {
    fn column(self) -> &'static str {
        match self {
            Metric::Memory => "memory_percent",
            Metric::Latency => "latency_ms",
            Metric::Errors => "error_rate",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Metric::Memory => "memory-high",
            Metric::Latency => "latency-above-usual",
            Metric::Errors => "errors-above-usual",
        }
    }
}

/// A period in which a metric is beyond its limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub second: i64,
    pub service: usize,
    pub metric: Metric,
    pub value: f64,
    pub limit: f64,
    /// Time of the first later sample within the limit, in seconds since 1970.
    pub ended: Option<i64>,
}

/// Finds faults in the samples of metrics as they are written.
pub(crate) struct FaultDetector {
    /// Index of the active fault by service and metric.
    active: [[Option<usize>; 3]; SERVICES.len()],
    pub faults: Vec<Fault>,
}

impl FaultDetector {
    pub(crate) fn new() -> Self {
        Self {
            active: [[None; 3]; SERVICES.len()],
            faults: Vec::new(),
        }
    }

    /// Adds a sample of memory, latency and errors, with the normal latency and errors of the
    /// service.
    pub(crate) fn sample(
        &mut self,
        second: i64,
        service: usize,
        [memory, latency, errors]: [f64; 3],
        [normal_latency, normal_errors]: [f64; 2],
    ) {
        let metrics = [
            (Metric::Memory, memory, MEMORY_ALERT_LIMIT),
            (Metric::Latency, latency, normal_latency * LATENCY_FACTOR),
            (Metric::Errors, errors, normal_errors * ERROR_FACTOR),
        ];
        for ((metric, value, limit), active) in metrics.into_iter().zip(&mut self.active[service]) {
            if value <= limit {
                if let Some(index) = active.take() {
                    self.faults[index].ended = Some(second);
                }
            } else if active.is_none() {
                *active = Some(self.faults.len());
                self.faults.push(Fault {
                    second,
                    service,
                    metric,
                    value,
                    limit,
                    ended: None,
                });
            }
        }
    }
}

/// The cause of an alert.
#[derive(Clone, Copy)]
enum Trigger<'a> {
    Fault(Fault),
    Streak(Streak),
    Incident(&'a Incident, usize),
}

/// All triggers, in order of time.
fn triggers<'a>(
    faults: &[Fault],
    streaks: &[Streak],
    incidents: &'a [Incident],
    random: &mut Random,
) -> Vec<(i64, Trigger<'a>)> {
    let mut triggers: Vec<(i64, Trigger)> = Vec::new();
    triggers.extend(
        faults
            .iter()
            .map(|fault| (fault.second, Trigger::Fault(*fault))),
    );
    triggers.extend(
        streaks
            .iter()
            .map(|streak| (streak.second, Trigger::Streak(*streak))),
    );
    for incident in incidents {
        for _ in 0..3 + random.poisson(2.0 * incident.services.len() as f64) {
            let second = incident.second + random.below(MAX_ALERT_DELAY_S) as i64;
            let service = *random.pick(&incident.services);
            triggers.push((second, Trigger::Incident(incident, service)));
        }
    }
    // The sort is stable, so events of the same second keep their order.
    triggers.sort_by_key(|(second, _)| *second);
    triggers
}

/// Writes all alerts under `root/alerts`.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    (faults, streaks, incidents): (&[Fault], &[Streak], &[Incident]),
    seed: u64,
    compress: bool,
) -> Result<(&'static str, SourceTruth), Error> {
    let days = &company.days;
    let until = days.last().map_or(0, |day| day.start + day.seconds);
    let mut table = Table::new(root, SPEC, seed, compress, days);
    let triggers = triggers(faults, streaks, incidents, &mut table.random);
    let mut pending = triggers.into_iter().enumerate().peekable();
    for day in days {
        table.open(day)?;
        let end = day.start + day.seconds;
        while let Some((index, (second, trigger))) =
            pending.next_if(|(_, (second, _))| *second < end)
        {
            let started = incidents.partition_point(|incident| incident.second <= second);
            let recent = &incidents[started.saturating_sub(RECENT_INCIDENTS)..started];
            let related = recent.iter().find(|incident| match trigger {
                Trigger::Fault(fault) => incident.covers(second, fault.service),
                Trigger::Streak(_) => false,
                Trigger::Incident(cause, _) => cause.id == incident.id,
            });
            let id = format!("A-{:08}", index + 1);
            let incident = related.map(|incident| incident.id.as_str());
            let row = alert(&mut table.random, &id, (second, trigger), incident, until);
            table.put(day, row)?;
        }
        table.end_day(day, days)?;
    }
    table.close()
}

/// The fields of an alert that depend on its trigger.
struct AlertFields {
    rule: &'static str,
    subject: &'static str,
    source: &'static str,
    severity: &'static str,
    service: Option<&'static str>,
    pipeline: Option<&'static str>,
    metric: Option<(&'static str, f64, f64)>,
    failures: Option<u32>,
    message: String,
}

impl AlertFields {
    fn fault(fault: Fault) -> Self {
        let service = SERVICES[fault.service];
        let (value, limit) = (fault.value, fault.limit);
        let column = fault.metric.column();
        Self {
            rule: fault.metric.rule(),
            subject: service,
            source: "metrics",
            severity: "warning",
            service: Some(service),
            pipeline: None,
            metric: Some((column, value, limit)),
            failures: None,
            message: format!("{column} of {service} is {value:.3}, limit {limit:.3}"),
        }
    }

    fn streak(streak: Streak) -> Self {
        let pipeline = PIPELINES[streak.pipeline];
        let failures = streak.failures;
        Self {
            rule: "pipeline-fails",
            subject: pipeline,
            source: "pipelines",
            severity: if failures > 2 { "critical" } else { "warning" },
            service: None,
            pipeline: Some(pipeline),
            metric: None,
            failures: Some(failures),
            message: format!("{pipeline} failed {failures} times in a row"),
        }
    }

    fn incident(incident: &Incident, service: usize) -> Self {
        let service = SERVICES[service];
        Self {
            rule: "no-answer",
            subject: service,
            source: "incident",
            severity: if incident.severity == "minor" {
                "warning"
            } else {
                "critical"
            },
            service: Some(service),
            pipeline: None,
            metric: None,
            failures: None,
            message: format!("{service} does not answer"),
        }
    }
}

fn alert(
    random: &mut Random,
    id: &str,
    (second, trigger): (i64, Trigger),
    incident: Option<&str>,
    until: i64,
) -> Row {
    let fields = match trigger {
        Trigger::Fault(fault) => AlertFields::fault(fault),
        Trigger::Streak(streak) => AlertFields::streak(streak),
        Trigger::Incident(incident, service) => AlertFields::incident(incident, service),
    };
    let resolved = second + random.log_normal(1300.0, 0.8) as i64;
    let resolved = (resolved < until).then_some(resolved);
    let acknowledged = random
        .chance(0.6)
        .then(|| second + 20 + random.below(600) as i64);
    let suppressed = incident.is_some() && random.chance(0.3);
    let status = match (suppressed, resolved) {
        (true, _) => "suppressed",
        (_, Some(_)) => "resolved",
        _ => "firing",
    };
    let hostile = fields
        .pipeline
        .is_some_and(|name| PIPELINES[4..].contains(&name));
    Row::new()
        .text("id", id)
        .time("raised_at", second)
        .maybe_time("resolved_at", resolved)
        .maybe_time("acknowledged_at", acknowledged.filter(|_| !suppressed))
        .text("status", status)
        .text("severity", fields.severity)
        .text("rule", fields.rule)
        .text("fingerprint", format!("{}/{}", fields.rule, fields.subject))
        .text("source", fields.source)
        .maybe_text("service", fields.service)
        .maybe_text("pipeline", fields.pipeline)
        .maybe_text("metric", fields.metric.map(|(name, ..)| name))
        .maybe_raw(
            "value",
            fields.metric.map(|(_, value, _)| format!("{value:.5}")),
        )
        .maybe_raw(
            "threshold",
            fields.metric.map(|(.., limit)| format!("{limit:.5}")),
        )
        .maybe_raw("consecutive", fields.failures)
        .maybe_text("incident_id", incident)
        .text("message", fields.message)
        .hostile(hostile)
}
