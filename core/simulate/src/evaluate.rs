//! Findings held against the planted truth: what was found, what was missed, and which claims have
//! nothing behind them.
//!
//! Each finding is judged by the first of these rules that applies:
//!
//! 1. **Found.** Kind, source, subject, direction, date and size fit a planted fact.
//! 2. **Implied.** It is another face of a planted fact, or of a pattern allowed by design:
//!    - the Monday effect lowers the other weekdays against the mean of all days, and shows in each
//!      component and, diluted, in all tickets together;
//!    - a shift of one component shows as change point, trend, month and year effect of that
//!      component and of all components together, and as anomalies until detectors have adapted;
//!    - an improvement that works is such a shift downwards;
//!    - an outage shows as anomaly in each part of the source, and in key figures whose window or
//!      baseline holds the day;
//!    - a drifting metric shows as trend, change point, anomaly, month effect, key figure, forecast
//!      and capacity finding of its service, and of all services together;
//!    - the threshold shows in each pipeline;
//!    - the weekend shows as weekday effect of pipelines and decisions.
//! 3. **Informational.** It claims no effect: the quality of records, a forecast that breaches
//!    nothing, the level of a key figure, an improvement whose effect is unclear.
//! 4. **False claim.** It is of a kind that claims an effect, and nothing planted is behind it.
//! 5. **Unjudged.** Its kind is not known here.
//!
//! Improvements are judged by their verdicts: the one that works must be called so with an estimate
//! that fits, the one that does nothing must be called neither working nor harmful.

use crate::truth::{Fact, FactKind, Truth};
use jiff::{ToSpan, civil::Date};
use retrocast_domain::{Direction, Effect, Finding, Verdict, report::SourceNote, window::WEEKDAYS};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// What findings are worth against the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Planted facts with the finding or effect that shows them.
    pub found: Vec<Found>,
    /// Planted facts that nothing shows.
    pub missed: Vec<Missed>,
    /// Claims with nothing planted behind them.
    pub false_claims: Vec<FalseClaim>,
    /// Claims that follow from planted facts or allowed patterns.
    pub implied: Vec<Implied>,
    /// Findings that claim no effect.
    pub informational: u64,
    /// Findings of kinds that are not known here.
    pub unjudged: Vec<String>,
    /// Verdicts on improvements.
    pub improvements: Vec<ImprovementCheck>,
    /// Accounts of records.
    pub sources: Vec<SourceCheck>,
}

/// A planted fact that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Id of the fact.
    pub fact: String,
    /// The fact as a sentence.
    pub what: String,
    /// The sentence that shows it.
    pub by: String,
    /// Number of findings that show it.
    pub findings: u64,
}

/// A planted fact that was missed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missed {
    /// Id of the fact.
    pub fact: String,
    /// The fact as a sentence.
    pub what: String,
    /// What came near, and why it does not count.
    pub hint: String,
}

/// A claim with nothing planted behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FalseClaim {
    /// Id of the finding.
    pub finding: String,
    /// Stage that made it.
    pub stage: String,
    /// Kind of the finding.
    pub kind: String,
    /// Whom it is about.
    pub subject: String,
    /// The claim as a sentence.
    pub sentence: String,
    /// Why it does not count, where it comes near a fact.
    pub why: String,
}

/// A claim that follows from a fact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Implied {
    /// The claim as a sentence.
    pub sentence: String,
    /// What it follows from, and how.
    pub why: String,
}

/// The verdict on one improvement against the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImprovementCheck {
    /// Identity in the register.
    pub improvement: String,
    /// What is true, in a few words.
    pub truth: String,
    /// The verdict given, with the estimate; "no verdict" when there is none.
    pub verdict: String,
    /// Whether they agree.
    pub ok: bool,
}

/// The account of one source's records against the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceCheck {
    /// Name of the source.
    pub source: String,
    /// Whether every count agrees.
    pub ok: bool,
    /// Counts that differ: what, true, reported.
    pub differences: Vec<(String, u64, u64)>,
}

impl Evaluation {
    /// Whether every fact was found, nothing false was claimed, no improvement was misjudged and
    /// every record was accounted for.
    pub fn passed(&self) -> bool {
        self.missed.is_empty()
            && self.false_claims.is_empty()
            && self.improvements.iter().all(|check| check.ok)
            && self.sources.iter().all(|check| check.ok)
    }
}

/// Holds the findings of a run against the truth.
///
/// `sources` may be empty when the accounts of records are not to be checked.
pub fn evaluate(
    truth: &Truth,
    findings: &[Finding],
    effects: &[Effect],
    sources: &[SourceNote],
) -> Evaluation {
    let improvements = improvements(truth, effects);
    let mut shown: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let mut near: BTreeMap<&str, String> = BTreeMap::new();
    let mut evaluation = Evaluation {
        found: Vec::new(),
        missed: Vec::new(),
        false_claims: Vec::new(),
        implied: Vec::new(),
        informational: 0,
        unjudged: Vec::new(),
        improvements,
        sources: sources
            .iter()
            .filter_map(|note| source(truth, note))
            .collect(),
    };
    for finding in findings {
        match judge(truth, &Claim::read(truth, finding), effects) {
            Judgement::Shows(facts) => {
                for fact in facts {
                    shown.entry(fact).or_default().push(finding);
                }
            }
            Judgement::Implied(why) => {
                evaluation.implied.push(Implied {
                    sentence: sentence(finding),
                    why,
                });
            }
            Judgement::Informational => evaluation.informational += 1,
            Judgement::False(nearest) => {
                if let Some((fact, why)) = &nearest {
                    near.entry(fact)
                        .or_insert_with(|| format!("{} ({why})", sentence(finding)));
                }
                evaluation.false_claims.push(FalseClaim {
                    finding: finding.id.clone(),
                    stage: finding.stage.clone(),
                    kind: finding.kind.clone(),
                    subject: finding.subject.clone(),
                    sentence: sentence(finding),
                    why: nearest.map_or_else(
                        || "nothing planted is behind it".to_string(),
                        |(fact, why)| format!("near {fact}, but {why}"),
                    ),
                });
            }
            Judgement::Unjudged => {
                let line = format!("{}: {}", finding.kind, sentence(finding));
                evaluation.unjudged.push(line);
            }
        }
    }
    for fact in &truth.facts {
        settle(fact, &shown, &near, effects, &mut evaluation);
    }
    evaluation
}

