//! The rules that compare a claim with the planted facts.

use super::claim::{Claim, mentions, numbers_of, ratios_of, text_numbers_of};
use crate::truth::{Fact, FactKind, Truth};
use jiff::{ToSpan, civil::Date};
use retrocast_domain::{Direction, Effect};
use serde_json::Value;

/// Number of days after a lasting shift during which detectors may still report anomalies.
const ADAPTATION_DAYS: i64 = 42;

/// The judgement of a claim.
pub(super) enum Judgement<'a> {
    /// It shows the facts with the given ids.
    Shows(Vec<&'a str>),
    /// It follows from planted facts, for the given reason.
    Implied(String),
    Informational,
    /// A false claim, with the nearest fact and why it does not match.
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

pub(super) fn judge<'a>(truth: &'a Truth, claim: &Claim, effects: &[Effect]) -> Judgement<'a> {
    let mut shows = Vec::new();
    let mut implied = None;
    let mut near = None;
    for fact in &truth.facts {
        match claim.compare(fact) {
            Match::Shows => shows.push(fact.id.as_str()),
            Match::Implied(why) => {
                implied = implied.or_else(|| Some(format!("{}: {why}", fact.id)));
            }
            Match::Near(why) => near = near.or(Some((fact.id.as_str(), why))),
            Match::Unrelated => {}
        }
    }
    if !shows.is_empty() {
        return Judgement::Shows(shows);
    }
    if let Some(why) = implied {
        return Judgement::Implied(why);
    }
    if let Some(why) = claim.allowed_pattern(truth) {
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

/// The relation of a claim to one planted fact.
enum Match {
    /// It shows the fact.
    Shows,
    /// It follows from the fact, for the given reason.
    Implied(&'static str),
    /// It would show the fact, except for the given reason.
    Near(String),
    /// It is unrelated to the fact.
    Unrelated,
}

impl Claim<'_> {
    fn compare(&self, fact: &Fact) -> Match {
        if !self.sources.contains(&fact.source.as_str()) {
            return Match::Unrelated;
        }
        match fact.kind {
            FactKind::WeekdayEffect => self.weekday_effect(fact),
            FactKind::VolumeThreshold => self.volume_threshold(fact),
            FactKind::ChangePoint => self.change_point(fact),
            FactKind::Outage => self.outage(fact),
            FactKind::Drift => self.drift(fact),
            FactKind::Effect | FactKind::Harm => self.effect(fact),
            FactKind::NoEffect => Match::Unrelated,
        }
    }

    /// Returns true if it is about all records.
    fn is_about_all(&self) -> bool {
        self.names.is_empty()
    }

    fn is_about(&self, fact: &Fact) -> bool {
        self.names.iter().any(|name| name == fact.value())
    }

    /// Returns true if its dates, within the tolerance, overlap `first..=last`.
    fn overlaps(&self, first: Date, last: Date, tolerance: i64) -> bool {
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
            return Match::Unrelated;
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
                    Match::Implied("Mondays are higher in each part and, diluted, in the total")
                }
            }
            (Some(0), Direction::Down) => Match::Near("Mondays are higher, not lower".to_string()),
            (_, Direction::Down) => {
                Match::Implied("other weekdays are below a mean that Mondays raise")
            }
            _ => Match::Unrelated,
        }
    }

    fn volume_threshold(&self, fact: &Fact) -> Match {
        if self.kind != "volume_threshold" {
            return Match::Unrelated;
        }
        let thresholds = numbers_of(self.finding, &["threshold", "cut", "volume", "files"]);
        let threshold = thresholds.first().copied().or_else(|| {
            let magnitude = self.finding.magnitude.as_ref()?;
            (!matches!(magnitude.unit.as_str(), "ratio" | "share" | "points"))
                .then_some(magnitude.value)
        });
        let up = self.finding.direction != Direction::Down;
        match threshold {
            Some(threshold) if fact.admits(threshold) && up => {
                if self.is_about_all() {
                    Match::Shows
                } else {
                    Match::Implied("the threshold holds in each pipeline")
                }
            }
            Some(threshold) => Match::Near(format!("the threshold found is {threshold}")),
            None => Match::Near("it names no threshold".to_string()),
        }
    }

    fn change_point(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::Unrelated;
        };
        let up = self.finding.direction != Direction::Down;
        match self.kind {
            "change_point" if self.is_about(fact) && up => self.dated_shift(fact, date),
            _ => self.follows_from_shift(fact, date, up),
        }
    }

    fn dated_shift(&self, fact: &Fact, date: Date) -> Match {
        if !self.overlaps(date, date, fact.date_tolerance_days) {
            return Match::Near(format!("its date is {}", self.dates_text()));
        }
        let ratios = ratios_of(self.finding);
        if ratios.is_empty() || ratios.iter().any(|ratio| fact.admits(*ratio)) {
            Match::Shows
        } else if self.ticket_type.is_some() {
            // One ticket type has fewer records, and another fact may affect it, too.
            Match::Implied("the shift in one type of tickets")
        } else {
            Match::Near(format!("the ratio is {ratios:.2?}"))
        }
    }

    /// Other consequences of a lasting shift of one component, for the component and for all
    /// records.
    fn follows_from_shift(&self, fact: &Fact, date: Date, same_direction: bool) -> Match {
        if !(self.is_about(fact) || self.is_about_all()) {
            return Match::Unrelated;
        }
        match self.kind {
            "change_point" if same_direction && self.overlaps(date, date, 21) => {
                Match::Implied("the shift of one component in the total")
            }
            "trend" if same_direction => Match::Implied("a shift moves the trend"),
            "month_effect" | "year_rate" => Match::Implied("months after the shift differ"),
            "anomaly" if same_direction => {
                let end = date.checked_add(ADAPTATION_DAYS.days()).unwrap_or(date);
                if self.overlaps(date, end, 1) {
                    Match::Implied("detectors had not adapted to the shift")
                } else {
                    Match::Unrelated
                }
            }
            "kpi" if same_direction && self.is_within_compared(date) => {
                Match::Implied("the baseline contains days before the shift")
            }
            _ => Match::Unrelated,
        }
    }

    fn outage(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::Unrelated;
        };
        match self.kind {
            "anomaly" if self.overlaps(date, date, fact.date_tolerance_days) => {
                if self.finding.direction == Direction::Down {
                    Match::Shows
                } else {
                    Match::Implied("shares vary more on a day with few records")
                }
            }
            "kpi" if self.is_within_compared(date) && !self.is_share() => {
                Match::Implied("the day is in the window or its baseline")
            }
            "source_quiet" if self.overlaps(date, date, 1) => {
                Match::Implied("few records came on that day")
            }
            _ => Match::Unrelated,
        }
    }

    /// Returns true if it is about a share, which does not depend on the number of records.
    fn is_share(&self) -> bool {
        let unit = self
            .finding
            .magnitude
            .as_ref()
            .map_or("", |magnitude| &magnitude.unit);
        let description = self.finding.what.to_lowercase();
        matches!(unit, "share" | "points")
            || description.contains("rate")
            || description.contains("share")
    }

    fn drift(&self, fact: &Fact) -> Match {
        if self.measure.is_some_and(|measure| measure != fact.measure) {
            return Match::Unrelated;
        }
        let up = self.finding.direction != Direction::Down;
        if self.measure.is_none() || !up {
            return Match::Unrelated;
        }
        let (is_about, is_about_all) = (self.is_about(fact), self.is_about_all());
        match self.kind {
            "trend" if is_about => Match::Shows,
            "forecast" | "capacity" if is_about && self.is_breach() => Match::Shows,
            "trend" | "forecast" | "capacity" | "month_effect" | "year_rate" | "kpi"
                if is_about || is_about_all =>
            {
                Match::Implied("the drift, in the service or in the mean of all")
            }
            "change_point" | "anomaly" | "drift" if is_about || is_about_all => {
                let first = fact.date.unwrap_or(self.until);
                if self.dates.is_none() || self.overlaps(first, self.until, 7) {
                    Match::Implied("a drift looks like a step or like unusual days")
                } else {
                    Match::Near(format!("its date is {}", self.dates_text()))
                }
            }
            _ => Match::Unrelated,
        }
    }

    fn effect(&self, fact: &Fact) -> Match {
        let Some(date) = fact.date else {
            return Match::Unrelated;
        };
        let harms = fact.kind == FactKind::Harm;
        let is_expected = (self.finding.direction == Direction::Up) == harms;
        if matches!(self.kind, "effect" | "effectiveness") {
            let is_named = mentions(
                &format!("{} {}", self.finding.subject, self.finding.what),
                &fact.id,
            ) || self.is_about(fact)
                || text_numbers_of(self.finding).any(|text| text == fact.id);
            return match (is_named, is_expected, harms) {
                (true, true, false) => Match::Implied("the improvement works"),
                (true, true, true) => Match::Implied("the improvement does harm"),
                (true, false, false) => Match::Near("it lowers the measure".to_string()),
                (true, false, true) => Match::Near("it raises the measure".to_string()),
                _ => Match::Unrelated,
            };
        }
        if self
            .ticket_type
            .as_deref()
            .is_some_and(|kind| kind != "failure")
        {
            return Match::Unrelated;
        }
        self.follows_from_shift(fact, date, is_expected)
    }

    fn allowed_pattern(&self, truth: &Truth) -> Option<String> {
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

    /// Returns true if a forecast reaches a limit.
    fn is_breach(&self) -> bool {
        let finding = self.finding;
        finding.numbers.keys().any(|key| key.contains("breach"))
            || finding.what.contains("limit")
            || finding.sentence.contains("limit")
    }

    /// Returns true if it claims no effect.
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
        let claims_effect = |word: &str| matches!(word, "works" | "harmful");
        if let Some(Value::String(verdict)) = self.finding.numbers.get("verdict") {
            return !claims_effect(verdict);
        }
        let text = format!("{} {}", self.finding.subject, self.finding.what);
        effects
            .iter()
            .find(|effect| mentions(&text, &effect.improvement) || mentions(&text, &effect.title))
            .is_some_and(|effect| !claims_effect(effect.verdict.word()))
    }

    fn dates_text(&self) -> String {
        match self.dates {
            Some((from, to)) if from == to => from.to_string(),
            Some((from, to)) => format!("{from} to {to}"),
            None => "missing".to_string(),
        }
    }
}
