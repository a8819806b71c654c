//! The simulated company: its people, the number of events per day, and the planted facts.
//!
//! Everything is drawn here once from the seed; the writers of records only read it. Counts are
//! gamma-Poisson around a level that is constant except for the planted facts, so that any other
//! finding is a false claim.

use crate::{Config, Error, calendar::Day, random::Random};
use jiff::civil::Date;

/// Shape of the gamma distribution of daily counts: variance = mean + mean² / 60.
pub(crate) const COUNT_SHAPE: f64 = 60.0;
/// Volume of pipelines and decisions on Saturdays and Sundays, relative to working days.
pub(crate) const WEEKEND_VOLUME: f64 = 0.4;
/// Types of tickets.
pub(crate) const TICKET_TYPES: [&str; 3] = ["failure", "question", "request"];
/// Kinds of AI decisions with their shares.
pub(crate) const DECISION_KINDS: [(&str, f64); 4] = [
    ("message_generation", 0.4),
    ("enrichment", 0.3),
    ("scraping", 0.2),
    ("sync", 0.1),
];
/// Pipelines, each with the same number of executions. Two names are hostile text.
pub(crate) const PIPELINES: [&str; 6] = [
    "nightly-import",
    "invoice-export",
    "search-index",
    "usage-rollup",
    "顧客同期 🚚",
    "</script><script>alert(1)</script>",
];
/// Services whose metrics are sampled. One name needs quotes in CSV.
pub(crate) const SERVICES: [&str; 6] = [
    "api",
    "worker",
    "web",
    "database",
    "cache",
    "mail, outbound",
];
/// The limit that the drifting metric approaches.
pub(crate) const MEMORY_LIMIT: f64 = 90.0;
/// Records per day at scale 1, by source, before the planted facts.
const TICKETS_PER_DAY: f64 = 220.0;
const PIPELINES_PER_DAY: f64 = 280.0;
const DECISIONS_PER_DAY: f64 = 356.0;
const SAMPLES_PER_DAY: f64 = 24.0;
/// Share of records that violate their contract.
pub(crate) const FLAWED_SHARE: f64 = 0.0015;
/// Share of records that are written twice.
pub(crate) const DUPLICATE_SHARE: f64 = 0.0008;
/// Share of records in the file of a later day.
pub(crate) const LATE_SHARE: f64 = 0.002;

/// Components of the product. One name is a formula in a spreadsheet.
pub(crate) const COMPONENTS: [&str; 8] = [
    "billing",
    "checkout",
    "identity",
    "messaging",
    "catalogue",
    "reporting",
    "storefront",
    "=cmd('calc')",
];

/// A component with its tickets per day by type, on days other than Monday.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub name: &'static str,
    pub per_day: [f64; 3],
}

/// The mean levels of a service's metrics.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub name: &'static str,
    pub cpu_percent: f64,
    pub memory_percent: f64,
    pub latency_ms: f64,
    pub error_rate: f64,
}

/// A lasting change in the tickets of a component.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift {
    pub component: usize,
    /// Index of the first day.
    pub from: usize,
    pub factor: f64,
}

/// A rise in the memory of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drift {
    pub service: usize,
    /// Index of the first day.
    pub from: usize,
    pub points_per_day: f64,
}

/// An entry of the register of improvements.
#[derive(Debug, Clone)]
pub(crate) struct Improvement {
    pub id: &'static str,
    pub title: &'static str,
    pub owner: &'static str,
    pub component: usize,
    /// Index of the first day.
    pub from: usize,
    /// The first day.
    pub date: Date,
    pub expected_relative: f64,
    /// Relative effect on failure tickets: -0.3 for 30 % fewer, 0 for none.
    pub effect: f64,
}

/// Improvements in the register: id, title, owner and the relative effect that the owner expects.
/// Two of the strings are hostile.
const REGISTER: [(&str, &str, &str, f64); 6] = [
    (
        "IMP-001",
        "Retry failed imports with back-off 再試行",
        "platform",
        -0.3,
    ),
    (
        "IMP-002",
        "New cache #read(\"secret.txt\") </script><script>alert(1)</script> 🚀",
        "=cmd('team')",
        -0.3,
    ),
    ("IMP-003", "Stricter input checks", "intake", -0.2),
    ("IMP-004", "Larger pool of connections", "platform", -0.3),
    ("IMP-005", "Clearer words in forms", "design", -0.1),
    ("IMP-006", "Shorter timeouts", "platform", -0.2),
];
/// Number of the random stream of the improvements beyond the first three.
const EXTRA_IMPROVEMENTS_STREAM: u64 = 77;