/// Puts a fact among the found or the missed.
fn settle(
    fact: &Fact,
    shown: &BTreeMap<&str, Vec<&Finding>>,
    near: &BTreeMap<&str, String>,
    effects: &[Effect],
    evaluation: &mut Evaluation,
) {
    if matches!(fact.kind, FactKind::Effect | FactKind::NoEffect) {
        let check = evaluation
            .improvements
            .iter()
            .find(|check| check.improvement == fact.id);
        let Some(check) = check else { return };
        if !check.ok {
            let hint = format!("the verdict is: {}", check.verdict);
            evaluation.missed.push(Missed {
                fact: fact.id.clone(),
                what: fact.what.clone(),
                hint,
            });
            return;
        }
        let findings = effects
            .iter()
            .filter(|effect| effect.improvement == fact.id)
            .count();
        evaluation.found.push(Found {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            by: check.verdict.clone(),
            findings: findings as u64,
        });
        return;
    }
    match shown.get(fact.id.as_str()) {
        Some(findings) => evaluation.found.push(Found {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            by: sentence(findings[0]),
            findings: findings.len() as u64,
        }),
        None => evaluation.missed.push(Missed {
            fact: fact.id.clone(),
            what: fact.what.clone(),
            hint: near.get(fact.id.as_str()).map_or_else(
                || "no finding comes near".to_string(),
                |near| format!("near: {near}"),
            ),
        }),
    }
}

/// The words that stand for a finding in messages.
fn sentence(finding: &Finding) -> String {
    if finding.sentence.is_empty() {
        format!("{} of {}: {}", finding.kind, finding.subject, finding.what)
    } else {
        finding.sentence.clone()
    }
}

enum Judgement<'a> {
    Shows(Vec<&'a str>),
    Implied(String),
    Informational,
    False(Option<(&'a str, String)>),
    Unjudged,
}

/// Kinds of findings that claim an effect.
const CLAIMS: [&str; 16] = [
    "weekday_effect",
    "hour_effect",
    "month_effect",
    "year_rate",
    "volume_threshold",
    "change_point",
    "trend",
    "anomaly",
    "forecast",
    "capacity",
    "effect",
    "effectiveness",
    "source_quiet",
    "kpi",
    "drift",
    "correlation",
];

fn judge<'a>(truth: &'a Truth, claim: &Claim, effects: &[Effect]) -> Judgement<'a> {
    let mut shows = Vec::new();
    let mut implied = None;
    let mut near = None;
    for fact in &truth.facts {
        match claim.against(fact) {
            Match::Shows => shows.push(fact.id.as_str()),
            Match::Implied(why) => {
                implied = implied.or_else(|| Some(format!("{}: {why}", fact.id)));
            }
            Match::Near(why) => near = near.or(Some((fact.id.as_str(), why))),
            Match::No => {}
        }
    }
    if !shows.is_empty() {
        return Judgement::Shows(shows);
    }
    if let Some(why) = implied {
        return Judgement::Implied(why);
    }
    if let Some(why) = claim.allowed(truth) {
        return Judgement::Implied(why);
    }
    if claim.is_informational(effects) {
        return Judgement::Informational;
    }
    if CLAIMS.contains(&claim.kind) {
        Judgement::False(near)
    } else {
        Judgement::Unjudged
    }
}

enum Match {
    /// It is this fact.
    Shows,
    /// It follows from this fact, in this way.
    Implied(&'static str),
    /// It would be this fact but for this.
    Near(String),
    /// It has nothing to do with this fact.
    No,
}

/// A finding, read for what it says about sources, names, dates and sizes.
struct Claim<'a> {
    finding: &'a Finding,
    kind: &'a str,
    /// Sources it may be about; one when that is clear.
    sources: Vec<&'static str>,
    /// Names of components, services, ... in its subject.
    names: Vec<String>,
    /// Column of metrics.
    measure: Option<&'static str>,
    weekday: Option<usize>,
    /// First and last day it is about.
    dates: Option<(Date, Date)>,
    /// Days by which its dates may be off because it looks at weeks or months.
    coarseness: i64,
    /// Whether it is about one type of tickets, and which.
    ticket_type: Option<String>,
    /// Whether key figures are compared with windows that hold a day of planted trouble.
    compared_from: Option<Date>,
    until: Date,
}

/// How long detectors may go on being surprised by a lasting shift, and how long after a date an
/// anomaly still follows from it.
const ADAPTATION_DAYS: i64 = 42;
/// Days before the end that a key figure's window and its baseline reach back by, at most.
const COMPARED_DAYS: i64 = 35;

