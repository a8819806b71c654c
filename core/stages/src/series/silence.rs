//! Assesses the silence of a source: its length, and its probability under the source's own
//! pattern.

use crate::times::{Resolution, Times};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, Weekday},
};
use retrocast_domain::{
    Window,
    number::plural,
    window::{date_in_words, range},
};
use retrocast_stats::{
    describe,
    distribution::{t_p, t_quantile},
};

/// Probability of a silence below which a source counts as stopped.
pub(crate) const QUIET_P: f64 = 0.005;
/// Number of days of history that define what is usual: a year and a week, so that last year's
/// holidays are included.
const HISTORY_DAYS: i64 = 53 * 7;
/// Minimum number of days with records, and of days from first to last, for a pattern.
const ACTIVE_MIN: usize = 7;
const SPAN_MIN: usize = 14;
/// Minimum share of weeks in which a weekday has records to count as usual; and the maximum factor
/// between the numbers of records of two weekdays that are pooled.
const USUAL_SHARE: f64 = 0.5;
const POOLED_RATIO_MAX: f64 = 2.0;
/// Maximum relative spread of regular gaps; and the minimum number of gaps.
const REGULAR_SPREAD_MAX: f64 = 0.35;
const GAPS_MIN: usize = 8;
/// Minimum spread of the logarithms of regular gaps: months have 28 to 31 days.
const LOG_SPREAD_MIN: f64 = 0.1;
/// Maximum probability, and minimum number of days, of a silence in the history that is a gap.
const GAP_P: f64 = 1e-4;
const GAP_DAYS: i64 = 3;
/// Maximum silence to consider for the limit of a pattern, in days.
const AHEAD_DAYS_MAX: i64 = 3650;

const DAY_HOURS: f64 = 24.0;

/// The time since the last record.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    /// Time of the newest record; if records have dates only, midnight of the newest date.
    pub(crate) last: DateTime,
    /// True if records have a time of day.
    pub(crate) has_hours: bool,
    /// Hours from the newest record to the window's end.
    pub(crate) hours: f64,
    /// Median and 99 % quantile of the time between records, in hours.
    pub(crate) usual_hours: Option<[f64; 2]>,
    /// True if the absence of records means that nothing happened.
    pub(crate) silence_is_zero: bool,
    /// Maximum age in hours, by the contract or by the pattern.
    pub(crate) allowed_hours: Option<f64>,
    /// True if the maximum age is that of the contract.
    pub(crate) by_contract: bool,
    /// Probability of such a silence under the source's own pattern.
    pub(crate) p: Option<f64>,
    /// Number of earlier weeks, and number of these weeks that ended with a silence at least as
    /// long.
    pub(crate) ends_before: [u64; 2],
    /// Number of days with records, on which the pattern is based.
    pub(crate) active_days: u64,
}

impl Silence {
    /// Measures the silence at the window's end; `None` without a record before it. If the absence
    /// of records means that nothing happened, only the contract decides whether it is too long.
    pub(crate) fn measure(
        times: &Times,
        window: &Window,
        fresh_hours: Option<f64>,
        silence_is_zero: bool,
    ) -> Option<Self> {
        let end = window.end.at(0, 0, 0, 0);
        let recent = recent_times(times, window)?;
        let (last, _) = *recent.last()?;
        let has_hours = times.resolution == Resolution::Moment;
        let mut days = DayEnds::group(recent, has_hours);
        if !silence_is_zero {
            days.find_gaps();
        }
        let hours = hours_between(days.last_moment(), end);
        let usual_hours = usual_hours(recent, &days.gaps);
        let assessment = days.assess(window.end, usual_hours.map_or(DAY_HOURS, |hours| hours[1]));
        let silences = days.silences_before(window.end);
        let as_silent = silences.iter().filter(|silence| **silence >= hours).count();
        let by_pattern = assessment.map(|assessment| {
            let longest = silences.iter().copied().fold(0.0, f64::max);
            assessment.allowed_hours.max(longest)
        });
        Some(Self {
            last,
            has_hours,
            hours,
            usual_hours,
            silence_is_zero,
            allowed_hours: fresh_hours.or(by_pattern.filter(|_| !silence_is_zero)),
            by_contract: fresh_hours.is_some(),
            p: assessment
                .filter(|_| !silence_is_zero)
                .map(|assessment| assessment.p),
            ends_before: [silences.len() as u64, as_silent as u64],
            active_days: days.active.len() as u64,
        })
    }

    /// Returns true if the source counts as stopped.
    pub(crate) fn is_quiet(&self) -> bool {
        self.allowed_hours
            .is_some_and(|allowed| self.hours > allowed)
    }

