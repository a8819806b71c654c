//! Incidents: reports of the planted outage, dip and drift, and a few small random ones that cause
//! only their own alerts.

use super::{
    row::{RecordFormat, Row, format_timestamp},
    table::{Spec, Table},
};
use crate::{
    Error,
    company::{COMPONENTS, Company, SERVICES},
    hostile::{Flaw, TEXTS},
    output::{Codec, FileFormat, Layout, quoted},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::path::Path;

/// Number of the random stream that draws the incidents.
const DRAW_STREAM: u64 = 19;
/// Mean number of small incidents per day.
const INCIDENTS_PER_DAY: f64 = 0.2;
const TITLES: [&str; 6] = [
    "Slow answers after a deployment",
    "Uploads are refused",
    "Sign-in fails for some customers",
    "Messages are delayed",
    "Abgelaufenes Zertifikat",
    "Search shows yesterday's results",
];
const LEADS: [&str; 4] = ["Ana Ruiz", "Bo Lindqvist", "Chidi Okafor", "佐藤 花子"];
const CAUSES: [(&str, &str); 5] = [
    ("deployment", "Rolled back to the version before."),
    ("capacity", "Added two machines."),
    ("dependency", "The supplier repaired it."),
    (
        "configuration",
        "Put the old setting back.\nA check now refuses it.",
    ),
    ("hardware", "Replaced a disk."),
];
/// Share of small incidents with a hostile title.
const HOSTILE_TITLE_SHARE: f64 = 0.1;

const FLAWS: [Flaw; 8] = [
    Flaw::Value("severity", "\"sev-1\"", reason::NOT_ALLOWED),
    Flaw::MissingField("component"),
    Flaw::Value("minutes_to_resolve", "-20", reason::OUT_OF_RANGE),
    Flaw::Value("started_at", "\"last night\"", reason::WRONG_TYPE),
    Flaw::Truncated,
    Flaw::Value("customers_affected", "\"all of them\"", reason::WRONG_TYPE),
    Flaw::LongText("resolution"),
    Flaw::Garbage,
];
const SPEC: Spec = Spec {
    name: "incidents",
    stream: 20,
    format: RecordFormat::Json,
    header: None,
    layout: Layout::Monthly,
    file_format: FileFormat::with_codec(Codec::Plain),
    delay: 35,
    flaws: &FLAWS,
};

/// An incident.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub id: String,
    pub title: &'static str,
    pub severity: &'static str,
    /// Start, in seconds since 1970.
    pub second: i64,
    pub minutes: f64,
    pub component: &'static str,
    /// Indices of the affected services.
    pub services: Vec<usize>,
    cause: usize,
    customers: u64,
}

impl Incident {
    /// End, in seconds since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.second + (self.minutes * 60.0) as i64
    }

    /// Returns true if it affects a service at a time, in seconds since 1970.
    pub(crate) fn covers(&self, second: i64, service: usize) -> bool {
        (self.second..self.end()).contains(&second) && self.services.contains(&service)
    }
}

/// Draws all incidents, in order of their start.
pub(crate) fn draw(company: &Company, seed: u64) -> Vec<Incident> {
    let mut random = Random::new(seed, DRAW_STREAM);
    let mut incidents = draw_planted(company, &mut random);
    for day in &company.days {
        // The first day has an incident, so that even the shortest simulation has one.
        let minimum = u64::from(day.index == 0);
        for _ in 0..random.poisson(INCIDENTS_PER_DAY).max(minimum) {
            let second = day.start + random.below(day.seconds as usize) as i64;
            incidents.push(draw_small(&mut random, second));
        }
    }
    incidents.sort_by_key(|incident| incident.second);
    for (index, incident) in incidents.iter_mut().enumerate() {
        incident.id = format!("INC-{:04}", index + 1);
    }
    incidents
}

