//! Decides how a series changed: in steps, along a line, or along a line that starts with a bend.

use crate::{
    bend::{best_bend, clip_around_bend, rise},
    change_point::{best_split, clip_outliers, length_min, mean_shifts},
    search::Search,
};

/// The shape that describes a series better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A step at this index; the first of several.
    Step(usize),
    /// A gradual change.
    Gradual(Form),
    /// Neither is clearly better.
    Open {
        /// Index of the step.
        step: usize,
        /// The better gradual change.
        form: Form,
        /// True if the step describes the series slightly better.
        favours_step: bool,
    },
}

impl Shape {
    /// The same with every index replaced.
    #[must_use]
    pub fn map(self, index: impl Fn(usize) -> usize) -> Self {
        let map_form = |form| match form {
            Form::Line => Form::Line,
            Form::Bend(position) => Form::Bend(index(position)),
        };
        match self {
            Self::Step(position) => Self::Step(index(position)),
            Self::Gradual(form) => Self::Gradual(map_form(form)),
            Self::Open {
                step,
                form,
                favours_step,
            } => Self::Open {
                step: index(step),
                form: map_form(form),
                favours_step,
            },
        }
    }

    /// Returns true if a step describes the series better, clearly or slightly. A series has one
    /// description: a step or a gradual change, never both.
    pub fn favours_step(self) -> bool {
        match self {
            Self::Step(_) => true,
            Self::Gradual(_) => false,
            Self::Open { favours_step, .. } => favours_step,
        }
    }

    /// Index of the step; the first of several.
    pub fn step(self) -> Option<usize> {
        match self {
            Self::Step(step) | Self::Open { step, .. } => Some(step),
            Self::Gradual(_) => None,
        }
    }

    /// The same with the step at another index.
    #[must_use]
    fn with_step(self, position: usize) -> Self {
        match self {
            Self::Step(_) => Self::Step(position),
            Self::Gradual(form) => Self::Gradual(form),
            Self::Open {
                form, favours_step, ..
            } => Self::Open {
                step: position,
                form,
                favours_step,
            },
        }
    }

    /// The better gradual change, unless a step is clearly better.
    pub fn form(self) -> Option<Form> {
        match self {
            Self::Step(_) => None,
            Self::Gradual(form) | Self::Open { form, .. } => Some(form),
        }
    }
}

/// The form of a gradual change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A straight line.
    Line,
    /// A level until this index, and a straight line from it on.
    Bend(usize),
}

/// Minimum difference of Schwarz's criterion in favour of a step, and in favour of a gradual
/// change: positive evidence starts at 2 (Kass and Raftery 1995). More is asked for the latter,
/// because a date is then not reported.
const CLEAR_STEP: f64 = 2.5;
const CLEAR_GRADUAL: f64 = 4.0;

/// Compares one step with a straight line and a line with a bend by Schwarz's criterion (1978), all
/// with first-order autoregressive errors. Outliers are clipped as in
/// [`mean_shifts`](crate::change_point::mean_shifts).
///
/// The variance of counts grows with their level, and a rise in them is seldom straight. So if no
/// value is negative, the square roots must give the same result.
///
/// `None` if the series is too short for a step, or constant.
pub fn shape(values: &[f64], segment_min: usize) -> Option<Shape> {
    let m = segment_min.max(2);
    let clipped = clip(values, m)?;
    let position = best_split(&clipped, m)?.position;
    compare(&clipped, &[position], m)
}

/// Compares steps at these indices, at least one, with gradual changes, as in [`shape`].
pub fn shape_of_steps(values: &[f64], positions: &[usize], segment_min: usize) -> Option<Shape> {
    let m = segment_min.max(2);
    let clipped = clip(values, m)?;
    if positions.is_empty() {
        return None;
    }
    compare(&clipped, positions, m)
}

/// Searches for steps, and compares them with gradual changes: several steps if more than one is
/// proven, else the best one. Also returns the indices of the proven steps.
pub fn search_shape(values: &[f64], search: &Search) -> Option<(Shape, Vec<usize>)> {
    let shifts = mean_shifts(values, values, search)?.shifts;
    let positions: Vec<usize> = shifts.iter().map(|shift| shift.position).collect();
    let shape = match positions[..] {
        [] => shape(values, search.segment_min)?,
        // The date of the step is that of the shift that is reported.
        [position] => shape(values, search.segment_min)?.with_step(position),
        _ => shape_of_steps(values, &positions, search.segment_min)?,
    };
    Some((shape, positions))
}

/// Clips outliers from both the level and the broken line, whichever is nearer: neither a step nor
/// a steep ramp consists of outliers.
fn clip(values: &[f64], m: usize) -> Option<Vec<f64>> {
    if values.len() < length_min(m) {
        return None;
    }
    let from_line = clip_around_bend(values, m)?;
    let clipped = values.iter().zip(clip_outliers(values, m)).zip(from_line);
    let nearer = clipped.map(|((value, level), line)| {
        if (value - level).abs() <= (value - line).abs() {
            level
        } else {
            line
        }
    });
    Some(nearer.collect())
}

