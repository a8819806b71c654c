//! Removes numbers that are not finite from cells: JSON cannot represent them, so a finding with
//! one could not be parsed.

use retrocast_domain::{
    Cell, Chart, ChartKind, Finding, Verdict,
    chart::{Band, Series},
};

/// Removes every number that is not finite from a cell.
pub(crate) fn remove_non_finite(cell: &mut Cell) {
    cell.findings.iter_mut().for_each(clean_finding);
    for kpi in &mut cell.kpis {
        let fields = [
            &mut kpi.value,
            &mut kpi.previous,
            &mut kpi.baseline,
            &mut kpi.target,
        ];
        fields.into_iter().for_each(keep_finite);
        kpi.history.iter_mut().for_each(keep_finite);
        kpi.interval = kpi
            .interval
            .filter(|ends| ends.iter().all(|end| end.is_finite()));
    }
    // Remove effects that could not be computed.
    cell.effects.retain(|effect| {
        let numbers = [
            effect.before,
            effect.after,
            effect.counterfactual,
            effect.placebo_p,
        ];
        let all_numbers = numbers
            .iter()
            .chain(&effect.absolute)
            .chain(&effect.relative);
        effect.verdict == Verdict::TooEarly || all_numbers.copied().all(f64::is_finite)
    });
    for effect in &mut cell.effects {
        for number in [
            &mut effect.before,
            &mut effect.after,
            &mut effect.counterfactual,
        ] {
            if !number.is_finite() {
                *number = 0.0;
            }
        }
    }
    cell.charts.iter_mut().for_each(clean_chart);
}

fn keep_finite(value: &mut Option<f64>) {
    *value = value.filter(|value| value.is_finite());
}

fn clean_finding(finding: &mut Finding) {
    if let Some(magnitude) = &mut finding.magnitude {
        keep_finite(&mut magnitude.lower);
        keep_finite(&mut magnitude.upper);
        keep_finite(&mut magnitude.level);
    }
    finding.magnitude = finding.magnitude.take().filter(|m| m.value.is_finite());
    keep_finite(&mut finding.p);
    keep_finite(&mut finding.p_adjusted);
    if !finding.confidence.is_finite() {
        finding.confidence = 0.0;
    }
}

fn clean_chart(chart: &mut Chart) {
    match &mut chart.kind {
        ChartKind::Line {
            series,
            bands,
            markers,
            levels,
        } => {
            series.iter_mut().for_each(clean_series);
            bands.iter_mut().for_each(clean_band);
            markers
                .iter_mut()
                .for_each(|marker| keep_finite(&mut marker.value));
            levels.retain(|level| level.value.is_finite());
        }
        ChartKind::Bars { bars, .. } => {
            bars.retain(|bar| bar.value.is_finite());
            for bar in bars {
                bar.interval = bar
                    .interval
                    .filter(|ends| ends.iter().all(|end| end.is_finite()));
            }
        }
        ChartKind::SmallMultiples { panels } => {
            panels
                .iter_mut()
                .for_each(|panel| panel.values.iter_mut().for_each(keep_finite));
        }
        ChartKind::CalendarHeat { days } => days.retain(|(_, value)| value.is_finite()),
        ChartKind::BeforeAfter {
            observed,
            counterfactual,
            band: interval,
            ..
        } => {
            clean_series(observed);
            clean_series(counterfactual);
            clean_band(interval);
        }
        ChartKind::Sparkline { values } => values.iter_mut().for_each(keep_finite),
        ChartKind::Bullet { target, ranges, .. } => {
            keep_finite(target);
            ranges.retain(|end| end.is_finite());
        }
    }
}

fn clean_series(series: &mut Series) {
    series.values.iter_mut().for_each(keep_finite);
}

/// Removes the times of a band at which a bound is not finite.
fn clean_band(band: &mut Band) {
    let is_known: Vec<bool> = band
        .lower
        .iter()
        .zip(&band.upper)
        .map(|(lower, upper)| lower.is_finite() && upper.is_finite())
        .collect();
    let mut flags = is_known.iter();
    band.times
        .retain(|_| flags.next().copied().unwrap_or(false));
    let mut flags = is_known.iter();
    band.lower
        .retain(|_| flags.next().copied().unwrap_or(false));
    let mut flags = is_known.iter();
    band.upper
        .retain(|_| flags.next().copied().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::Magnitude;

    #[test]
    fn numbers_that_are_not_finite_are_removed() {
        let mut cell = Cell::new("a", "trend");
        let mut finding = Finding::new("a", "trend", "all", "x");
        finding.magnitude = Some(Magnitude::interval95(1.0, f64::NEG_INFINITY, 2.0, "ratio"));
        finding.p = Some(f64::NAN);
        finding.confidence = f64::NAN;
        let mut other = finding.clone();
        other.magnitude = Some(Magnitude::point(f64::NAN, "ratio"));
        cell.findings = vec![finding, other];
        cell.charts.push(Chart {
            id: "c".to_string(),
            title: String::new(),
            unit: String::new(),
            alt: String::new(),
            kind: ChartKind::CalendarHeat {
                days: vec![(jiff::civil::date(2026, 1, 1), f64::INFINITY)],
            },
            table: None,
        });
        remove_non_finite(&mut cell);
        let text = serde_json::to_string(&cell).expect("JSON");
        let parsed: Cell = serde_json::from_str(&text).expect("a cell");
        assert_eq!(parsed, cell);
        let magnitude = cell.findings[0].magnitude.as_ref().expect("a magnitude");
        assert_eq!((magnitude.lower, magnitude.upper), (None, Some(2.0)));
        assert!(cell.findings[1].magnitude.is_none() && cell.findings[0].p.is_none());
    }
}
