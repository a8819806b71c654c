//! Formats effects of candidates as findings, table and rows.

use super::{CANDIDATE, Candidate, Effect, Params};
use crate::{
    Context, StageError,
    series::{SeriesSet, words},
};
use retrocast_domain::{
    ActionRequest, Direction, Evidence, Finding, Magnitude, MeasuredChange, Severity, Table,
    estimate::Estimate, number, window::date_in_words,
};

/// Formats the results of the stage.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) set: &'a SeriesSet,
    pub(super) candidates: &'a [Candidate],
    pub(super) measure: String,
    pub(super) evidence: Vec<Evidence>,
}

impl Reporter<'_> {
    pub(super) fn finding(&self, effect: &Effect) -> Finding {
        let group = &self.set.groups[effect.group];
        let (name, what) = match effect.change {
            Some(change) => {
                let name = self.short_name(&self.candidates[change]);
                let id = &self.candidates[change].id;
                let what = format!("{} after change {id}", self.measure);
                (name, what)
            }
            None => (
                effect.switch.clone(),
                format!("{} while {} is on", self.measure, effect.switch),
            ),
        };
        let mut finding = Finding::new(&self.context.stage, CANDIDATE.name, &group.subject, &what);
        finding.measure.clone_from(&self.measure);
        finding.change = Some(MeasuredChange {
            name,
            relative: self.relative(effect),
        });
        let rises = effect.effect[0] > 0.0;
        let is_harmful = rises == self.params.lower_is_better;
        finding.direction = if rises {
            Direction::Up
        } else {
            Direction::Down
        };
        finding.severity = if is_harmful {
            Severity::Warning
        } else {
            Severity::Notice
        };
        finding.confidence = (1.0 - effect.adjusted).min(0.99);
        (finding.p, finding.p_adjusted) = (Some(effect.p), Some(effect.adjusted));
        finding.n = group.known() as u64;
        let [value, low, high] = effect.effect;
        finding.magnitude = Some(Magnitude::interval95(value, low, high, self.unit()));
        finding.method = "step at the date of a change".to_string();
        finding.evidence.clone_from(&self.evidence);
        if let Some(evidence) = finding.evidence.first_mut() {
            *evidence = self.set.evidence_on(group, 0, self.set.starts.len() - 1);
        }
        finding.request = Some(ActionRequest::new(
            &what,
            "",
            if is_harmful {
                "undo it or explain it"
            } else {
                "add it to the register"
            },
        ));
        let in_group = words::in_group(group);
        let measure = words::capitalised(&self.measure);
        let verb = words::is_or_are(&self.measure);
        let size = self.estimate(effect).claim("than before");
        finding.sentence = match effect.change {
            Some(change) => {
                let change = &self.candidates[change];
                finding.period = format!("{} to {}", change.date, change.date);
                finding = finding
                    .number("change", change.id.clone())
                    .number("date", change.date.to_string());
                let others: Vec<&str> = effect
                    .inseparable
                    .iter()
                    .map(|other| self.candidates[*other].id.as_str())
                    .collect();
                let others = match others.as_slice() {
                    [] => String::new(),
                    others => format!("; {} cannot be separated from it", number::list(others)),
                };
                format!(
                    "{measure}{in_group} {verb} {size} since {} on {}{others}.",
                    self.name(change),
                    date_in_words(change.date)
                )
            }
            None => format!(
                "While {} is on, {}{in_group} {verb} {}; it was turned on or off {}.",
                effect.switch,
                self.measure,
                self.estimate(effect).claim("than while it is off"),
                number::plural(effect.turns as u64, "time")
            ),
        };
        finding.caveats.push(
            "Something else that happened on the same day would show the same step.".to_string(),
        );
        finding
    }

    fn unit(&self) -> String {
        if !self.params.unit.is_empty() {
            self.params.unit.clone()
        } else if self.set.adds_up {
            format!("{} per day", self.measure)
        } else {
            String::new()
        }
    }

    /// The step relative to the level before; `None` for shares, or if a level is not positive.
    fn relative(&self, effect: &Effect) -> Option<[f64; 3]> {
        if matches!(self.params.unit.as_str(), "%" | "share") {
            return None;
        }
        let is_positive = effect.before > 0.0 && effect.before + effect.effect[0] >= 0.0;
        is_positive.then(|| effect.effect.map(|amount| amount / effect.before))
    }

    /// The step relative to the level before; for shares, or if a level is not positive, as an
    /// amount.
    fn estimate(&self, effect: &Effect) -> Estimate<'_> {
        if let Some([value, low, high]) = self.relative(effect) {
            return Estimate::relative(value, Some([low, high]), true);
        }
        let [value, low, high] = effect.effect;
        Estimate::amount(value, Some([low, high]), &self.params.unit, true)
    }

    /// Names a change by its title, or else by its id.
    fn short_name(&self, change: &Candidate) -> String {
        match change.title.trim() {
            "" => format!("change {}", change.id),
            title => format!("change “{title}”"),
        }
    }

    /// Names a change: "change 482 (Larger pool)".
    fn name(&self, change: &Candidate) -> String {
        match change.title.trim() {
            "" => format!("change {}", change.id),
            title => format!("change {} ({title})", change.id),
        }
    }

    pub(super) fn table(&self, proven: &[&Effect]) -> Table {
        let mut table = Table::new(
            "Changes after which the level is different, the most certain first.",
            &[
                "<change",
                "<group",
                "<date",
                ">effect",
                ">95 % interval",
                ">p, corrected",
                "<inseparable from",
            ],
        );
        for effect in proven {
            let group = &self.set.groups[effect.group].label;
            let (name, date) = match effect.change {
                Some(change) => {
                    let change = &self.candidates[change];
                    (self.name(change), change.date.to_string())
                }
                None => (format!("{} on", effect.switch), String::new()),
            };
            let others: Vec<&str> = effect
                .inseparable
                .iter()
                .map(|other| self.candidates[*other].id.as_str())
                .collect();
            let size = self.estimate(effect);
            table.push([
                name,
                group.clone(),
                date,
                size.signed(),
                size.signed_range(),
                number::p_bare(effect.adjusted),
                others.join(", "),
            ]);
        }
        table
    }

    /// The dataset: a row for each change and series.
    pub(super) fn frame(
        &self,
        effects: &[Effect],
    ) -> Result<polars::prelude::DataFrame, StageError> {
        use polars::prelude::{Column, DataFrame};
        let texts = |get: &dyn Fn(&Effect) -> String| effects.iter().map(get).collect::<Vec<_>>();
        let numbers = |get: &dyn Fn(&Effect) -> f64| effects.iter().map(get).collect::<Vec<_>>();
        let change = |effect: &Effect| effect.change.map(|change| &self.candidates[change]);
        Ok(DataFrame::new_infer_height(vec![
            Column::new(
                "change".into(),
                texts(&|effect| {
                    change(effect).map_or_else(|| effect.switch.clone(), |change| change.id.clone())
                }),
            ),
            Column::new(
                "group".into(),
                texts(&|effect| self.set.groups[effect.group].label.clone()),
            ),
            Column::new(
                "date".into(),
                texts(&|effect| {
                    change(effect).map_or_else(String::new, |change| change.date.to_string())
                }),
            ),
            Column::new("effect".into(), numbers(&|effect| effect.effect[0])),
            Column::new("effect_lower".into(), numbers(&|effect| effect.effect[1])),
            Column::new("effect_upper".into(), numbers(&|effect| effect.effect[2])),
            Column::new("p".into(), numbers(&|effect| effect.p)),
            Column::new("p_adjusted".into(), numbers(&|effect| effect.adjusted)),
        ])?)
    }
}