fn compare(clipped: &[f64], positions: &[usize], m: usize) -> Option<Shape> {
    let criteria = Criteria::new(clipped, positions, m)?;
    let of_roots = if clipped.iter().all(|value| *value >= 0.0) {
        let roots: Vec<f64> = clipped.iter().map(|value| value.sqrt()).collect();
        Criteria::new(&roots, positions, m)?
    } else {
        criteria
    };
    let gains =
        [criteria, of_roots].map(|criteria| criteria.line.min(criteria.bend.0) - criteria.steps);
    let [low, high] = [f64::min, f64::max].map(|pick| pick(gains[0], gains[1]));
    let form = if criteria.bend.0 < criteria.line {
        Form::Bend(criteria.bend.1)
    } else {
        Form::Line
    };
    let step = positions[0];
    Some(if low > CLEAR_STEP {
        Shape::Step(step)
    } else if high < -CLEAR_GRADUAL {
        Shape::Gradual(form)
    } else {
        Shape::Open {
            step,
            form,
            favours_step: low + high > 0.0,
        }
    })
}

/// Schwarz's criterion of each shape, up to a constant; lower is better.
#[derive(Debug, Clone, Copy)]
struct Criteria {
    steps: f64,
    line: f64,
    /// That of the best bend, with its index.
    bend: (f64, usize),
}

impl Criteria {
    fn new(values: &[f64], positions: &[usize], m: usize) -> Option<Self> {
        let n = values.len();
        let edges = [&[0], positions, &[n]].concat();
        let mut levels = Vec::with_capacity(n);
        for pair in edges.windows(2) {
            let part = &values[pair[0]..pair[1]];
            let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
            levels.extend(part.iter().map(|_| mean));
        }
        let bend = best_bend(values, m)?.position;
        let regressors: [&dyn Fn(usize) -> f64; 3] =
            [&|i| levels[i], &|i| i as f64, &|i| rise(bend, i)];
        // A shape that does not fit leaves residuals that look autocorrelated, and could hide its
        // misfit in them. So all shapes are compared at the autocorrelation of the one that fits
        // best.
        let rho = regressors
            .map(|x| best_rho(values, x))
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        let [steps, line, bent] = regressors.map(|x| deviance(values, x, rho));
        // A step and a bend have a position in addition to a line's two parameters. The best of
        // many positions gains more for a step, which breaks the line, than for a bend: it counts
        // one and a half times, so that in simulation ramps are called steps as seldom as steps
        // ramps. Each further step adds a level and a position, which counts twice.
        let penalty = (n as f64).ln();
        Some(Self {
            steps: steps + (3.0 * positions.len() as f64 - 1.5) * penalty,
            line,
            bend: (bent + penalty, bend),
        })
    }
}

/// The autocorrelation of the errors around level and slope on `x` with the highest likelihood.
fn best_rho(values: &[f64], x: impl Fn(usize) -> f64) -> f64 {
    let candidates = (0..10).map(|tenths| f64::from(tenths) / 10.0);
    let scored = candidates.map(|rho| (deviance(values, &x, rho), rho));
    scored
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(0.0, |(_, rho)| rho)
}

