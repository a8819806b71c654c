//! Least squares over weights that are not negative and sum to one.

/// Cross-products of the columns of a least-squares problem.
pub(super) struct Columns {
    n: usize,
    rows: usize,
    products: Vec<f64>,
}

/// Weights of columns.
pub(super) struct Weights {
    /// One weight per requested column; they sum to one.
    pub(super) values: Vec<f64>,
    /// Duality gap of the objective, the mean squared residual plus the ridge: no weights are
    /// better by more than this.
    pub(super) gap: f64,
}

/// Maximum number of iterations, each in time proportional to the number of columns.
const STEPS_MAX: usize = 200_000;
/// Maximum difference of slopes among columns with weight, relative to their mean square.
const TOLERANCE: f64 = 1e-9;

impl Columns {
    /// Creates a problem from columns of equal length. With `intercept` each column is centred, so
    /// that a target may have another level.
    pub(super) fn new(columns: &[&[f64]], intercept: bool) -> Self {
        let (n, rows) = (
            columns.len(),
            columns.first().map_or(0, |column| column.len()),
        );
        let mut centred: Vec<Vec<f64>> = columns.iter().map(|column| column.to_vec()).collect();
        if intercept {
            for column in &mut centred {
                let mean = column.iter().sum::<f64>() / rows as f64;
                column.iter_mut().for_each(|value| *value -= mean);
            }
        }
        // Weights sum to one, so a common centre changes no residual, but improves precision.
        for row in 0..rows {
            let centre = centred.iter().map(|column| column[row]).sum::<f64>() / n as f64;
            centred.iter_mut().for_each(|column| column[row] -= centre);
        }
        let mut products = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let product = centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).sum();
                products[i * n + j] = product;
                products[j * n + i] = product;
            }
        }
        Self { n, rows, products }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.products[i * self.n..(i + 1) * self.n]
    }

    fn product(&self, i: usize, j: usize) -> f64 {
        self.row(i)[j]
    }

    /// Weights of the columns `from` whose average is nearest to the mean of the columns `target`;
    /// `ridge` times their sum of squares is added to the mean squared residual.
    ///
    /// Starts from equal weights and moves weight between the pair of columns with the largest gain
    /// (Fan, Chen and Lin, 2005) until the duality gap closes. The R package `synthdid` solves the
    /// same problem with Frank-Wolfe steps. Since the optimum is reached here, that program's
    /// intermediate removal of small weights would change nothing.
    pub(super) fn fit(&self, from: &[usize], target: &[usize], ridge: f64) -> Weights {
        let n = from.len();
        let ridge = ridge * self.rows as f64;
        let squares: Vec<f64> = from.iter().map(|i| self.product(*i, *i) + ridge).collect();
        let goals: Vec<f64> = from
            .iter()
            .map(|i| target.iter().map(|j| self.product(*i, *j)).sum::<f64>())
            .map(|sum| sum / target.len() as f64)
            .collect();
        let mut weights = vec![1.0 / n as f64; n];
        let mut slopes: Vec<f64> = (0..n)
            .map(|i| {
                let fitted: f64 = (0..n).map(|j| self.product(from[i], from[j])).sum();
                (fitted + ridge) / n as f64 - goals[i]
            })
            .collect();
        let scale = squares.iter().sum::<f64>() / n as f64;
        for _ in 0..STEPS_MAX {
            let Some(to) = (0..n).min_by(|a, b| slopes[*a].total_cmp(&slopes[*b])) else {
                break;
            };
            let row_to = self.row(from[to]);
            let pair = |j: usize| {
                let rise = slopes[j] - slopes[to];
                let curve = squares[to] + squares[j] - 2.0 * row_to[from[j]];
                (rise, curve.max(1e-12 * scale))
            };
            let movable = (0..n).filter(|j| weights[*j] > 0.0 && *j != to);
            let largest_rise = movable.clone().map(|j| pair(j).0).fold(0.0, f64::max);
            if largest_rise <= TOLERANCE * scale {
                break;
            }
            let gain = |j: usize| {
                let (rise, curve) = pair(j);
                let step = (rise / curve).min(weights[j]);
                rise * step - 0.5 * curve * step * step
            };
            let Some(donor) = movable
                .filter(|j| pair(*j).0 > 0.0)
                .max_by(|a, b| gain(*a).total_cmp(&gain(*b)))
            else {
                break;
            };
            let (rise, curve) = pair(donor);
            let step = rise / curve;
            let step = if step >= weights[donor] {
                std::mem::replace(&mut weights[donor], 0.0)
            } else {
                weights[donor] -= step;
                step
            };
            weights[to] += step;
            let row_donor = self.row(from[donor]);
            for (slope, k) in slopes.iter_mut().zip(from) {
                *slope += step * (row_to[*k] - row_donor[*k]);
            }
            slopes[to] += step * ridge;
            slopes[donor] -= step * ridge;
        }
        let smallest = slopes.iter().copied().fold(f64::INFINITY, f64::min);
        let gap: f64 = weights
            .iter()
            .zip(&slopes)
            .map(|(weight, slope)| weight * (slope - smallest))
            .sum();
        Weights {
            values: weights,
            gap: 2.0 * gap / self.rows as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one dimension, 0.25 * 0 + 0.75 * 4 is 3.
    #[test]
    fn a_target_inside_the_hull_is_reproduced() {
        let columns: [&[f64]; 3] = [&[0.0, 1.0], &[4.0, 1.0], &[3.0, 1.0]];
        let result = Columns::new(&columns, false).fit(&[0, 1], &[2], 0.0);
        assert!(
            (result.values[1] - 0.75).abs() < 1e-9,
            "{:?}",
            result.values
        );
        assert!(result.gap < 1e-9);
    }

    #[test]
    fn a_target_outside_of_the_hull_uses_the_nearest_column() {
        let columns: [&[f64]; 3] = [&[0.0, 0.0], &[4.0, 1.0], &[9.0, 2.0]];
        let result = Columns::new(&columns, false).fit(&[0, 1], &[2], 0.0);
        assert_eq!(result.values, [0.0, 1.0]);
    }

    /// With a dominating ridge the weights are equal; otherwise, for two columns, they have a
    /// closed form.
    #[test]
    fn a_ridge_makes_weights_more_equal() {
        let columns: [&[f64]; 3] = [&[0.0, 2.0], &[4.0, 2.0], &[4.0, 2.0]];
        let columns = Columns::new(&columns, false);
        let even = columns.fit(&[0, 1], &[2], 1e9).values;
        assert!((even[0] - 0.5).abs() < 1e-6, "{even:?}");
        // Minimum of 8 x² + ridge (x² + (1 - x)²) over the first weight x.
        let ridge = 3.0;
        let weights = columns.fit(&[0, 1], &[2], ridge).values;
        assert!(
            (weights[0] - ridge / (8.0 + 2.0 * ridge)).abs() < 1e-8,
            "{weights:?}"
        );
    }
}