/// The company and the facts planted in its operations.
pub(crate) struct Company {
    pub days: Vec<Day>,
    pub scale: f64,
    pub samples_per_day: i64,
    pub components: Vec<Component>,
    pub services: Vec<Service>,
    pub monday_factor: f64,
    pub threshold_files: u64,
    /// Share of failed executions, up to the threshold and above it.
    pub failure_share: [f64; 2],
    pub shift: Option<Shift>,
    pub drift: Option<Drift>,
    /// Index of the day of the outage.
    pub outage: Option<usize>,
    pub outage_volume: f64,
    /// Index of the day of the dip.
    pub dip: Option<usize>,
    pub dip_volume: f64,
    pub improvements: Vec<Improvement>,
}

impl Company {
    /// Draws the company of a seed.
    pub(crate) fn draw(config: &Config) -> Result<Self, Error> {
        let count = config.weeks as usize * 7;
        let days = crate::calendar::days(config.until, count, &config.timezone)?;
        let mut random = Random::new(config.seed, 0);
        let mut order: Vec<usize> = (0..COMPONENTS.len()).collect();
        random.shuffle(&mut order);
        // Facts are planted in busy components, so that they can be found.
        let busy = &order[..3];
        let components: Vec<Component> = (0..COMPONENTS.len())
            .map(|i| {
                let low = if busy.contains(&i) { 1.0 } else { 0.7 };
                let weight = random.between(low, 1.3);
                let per_day = [15.0, 6.0, 5.0].map(|rate| rate * weight);
                Component {
                    name: COMPONENTS[i],
                    per_day,
                }
            })
            .collect();
        let drifting = random.below(SERVICES.len());
        let services = (0..SERVICES.len())
            .map(|i| Service {
                name: SERVICES[i],
                cpu_percent: random.between(35.0, 55.0),
                memory_percent: if i == drifting {
                    66.5
                } else {
                    random.between(42.0, 60.0)
                },
                latency_ms: random.between(120.0, 260.0),
                error_rate: random.between(0.005, 0.02),
            })
            .collect();
        let from_end = |days_before: usize| count.checked_sub(days_before);
        let shift_days = 84 + random.below(57);
        let shift_factor = 1.55 + 0.01 * random.below(11) as f64;
        let effect = -0.01 * (33 + random.below(5)) as f64;
        let improved_days = 35 + random.below(4);
        let ineffective_days = 35 + random.below(4);
        let points_per_day = 0.24 + 0.01 * random.below(4) as f64;
        let monday_factor = 1.6 + 0.05 * random.below(5) as f64;
        let threshold_files = 1100 + 50 * random.below(5) as u64;
        let outage_days = 37 + random.below(6);
        let dip_days = 3 + random.below(5);
        let workday = |days_before: usize| {
            let mut index = from_end(days_before)?;
            while days[index].is_weekend() {
                index = index.checked_sub(1)?;
            }
            Some(index)
        };
        let is_long_enough = |weeks: u32| config.weeks >= weeks;
        let mut company = Self {
            scale: 1.0,
            samples_per_day: SAMPLES_PER_DAY as i64,
            shift: from_end(shift_days)
                .filter(|_| is_long_enough(26))
                .map(|from| Shift {
                    component: order[0],
                    from,
                    factor: shift_factor,
                }),
            drift: from_end(70)
                .filter(|_| is_long_enough(16))
                .map(|from| Drift {
                    service: drifting,
                    from,
                    points_per_day,
                }),
            outage: workday(outage_days).filter(|_| is_long_enough(10)),
            dip: workday(dip_days).filter(|_| is_long_enough(10)),
            improvements: Vec::new(),
            components,
            services,
            monday_factor,
            threshold_files,
            failure_share: [0.03, 0.09],
            outage_volume: 0.15,
            dip_volume: 0.4,
            days,
        };
        if is_long_enough(16) {
            let plan = [
                (order[1], from_end(improved_days), effect),
                (order[2], from_end(ineffective_days), 0.0),
                (order[3], from_end(4), 0.0),
            ];
            company.register(&REGISTER[..3], &plan);
        }
        if config.improvements > 3 && is_long_enough(16) {
            // They use their own random stream, so that the rest of the company does not change.
            let mut random = Random::new(config.seed, EXTRA_IMPROVEMENTS_STREAM);
            let mut from = || from_end(32 + random.below(20));
            let plan = [
                (order[4], from(), -0.35),
                (order[5], from(), 0.0),
                (order[6], from(), 0.4),
            ];
            company.register(&REGISTER[3..], &plan);
        }
        company.set_scale(config);
        Ok(company)
    }

