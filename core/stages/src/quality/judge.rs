//! The components of the score of one dataset, each with its basis.

use super::{
    Params,
    completeness::{EmptierColumn, completeness},
    gaps::Gaps,
    shape,
    survey::Survey,
    volume::Volume,
};
use crate::{Context, Input, StageError, series::silence::Silence};
use jiff::civil::Date;
use retrocast_domain::{
    Window,
    number::{self, plural},
    report::{Expectation, SourceNote},
    window::date_in_words,
};

/// A component of the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    Validity,
    Completeness,
    Freshness,
    Volume,
    Uniqueness,
    Shape,
}

impl Component {
    /// All components, by weight.
    pub(super) const ALL: [Self; 6] = [
        Self::Validity,
        Self::Completeness,
        Self::Freshness,
        Self::Volume,
        Self::Uniqueness,
        Self::Shape,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Validity => "validity",
            Self::Completeness => "completeness",
            Self::Freshness => "freshness",
            Self::Volume => "volume",
            Self::Uniqueness => "uniqueness",
            Self::Shape => "shape",
        }
    }

    /// Weight in the score if all components are known.
    pub(super) fn weight(self) -> f64 {
        match self {
            Self::Validity => 0.25,
            Self::Completeness | Self::Freshness => 0.20,
            Self::Volume => 0.15,
            Self::Uniqueness | Self::Shape => 0.10,
        }
    }
}

/// One component: its value, if known, and its basis as a phrase.
#[derive(Debug, Clone, Default)]
pub(super) struct Assessment {
    pub(super) value: Option<f64>,
    pub(super) basis: String,
}

impl Assessment {
    fn new(value: Option<f64>, basis: impl Into<String>) -> Self {
        Self {
            value: value.map(|value| value.clamp(0.0, 1.0)),
            basis: basis.into(),
        }
    }
}

/// The quality of one dataset.
pub(super) struct Quality {
    pub(super) name: String,
    /// Number of records read; number of rows if the dataset is not a source.
    pub(super) records: u64,
    /// Number of records in the window, if they have times.
    pub(super) in_window: Option<u64>,
    /// True if there is no record before the window's end.
    pub(super) is_empty: bool,
    components: [Assessment; 6],
    /// Statistics of its columns.
    pub(super) survey: Survey,
    /// Columns with more missing values than usual, the worst first.
    pub(super) emptier: Vec<EmptierColumn>,
    pub(super) silence: Option<Silence>,
    /// Periods without records.
    pub(super) gaps: Gaps,
    pub(super) volume: Option<Volume>,
}

impl Quality {
    /// The value of a component, if it is known.
    pub(super) fn value(&self, component: Component) -> Option<f64> {
        self.components[component as usize].value
    }

    /// The basis of a component.
    pub(super) fn basis(&self, component: Component) -> &str {
        &self.components[component as usize].basis
    }

    /// Components whose value could be computed, with the value.
    pub(super) fn known_components(&self) -> impl Iterator<Item = (Component, f64)> {
        Component::ALL
            .into_iter()
            .filter_map(|component| Some((component, self.value(component)?)))
    }

    /// The weight of a component in the score; 0 if it is unknown.
    pub(super) fn weight(&self, component: Component) -> f64 {
        if self.value(component).is_none() {
            return 0.0;
        }
        let total_weight: f64 = self
            .known_components()
            .map(|(component, _)| component.weight())
            .sum();
        component.weight() / total_weight
    }

    /// Weighted mean of the known components, from 0 to 100.
    pub(super) fn score(&self) -> Option<f64> {
        let weight: f64 = self
            .known_components()
            .map(|(component, _)| component.weight())
            .sum();
        let sum: f64 = self
            .known_components()
            .map(|(component, value)| value * component.weight())
            .sum();
        (weight > 0.0).then(|| 100.0 * sum / weight)
    }
}

/// Assesses one dataset.
pub(super) fn judge(
    context: &Context,
    params: &Params,
    input: &Input,
) -> Result<Quality, StageError> {
    let window = &context.window;
    let times = match &input.time {
        Some(time) => Some(input.times(time, &window.timezone)?),
        None => None,
    };
    let required = params
        .always_filled
        .get(&input.dataset.name)
        .map_or(&[][..], Vec::as_slice);
    let survey = Survey::read(context, input, times.as_deref())?;
    let completeness = completeness(input, &survey, required)?;
    let source = input.source.as_ref();
    let no_expectation = Expectation::default();
    let expectation = source.map_or(&no_expectation, |source| &source.expectation);
    // If the absence of records means that nothing happened, no records are missing.
    let silence_is_zero = input.complete_until.is_some();
    let silence = times.as_deref().and_then(|times| {
        Silence::measure(times, window, expectation.fresh_hours, silence_is_zero)
    });
    let gaps = match &times {
        Some(times) if !silence_is_zero => Gaps::find(times, window, params.windows),
        _ => Gaps::default(),
    };
    let volume = times.as_deref().and_then(|times| {
        Volume::compare(times, window, params, expectation, silence_is_zero, &gaps)
    });
    let completeness = completeness.with_days(
        gaps.share(window, params.windows),
        &gaps.basis(window, params.windows),
    );
    let assess = |component: Component| match component {
        Component::Validity => validity(params, source),
        Component::Completeness => Assessment::new(completeness.share, &*completeness.basis),
        Component::Freshness => freshness(window, silence.as_ref(), last_day_after(window, source)),
        Component::Volume => match &volume {
            Some(volume) => Assessment::new(volume.share(), volume.basis()),
            None => Assessment::default(),
        },
        Component::Uniqueness => uniqueness(params, source),
        Component::Shape => assess_shape(params, source, survey.columns.len()),
    };
    Ok(Quality {
        name: input.dataset.name.clone(),
        records: source.map_or(survey.records, |source| source.records),
        in_window: times.as_ref().map(|times| times.in_window(window)),
        is_empty: match &times {
            Some(_) => silence.is_none(),
            None => survey.records == 0,
        },
        components: Component::ALL.map(assess),
        emptier: completeness.emptier,
        survey,
        silence,
        gaps,
        volume,
    })
}