    /// The freshness component of the score.
    pub(crate) fn share(&self) -> Option<f64> {
        if self.silence_is_zero && self.allowed_hours.is_none() {
            return Some(1.0);
        }
        let allowed = self.allowed_hours?;
        Some(if self.hours <= allowed {
            1.0
        } else {
            allowed / self.hours
        })
    }
}

/// A period of days without records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) first: Date,
    pub(crate) last: Date,
}

impl Gap {
    pub(crate) fn days(self) -> u64 {
        u64::from((self.last - self.first).get_days().max(0).unsigned_abs()) + 1
    }

    pub(crate) fn contains(self, day: Date) -> bool {
        self.first <= day && day <= self.last
    }

    /// Formats the period: "from 20 September to 10 October 2026 (21 days)", "on 17 November 2026".
    pub(crate) fn words(self) -> String {
        if self.first == self.last {
            return format!("on {}", date_in_words(self.first));
        }
        format!(
            "from {} ({})",
            range(self.first, self.last),
            plural(self.days(), "day")
        )
    }
}

/// Returns true if a gap is at the same time of the previous year, as holidays are.
fn is_a_year_earlier(gap: Gap, end: Date) -> bool {
    let Ok(year_ago) = end.checked_sub(364.days()) else {
        return false;
    };
    let is_near = |day: Date| (day - year_ago).get_days().abs() <= 14;
    is_near(gap.first) || is_near(gap.last) || gap.contains(year_ago)
}

fn hours_between(from: DateTime, to: DateTime) -> f64 {
    to.duration_since(from).as_secs_f64() / 3600.0
}

/// The times in the 53 weeks up to the newest record before the window's end, ascending, with the
/// number of records at each; `None` if there are no records.
fn recent_times<'a>(times: &'a Times, window: &Window) -> Option<&'a [(DateTime, u64)]> {
    let end = window.end.at(0, 0, 0, 0);
    let counts = times.counts();
    let before = &counts[..counts.partition_point(|(time, _)| *time < end)];
    let (last, _) = *before.last()?;
    let from = last.checked_sub(HISTORY_DAYS.days()).unwrap_or(last);
    Some(&before[before.partition_point(|(time, _)| *time < from)..])
}

/// Median and 99 % quantile of the hours between distinct times of records, excluding gaps.
fn usual_hours(times: &[(DateTime, u64)], gaps: &[Gap]) -> Option<[f64; 2]> {
    let precedes_gap = |time: &DateTime| {
        let next = time.date().tomorrow();
        next.is_ok_and(|next| gaps.iter().any(|gap| gap.first == next))
    };
    let mut hours: Vec<f64> = times
        .windows(2)
        .map(|pair| [pair[0].0, pair[1].0])
        .filter(|[before, after]| before.date() == after.date() || !precedes_gap(before))
        .map(|[before, after]| hours_between(before, after))
        .collect();
    hours.sort_by(f64::total_cmp);
    let quantile = |p| describe::quantile_sorted(&hours, p);
    (!hours.is_empty()).then(|| [quantile(0.5), quantile(0.99)])
}

/// The assessment of a silence.
#[derive(Debug, Clone, Copy)]
struct SilenceAssessment {
    p: f64,
    allowed_hours: f64,
}

/// The time of the last record of each day with records, and the gaps between days.
pub(crate) struct DayEnds {
    /// Days with records, ascending, with the hour of the day of the last record.
    active: Vec<(Date, f64)>,
    /// Number of records on each weekday.
    records: [f64; 7],
    pub(crate) first: Date,
    last: Date,
    /// Periods in which records are missing.
    pub(crate) gaps: Vec<Gap>,
}

impl DayEnds {
    /// Groups at least one time, in ascending order and with its number of records, by day.
    fn group(times: &[(DateTime, u64)], has_hours: bool) -> Self {
        let mut active: Vec<(Date, f64)> = Vec::new();
        let mut records = [0.0; 7];
        for (time, count) in times {
            records[weekday_index(time.date())] += *count as f64;
            let hour = if has_hours {
                hours_between(time.date().at(0, 0, 0, 0), *time)
            } else {
                DAY_HOURS
            };
            match active.last_mut() {
                Some(day) if day.0 == time.date() => day.1 = hour,
                _ => active.push((time.date(), hour)),
            }
        }
        let day = |day: Option<&(Date, f64)>| day.map_or(Date::MIN, |day| day.0);
        Self {
            first: day(active.first()),
            last: day(active.last()),
            active,
            records,
            gaps: Vec::new(),
        }
    }

    /// The days before the window's end with their gaps; `None` without a record.
    pub(crate) fn before_end(times: &Times, window: &Window) -> Option<Self> {
        let recent = recent_times(times, window)?;
        let mut days = Self::group(recent, times.resolution == Resolution::Moment);
        days.find_gaps();
        Some(days)
    }

