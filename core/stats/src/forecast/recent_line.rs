//! The line along which a series has moved lately, to forecast it and to estimate when it reaches a
//! limit.
//!
//! A backtest cannot test a movement that began some weeks ago, because it did not exist at earlier
//! dates. So the line is fitted to the series itself, as in a search for trends: if its [`shape`]
//! is a level with a [`bend`], the line begins at the bend; else it is the straight line through
//! all values. Only the values since the last step count, and if the later half of a line has less
//! than half of its slope, only that half. A slope is proven by simulation of level series with the
//! same autocorrelation.
//!
//! A forecast follows a line only if it began with a bend after most dates of the backtest. How
//! long a movement will last is unknown. One that has lasted `n` steps ends within the next `k`
//! steps with probability `k / (n + k)` (Gott 1993): in the median it lasts as long again, and the
//! interval of a forecast covers an early end.

use super::{Options, Outlook, clean, intervals::Allowance, origins};
use crate::{
    bend::bend,
    end_line::{EndLine, straight_line},
    search::Search,
    seasonal,
    shape::{Form, Shape, search_shape, shape},
    trend::seasonally_adjusted,
};

/// The line of the last values.
#[derive(Debug, Clone, PartialEq)]
pub struct RecentLine {
    /// Index of the first value on the line.
    pub start: usize,
    /// p-value of no slope.
    pub p: f64,
    /// True if the series was level before the line.
    pub is_bend: bool,
    line: EndLine,
    /// Seasonal offset of each step after the series, repeating.
    season: Vec<f64>,
}

/// p-value below which a slope is proven.
const PROVEN_P_MAX: f64 = 0.001;

/// Maximum number of values to look back: a year of days, or this number of seasons.
const VALUES_MAX: usize = 366;
const SEASONS_MAX: usize = 26;

/// Minimum slope of the later half of a line, relative to that of the whole, for a movement that
/// continues.
const CONTINUED_MIN: f64 = 0.5;

impl RecentLine {
    /// Number of values on the line.
    pub fn length(&self) -> usize {
        self.line.length
    }

    /// Change per step.
    pub fn slope(&self) -> f64 {
        self.line.slope
    }

    /// Returns true if a change of the values is proven.
    pub fn is_proven(&self) -> bool {
        self.p < PROVEN_P_MAX
    }

    /// Returns true if a forecast of `n` values follows the line: it began with a proven bend,
    /// after most of the dates from which forecasters are tested. Later, the test decides between
    /// them.
    pub fn is_followed(&self, n: usize, options: &Options) -> bool {
        let origins = origins(n, options);
        let is_young = origins
            .get(origins.len() / 2)
            .is_some_and(|origin| *origin <= self.start);
        self.is_bend && self.is_proven() && is_young
    }

    /// Height of the line, without the season, `step` steps after the last value (0 is the next
    /// step).
    pub fn at(&self, step: usize) -> f64 {
        self.line.at(step as f64 + 1.0)
    }

    /// Half the width of the interval of the line (not of a single value) at a step.
    pub fn half_width(&self, step: usize, level: f64) -> f64 {
        self.line.half_width(step as f64 + 1.0, level)
    }

    /// Half the width of the interval of the slope.
    pub fn slope_half_width(&self, level: f64) -> f64 {
        self.line.slope_half_width(level)
    }

    /// Expected value at a step if the movement lasts as long as this quantile of its remaining
    /// duration.
    fn value(&self, step: usize, quantile: f64) -> f64 {
        let lasts = self.length() as f64 * quantile / (1.0 - quantile);
        self.line.at((step as f64 + 1.0).min(lasts)) + self.season[step % self.season.len()]
    }
}