    /// Adds improvements to the register; `plan` holds their component, first day and effect.
    fn register(
        &mut self,
        entries: &[(&'static str, &'static str, &'static str, f64)],
        plan: &[(usize, Option<usize>, f64)],
    ) {
        for ((id, title, owner, expected_relative), (component, from, effect)) in
            entries.iter().zip(plan)
        {
            if let Some(from) = *from {
                self.improvements.push(Improvement {
                    id,
                    title,
                    owner,
                    component: *component,
                    from,
                    date: self.days[from].date,
                    expected_relative: *expected_relative,
                    effect: *effect,
                });
            }
        }
    }

    /// Sets the scale so that the expected number of records is the requested one.
    fn set_scale(&mut self, config: &Config) {
        let days = self.days.len() as f64;
        let requested = match config.records {
            Some(records) => records as f64,
            None => config.records_per_day * days,
        };
        let per_day = requested / days;
        let samples = (SAMPLES_PER_DAY * per_day / 1000.0)
            .round()
            .clamp(2.0, 86_400.0);
        self.samples_per_day = samples as i64;
        let extra = 1.0 + FLAWED_SHARE + DUPLICATE_SHARE;
        let metrics = samples * self.services.len() as f64 * days;
        let expected: f64 = self.days.iter().map(|day| self.expected(day)).sum();
        self.scale = ((requested / extra - metrics) / expected).max(0.01);
    }

    /// Expected number of records of a day at scale 1, without metrics.
    fn expected(&self, day: &Day) -> f64 {
        let tickets: f64 = (0..self.components.len())
            .flat_map(|c| (0..TICKET_TYPES.len()).map(move |t| (c, t)))
            .map(|(component, kind)| self.tickets(day, component, kind))
            .sum();
        let pipelines: f64 = self.executions(day) * PIPELINES.len() as f64;
        tickets / self.scale + (pipelines + self.decisions(day)) / self.scale
    }

    /// Expected number of tickets of a component and type on a day.
    pub(crate) fn tickets(&self, day: &Day, component: usize, kind: usize) -> f64 {
        let total: f64 = self
            .components
            .iter()
            .map(|c| c.per_day.iter().sum::<f64>())
            .sum();
        let level = TICKETS_PER_DAY / total;
        let mut mean = self.components[component].per_day[kind] * level * self.scale;
        if kind == 0 && day.weekday == 0 {
            mean *= self.monday_factor;
        }
        if let Some(shift) = self.shift
            && shift.component == component
            && day.index >= shift.from
        {
            mean *= shift.factor;
        }
        for improvement in &self.improvements {
            let applies = improvement.component == component && day.index >= improvement.from;
            if kind == 0 && applies {
                mean *= 1.0 + improvement.effect;
            }
        }
        mean
    }

    /// Expected number of executions of each pipeline on a day.
    pub(crate) fn executions(&self, day: &Day) -> f64 {
        let mut mean = PIPELINES_PER_DAY / PIPELINES.len() as f64 * self.working_day_factor(day);
        if self.dip == Some(day.index) {
            mean *= self.dip_volume;
        }
        mean * self.scale
    }

    /// Expected number of decisions on a day.
    pub(crate) fn decisions(&self, day: &Day) -> f64 {
        DECISIONS_PER_DAY * self.working_day_factor(day) * self.scale
    }

    fn working_day_factor(&self, day: &Day) -> f64 {
        let level = 7.0 / (5.0 + 2.0 * WEEKEND_VOLUME);
        let volume = if day.is_weekend() {
            WEEKEND_VOLUME
        } else {
            1.0
        };
        let outage = if self.outage == Some(day.index) {
            self.outage_volume
        } else {
            1.0
        };
        level * volume * outage
    }

    /// Rise of a service's memory up to a day by the drift, in percentage points.
    pub(crate) fn memory_drift(&self, day: &Day, service: usize) -> f64 {
        match self.drift {
            Some(drift) if drift.service == service && day.index >= drift.from => {
                drift.points_per_day * (day.index - drift.from + 1) as f64
            }
            _ => 0.0,
        }
    }
}