impl<'a> Claim<'a> {
    fn read(truth: &Truth, finding: &'a Finding) -> Self {
        let subject = format!("{} {}", finding.subject, finding.what);
        let sources = sources_of(finding);
        let mut names = Vec::new();
        let mut ticket_type = None;
        for (source, columns) in &truth.names {
            if !sources.contains(&source.as_str()) {
                continue;
            }
            for (column, values) in columns {
                for value in values {
                    if column == "type" {
                        if mentions(&subject, value) || mentions(&data_of(finding), value) {
                            ticket_type = Some(value.clone());
                        }
                    } else if !names.contains(value) && mentions(&finding.subject, value) {
                        names.push(value.clone());
                    }
                }
            }
        }
        Self {
            kind: finding.kind.as_str(),
            measure: measure_of(finding),
            weekday: weekday_of(finding),
            dates: dates_of(finding),
            coarseness: coarseness_of(finding),
            compared_from: truth.until.checked_sub(COMPARED_DAYS.days()).ok(),
            until: truth.until,
            finding,
            sources,
            names,
            ticket_type,
        }
    }

    fn against(&self, fact: &Fact) -> Match {
        if !self.sources.contains(&fact.source.as_str()) {
            return Match::No;
        }
        match fact.kind {
            FactKind::WeekdayEffect => self.weekday_effect(fact),
            FactKind::VolumeThreshold => self.volume_threshold(fact),
            FactKind::ChangePoint => self.change_point(fact),
            FactKind::Outage => self.outage(fact),
            FactKind::Drift => self.drift(fact),
            FactKind::Effect => self.effect(fact),
            FactKind::NoEffect => Match::No,
        }
    }

    /// About nobody in particular.
    fn is_about_all(&self) -> bool {
        self.names.is_empty()
    }

    fn is_about(&self, fact: &Fact) -> bool {
        self.names.iter().any(|name| name == fact.value())
    }

    /// Whether its dates, give or take, touch `first..=last`.
    fn touches(&self, first: Date, last: Date, tolerance: i64) -> bool {
        let Some((from, to)) = self.dates else {
            return false;
        };
        let tolerance = (tolerance + self.coarseness).days();
        let (Ok(first), Ok(last)) = (first.checked_sub(tolerance), last.checked_add(tolerance))
        else {
            return false;
        };
        from <= last && to >= first
    }

    fn is_within_compared(&self, date: Date) -> bool {
        self.compared_from.is_some_and(|from| date >= from) && date < self.until
    }

    fn weekday_effect(&self, fact: &Fact) -> Match {
        if self.kind != "weekday_effect"
            || self.ticket_type.as_deref().is_some_and(|t| t != "failure")
        {
            return Match::No;
        }
        match (self.weekday, self.finding.direction) {
            (Some(0) | None, Direction::Up | Direction::None) => {
                let ratios = ratios_of(self.finding);
                let fits = ratios.is_empty() || ratios.iter().any(|ratio| fact.admits(*ratio));
                if self.is_about_all() && self.ticket_type.is_some() && fits {
                    Match::Shows
                } else if self.is_about_all() && self.ticket_type.is_some() {
                    Match::Near(format!(
                        "the ratio is {ratios:.2?}, not {:.2?}",
                        fact.size_range
                    ))
                } else {
                    Match::Implied("Mondays are higher in each part and, diluted, in the whole")
                }
            }
            (Some(0), Direction::Down) => Match::Near("Mondays are higher, not lower".to_string()),
            (_, Direction::Down) => {
                Match::Implied("other weekdays are below a mean that Mondays raise")
            }
            _ => Match::No,
        }
    }

    fn volume_threshold(&self, fact: &Fact) -> Match {
        if self.kind != "volume_threshold" {
            return Match::No;
        }
        let cuts = numbers_of(self.finding, &["threshold", "cut", "volume", "files"]);
        let cut = cuts.first().copied().or_else(|| {
            let magnitude = self.finding.magnitude.as_ref()?;
            (!matches!(magnitude.unit.as_str(), "ratio" | "share" | "points"))
                .then_some(magnitude.value)
        });
        let up = self.finding.direction != Direction::Down;
        match cut {
            Some(cut) if fact.admits(cut) && up => {
                if self.is_about_all() {
                    Match::Shows
                } else {
                    Match::Implied("the threshold holds in each pipeline")
                }
            }
            Some(cut) => Match::Near(format!("the threshold found is {cut}")),
            None => Match::Near("it names no threshold".to_string()),
        }
    }

