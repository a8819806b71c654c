//! The SVG pictures of a view.

use super::{Draw, FULL_WIDTH, HALF_WIDTH};
use crate::{
    stage_map,
    words::{capitalise, shorten},
};
use retrocast_domain::Chart;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize)]
pub(super) struct ChartView {
    path: String,
    title: String,
    unit: String,
    alt: String,
    /// True if it needs the full width.
    wide: bool,
    /// Rank by importance, for a page without space for all charts.
    rank: usize,
    /// The same chart in full width, for the last chart of an odd number.
    wide_path: Option<String>,
    /// ID of the figure; empty for parts of other figures.
    figure: String,
}

/// SVG files, numbered in order of use, so that names from records never become paths.
pub(super) struct Drawings<'a> {
    draw: &'a Draw<'a>,
    /// Titles of improvements by id.
    improvements: BTreeMap<&'a str, &'a str>,
    /// SVG text by path.
    pub(super) files: BTreeMap<String, String>,
}

impl<'a> Drawings<'a> {
    /// Creates an empty collection; `improvements` are titles by id.
    pub fn new(draw: &'a Draw<'a>, improvements: BTreeMap<&'a str, &'a str>) -> Self {
        Self {
            draw,
            improvements,
            files: BTreeMap::new(),
        }
    }

    /// Adds a chart with a width in millimetres; `figure` is its ID.
    pub fn add(&mut self, chart: &Chart, width: f64, wide: bool, figure: String) -> ChartView {
        let path = self.add_file((self.draw)(chart, width));
        let alt = if chart.alt.is_empty() {
            &chart.title
        } else {
            &chart.alt
        };
        ChartView {
            path,
            title: capitalise(&shorten(&self.with_title(&chart.title), 180)),
            unit: shorten(&chart.unit, 60),
            alt: shorten(alt, 1500),
            wide,
            rank: 0,
            wide_path: None,
            figure,
        }
    }

    /// Adds charts, given as rank, chart and ID, that are printed in pairs. Each is also drawn in
    /// full width, for the last chart of an odd number.
    pub fn add_pairs(&mut self, charts: Vec<(usize, &Chart, String)>) -> Vec<ChartView> {
        let views = charts.into_iter().map(|(rank, chart, figure)| ChartView {
            rank,
            wide_path: Some(self.add_file((self.draw)(chart, FULL_WIDTH))),
            ..self.add(chart, HALF_WIDTH, false, figure)
        });
        views.collect()
    }

    /// Adds the title of an improvement to its id in a chart title such as "IMP-001: works".
    fn with_title(&self, title: &str) -> String {
        let parts = title.split_once(':');
        let named = parts.and_then(|(id, label)| Some((id, self.improvements.get(id)?, label)));
        match named {
            Some((id, name, label)) => format!("{} ({id}):{label}", shorten(name, 60)),
            None => title.to_string(),
        }
    }

    /// Adds the stage map.
    pub fn add_svg(&mut self, map: stage_map::StageMap) -> ChartView {
        let path = self.add_file(map.svg);
        ChartView {
            path,
            title: String::new(),
            unit: String::new(),
            alt: map.alt,
            wide: true,
            rank: 0,
            wide_path: None,
            figure: String::new(),
        }
    }

    fn add_file(&mut self, svg: String) -> String {
        let path = format!("/charts/{}.svg", self.files.len() + 1);
        self.files.insert(path.clone(), svg);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::performance_charts;

    #[test]
    fn every_paired_chart_has_a_full_width_drawing() {
        let report = crate::sample::sample();
        let mut drawings = Drawings {
            draw: &|_: &Chart, width: f64| width.to_string(),
            improvements: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let charts = performance_charts(&report.cells, &[]).into_iter();
        let charts = charts.map(|(rank, chart)| (rank, chart, String::new()));
        let charts = drawings.add_pairs(charts.collect());
        assert!(charts.len() > 1);
        for chart in charts {
            let wide = chart.wide_path.unwrap_or_default();
            assert_eq!(drawings.files[&wide], FULL_WIDTH.to_string());
            assert_eq!(drawings.files[&chart.path], HALF_WIDTH.to_string());
        }
    }

    #[test]
    fn chart_titles_contain_the_title_of_the_improvement() {
        let drawings = Drawings {
            draw: &|_, _| String::new(),
            improvements: [("IMP-001", "Retry with back-off")].into(),
            files: BTreeMap::new(),
        };
        assert_eq!(
            drawings.with_title("IMP-001: works (−34 %)"),
            "Retry with back-off (IMP-001): works (−34 %)"
        );
        assert_eq!(drawings.with_title("Executions: low"), "Executions: low");
    }
}