fn draw_planted(company: &Company, random: &mut Random) -> Vec<Incident> {
    let mut incidents = Vec::new();
    let mut add = |day: usize, title, severity, hours: f64, services: Vec<usize>, cause| {
        let day = &company.days[day];
        incidents.push(Incident {
            id: String::new(),
            title,
            severity,
            second: day.start + 1800 + random.below(3600) as i64,
            minutes: hours * 60.0,
            component: COMPONENTS[random.below(4)],
            services,
            cause,
            customers: 400 + random.below(2000) as u64,
        });
    };
    let all_services = (0..SERVICES.len()).collect();
    if let Some(day) = company.outage {
        add(
            day,
            "Pipelines and AI components stand still",
            "critical",
            20.0,
            all_services,
            2,
        );
    }
    if let Some(day) = company.dip {
        add(
            day,
            "More than half of the executions are missing",
            "major",
            14.0,
            vec![1, 3],
            3,
        );
    }
    if let Some(drift) = company.drift {
        let title = "Memory grows without an end";
        add(drift.from + 28, title, "minor", 3.0, vec![drift.service], 1);
    }
    incidents
}

fn draw_small(random: &mut Random, second: i64) -> Incident {
    let title = if random.chance(HOSTILE_TITLE_SHARE) {
        *random.pick(&TEXTS)
    } else {
        *random.pick(&TITLES)
    };
    let first = random.below(SERVICES.len());
    let second_service = (first + 1 + random.below(SERVICES.len() - 1)) % SERVICES.len();
    Incident {
        id: String::new(),
        title,
        severity: if random.chance(0.15) {
            "major"
        } else {
            "minor"
        },
        second,
        minutes: random.log_normal(75.0, 0.7).clamp(5.0, 1200.0).round(),
        component: COMPONENTS[random.below(COMPONENTS.len())],
        services: if random.chance(0.4) {
            vec![first, second_service]
        } else {
            vec![first]
        },
        cause: random.below(CAUSES.len()),
        customers: random.log_normal(25.0, 1.0) as u64,
    }
}

/// Writes all incidents under `root/incidents`.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    incidents: &[Incident],
    seed: u64,
    compress: bool,
) -> Result<(&'static str, SourceTruth), Error> {
    let days = &company.days;
    let until = days.last().map_or(0, |day| day.start + day.seconds);
    let mut table = Table::new(root, SPEC, seed, compress, days);
    let mut pending = incidents.iter().peekable();
    for day in days {
        table.open(day)?;
        while let Some(incident) =
            pending.next_if(|incident| incident.second < day.start + day.seconds)
        {
            let row = row(&mut table.random, incident, until);
            table.put(day, row)?;
        }
        table.end_day(day, days)?;
    }
    table.close()
}

fn row(random: &mut Random, incident: &Incident, until: i64) -> Row {
    let noticed = incident.second + 60 + random.below(1200) as i64;
    // A short incident may end before it would be noticed.
    let noticed = noticed.min(incident.end());
    let acknowledged = (noticed + 30 + random.below(900) as i64).min(incident.end());
    let resolved = (incident.end() < until).then_some(incident.end());
    let services: Vec<&str> = incident
        .services
        .iter()
        .map(|index| SERVICES[*index])
        .collect();
    let (cause, resolution) = CAUSES[incident.cause];
    let mut updates = vec![
        update(noticed, "investigating", "Somebody is looking at it."),
        update(
            acknowledged,
            "identified",
            "It is known where it comes from.",
        ),
    ];
    updates.extend(resolved.map(|end| update(end, "resolved", "It is over.")));
    Row::new()
        .text("id", incident.id.as_str())
        .text("title", incident.title)
        .text("severity", incident.severity)
        .text(
            "status",
            if resolved.is_some() {
                "resolved"
            } else {
                "open"
            },
        )
        .time("started_at", incident.second)
        .time("detected_at", noticed)
        .time("acknowledged_at", acknowledged)
        .maybe_time("resolved_at", resolved)
        .maybe_raw("minutes_to_resolve", resolved.map(|_| incident.minutes))
        .text(
            "detected_by",
            *random.pick(&["alert", "alert", "customer", "colleague"]),
        )
        .text("component", incident.component)
        .list("services", &services)
        .text("lead", *random.pick(&LEADS))
        .raw("customers_affected", incident.customers)
        .text("root_cause", cause)
        .maybe_text("resolution", resolved.map(|_| resolution))
        .raw("updates", format!("[{}]", updates.join(",")))
        .hostile(TEXTS.contains(&incident.title))
}

fn update(second: i64, status: &str, message: &str) -> String {
    let (time, message) = (format_timestamp(second), quoted(message));
    format!("{{\"at\":\"{time}\",\"status\":\"{status}\",\"message\":{message}}}")
}