    fn change_point(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::No;
        };
        let up = self.finding.direction != Direction::Down;
        match self.kind {
            "change_point" if self.is_about(fact) && up => self.dated_shift(fact, date),
            _ => self.follows_from_shift(fact, date, up),
        }
    }

    fn dated_shift(&self, fact: &Fact, date: Date) -> Match {
        if !self.touches(date, date, fact.date_tolerance_days) {
            return Match::Near(format!("its date is {}", self.dates_text()));
        }
        let ratios = ratios_of(self.finding);
        if ratios.is_empty() || ratios.iter().any(|ratio| fact.admits(*ratio)) {
            Match::Shows
        } else if self.ticket_type.is_some() {
            // One type of tickets has fewer records, and another fact may move it too.
            Match::Implied("the shift in one type of tickets")
        } else {
            Match::Near(format!("the ratio is {ratios:.2?}"))
        }
    }

    /// Other faces of a lasting shift of one component, in itself and in the whole.
    fn follows_from_shift(&self, fact: &Fact, date: Date, same_direction: bool) -> Match {
        if !(self.is_about(fact) || self.is_about_all()) {
            return Match::No;
        }
        match self.kind {
            "change_point" if same_direction && self.touches(date, date, 21) => {
                Match::Implied("the shift of one component in the whole")
            }
            "trend" if same_direction => Match::Implied("a shift moves the trend"),
            "month_effect" | "year_rate" => Match::Implied("months after the shift differ"),
            "anomaly" if same_direction => {
                let end = date.checked_add(ADAPTATION_DAYS.days()).unwrap_or(date);
                if self.touches(date, end, 1) {
                    Match::Implied("detectors had not adapted to the shift")
                } else {
                    Match::No
                }
            }
            "kpi" if same_direction && self.is_within_compared(date) => {
                Match::Implied("the baseline holds days before the shift")
            }
            _ => Match::No,
        }
    }

    fn outage(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::No;
        };
        match self.kind {
            "anomaly" if self.touches(date, date, fact.date_tolerance_days) => {
                if self.finding.direction == Direction::Down {
                    Match::Shows
                } else {
                    Match::Implied("shares vary more on a day with few records")
                }
            }
            "kpi" if self.is_within_compared(date) => {
                Match::Implied("the day is in the window or its baseline")
            }
            "source_quiet" if self.touches(date, date, 1) => {
                Match::Implied("few records came on that day")
            }
            _ => Match::No,
        }
    }

    fn drift(&self, fact: &Fact) -> Match {
        if self.measure.is_some_and(|measure| measure != fact.measure) {
            return Match::No;
        }
        let up = self.finding.direction != Direction::Down;
        if self.measure.is_none() || !up {
            return Match::No;
        }
        let (about, all) = (self.is_about(fact), self.is_about_all());
        match self.kind {
            "trend" if about => Match::Shows,
            "forecast" | "capacity" if about && self.is_breach() => Match::Shows,
            "trend" | "forecast" | "capacity" | "month_effect" | "year_rate" | "kpi"
                if about || all =>
            {
                Match::Implied("the drift, in the service or in the mean of all")
            }
            "change_point" | "anomaly" | "drift" if about || all => {
                let first = fact.date.unwrap_or(self.until);
                if self.dates.is_none() || self.touches(first, self.until, 7) {
                    Match::Implied("a drift looks like a step or like unusual days")
                } else {
                    Match::Near(format!("its date is {}", self.dates_text()))
                }
            }
            _ => Match::No,
        }
    }

    fn effect(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::No;
        };
        let down = self.finding.direction != Direction::Up;
        if matches!(self.kind, "effect" | "effectiveness") {
            let named = mentions(
                &format!("{} {}", self.finding.subject, self.finding.what),
                &fact.id,
            ) || self.is_about(fact)
                || text_numbers_of(self.finding).any(|text| text == fact.id);
            return match (named, down) {
                (true, true) => Match::Implied("the improvement works"),
                (true, false) => Match::Near("it lowers the measure".to_string()),
                _ => Match::No,
            };
        }
        if self
            .ticket_type
            .as_deref()
            .is_some_and(|kind| kind != "failure")
        {
            return Match::No;
        }
        self.follows_from_shift(fact, date, down)
    }

    fn allowed(&self, truth: &Truth) -> Option<String> {
        let pattern = truth.allowed.iter().find(|allowed| {
            allowed.kind == self.kind && self.sources.contains(&allowed.source.as_str())
        })?;
        let fits = match (self.kind, self.weekday, self.finding.direction) {
            ("weekday_effect", Some(day), Direction::Down) => day >= 5,
            ("weekday_effect", Some(day), Direction::Up) => day < 5,
            _ => true,
        };
        fits.then(|| format!("allowed: {}", pattern.what))
    }

    /// Whether a forecast says that a limit will be reached.
    fn is_breach(&self) -> bool {
        let finding = self.finding;
        finding
            .numbers
            .keys()
            .any(|key| key.contains("breach") || key.contains("reach"))
            || finding.what.contains("limit")
            || finding.sentence.contains("limit")
    }

    /// Whether it claims no effect at all.
    fn is_informational(&self, effects: &[Effect]) -> bool {
        match self.kind {
            "quality" | "sql" => true,
            "kpi" => {
                let tested = self.finding.p.is_some() || self.finding.p_adjusted.is_some();
                !tested && self.finding.direction == Direction::None
            }
            "forecast" | "capacity" => {
                !self
                    .finding
                    .numbers
                    .keys()
                    .any(|key| key.contains("breach"))
                    && !mentions(&self.finding.what, "breach")
                    && !mentions(&self.finding.sentence, "limit")
            }
            "effect" | "effectiveness" => self.is_unclear_effect(effects),
            _ => false,
        }
    }

    fn is_unclear_effect(&self, effects: &[Effect]) -> bool {
        let claims = |word: &str| matches!(word, "works" | "harmful");
        if let Some(Value::String(verdict)) = self.finding.numbers.get("verdict") {
            return !claims(verdict);
        }
        let text = format!("{} {}", self.finding.subject, self.finding.what);
        effects
            .iter()
            .find(|effect| mentions(&text, &effect.improvement) || mentions(&text, &effect.title))
            .is_some_and(|effect| !claims(effect.verdict.word()))
    }

    fn dates_text(&self) -> String {
        match self.dates {
            Some((from, to)) if from == to => from.to_string(),
            Some((from, to)) => format!("{from} to {to}"),
            None => "missing".to_string(),
        }
    }
}

/// Whether `text` holds `name` as a whole word, whatever the case.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    if name.is_empty() {
        return false;
    }
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-');
    text.match_indices(&name).any(|(at, _)| {
        !is_word(text[..at].chars().next_back()) && !is_word(text[at + name.len()..].chars().next())
    })
}

/// The words of a finding that say which data it is about: datasets, filters and stage.
fn data_of(finding: &Finding) -> String {
    let mut text = finding.stage.replace('_', " ");
    for evidence in &finding.evidence {
        text.push(' ');
        text.push_str(&evidence.dataset.replace('_', " "));
        text.push(' ');
        text.push_str(evidence.filter.as_deref().unwrap_or(""));
    }
    // "failures" is the plural of a type of tickets.
    text.replace("failures", "failure")
        .replace("questions", "question")
        .replace("requests", "request")
}

