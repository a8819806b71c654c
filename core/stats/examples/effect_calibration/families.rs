//! Generated series of known noise, with an effect of any size from the change on.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use retrocast_stats::intervention::Cadence;

/// A series around a change.
pub struct Split {
    /// The outcome.
    pub values: Vec<f64>,
    /// Series that the change did not affect.
    pub controls: Vec<Vec<f64>>,
    /// Index of the first step of the period before the change; earlier steps serve placebos.
    pub begin: usize,
    /// Index of the first step after the change.
    pub change: usize,
    /// Number of steps in a season; 1 for none.
    pub period: usize,
    /// Distance between steps.
    pub cadence: Cadence,
    /// Regressors that a careful analyst includes: constant, season, trend, controls.
    pub regressors: Vec<Vec<f64>>,
    /// The distribution of the noise, if it is known.
    pub law: Option<Law>,
    /// The mean effect that was planted: a difference or, if `is_ratio`, a ratio minus one.
    pub effect: f64,
    /// True for counts.
    pub is_ratio: bool,
}

/// Covariance and hidden regressors of the noise, which only the generator of a series knows.
pub struct Law {
    /// Autocorrelation of neighbours in the autocorrelated part.
    pub memory: f64,
    /// Variance of the autocorrelated part.
    pub returning: f64,
    /// Variance of a step of a random walk.
    pub walking: f64,
    /// Variance of independent noise at each step.
    pub independent: Vec<f64>,
    /// Regressors that an analyst cannot know, such as level shifts.
    pub hidden: Vec<Vec<f64>>,
}

/// A family of series.
pub struct Family {
    /// Name in the table.
    pub name: &'static str,
    /// Number of splits without an effect.
    pub runs: u64,
    /// Sizes of planted effects: differences, or ratios minus one for counts.
    pub effects: Vec<f64>,
    /// Makes the split of a seed with an effect; `None` if the data have no such split.
    pub make: Box<dyn Fn(u64, f64) -> Option<Split> + Sync>,
}

/// A generator of random numbers.
pub struct Random(pub ChaCha8Rng);

impl Random {
    /// Creates a generator from a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A uniform number below one.
    pub fn uniform(&mut self) -> f64 {
        self.0.random()
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform(), self.uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// A Poisson variate.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        let (mut product, mut n) = (self.uniform(), 0.0);
        while product > (-mean).exp() {
            product *= self.uniform();
            n += 1.0;
        }
        n
    }

    /// A gamma variate with an integer shape and mean 1.
    pub fn gamma(&mut self, shape: u32) -> f64 {
        let sum: f64 = (0..shape).map(|_| -(1.0 - self.uniform()).ln()).sum();
        sum / f64::from(shape)
    }

    /// Autocorrelated noise.
    pub fn autoregression(&mut self, n: usize, memory: f64, sd: f64) -> Vec<f64> {
        let mut value = sd * self.normal();
        (0..n)
            .map(|_| {
                value = memory * value + sd * (1.0 - memory * memory).sqrt() * self.normal();
                value
            })
            .collect()
    }
}

/// Deviations of weekdays.
pub const WEEK: [f64; 7] = [8.0, 4.0, 2.0, 0.0, -2.0, -6.0, -6.0];

/// Constant and dummy variables of a season.
pub fn season(n: usize, period: usize) -> Vec<Vec<f64>> {
    let dummy = |phase: usize| (0..n).map(move |i| f64::from(u8::from(i % period == phase)));
    std::iter::once(vec![1.0; n])
        .chain((1..period).map(|phase| dummy(phase).collect()))
        .collect()
}

/// Parts of a continuous series.
#[derive(Clone, Copy)]
struct Parts {
    history: usize,
    before: usize,
    after: usize,
    memory: f64,
    sd: f64,
    walk: f64,
    trend: f64,
    weekdays: bool,
    yearly: f64,
    shifts: f64,
    /// Number of controls, and the variance of their own noise relative to their common part.
    controls: (usize, f64),
    cadence: Cadence,
}

const WEEKLY: Parts = Parts {
    history: 0,
    before: 104,
    after: 13,
    memory: 0.5,
    sd: 10.0,
    walk: 0.0,
    trend: 0.0,
    weekdays: false,
    yearly: 0.0,
    shifts: 0.0,
    controls: (0, 0.0),
    cadence: Cadence::Week,
};

const DAILY: Parts = Parts {
    before: 120,
    after: 30,
    weekdays: true,
    cadence: Cadence::Day,
    ..WEEKLY
};

