//! Measures our program on a row of the table.

use super::{
    cases::Case,
    claims::{Claims, Verdict, delay, end},
    job::{ALL, ANOMALY, CHANGE_POINT, TREND, Workspace},
    oracle::median,
    series::{Plant, Series},
};
use std::{fmt, fs, path::Path};

/// Weeks after the start of a step or ramp at which the job runs, before the end of the series.
const WEEKS_AFTER: [usize; 4] = [2, 3, 4, 6];

/// The figures of a row.
pub struct Row {
    is_null: bool,
    verdicts: Vec<Verdict>,
    /// Share of outages found by a run at the end of their day.
    found_on_day: Option<f64>,
    /// Median delay of the events found, in hours or days.
    delay: Option<f64>,
}

/// The runs of a row.
struct Runs<'a> {
    case: &'a Case,
    series: &'a [Series],
    workspace: Workspace<'a>,
    /// Delay of each event that was found.
    delays: Vec<Option<f64>>,
}

impl Runs<'_> {
    /// Runs these kinds of stages on these series, on the window of `days` days that ends before
    /// day `end`.
    fn run(
        &mut self,
        kinds: &[char],
        wanted: &[usize],
        days: usize,
        end: usize,
    ) -> Result<Vec<Claims>, String> {
        let claims = self.workspace.run(kinds, wanted, days, end)?;
        let Case { kind, plant, .. } = *self.case;
        for (claims, i) in claims.iter().zip(wanted) {
            let series = &self.series[*i];
            if self.delays[*i].is_none() && claims.judge(series, kind, plant).is_found {
                let end = if kind.is_daily() { end } else { end * 24 };
                self.delays[*i] = Some(delay(series, end));
            }
        }
        Ok(claims)
    }

    /// Runs the kind of stage on the series whose events are not found yet.
    fn run_early(&mut self, kind: char, days: usize, end: usize) -> Result<(), String> {
        let missing: Vec<usize> = (0..self.series.len())
            .filter(|i| self.delays[*i].is_none())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.run(&[kind], &missing, days, end).map(drop)
    }
}

impl Row {
    /// Runs the program on all series of a row, in an empty folder that is removed.
    pub fn measure(
        case: &Case,
        series: usize,
        program: &Path,
        folder: &Path,
    ) -> Result<Self, String> {
        let series: Vec<Series> = (0..case.count(series)).map(|i| case.series(i)).collect();
        let mut runs = Runs {
            case,
            series: &series,
            workspace: Workspace::new(program, folder.to_path_buf(), case, &series)?,
            delays: vec![None; series.len()],
        };
        let last = if case.kind.is_daily() {
            end(case.kind)
        } else {
            end(case.kind) / 24
        };
        let mut found_on_day = None;
        let first = series.first().map_or(last, |series| series.planted.start);
        match case.plant {
            Plant::Nothing => {}
            Plant::Outage { day, .. } => {
                runs.run_early(ANOMALY, 1, last - 6 + day)?;
                let found = runs.delays.iter().flatten().count();
                found_on_day = Some(found as f64 / series.len() as f64);
            }
            Plant::Step(_) | Plant::Ramp(_) => {
                let is_step = matches!(case.plant, Plant::Step(_));
                let kind = if is_step { CHANGE_POINT } else { TREND };
                let ends = WEEKS_AFTER.map(|weeks| first + weeks * 7);
                for end in ends.into_iter().filter(|end| *end < last) {
                    runs.run_early(kind, 7, end)?;
                }
            }
        }
        let everything: Vec<usize> = (0..series.len()).collect();
        let claims = runs.run(&ALL, &everything, 7, last)?;
        let delays: Vec<f64> = runs.delays.iter().flatten().copied().collect();
        let verdicts = claims
            .iter()
            .zip(&series)
            .map(|(claims, series)| claims.judge(series, case.kind, case.plant))
            .collect();
        fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
        Ok(Self {
            is_null: case.plant == Plant::Nothing,
            verdicts,
            found_on_day,
            delay: (!delays.is_empty()).then(|| median(delays)),
        })
    }