/// Words that give a source away, the surest first.
const SOURCE_WORDS: [(&str, &str); 14] = [
    ("pipeline", "pipelines"),
    ("execution", "pipelines"),
    ("decision", "decisions"),
    ("metric", "metrics"),
    ("memory", "metrics"),
    ("cpu", "metrics"),
    ("latency_ms", "metrics"),
    ("error_rate", "metrics"),
    ("service", "metrics"),
    ("ticket", "tickets"),
    ("improvement", "tickets"),
    ("failure", "tickets"),
    ("question", "tickets"),
    ("files", "pipelines"),
];

/// The sources a finding is about: by its datasets and stage, else by its words, else any.
fn sources_of(finding: &Finding) -> Vec<&'static str> {
    let texts = [
        data_of(finding).to_lowercase(),
        format!("{} {}", finding.subject, finding.what).to_lowercase(),
        finding.sentence.to_lowercase(),
    ];
    for text in &texts {
        if let Some((_, source)) = SOURCE_WORDS.iter().find(|(word, _)| text.contains(word)) {
            return vec![source];
        }
    }
    vec!["tickets", "decisions", "metrics", "pipelines"]
}

/// The column of metrics a finding is about.
fn measure_of(finding: &Finding) -> Option<&'static str> {
    let text = format!(
        "{} {} {} {}",
        finding.what,
        finding.subject,
        data_of(finding),
        finding.sentence
    )
    .to_lowercase();
    [
        ("memory", "memory_percent"),
        ("cpu", "cpu_percent"),
        ("latency", "latency_ms"),
        ("error rate", "error_rate"),
        ("error_rate", "error_rate"),
    ]
    .into_iter()
    .find(|(word, _)| text.contains(word))
    .map(|(_, measure)| measure)
}

fn weekday_of(finding: &Finding) -> Option<usize> {
    let texts = [&finding.what, &finding.subject, &finding.sentence];
    if let Some(Value::String(day)) = finding.numbers.get("weekday")
        && let Some(at) = WEEKDAYS.iter().position(|weekday| weekday == day)
    {
        return Some(at);
    }
    texts.iter().find_map(|text| {
        WEEKDAYS
            .iter()
            .enumerate()
            .filter_map(|(at, weekday)| Some((text.find(weekday)?, at)))
            .min()
            .map(|(_, at)| at)
    })
}

/// A day or month as it may stand in a number: "2026-10-12", "2026-10-12T00:00:00", "2026-10".
fn day(value: &Value) -> Option<Date> {
    let text = value.as_str()?;
    let first = text.get(..10).and_then(|day| day.parse().ok());
    first.or_else(|| format!("{}-01", text.get(..7)?).parse().ok())
}

/// First and last day a finding is about.
fn dates_of(finding: &Finding) -> Option<(Date, Date)> {
    let keys = [
        "date", "day", "time", "peak", "start", "end", "change", "at", "from", "to",
    ];
    let named = keys
        .iter()
        .filter_map(|key| finding.numbers.get(*key))
        .filter_map(day);
    let mut dates: Vec<Date> = named.collect();
    if dates.is_empty() {
        dates = finding
            .period
            .split_whitespace()
            .chain(finding.what.split_whitespace())
            .filter_map(|word| word.trim_matches([',', '.', '(', ')']).parse().ok())
            .collect();
    }
    Some((*dates.iter().min()?, *dates.iter().max()?))
}

fn coarseness_of(finding: &Finding) -> i64 {
    match finding.numbers.get("period").and_then(Value::as_str) {
        Some("week") => 7,
        Some("month") => 31,
        _ => 0,
    }
}

/// All numbers of these names, lists left out.
fn numbers_of(finding: &Finding, keys: &[&str]) -> Vec<f64> {
    keys.iter()
        .filter_map(|key| finding.numbers.get(*key)?.as_f64())
        .collect()
}

fn text_numbers_of(finding: &Finding) -> impl Iterator<Item = &str> {
    finding.numbers.values().filter_map(Value::as_str)
}

/// All ratios a finding gives: by name, as its magnitude, and after to before.
fn ratios_of(finding: &Finding) -> Vec<f64> {
    // A ratio may stand alone or as the first of estimate, lower and upper bound.
    let first = |value: &Value| {
        value
            .as_f64()
            .or_else(|| value.as_array()?.first()?.as_f64())
    };
    let is_bound = |key: &str| {
        ["lower", "upper", "low", "high"]
            .iter()
            .any(|b| key.ends_with(b))
    };
    let mut ratios: Vec<f64> = finding
        .numbers
        .iter()
        .filter(|(key, _)| key.starts_with("ratio") && !is_bound(key))
        .filter_map(|(_, value)| first(value))
        .collect();
    if let Some(magnitude) = &finding.magnitude
        && magnitude.unit == "ratio"
    {
        ratios.push(magnitude.value);
    }
    for (before, after) in [("before", "after"), ("mean_before", "mean_after")] {
        if let [before, after] = numbers_of(finding, &[before, after])[..]
            && before > 0.0
        {
            ratios.push(after / before);
        }
    }
    ratios
}

/// The verdicts against the truth, in the order of the register.
fn improvements(truth: &Truth, effects: &[Effect]) -> Vec<ImprovementCheck> {
    truth
        .facts
        .iter()
        .filter(|fact| matches!(fact.kind, FactKind::Effect | FactKind::NoEffect))
        .map(|fact| {
            let works = fact.kind == FactKind::Effect;
            let effect = effects.iter().find(|effect| effect.improvement == fact.id);
            let ok = effect.is_some_and(|effect| {
                let [estimate, ..] = effect.relative;
                match effect.verdict {
                    Verdict::Works => works && fits(fact, effect),
                    Verdict::Harmful => false,
                    Verdict::Unclear | Verdict::TooEarly => !works && estimate.is_finite(),
                }
            });
            let truth = if works {
                format!("works, {:+.0} %", fact.size * 100.0)
            } else {
                "does nothing".to_string()
            };
            let verdict = effect.map_or_else(|| "no verdict".to_string(), verdict_text);
            ImprovementCheck {
                improvement: fact.id.clone(),
                truth,
                verdict,
                ok,
            }
        })
        .collect()
}