impl Parts {
    fn make(&self, seed: u64, effect: f64) -> Split {
        let mut random = Random::new(seed);
        let change = self.history + self.before;
        let n = change + self.after;
        let with_controls = self.controls.0 > 0;
        // With controls, half of the variance is shared with them.
        let own = self.sd * if with_controls { 0.5_f64.sqrt() } else { 1.0 };
        let noise = random.autoregression(n, self.memory, own);
        let shared = random.autoregression(n, self.memory, own);
        let controls: Vec<Vec<f64>> = (0..self.controls.0)
            .map(|_| {
                let noise = random.autoregression(n, self.memory, own * self.controls.1.sqrt());
                (0..n).map(|i| 50.0 + shared[i] + noise[i]).collect()
            })
            .collect();
        let mut level = 0.0;
        let walk: Vec<f64> = (0..n)
            .map(|_| {
                level += self.walk * random.normal();
                level
            })
            .collect();
        let mut hidden = Vec::new();
        let mut shifted = vec![0.0; n];
        for _ in 0..random.poisson(self.shifts) as usize {
            let step = (random.uniform() * self.before as f64) as usize;
            let size = 2.0 * self.sd * random.normal();
            shifted[step..].iter_mut().for_each(|value| *value += size);
            if step > 0 && !hidden.contains(&step) {
                hidden.push(step);
            }
        }
        let phase = random.uniform() * 52.0;
        let wave = |i: usize| std::f64::consts::TAU * (i as f64 + phase) / 52.0;
        let values = (0..n).map(|i| {
            200.0
                + noise[i]
                + if with_controls { shared[i] } else { 0.0 }
                + walk[i]
                + shifted[i]
                + self.trend * i as f64
                + if self.weekdays { WEEK[i % 7] } else { 0.0 }
                + self.yearly * wave(i).sin()
                + if i >= change { effect } else { 0.0 }
        });
        let values = values.collect();
        let mut regressors = season(n, if self.weekdays { 7 } else { 1 });
        if self.trend != 0.0 {
            regressors.push((0..n).map(|i| i as f64 / n as f64).collect());
        }
        if self.yearly != 0.0 {
            regressors.push((0..n).map(|i| wave(i).sin()).collect());
            regressors.push((0..n).map(|i| wave(i).cos()).collect());
        }
        regressors.extend(controls.iter().cloned());
        // The share of variance that remains unexplained because controls have their own noise.
        let left = self.controls.1 / (self.controls.1 + self.controls.0 as f64);
        let extra = if with_controls { own * own * left } else { 0.0 };
        Split {
            values,
            controls,
            begin: self.history,
            change,
            period: if self.weekdays { 7 } else { 1 },
            cadence: self.cadence,
            regressors,
            law: Some(Law {
                memory: self.memory,
                returning: own * own + extra,
                walking: self.walk * self.walk,
                independent: vec![0.0; n],
                hidden: hidden
                    .into_iter()
                    .map(|at| (0..n).map(|i| f64::from(u8::from(i >= at))).collect())
                    .collect(),
            }),
            effect,
            is_ratio: false,
        }
    }
}

/// Counts with mean 20 and a weekly pattern, with a variance of `1 + 20 / shape` times the mean.
fn counts(seed: u64, effect: f64, shape: u32) -> Split {
    let mut random = Random::new(seed);
    let (change, n) = (120, 150);
    let mean = |i: usize| 20.0 * (WEEK[i % 7] / 30.0).exp();
    let values = (0..n).map(|i| {
        let rate = mean(i) * random.gamma(shape);
        let factor = if i >= change { 1.0 + effect } else { 1.0 };
        random.poisson(rate * factor)
    });
    let values: Vec<f64> = values.collect();
    let variance = |i: usize| {
        let mean = mean(i) * if i >= change { 1.0 + effect } else { 1.0 };
        mean + mean * mean / f64::from(shape)
    };
    Split {
        values,
        controls: Vec::new(),
        begin: 0,
        change,
        period: 7,
        cadence: Cadence::Day,
        regressors: season(n, 7),
        law: Some(Law {
            memory: 0.0,
            returning: 0.0,
            walking: 0.0,
            independent: (0..n).map(variance).collect(),
            hidden: Vec::new(),
        }),
        effect,
        is_ratio: true,
    }
}

/// All generated families.
pub fn families() -> Vec<Family> {
    let continuous = |name, runs, parts: Parts| Family {
        name,
        runs,
        effects: [0.5, 0.75, 1.0, 1.5].map(|size| -size * parts.sd).to_vec(),
        make: Box::new(move |seed, effect| Some(parts.make(seed, effect))),
    };
    let counted = |name, shape| Family {
        name,
        runs: 2000,
        effects: vec![-0.1, -0.15, -0.2, -0.3],
        make: Box::new(move |seed, effect| Some(counts(seed, effect, shape))),
    };
    vec![
        continuous("weekly, AR .5", 600, WEEKLY),
        continuous(
            "weekly, AR .4, trend",
            600,
            Parts {
                memory: 0.4,
                trend: 0.2,
                ..WEEKLY
            },
        ),
        continuous(
            "weekly, AR .4, year",
            200,
            Parts {
                memory: 0.4,
                before: 156,
                yearly: 15.0,
                ..WEEKLY
            },
        ),
        continuous(
            "weekly, AR .4, shifts",
            600,
            Parts {
                memory: 0.4,
                shifts: 2.0,
                ..WEEKLY
            },
        ),
        continuous(
            "weekly, AR .3, walk",
            600,
            Parts {
                memory: 0.3,
                walk: 2.0,
                ..WEEKLY
            },
        ),
        continuous("daily, AR .5", 2000, DAILY),
        continuous(
            "daily, AR .5, history",
            400,
            Parts {
                history: 270,
                ..DAILY
            },
        ),
        continuous(
            "daily, white",
            600,
            Parts {
                memory: 0.0,
                ..DAILY
            },
        ),
        continuous(
            "daily, AR .8",
            600,
            Parts {
                memory: 0.8,
                ..DAILY
            },
        ),
        continuous(
            "daily, control",
            1000,
            Parts {
                controls: (1, 0.0),
                ..DAILY
            },
        ),
        continuous(
            "daily, 3 noisy controls",
            600,
            Parts {
                controls: (3, 1.0),
                ..DAILY
            },
        ),
        counted("counts, variance 2", 20),
        counted("counts, variance 3", 10),
    ]
}