    /// Finds the periods between days with records that are nearly impossible under the pattern of
    /// all other days: records are missing there, and the periods are excluded from the pattern.
    /// The longest period is handled first, because it hides the others.
    fn find_gaps(&mut self) {
        if self.active.len() < ACTIVE_MIN || self.span() < SPAN_MIN {
            return;
        }
        let mut silences: Vec<Gap> = self
            .active
            .windows(2)
            .filter_map(|pair| {
                let (first, last) = (pair[0].0.tomorrow().ok()?, pair[1].0.yesterday().ok()?);
                let days = i64::from((last - first).get_days()) + 1;
                (days >= GAP_DAYS).then_some(Gap { first, last })
            })
            .collect();
        silences.sort_by_key(|gap| (std::cmp::Reverse(gap.days()), gap.first));
        for silence in silences {
            self.gaps.push(silence);
            let mut pattern = WeekdayPattern::learn(self);
            let mut p = 1.0;
            let mut day = silence.first;
            while silence.contains(day) {
                p *= pattern.add_silent_day(weekday_index(day));
                day = day.tomorrow().unwrap_or(Date::MAX);
            }
            if p >= GAP_P || self.is_regular() {
                self.gaps.pop();
                // Shorter silences are not less probable.
                break;
            }
        }
        self.gaps.sort_by_key(|gap| gap.first);
    }

    /// Returns true if most gaps have the same length, as for monthly deliveries.
    fn is_regular(&self) -> bool {
        let pattern = WeekdayPattern::learn(self);
        !pattern.usual.contains(&true)
    }

    fn last_hour(&self) -> f64 {
        self.active.last().map_or(0.0, |day| day.1)
    }

    /// The time of the newest record, or the end of its day if it has no time.
    fn last_moment(&self) -> DateTime {
        moment(self.last, self.last_hour())
    }

    /// Number of days from the first to the last.
    fn span(&self) -> usize {
        (self.last - self.first).get_days().max(0) as usize + 1
    }

    /// Hours of silence at the ends of earlier weeks, as far as the history reaches. Weeks after
    /// the newest record are left out: the current silence is not its own precedent.
    fn silences_before(&self, end: Date) -> Vec<f64> {
        let silence = |weeks: i64| {
            let window_end = end;
            let end = end.checked_sub((7 * weeks).days()).ok()?;
            let eve = end.yesterday().ok()?;
            let mut gaps = self.gaps.iter();
            if gaps.any(|gap| gap.contains(eve) && !is_a_year_earlier(*gap, window_end)) {
                return None;
            }
            let days_before = self.active.partition_point(|(day, _)| *day < end);
            let (day, hour) = self.active.get(days_before.checked_sub(1)?)?;
            (end <= self.last).then(|| hours_between(moment(*day, *hour), end.at(0, 0, 0, 0)))
        };
        (1..=HISTORY_DAYS / 7).filter_map(silence).collect()
    }

    /// Assesses the silence at the end of the day before `end`; `usual_max` is the 99 % quantile of
    /// the hours between records.
    fn assess(&self, end: Date, usual_max: f64) -> Option<SilenceAssessment> {
        if self.active.len() < ACTIVE_MIN || self.span() < SPAN_MIN {
            return None;
        }
        let pattern = WeekdayPattern::learn(self);
        if !pattern.usual.contains(&true)
            && let Some(assessment) = self.assess_regular(end)
        {
            return Some(assessment);
        }
        Some(self.assess_by_day(pattern, end, usual_max))
    }

    /// Assesses day by day, by the share of similar days without a record. `usual_max` is the limit
    /// if even the rest of the day of the newest record is unusual.
    fn assess_by_day(
        &self,
        mut pattern: WeekdayPattern,
        end: Date,
        usual_max: f64,
    ) -> SilenceAssessment {
        let mut p = pattern.rest_of_day(self, self.last, self.last_hour());
        let (mut p_at_end, mut allowed, mut is_exceeded) = (p, None, false);
        for ahead in 1..=AHEAD_DAYS_MAX {
            let Ok(day) = self.last.checked_add(ahead.days()) else {
                break;
            };
            // Here `p` is the probability of silence up to the start of this day.
            let silent_hours = hours_between(self.last_moment(), day.at(0, 0, 0, 0));
            if day <= end {
                p_at_end = p;
            }
            is_exceeded |= p < QUIET_P;
            if !is_exceeded {
                allowed = Some(silent_hours);
            } else if allowed.is_none() {
                allowed = Some(usual_max.min(silent_hours));
            }
            if is_exceeded && day >= end {
                break;
            }
            p *= pattern.add_silent_day(weekday_index(day));
        }
        SilenceAssessment {
            p: p_at_end,
            allowed_hours: allowed.unwrap_or(0.0),
        }
    }

