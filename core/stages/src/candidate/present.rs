//! Effects of candidates as a reader sees them: findings, a table, rows.

use super::{CANDIDATE, Candidate, Effect, Params};
use crate::{
    Context, StageError,
    series::{SeriesSet, words},
};
use retrocast_domain::{
    Ask, Direction, Evidence, Finding, Magnitude, Severity, Table, estimate::Estimate, number,
    window::long,
};

/// Words for what was found.
pub(super) struct Reporter<'a> {
    pub(super) context: &'a Context,
    pub(super) params: &'a Params,
    pub(super) lines: &'a SeriesSet,
    pub(super) candidates: &'a [Candidate],
    pub(super) measure: String,
    pub(super) evidence: Vec<Evidence>,
}

impl Reporter<'_> {
    pub(super) fn finding(&self, effect: &Effect) -> Finding {
        let group = &self.lines.groups[effect.group];
        let what = match effect.change {
            Some(change) => format!(
                "{} after change {}",
                self.measure, self.candidates[change].id
            ),
            None => format!("{} while {} is on", self.measure, effect.switch),
        };
        let mut finding = Finding::new(&self.context.stage, CANDIDATE.name, &group.subject, &what);
        let rises = effect.effect[0] > 0.0;
        let harms = rises == self.params.lower_is_better;
        finding.direction = if rises {
            Direction::Up
        } else {
            Direction::Down
        };
        finding.severity = if harms {
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
        finding.ask = Some(Ask::new(
            &what,
            "",
            if harms {
                "undo it or explain it"
            } else {
                "put it on the register"
            },
        ));
        let place = words::in_group(group);
        let measure = words::capitalised(&self.measure);
        let be = words::be(&self.measure);
        let size = self.estimate(effect).claim("than before");
        finding.sentence = match effect.change {
            Some(change) => {
                let change = &self.candidates[change];
                finding.period = format!("{} to {}", change.date, change.date);
                let also: Vec<&str> = effect
                    .inseparable
                    .iter()
                    .map(|other| self.candidates[*other].id.as_str())
                    .collect();
                let also = match also.as_slice() {
                    [] => String::new(),
                    also => format!("; {} cannot be told apart from it", number::list(also)),
                };
                format!(
                    "{measure}{place} {be} {size} since {} on {}{also}.",
                    self.name(change),
                    long(change.date)
                )
            }
            None => format!(
                "{measure}{place} {be} {} while {} is on, over {}.",
                self.estimate(effect).claim("than while it is off"),
                effect.switch,
                number::plural(effect.turns as u64, "turn")
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
        } else if self.lines.adds_up {
            format!("{} per day", self.measure)
        } else {
            String::new()
        }
    }

    /// The step relative to the level before, or as an amount where that is not above zero.
    fn estimate(&self, effect: &Effect) -> Estimate<'_> {
        let [value, low, high] = effect.effect;
        if effect.before > 0.0 && effect.before + value >= 0.0 {
            let of = |amount: f64| amount / effect.before;
            return Estimate::relative(of(value), Some([of(low), of(high)]), true);
        }
        Estimate::amount(value, Some([low, high]), &self.params.unit, true)
    }

    /// "change 482 (Larger pool)".
    fn name(&self, change: &Candidate) -> String {
        match change.title.trim() {
            "" => format!("change {}", change.id),
            title => format!("change {} ({title})", change.id),
        }
    }

    pub(super) fn table(&self, found: &[&Effect]) -> Table {
        let mut table = Table::new(
            "Changes after which the level is different, the surest first.",
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
        for effect in found {
            let group = &self.lines.groups[effect.group].label;
            let (name, date) = match effect.change {
                Some(change) => {
                    let change = &self.candidates[change];
                    (self.name(change), change.date.to_string())
                }
                None => (format!("{} on", effect.switch), String::new()),
            };
            let also: Vec<&str> = effect
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
                also.join(", "),
            ]);
        }
        table
    }

    /// A row for each change and series.
    pub(super) fn frame(
        &self,
        effects: &[Effect],
    ) -> Result<polars::prelude::DataFrame, StageError> {
        use polars::prelude::{Column, DataFrame};
        let text = |of: &dyn Fn(&Effect) -> String| effects.iter().map(of).collect::<Vec<_>>();
        let value = |of: &dyn Fn(&Effect) -> f64| effects.iter().map(of).collect::<Vec<_>>();
        let change = |effect: &Effect| effect.change.map(|change| &self.candidates[change]);
        Ok(DataFrame::new_infer_height(vec![
            Column::new(
                "change".into(),
                text(&|one| {
                    change(one).map_or_else(|| one.switch.clone(), |change| change.id.clone())
                }),
            ),
            Column::new(
                "group".into(),
                text(&|one| self.lines.groups[one.group].label.clone()),
            ),
            Column::new(
                "date".into(),
                text(&|one| change(one).map_or_else(String::new, |change| change.date.to_string())),
            ),
            Column::new("effect".into(), value(&|one| one.effect[0])),
            Column::new("effect_lower".into(), value(&|one| one.effect[1])),
            Column::new("effect_upper".into(), value(&|one| one.effect[2])),
            Column::new("p".into(), value(&|one| one.p)),
            Column::new("p_adjusted".into(), value(&|one| one.adjusted)),
        ])?)
    }
}