/// Whether the estimate is near the size, or its interval holds it.
fn fits(fact: &Fact, effect: &Effect) -> bool {
    let [estimate, one, other] = effect.relative;
    fact.admits(estimate) || (one.min(other)..=one.max(other)).contains(&fact.size)
}

fn verdict_text(effect: &Effect) -> String {
    let [estimate, one, other] = effect.relative.map(|share| share * 100.0);
    format!(
        "{}, {estimate:+.0} % ({:+.0} to {:+.0} %), placebo p {:.3}",
        effect.verdict.word(),
        one.min(other),
        one.max(other),
        effect.placebo_p
    )
}

/// The account of a source against the truth; `None` for a source that was not simulated.
fn source(truth: &Truth, note: &SourceNote) -> Option<SourceCheck> {
    let truth = truth.sources.get(&note.name)?;
    let reported: BTreeMap<&str, u64> = note
        .quarantined
        .iter()
        .map(|(reason, count)| (reason.as_str(), *count))
        .collect();
    let mut counts = vec![
        ("files".to_string(), truth.files, note.files),
        ("records".to_string(), truth.records, note.records),
        ("accepted".to_string(), truth.accepted, note.accepted),
        ("duplicates".to_string(), truth.duplicates, note.duplicates),
        (
            "broken files".to_string(),
            truth.broken_files,
            note.broken_files.len() as u64,
        ),
    ];
    let mut reasons: Vec<&str> = truth.quarantined.keys().map(String::as_str).collect();
    reasons.extend(
        reported
            .keys()
            .copied()
            .filter(|r| !truth.quarantined.contains_key(*r)),
    );
    for reason in reasons {
        let planted = truth.quarantined.get(reason).copied().unwrap_or(0);
        counts.push((
            reason.to_string(),
            planted,
            reported.get(reason).copied().unwrap_or(0),
        ));
    }
    for (field, planted) in &truth.unknown_fields {
        let seen = note.unknown_fields.iter().find(|(name, _)| name == field);
        counts.push((
            format!("field {field}"),
            *planted,
            seen.map_or(0, |(_, count)| *count),
        ));
    }
    let differences: Vec<_> = counts
        .into_iter()
        .filter(|(_, planted, reported)| planted != reported)
        .collect();
    Some(SourceCheck {
        source: note.name.clone(),
        ok: differences.is_empty(),
        differences,
    })
}