/// The line at the end of a series without gaps, whose season has `period` steps. Segments between
/// steps and bends have at least `segment_min` values. `None` if the series is shorter than two of
/// them.
pub fn recent_line(values: &[f64], period: usize, segment_min: usize) -> Option<RecentLine> {
    let search = Search {
        segment_min,
        ..Search::default()
    };
    let n = values.len();
    if n < 2 * segment_min {
        return None;
    }
    let first = n.saturating_sub(VALUES_MAX.max(SEASONS_MAX * period));
    let known: Vec<Option<f64>> = values[first..].iter().copied().map(Some).collect();
    let adjusted: Vec<f64> = seasonally_adjusted(&known, period)
        .into_iter()
        .flatten()
        .collect();
    let season = values[first..]
        .iter()
        .zip(&adjusted)
        .map(|(value, adjusted)| value - adjusted)
        .skip(adjusted.len().saturating_sub(period.max(1)))
        .collect();
    let mut start = 0;
    loop {
        let remaining = &adjusted[start..];
        let fitted = match fit(remaining, &search) {
            Fit::SinceStep(position) => {
                start += position;
                continue;
            }
            Fit::Line(fitted) => fitted,
        };
        let length = fitted.line.length;
        if fitted.p < PROVEN_P_MAX
            && !is_continued(&remaining[remaining.len() - length..], &fitted.line)
        {
            start += remaining.len() - length / 2;
            continue;
        }
        return Some(RecentLine {
            start: n - length,
            p: fitted.p,
            is_bend: fitted.is_bend,
            line: fitted.line,
            season,
        });
    }
}

/// The description of a series.
enum Fit {
    /// It has a step at this index.
    SinceStep(usize),
    /// A line at its end.
    Line(FittedLine),
}

struct FittedLine {
    line: EndLine,
    p: f64,
    is_bend: bool,
}

/// Decides between a step, a bend and a straight line.
fn fit(values: &[f64], search: &Search) -> Fit {
    let best = shape(values, search.segment_min);
    if let Some(Shape::Step(position)) = best {
        return Fit::SinceStep(position);
    }
    let may_bend = matches!(best.and_then(Shape::form), Some(Form::Bend(_)));
    let bend = may_bend.then(|| bend(values, search)).flatten();
    let fitted = match bend.filter(|bend| bend.p < PROVEN_P_MAX) {
        Some(bend) => FittedLine {
            line: bend.end,
            p: bend.p,
            is_bend: true,
        },
        None => {
            let (line, p) = straight_line(values, search);
            FittedLine {
                line,
                p,
                is_bend: false,
            }
        }
    };
    // Several steps can look like a line, and are searched for only if it matters.
    match search_shape(values, search).filter(|_| fitted.p < PROVEN_P_MAX) {
        Some((Shape::Step(position), _)) => Fit::SinceStep(position),
        _ => Fit::Line(fitted),
    }
}

/// Returns true if the later half of the values of a line moves on as before.
fn is_continued(values: &[f64], line: &EndLine) -> bool {
    let (_, later) = seasonal::line(&values[values.len() / 2..]);
    later / line.slope >= CONTINUED_MIN
}

