//! Sentences on restated figures.

use super::notes::list_first;
use retrocast_domain::{
    Cell, Kpi, Restatement, number::list, number::plural, restatement::CauseKind,
    sentence::is_or_are,
};
use std::collections::BTreeSet;

/// The restated figures of all stages, with the stage of each.
fn figures(cells: &[Cell]) -> impl Iterator<Item = (&Cell, &Restatement)> {
    let restated = cells
        .iter()
        .filter_map(|cell| Some((cell, cell.restated.as_ref()?)));
    restated.flat_map(|(cell, restated)| restated.figures.iter().map(move |figure| (cell, figure)))
}

/// One line on all restated figures, for the notes on data; `None` if no figure was restated.
pub(super) fn note(cells: &[Cell]) -> Option<String> {
    let restatements: Vec<&Restatement> = figures(cells).map(|(_, figure)| figure).collect();
    let smaller = smaller(cells);
    if restatements.is_empty() {
        return smaller;
    }
    let windows: BTreeSet<&str> = restatements
        .iter()
        .map(|figure| figure.window.as_str())
        .collect();
    let causes = restatements.iter().flat_map(|figure| &figure.causes);
    let causes: BTreeSet<_> = causes.map(|cause| cause.kind).collect();
    let causes: Vec<&str> = causes.into_iter().map(CauseKind::words).collect();
    let figures = plural(restatements.len() as u64, "figure");
    let verb = if restatements.len() == 1 {
        "has"
    } else {
        "have"
    };
    let windows = list(&windows.into_iter().collect::<Vec<_>>());
    let note = format!(
        "{figures} of {windows} {verb} changed since publication: {}. The technical report lists them.",
        list(&causes)
    );
    Some(match smaller {
        Some(smaller) => format!("{note} {smaller}"),
        None => note,
    })
}

/// One line on figures that changed by less than the minimum.
fn smaller(cells: &[Cell]) -> Option<String> {
    let mut restated = cells.iter().filter_map(|cell| cell.restated.clone());
    let mut merged = restated.next()?;
    for other in restated {
        merged.smaller += other.smaller;
        merged.figures.extend(other.figures);
    }
    merged.smaller_in_words()
}

/// The notice for the first page: restated figures that are among its key figures.
pub(crate) fn notice(cells: &[Cell], kpis: &[Kpi]) -> Option<String> {
    let is_printed =
        |(_, figure): &(&Cell, &Restatement)| kpis.iter().any(|kpi| kpi.name == figure.metric);
    let sentences = figures(cells).filter(is_printed);
    let sentences: Vec<String> = sentences
        .map(|(_, figure)| {
            let [from, to] = &figure.texts;
            let kinds: Vec<&str> = figure
                .causes
                .iter()
                .map(|cause| cause.kind.words())
                .collect();
            let (metric, window, why) = (&figure.metric, &figure.window, list(&kinds));
            let are = is_or_are(metric);
            format!("{metric} of {window} {are} {to} instead of {from} ({why})")
        })
        .collect();
    let listed = list_first(&sentences, sentences.len() as u64, "figure");
    (!sentences.is_empty()).then(|| format!("Restated: {listed}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use retrocast_domain::{
        Restatements,
        restatement::{Cause, CauseKind},
    };

    fn cell(metrics: &[&str], smaller: u64) -> Cell {
        let figure = |metric: &&str| {
            let mut restatement =
                Restatement::new("2026-W45", metric, "min", [Some(10.0), Some(12.0)]);
            restatement.causes.push(Cause {
                kind: CauseKind::LateRecords,
                change: Some(2.0),
                records: Some(3),
            });
            restatement
        };
        Cell {
            restated: Some(Restatements {
                change_min: 0.005,
                windows: 1,
                figures: metrics.iter().map(figure).collect(),
                smaller,
            }),
            ..Cell::new("figures", "kpi")
        }
    }

    #[test]
    fn restated_figures_are_one_line() {
        let plain = |text: Option<String>| text.map(|text| text.replace('\u{a0}', " "));
        assert_eq!(note(&[Cell::new("a", "kpi")]), None);
        let small = "2 figures of earlier windows changed by less than 0.5 %.";
        assert_eq!(plain(note(&[cell(&[], 2)])).as_deref(), Some(small));
        let expected = "1 figure of 2026-W45 has changed since publication: late records. The technical \
                    report lists them. 1 further figure of earlier windows changed by less than 0.5 %.";
        assert_eq!(
            plain(note(&[cell(&["Delay"], 0), cell(&[], 1)])).as_deref(),
            Some(expected)
        );
        assert_eq!(notice(&[cell(&["Delay"], 0)], &[]), None, "no key figure");
    }
}