/// Minus twice the maximum log-likelihood of level and slope on `x`, up to a constant, with errors
/// of autocorrelation `rho`, with the first value kept (Prais and Winsten 1954).
fn deviance(values: &[f64], x: impl Fn(usize) -> f64, rho: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let first = 1.0 - rho * rho;
    let mut sums = [0.0; 6];
    for (i, value) in values.iter().enumerate() {
        let [c, x, y] = if i == 0 {
            [1.0, x(0), value - mean].map(|term| first.sqrt() * term)
        } else {
            let before = values[i - 1] - mean;
            [
                1.0 - rho,
                x(i) - rho * x(i - 1),
                value - mean - rho * before,
            ]
        };
        let terms = [c * c, c * x, x * x, c * y, x * y, y * y];
        sums.iter_mut()
            .zip(terms)
            .for_each(|(sum, term)| *sum += term);
    }
    let [cc, cx, xx, cy, xy, yy] = sums;
    let determinant = cc * xx - cx * cx;
    let (level, slope) = (
        (cy * xx - xy * cx) / determinant,
        (xy * cc - cy * cx) / determinant,
    );
    let squares = (yy - level * cy - slope * xy).max(1e-9 * yy);
    n * (squares / n).max(f64::MIN_POSITIVE).ln() - first.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{change_point::tests::NILE, search::Noise};

    /// Shapes of series of 104 values with autocorrelation 0.3 that rise by `size` standard
    /// deviations.
    fn shapes(count: u64, size: f64, rise: impl Fn(f64) -> f64) -> [f64; 3] {
        let mut found = [0.0; 3];
        for seed in 0..count {
            let mut noise = Noise::new(seed * 97 + 11);
            let mut values = noise.autoregressive(104, 0.3);
            for (i, value) in values.iter_mut().enumerate() {
                *value += size * rise(i as f64 / 104.0);
            }
            let index = match shape(&values, 5).expect("a shape") {
                Shape::Step(_) => 0,
                Shape::Gradual(_) => 1,
                Shape::Open { .. } => 2,
            };
            found[index] += 100.0 / count as f64;
        }
        found
    }

    const STEP: fn(f64) -> f64 = |at| f64::from(u8::from(at >= 0.6));

    const RAMP: fn(f64) -> f64 = |at| 1.5 * at;

    #[test]
    fn steps_and_lines_are_distinguished() {
        let [step, line, _] = shapes(200, 2.0, STEP);
        assert!(step > 75.0 && line <= 10.0, "steps: {step} {line}");
        let [step, line, _] = shapes(200, 2.0, RAMP);
        assert!(line > 75.0 && step <= 10.0, "lines: {step} {line}");
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_steps_and_lines() {
        eprintln!(
            "104 values, autocorrelation .3: called a step, a line, open, in per cent of 200"
        );
        for size in [1.0, 1.5, 2.0, 3.0] {
            eprintln!("step of {size} sd: {:?}", shapes(200, size, STEP));
            eprintln!("line over {} sd: {:?}", 1.5 * size, shapes(200, size, RAMP));
        }
    }

    /// Shapes of a year of days with autocorrelation `rho` that changes by `size` standard
    /// deviations in the last `days`: at once, or steadily. The last share is that of the series
    /// that are described as a step.
    fn recent_shapes(count: u64, rho: f64, size: f64, days: usize, is_step: bool) -> [f64; 5] {
        let mut found = [0.0; 5];
        for seed in 0..count {
            let mut noise = Noise::new(seed * 89 + 3);
            let mut values = noise.autoregressive(365, rho);
            for (i, value) in values[365 - days..].iter_mut().enumerate() {
                *value += if is_step {
                    size
                } else {
                    size * (i + 1) as f64 / days as f64
                };
            }
            let shape = shape(&values, 14).expect("a shape");
            found[4] += 100.0 * f64::from(u8::from(shape.favours_step())) / count as f64;
            let index = match shape {
                Shape::Step(_) => 0,
                Shape::Gradual(Form::Bend(_)) => 1,
                Shape::Gradual(Form::Line) => 2,
                Shape::Open { .. } => 3,
            };
            found[index] += 100.0 / count as f64;
        }
        found
    }

    #[test]
    fn recent_ramps_are_not_steps() {
        let [step, bend, .., described] = recent_shapes(100, 0.3, 4.0, 28, false);
        assert!(step <= 3.0 && bend >= 60.0, "ramps: {step} {bend}");
        assert!(described <= 10.0, "ramps: {described}");
        let [step, bend, .., described] = recent_shapes(100, 0.3, 2.0, 28, true);
        assert!(step >= 60.0 && bend <= 10.0, "steps: {step} {bend}");
        assert!(described >= 80.0, "steps: {described}");
    }

    #[test]
    fn steep_ramps_of_two_weeks_are_bends() {
        for seed in 0..10 {
            let mut noise = Noise::new(seed * 7 + 5);
            let steep = |i: usize| 25.0 / 14.0 * (i as f64 - 167.0).max(0.0);
            let values: Vec<f64> = (0..182).map(|i| noise.normal() + steep(i)).collect();
            let found = shape(&values, 14);
            let is_bend =
                matches!(found, Some(Shape::Gradual(Form::Bend(at))) if at.abs_diff(168) <= 2);
            assert!(is_bend, "seed {seed}: {found:?}");
        }
    }

    #[test]
    #[ignore = "prints a table"]
    fn table_of_recent_shapes() {
        eprintln!(
            "a year of days: called a step, a bend, a line, open, described as a step, in per cent"
        );
        for rho in [0.0, 0.3, 0.6] {
            for (size, days) in [(2.0, 28), (3.0, 28), (4.0, 28), (3.0, 56), (3.0, 14)] {
                for is_step in [true, false] {
                    let row = recent_shapes(200, rho, size, days, is_step);
                    let what = if is_step { "step" } else { "ramp" };
                    eprintln!("{what} of {size} sd, {days} days, autocorrelation {rho}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn the_nile_fell_in_a_step() {
        assert_eq!(shape(&NILE, 10), Some(Shape::Step(28)));
        let rounded: Vec<f64> = (0..60).map(|i| f64::from(i / 2)).collect();
        assert_eq!(shape(&rounded, 7), Some(Shape::Gradual(Form::Line)));
        assert_eq!(shape(&[2.0; 60], 7), None);
        assert_eq!(shape(&rounded[..20], 7), None);
        let stairs: Vec<f64> = (0..90).map(|i| f64::from(i / 30 * 9 + i * 7 % 5)).collect();
        let steps = shape_of_steps(&stairs, &[30, 60], 7);
        assert_eq!(steps, Some(Shape::Step(30)));
        assert_eq!(
            shape_of_steps(&rounded, &[20, 40], 7),
            Some(Shape::Gradual(Form::Line))
        );
    }
}