/// Counts the refused records, for any reason.
fn count_refused(source: &SourceNote) -> u64 {
    source.quarantined.iter().map(|(_, count)| count).sum()
}

/// Share of records that conform to the contract, times the share of readable files.
fn validity(params: &Params, source: Option<&SourceNote>) -> Assessment {
    let Some(source) = source.filter(|source| source.records > 0) else {
        return Assessment::default();
    };
    let refused = count_refused(source);
    let valid = 1.0 - refused as f64 / source.records as f64;
    let broken = source.broken_files.len() as u64;
    let files = source.files.max(broken).max(1);
    let mut basis = format!(
        "{} of {} left out",
        number::count(refused),
        params.format_count(source.records)
    );
    if broken > 0 {
        let file_count = plural(files, "file");
        basis.push_str(&format!("; {broken} of {file_count} not read completely"));
    }
    Assessment::new(Some(valid * (1.0 - broken as f64 / files as f64)), basis)
}

/// Share of valid records that were not duplicates.
fn uniqueness(params: &Params, source: Option<&SourceNote>) -> Assessment {
    let Some(source) = source else {
        return Assessment::default();
    };
    let valid = source.records.saturating_sub(count_refused(source));
    if valid == 0 {
        return Assessment::default();
    }
    Assessment::new(
        Some(1.0 - source.duplicates as f64 / valid as f64),
        format!(
            "{} of {} valid {} {}",
            number::count(source.duplicates),
            number::count(valid),
            params.noun(),
            if source.duplicates == 1 {
                "is a duplicate"
            } else {
                "are duplicates"
            }
        ),
    )
}

/// Number of hours from which an age is formatted in whole days.
const DAYS_FROM: f64 = 48.0;

/// The day of the last record of a source, if it is not before the window's end.
fn last_day_after(window: &Window, source: Option<&SourceNote>) -> Option<Date> {
    let [_, last] = source?.days(&window.timezone);
    last.filter(|last| *last >= window.end)
}

fn freshness(window: &Window, silence: Option<&Silence>, later: Option<Date>) -> Assessment {
    let Some(silence) = silence else {
        return Assessment::default();
    };
    let exact = |hours: f64| number::minutes((hours * 60.0).round());
    let days = |hours: f64| plural((hours / 24.0).round() as u64, "day");
    // In days, if that distinguishes the age from the limit.
    let in_days = silence.hours >= DAYS_FROM
        && silence
            .allowed_hours
            .is_none_or(|allowed| allowed >= DAYS_FROM && days(allowed) != days(silence.hours));
    let hours = |hours: f64| if in_days { days(hours) } else { exact(hours) };
    let age = if window.contains(silence.last.date()) {
        let age = hours(silence.hours);
        format!("last record in the window {age} before its end")
    } else {
        let age = hours(silence.hours);
        format!("last record {age} before the window's end, none in the window")
    };
    let basis = match (silence.allowed_hours, silence.by_contract) {
        (Some(allowed), true) => format!("{age}; the contract allows {}", hours(allowed)),
        (Some(allowed), false) => format!("{age}; its rhythm allows {}", hours(allowed)),
        (None, _) if silence.silence_is_zero => {
            format!("{age}; by the contract, the absence of records means that nothing happened")
        }
        (None, _) => format!("{age}; too few days with records to learn a rhythm"),
    };
    let basis = match later {
        Some(last) => format!(
            "{basis}; records after the window, up to {}, do not count",
            date_in_words(last)
        ),
        None => basis,
    };
    Assessment::new(silence.share(), basis)
}

fn assess_shape(params: &Params, source: Option<&SourceNote>, fields: usize) -> Assessment {
    let Some(source) = source else {
        return Assessment::default();
    };
    let differences = shape::differences(params, source);
    let basis = if differences.is_empty() {
        let fields = plural(fields as u64, "field");
        format!(
            "{fields}, all as in the contract{}",
            shape::describe_empty(source)
        )
    } else {
        differences.join("; ")
    };
    Assessment::new(shape::share(source, fields), basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn an_age_of_weeks_is_formatted_in_days() {
        let window = Window::parse("2026-W42", "UTC").expect("a window");
        let basis = |last: Date, hours: f64, allowed: f64| {
            let silence = Silence {
                last: last.at(15, 38, 0, 0),
                has_hours: true,
                hours,
                usual_hours: None,
                silence_is_zero: false,
                allowed_hours: Some(allowed),
                by_contract: true,
                p: None,
                ends_before: [0, 0],
                active_days: 0,
            };
            let later = Some(date(2026, 10, 21)).filter(|_| hours == 776.0);
            let basis = freshness(&window, Some(&silence), later).basis;
            basis.replace('\u{a0}', " ")
        };
        let (before, within) = (date(2026, 9, 16), date(2026, 10, 17));
        let expected = "last record 32 days before the window's end, none in the window; the contract \
                    allows 833 days; records after the window, up to 21 October 2026, do not count";
        assert_eq!(basis(before, 776.0, 20_000.0), expected);
        let expected = "last record in the window 1 d 16 h before its end; the contract allows 4 d";
        assert_eq!(basis(within, 40.0, 96.0), expected);
        // Durations that would print the same in whole days are distinguished.
        let expected = "last record in the window 4 d 2 h before its end; the contract allows 4 d";
        assert_eq!(basis(within, 98.0, 96.0), expected);
    }
}