    /// Assesses regular gaps, by Student's t on their logarithms.
    fn assess_regular(&self, end: Date) -> Option<SilenceAssessment> {
        let days = |from: Date, to: Date| f64::from((to - from).get_days());
        let gaps: Vec<f64> = self
            .active
            .windows(2)
            .map(|pair| days(pair[0].0, pair[1].0))
            .collect();
        if gaps.len() < GAPS_MIN || describe::sd(&gaps) > REGULAR_SPREAD_MAX * describe::mean(&gaps)
        {
            return None;
        }
        let logs: Vec<f64> = gaps.iter().map(|gap| gap.ln()).collect();
        let n = logs.len() as f64;
        let mean = describe::mean(&logs);
        let spread = describe::sd(&logs).max(LOG_SPREAD_MIN) * (1.0 + 1.0 / n).sqrt();
        // A record on the day of the end would make the gap this long.
        let t = (days(self.last, end).max(1.0).ln() - mean) / spread;
        let two_sided = t_p(t, n - 1.0);
        let longest = (mean + t_quantile(1.0 - QUIET_P, n - 1.0) * spread).exp();
        Some(SilenceAssessment {
            p: if t > 0.0 {
                two_sided / 2.0
            } else {
                1.0 - two_sided / 2.0
            },
            allowed_hours: longest * DAY_HOURS - self.last_hour(),
        })
    }
}

fn moment(day: Date, hour: f64) -> DateTime {
    let seconds = (hour * 3600.0).round() as i64;
    let start = day.at(0, 0, 0, 0);
    start.checked_add(seconds.seconds()).unwrap_or(start)
}

fn weekday_index(day: Date) -> usize {
    day.weekday().since(Weekday::Monday) as usize
}

/// The numbers of records and of active days by weekday.
struct WeekdayPattern {
    /// True for weekdays that usually have records.
    usual: [bool; 7],
    /// Number of days of each weekday, and number of these days with records. Days of the silence
    /// are added as it continues.
    days: [f64; 7],
    active: [f64; 7],
    /// Mean number of records on each weekday.
    mean: [f64; 7],
}

impl WeekdayPattern {
    fn learn(ends: &DayEnds) -> Self {
        let mut days = [0.0_f64; 7];
        // The first day has a record because the history starts with one, so it carries no
        // information.
        for n in 1..ends.span() {
            days[(weekday_index(ends.first) + n) % 7] += 1.0;
        }
        for gap in &ends.gaps {
            for n in 0..gap.days() as usize {
                days[(weekday_index(gap.first) + n) % 7] -= 1.0;
            }
        }
        let mut active = [0.0_f64; 7];
        for (day, _) in ends.active.iter().skip(1) {
            active[weekday_index(*day)] += 1.0;
        }
        let usual: [bool; 7] = std::array::from_fn(|i| active[i] >= USUAL_SHARE * days[i].max(1.0));
        Self {
            usual,
            days,
            active,
            mean: std::array::from_fn(|i| ends.records[i] / days[i].max(1.0)),
        }
    }

    /// Adds a whole day without records to the silence, and returns its probability given all days
    /// before it, including those of the silence. This way, the joint probability reflects how
    /// little is known.
    fn add_silent_day(&mut self, weekday: usize) -> f64 {
        let pooled = self.pooled_with(weekday);
        let sum = |counts: &[f64; 7]| pooled.iter().map(|i| counts[*i]).sum::<f64>();
        let (days, active) = (sum(&self.days), sum(&self.active));
        self.days[weekday] += 1.0;
        share(days - active, days)
    }

    /// Weekdays that are pooled with `weekday`, including itself.
    fn pooled_with(&self, weekday: usize) -> Vec<usize> {
        let is_similar = |i: &usize| {
            let (a, b) = (self.mean[*i], self.mean[weekday]);
            self.usual[*i] && a <= POOLED_RATIO_MAX * b && b <= POOLED_RATIO_MAX * a
        };
        if self.usual[weekday] {
            (0..7).filter(is_similar).collect()
        } else {
            vec![weekday]
        }
    }

    /// Probability of no record after `hour` on `day`, from the similar days without the day
    /// itself.
    fn rest_of_day(&self, ends: &DayEnds, day: Date, hour: f64) -> f64 {
        if hour >= DAY_HOURS {
            return 1.0;
        }
        let pooled = self.pooled_with(weekday_index(day));
        let day_count = pooled.iter().map(|i| self.days[*i]).sum::<f64>() - 1.0;
        let later = ends.active.iter().skip(1).filter(|(other, last)| {
            *other != day && *last > hour && pooled.contains(&weekday_index(*other))
        });
        share(day_count - later.count() as f64, day_count)
    }
}

/// Share of cases with the current case included: never zero, and never less than the observed
/// share.
fn share(cases: f64, all: f64) -> f64 {
    (cases.max(0.0) + 1.0) / (all.max(0.0) + 1.0)
}