impl Outlook {
    /// The same forecast of `values` along a line. Errors in the backtest remain those of the
    /// forecasters.
    #[must_use]
    pub fn along(mut self, line: &RecentLine, values: &[f64], options: &Options) -> Self {
        let mut cleaned = clean(&values[..line.start], options.period);
        cleaned.open_deviation = 0.0;
        cleaned.shift = None;
        cleaned.values.extend(&values[line.start..]);
        let allowance = Allowance::of(values, &cleaned);
        let floor = if values.iter().all(|value| *value >= 0.0) {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let horizon = self.mean.len();
        let expected = |step| line.value(step, 0.5).max(floor);
        // The interval of the sum of `count` steps from the first on.
        let interval = |first: usize, count: usize, level: f64| {
            let steps = || first..first + count;
            let upper = f64::midpoint(1.0, level);
            let [a, b] = [1.0 - upper, upper].map(|quantile| {
                let values = steps().map(|step| line.value(step, quantile));
                values.sum::<f64>()
            });
            let of_line: f64 = steps().map(|step| line.half_width(step, level)).sum();
            let of_noise = count as f64 * line.line.noise_half_width(count, level);
            let half = of_line.hypot(of_noise);
            let [down, up] = allowance.over(count, level, half);
            [(a.min(b) - down).max(floor), (a.max(b) + up).max(floor)]
        };
        self.mean = (0..horizon).map(expected).collect();
        self.median.clone_from(&self.mean);
        for band in &mut self.bands {
            let ends = (0..horizon).map(|step| interval(step, 1, band.level));
            (band.lower, band.upper) = ends.map(|[lower, upper]| (lower, upper)).unzip();
        }
        let total_steps = options.total.clamp(1, horizon);
        self.total = self.mean[..total_steps].iter().sum();
        self.total_intervals = options
            .levels
            .iter()
            .map(|level| interval(0, total_steps, *level))
            .collect();
        self.outliers = cleaned.outliers;
        self.open_deviation = 0.0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forecast::{Band, forecast},
        search::Noise,
    };

    const DAYS: usize = 140;
    const WEEK: usize = 7;

    fn options() -> Options {
        Options {
            period: WEEK,
            horizon: 2 * WEEK,
            levels: vec![0.95],
            total: WEEK,
            origins: 8,
            seasons_min: 3,
        }
    }

    /// A forecast without values.
    fn blank(options: &Options) -> Outlook {
        let band = |level: &f64| Band {
            level: *level,
            lower: Vec::new(),
            upper: Vec::new(),
            coverage: 0.0,
        };
        Outlook {
            mean: vec![0.0; options.horizon],
            median: Vec::new(),
            bands: options.levels.iter().map(band).collect(),
            total: 0.0,
            total_intervals: Vec::new(),
            members: Vec::new(),
            mase: 0.0,
            smape: 0.0,
            error: 0.0,
            naive_error: 0.0,
            origins: 0,
            outliers: Vec::new(),
            open_deviation: 0.0,
            constant: false,
            errors: Vec::new(),
        }
    }

    /// Memory of a service in per cent, without noise: it leaks since `age` days and has gained 25
    /// points on the last of `DAYS` days.
    fn leak(age: usize, day: usize) -> f64 {
        52.0 + 25.0 / age as f64 * (day as f64 + 1.0 - (DAYS - age) as f64).max(0.0)
    }

    /// Checks 20 leaks of this age: their dates, the forecast of the next week, and the date of a
    /// limit that is reached after half the age.
    fn check_leaks(age: usize) {
        let mut noise = Noise::new(age as u64);
        let options = options();
        let (mut dated, mut weeks, mut days, mut dates) = (0, 0, 0, 0);
        for _ in 0..20 {
            let series = noise.autoregressive(DAYS + WEEK, 0.4);
            let all: Vec<f64> = series
                .iter()
                .enumerate()
                .map(|(day, noise)| leak(age, day) + noise)
                .collect();
            let (values, next) = all.split_at(DAYS);
            let line = recent_line(values, WEEK, 14).expect("a line");
            if !line.is_followed(DAYS, &options) {
                continue;
            }
            dated += usize::from(line.start.abs_diff(DAYS - age) <= 3);
            let outlook = blank(&options).along(&line, values, &options);
            let [low, high] = outlook.total_intervals[0];
            let total: f64 = next.iter().sum();
            weeks += usize::from(low <= total && total <= high);
            let band = &outlook.bands[0];
            let is_inside = |i: &usize| band.lower[*i] <= next[*i] && next[*i] <= band.upper[*i];
            days += (0..WEEK).filter(is_inside).count();
            // Not so wide that it says nothing: the forecast expects the rise to go on.
            assert!(low > 7.0 * leak(age, DAYS - 8), "{age}: {low}");
            assert!(outlook.mean[6] > leak(age, DAYS - 1), "{age}: {outlook:?}");
            let limit = leak(age, DAYS + age / 2);
            let reached = |side: f64| {
                let edge = |step: &usize| line.at(*step) + side * line.half_width(*step, 0.95);
                (0..age).find(|step| edge(step) >= limit)
            };
            let [earliest, latest] = [reached(1.0), reached(-1.0)];
            let is_before = earliest.is_some_and(|step| step <= age / 2);
            dates += usize::from(is_before && latest.is_none_or(|step| age / 2 <= step));
        }
        let found =
            format!("{age} days: {dated} dated, {weeks} weeks, {days} days, {dates} limits");
        assert!(dated >= 18 && weeks >= 18 && dates >= 17, "{found}");
        assert!(days >= 126, "{found}");
    }

    #[test]
    fn a_leak_of_two_weeks_is_followed() {
        check_leaks(14);
    }

    #[test]
    fn a_leak_of_four_weeks_is_followed() {
        check_leaks(28);
    }

    #[test]
    fn a_leak_of_six_weeks_is_followed() {
        check_leaks(42);
    }

    /// Share of level series with a proven line.
    fn claims(autocorrelation: f64) -> f64 {
        let mut noise = Noise::new((10.0 * autocorrelation) as u64 + 3);
        let is_claim = |_: &i32| {
            let values = noise.autoregressive(182, autocorrelation);
            let line = recent_line(&values, WEEK, 14);
            line.expect("a line").is_proven()
        };
        let tries = 150;
        (0..tries).filter(is_claim).count() as f64 / f64::from(tries)
    }

    #[test]
    fn level_metrics_have_no_slope() {
        for autocorrelation in [0.0, 0.5, 0.8] {
            let rate = claims(autocorrelation);
            assert!(rate <= 0.02, "AR {autocorrelation}: {rate}");
        }
    }

    /// The line of these values with noise.
    fn line_of(shape: impl Fn(f64) -> f64) -> RecentLine {
        let mut noise = Noise::new(5);
        let series = noise.autoregressive(240, 0.3);
        let with_noise = |(i, noise): (usize, &f64)| 60.0 + noise + shape(i as f64);
        let values: Vec<f64> = series.iter().enumerate().map(with_noise).collect();
        recent_line(&values, WEEK, 14).expect("a line")
    }

    #[test]
    fn only_the_present_movement_counts() {
        let ended = line_of(|i| 0.25 * (i - 120.0).clamp(0.0, 60.0));
        assert!(!ended.is_proven() || ended.slope() < 0.05, "{ended:?}");
        let step = line_of(|i| if i < 200.0 { 0.0 } else { 15.0 });
        assert!(!step.is_proven(), "{step:?}");
        assert!((step.at(0) - 75.0).abs() < 2.0, "{step:?}");
        let straight = line_of(|i| 0.1 * i);
        assert!(straight.is_proven() && !straight.is_bend, "{straight:?}");
        assert!((straight.at(9) - 85.0).abs() < 1.5, "{straight:?}");
    }

    #[test]
    fn a_forecast_follows_a_line_with_its_season_for_as_long_as_it_has_lasted() {
        let week = [4.0, 2.0, 0.0, 0.0, 0.0, -2.0, -4.0];
        let mut noise = Noise::new(2);
        let series = noise.autoregressive(DAYS, 0.2);
        let values: Vec<f64> = series
            .iter()
            .enumerate()
            .map(|(i, noise)| leak(14, i) + week[i % WEEK] + 0.5 * noise)
            .collect();
        let line = recent_line(&values, WEEK, 14).expect("a line");
        let options = Options {
            horizon: 28,
            ..options()
        };
        assert!(line.is_followed(DAYS, &options), "{line:?}");
        let outlook = forecast(&values, &options).expect("a forecast");
        let outlook = outlook.along(&line, &values, &options);
        for step in 0..28 {
            let expected = leak(14, DAYS + step.min(13)) + week[(DAYS + step) % WEEK];
            let gap = outlook.mean[step] - expected;
            assert!(gap.abs() < 3.0, "{step}: {gap}");
        }
        // The rise may end tomorrow, or last for longer.
        let band = &outlook.bands[0];
        assert!(
            band.lower[27] < 80.0 && band.upper[27] > leak(14, DAYS + 27) - 5.0,
            "{band:?}"
        );
    }
}