/// Cuts a line at a width, in characters.
fn cut(text: &str, width: usize) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    if text.chars().count() <= width {
        return text;
    }
    let head: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{head}…")
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = self.found.len() + self.missed.len();
        writeln!(
            f,
            "planted facts      {} of {planted} found",
            self.found.len()
        )?;
        for found in &self.found {
            writeln!(f, "  found   {:<18} {}", found.fact, cut(&found.what, 90))?;
            writeln!(f, "          {:<18} by: {}", "", cut(&found.by, 110))?;
        }
        for missed in &self.missed {
            writeln!(f, "  MISSED  {:<18} {}", missed.fact, cut(&missed.what, 90))?;
            writeln!(f, "          {:<18} {}", "", cut(&missed.hint, 160))?;
        }
        writeln!(f, "false claims       {}", self.false_claims.len())?;
        for claim in &self.false_claims {
            let kind = cut(&claim.kind, 18);
            writeln!(
                f,
                "  FALSE   {kind:<18} {} [{}]",
                cut(&claim.sentence, 140),
                claim.stage
            )?;
            writeln!(f, "          {:<18} {}", "", cut(&claim.why, 110))?;
        }
        let right = self.improvements.iter().filter(|check| check.ok).count();
        writeln!(
            f,
            "improvements       {right} of {} judged right",
            self.improvements.len()
        )?;
        for check in &self.improvements {
            let mark = if check.ok { "right" } else { "WRONG" };
            let (id, truth) = (&check.improvement, &check.truth);
            writeln!(f, "  {mark}   {id:<18} {truth}; verdict: {}", check.verdict)?;
        }
        if !self.sources.is_empty() {
            let right = self.sources.iter().filter(|check| check.ok).count();
            writeln!(
                f,
                "records            {right} of {} sources agree",
                self.sources.len()
            )?;
        }
        for check in self.sources.iter().filter(|check| !check.ok) {
            for (what, planted, reported) in &check.differences {
                let source = &check.source;
                writeln!(
                    f,
                    "  DIFFER  {source:<18} {what}: {reported} reported, {planted} planted"
                )?;
            }
        }
        let (implied, plain) = (self.implied.len(), self.informational);
        writeln!(
            f,
            "other findings     {implied} implied by what was planted, {plain} claim nothing"
        )?;
        for line in &self.unjudged {
            writeln!(f, "  of unknown kind    {}", cut(line, 120))?;
        }
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        writeln!(f, "result             {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        company::{Company, PIPELINES},
        truth::SourceTruth,
    };
    use retrocast_domain::{Evidence, Magnitude};

    fn truth() -> Truth {
        let company = Company::draw(&crate::Config::default()).unwrap();
        let tickets = SourceTruth {
            files: 3,
            records: 12,
            accepted: 9,
            duplicates: 1,
            quarantined: BTreeMap::from([("broken JSON".to_string(), 2)]),
            ..SourceTruth::default()
        };
        Truth {
            schema: 1,
            seed: 1,
            weeks: 60,
            start: company.days[0].date,
            until: jiff::civil::date(2026, 11, 16),
            timezone: "Europe/London".to_string(),
            facts: company.facts(),
            allowed: Company::allowed(),
            names: Company::names(),
            sources: BTreeMap::from([("tickets".to_string(), tickets)]),
        }
    }

    fn finding(kind: &str, dataset: &str, subject: &str, what: &str, up: bool) -> Finding {
        let mut finding = Finding::new("stage", kind, subject, what);
        finding.direction = if up { Direction::Up } else { Direction::Down };
        finding.evidence = vec![Evidence {
            dataset: dataset.to_string(),
            version: 1,
            filter: None,
        }];
        finding
    }

    fn ratio(mut finding: Finding, ratio: f64) -> Finding {
        finding.magnitude = Some(Magnitude::point(ratio, "ratio"));
        finding
    }

    fn on(finding: Finding, date: Date) -> Finding {
        finding.number("date", date.to_string())
    }

    fn component(fact: &Fact) -> String {
        format!("component = {}", fact.value())
    }

    /// What a finding is judged to be: "shows ...", "implied", "plain", "false" or "unjudged".
    fn check(truth: &Truth, finding: &Finding, expected: &str) {
        let found = match judge(truth, &Claim::read(truth, finding), &[]) {
            Judgement::Shows(facts) => format!("shows {}", facts.join(" ")),
            Judgement::Implied(_) => "implied".to_string(),
            Judgement::Informational => "plain".to_string(),
            Judgement::False(_) => "false".to_string(),
            Judgement::Unjudged => "unjudged".to_string(),
        };
        assert_eq!(found, expected, "{finding:?}");
    }

    #[test]
    fn weekday_effects() {
        let truth = truth();
        let monday = truth.fact("monday").unwrap();
        let all = monday.numbers["ratio_all_days"];
        let effect = |dataset, what, up| finding("weekday_effect", dataset, "all", what, up);
        let failures = |what, up| effect("daily_failures", what, up);
        check(
            &truth,
            &ratio(failures("failures on Monday", true), all),
            "shows monday",
        );
        check(&truth, &failures("failures on Tuesday", false), "implied");
        check(&truth, &failures("failures on Tuesday", true), "false");
        check(&truth, &failures("failures on Monday", false), "false");
        check(
            &truth,
            &ratio(failures("failures on Monday", true), 4.0),
            "false",
        );
        check(
            &truth,
            &ratio(effect("tickets", "tickets on Monday", true), 1.3),
            "implied",
        );
        check(
            &truth,
            &effect("daily_questions", "questions on Monday", true),
            "false",
        );
        check(
            &truth,
            &effect("pipelines", "executions on Sunday", false),
            "implied",
        );
        check(
            &truth,
            &effect("decisions", "decisions on Wednesday", true),
            "implied",
        );
        check(
            &truth,
            &effect("pipelines", "executions on Wednesday", false),
            "false",
        );
        check(
            &truth,
            &finding("hour_effect", "tickets", "all", "tickets at 09:00", true),
            "false",
        );
    }

    #[test]
    fn thresholds() {
        let truth = truth();
        let fact = truth.fact("threshold").unwrap();
        let cut = |subject: &str, cut: f64| {
            finding(
                "volume_threshold",
                "pipelines",
                subject,
                "failed executions by files",
                true,
            )
            .number("threshold", cut)
        };
        check(&truth, &cut("all", fact.size * 1.05), "shows threshold");
        check(&truth, &cut("all", 300.0), "false");
        let pipeline = format!("pipeline = {}", PIPELINES[5]);
        check(&truth, &cut(&pipeline, fact.size * 0.97), "implied");
    }

    #[test]
    fn shifts_of_a_component() {
        let truth = truth();
        let shift = truth.fact("shift").unwrap();
        let date = shift.date.unwrap();
        let of =
            |kind: &str, subject: &str, up| finding(kind, "daily_tickets", subject, "tickets", up);
        let about = component(shift);
        let later = |days: i64| date.checked_add(days.days()).unwrap();
        check(
            &truth,
            &on(
                ratio(of("change_point", &about, true), shift.size),
                later(3),
            ),
            "shows shift",
        );
        check(
            &truth,
            &on(of("change_point", &about, true), later(30)),
            "false",
        );
        check(
            &truth,
            &on(of("change_point", &about, false), date),
            "false",
        );
        check(
            &truth,
            &on(of("change_point", "all", true), later(9)),
            "implied",
        );
        check(&truth, &of("trend", &about, true), "implied");
        check(&truth, &of("month_effect", &about, true), "implied");
        check(
            &truth,
            &on(of("anomaly", &about, true), later(5)),
            "implied",
        );
        check(&truth, &on(of("anomaly", &about, true), later(60)), "false");
        let other = truth.names["tickets"]["component"]
            .iter()
            .find(|name| truth.facts.iter().all(|fact| fact.value() != *name))
            .unwrap();
        let other = format!("component = {other}");
        check(&truth, &on(of("change_point", &other, true), date), "false");
        check(&truth, &of("trend", &other, true), "false");
        check(&truth, &of("kpi", "all", true), "false");
    }

    #[test]
    fn outages_and_drift() {
        let truth = truth();
        let outage = truth.fact("outage-pipelines").unwrap().date.unwrap();
        let dip = truth.fact("dip-pipelines").unwrap().date.unwrap();
        let anomaly = |dataset, up| finding("anomaly", dataset, "all", "records per day", up);
        check(
            &truth,
            &on(anomaly("daily_executions", false), outage),
            "shows outage-pipelines",
        );
        check(
            &truth,
            &on(anomaly("decisions", false), outage),
            "shows outage-decisions",
        );
        check(
            &truth,
            &on(anomaly("pipelines", false), dip),
            "shows dip-pipelines",
        );
        check(&truth, &on(anomaly("decisions", false), dip), "false");
        check(
            &truth,
            &on(anomaly("daily_tickets", false), outage),
            "false",
        );
        let executions = finding("kpi", "pipelines", "all", "executions per day", false);
        check(&truth, &executions, "implied");
        let decisions = finding("kpi", "decisions", "all", "decisions per day", false);
        check(&truth, &decisions, "false");

        let drift = truth.fact("drift").unwrap();
        let about = format!("service = {}", drift.value());
        let memory = |kind: &str, subject: &str, what: &str, up| {
            finding(kind, "daily_metrics", subject, what, up)
        };
        check(
            &truth,
            &memory("trend", &about, "memory_percent", true),
            "shows drift",
        );
        check(
            &truth,
            &memory("trend", &about, "cpu_percent", true),
            "false",
        );
        check(
            &truth,
            &memory("trend", &about, "memory_percent", false),
            "false",
        );
        check(
            &truth,
            &memory("trend", "all", "memory_percent", true),
            "implied",
        );
        let breach = memory("forecast", &about, "memory_percent reaches its limit", true);
        check(&truth, &breach, "shows drift");
        check(
            &truth,
            &memory("forecast", "all", "cpu_percent next week", true),
            "plain",
        );
        let quiet = finding("quality", "metrics", "metrics", "score", false);
        check(&truth, &quiet, "plain");
        check(
            &truth,
            &finding("source_quiet", "metrics", "metrics", "silence", false),
            "false",
        );
        check(
            &truth,
            &finding("haiku", "metrics", "metrics", "five", false),
            "unjudged",
        );
    }

    fn effect(fact: &Fact, verdict: Verdict, relative: [f64; 3]) -> Effect {
        Effect {
            improvement: fact.id.clone(),
            title: String::new(),
            date: String::new(),
            metric: "failures".to_string(),
            unit: "failures per day".to_string(),
            lower_is_better: true,
            before: 20.0,
            after: 13.0,
            counterfactual: 20.0,
            absolute: [-7.0, -9.0, -5.0],
            relative,
            placebo_p: 0.01,
            placebos: 80,
            days_before: 120,
            days_after: 30,
            controls: Vec::new(),
            verdict,
        }
    }

    /// Whether improvements are judged right when these verdicts are given to the working and the
    /// idle one.
    fn check_verdicts(works: (Verdict, f64), idle: Verdict, expected: [bool; 2]) {
        let truth = truth();
        let estimate = works.1;
        let effects = [
            effect(
                truth.fact("IMP-001").unwrap(),
                works.0,
                [estimate, estimate - 0.1, estimate + 0.1],
            ),
            effect(truth.fact("IMP-002").unwrap(), idle, [-0.05, -0.15, 0.05]),
        ];
        let checks = improvements(&truth, &effects);
        assert_eq!([checks[0].ok, checks[1].ok], expected, "{checks:?}");
        assert_eq!(checks[2].verdict, "no verdict");
        assert!(!checks[2].ok);
    }

    #[test]
    fn verdicts_on_improvements() {
        check_verdicts((Verdict::Works, -0.33), Verdict::Unclear, [true, true]);
        check_verdicts((Verdict::Works, -0.80), Verdict::TooEarly, [false, true]);
        check_verdicts((Verdict::Unclear, -0.33), Verdict::Works, [false, false]);
        check_verdicts((Verdict::Harmful, 0.3), Verdict::Harmful, [false, false]);
    }

    #[test]
    fn accounts_of_records_are_compared() {
        let truth = truth();
        let mut note = SourceNote {
            name: "tickets".to_string(),
            uri: String::new(),
            contract: "ticket".to_string(),
            files: 3,
            records: 12,
            accepted: 9,
            quarantined: vec![("broken JSON".to_string(), 2)],
            duplicates: 1,
            broken_files: Vec::new(),
            unknown_fields: Vec::new(),
            first_time: String::new(),
            last_time: String::new(),
        };
        assert!(evaluate(&truth, &[], &[], std::slice::from_ref(&note)).sources[0].ok);
        note.quarantined.push(("too long".to_string(), 1));
        let evaluation = evaluate(&truth, &[], &[], &[note]);
        assert_eq!(
            evaluation.sources[0].differences,
            [("too long".to_string(), 0, 1)]
        );
    }

    #[test]
    fn the_table_can_be_read() {
        let truth = truth();
        let monday = truth.fact("monday").unwrap();
        let right = finding(
            "weekday_effect",
            "daily_failures",
            "all",
            "failures on Monday",
            true,
        );
        let right = ratio(right, monday.numbers["ratio_all_days"]);
        let wrong = finding(
            "trend",
            "daily_metrics",
            "service = api",
            "cpu_percent",
            true,
        );
        let effects = [
            effect(
                truth.fact("IMP-001").unwrap(),
                Verdict::Works,
                [-0.35, -0.42, -0.27],
            ),
            effect(
                truth.fact("IMP-002").unwrap(),
                Verdict::Unclear,
                [0.02, -0.1, 0.14],
            ),
            effect(
                truth.fact("IMP-003").unwrap(),
                Verdict::TooEarly,
                [0.0, 0.0, 0.0],
            ),
        ];
        let evaluation = evaluate(&truth, &[right, wrong], &effects, &[]);
        let text = evaluation.to_string();
        for line in [
            "planted facts      4 of 10 found",
            "  found   monday             failure tickets are",
            "  MISSED  shift              daily tickets of",
            "  FALSE   trend              trend of service = api: cpu_percent [stage]",
            "improvements       3 of 3 judged right",
            "result             FAILED",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        assert!(!evaluation.passed());
    }
}