    /// Percentage of series with a property.
    fn percent(&self, has: impl Fn(&Verdict) -> bool) -> f64 {
        let count = self.verdicts.iter().filter(|verdict| has(verdict)).count();
        100.0 * count as f64 / self.verdicts.len().max(1) as f64
    }

    /// False claims in ten weeks of reports.
    fn false_claims(&self) -> f64 {
        let count: usize = self
            .verdicts
            .iter()
            .map(|verdict| verdict.false_claims)
            .sum();
        10.0 * count as f64 / self.verdicts.len().max(1) as f64
    }

    /// The goals that the row misses.
    pub fn shortfalls(&self, case: &Case) -> Vec<String> {
        let mut short = Vec::new();
        let title = &case.title;
        if let Some(goal) = case.goal {
            let found = self.percent(|verdict| verdict.is_found);
            if found < goal {
                short.push(format!("{title}: {found:.0} % found, not {goal} %"));
            }
            let steps = self.percent(|verdict| verdict.has_step);
            if matches!(case.plant, Plant::Ramp(_)) && steps > 0.0 {
                short.push(format!("{title}: {steps:.0} % called a step"));
            }
        }
        let story = self.percent(|verdict| verdict.is_one_story);
        if story < 100.0 {
            short.push(format!("{title}: {story:.0} % with one story"));
        }
        short
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |value: Option<f64>| value.map_or("-".to_string(), |v| format!("{v:.0}"));
        let found = (!self.is_null).then(|| self.percent(|verdict| verdict.is_found));
        let day = self.found_on_day.map(|share| 100.0 * share);
        write!(
            f,
            "{:>5} {:>4} {:>5} {:>5.1} {:>5.0} {:>5.0} {:>5.0} {:>5.0} {:>5.0} {:>7.0} {:>5.0}",
            or_dash(found),
            or_dash(day),
            or_dash(self.delay),
            self.false_claims(),
            self.percent(|verdict| verdict.has_bend),
            self.percent(|verdict| verdict.has_line),
            self.percent(|verdict| verdict.has_step),
            self.percent(|verdict| verdict.has_open_step),
            self.percent(|verdict| verdict.has_event),
            self.percent(|verdict| verdict.forecast_follows),
            self.percent(|verdict| verdict.is_one_story),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{cases, series::Kind},
        *,
    };

    #[test]
    fn a_row_reports_missed_goals() {
        let verdict = |is_found, has_step, is_one_story| Verdict {
            is_found,
            has_step,
            is_one_story,
            false_claims: usize::from(!is_found),
            ..Verdict::default()
        };
        let row = Row {
            is_null: false,
            verdicts: vec![
                verdict(true, false, true),
                verdict(true, false, true),
                verdict(false, true, true),
                verdict(true, false, false),
            ],
            found_on_day: None,
            delay: Some(28.0),
        };
        let cases = cases::all();
        let is_goal = |case: &&Case| case.goal.is_some() && case.kind == Kind::Days(0.5);
        let goal = cases.iter().find(is_goal).unwrap();
        let expected = [
            "days, autocorrelation 0.5, ramp 4 weeks: 75 % found, not 90 %",
            "days, autocorrelation 0.5, ramp 4 weeks: 25 % called a step",
            "days, autocorrelation 0.5, ramp 4 weeks: 75 % with one story",
        ];
        assert_eq!(row.shortfalls(goal), expected);
        let other = cases.iter().find(|case| case.goal.is_none()).unwrap();
        assert_eq!(row.shortfalls(other).len(), 1);
        let text = row.to_string();
        let cells: Vec<&str> = text.split_whitespace().collect();
        let expected = ["75", "-", "28", "2.5", "0", "0", "25", "0", "0", "0", "75"];
        assert_eq!(cells, expected);
    }
}
