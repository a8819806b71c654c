//! POLY: distance of a subsequence from a polynomial fitted to its surroundings.
//!
//! Li, Ma and Mei, "A unifying method for outlier and change detection in data streams based on
//! local polynomial fitting", PAKDD 2007, as in TSB-UAD (Paparrizos et al., PVLDB 15(8), 2022): the
//! series is cut into subsequences; a polynomial of degree 4 is fitted to the ten subsequences
//! around each one, without itself; the score is the root of the mean squared distance.
//!
//! Limits: all values of a subsequence have one score; the first tenth of the series, at most 500
//! values, has none (0); a season longer than a subsequence looks like a deviation.

const DEGREE: usize = 4;

/// Raw score of each value, for subsequences of `length`. Infinite values are not allowed.
pub fn poly(values: &[f64], length: usize) -> Vec<f64> {
    let rows = values.len();
    let mut scores = vec![0.0; rows];
    let range = (10 * length).max(100).min(rows);
    let start = (rows / 10).min(500).div_ceil(length) * length;
    for from in (start..rows).step_by(length) {
        let to = (from + length).min(rows);
        let around = surroundings(from, range, rows);
        let centre = (around.start + around.end) as f64 / 2.0;
        let scale = range as f64 / 2.0;
        let others = around.filter(|index| !(from..from + length).contains(index));
        let points = others.map(|index| ((index as f64 - centre) / scale, values[index]));
        let Some(polynomial) = fit(points) else {
            continue;
        };
        // The published program places the values of a whole subsequence at `length` points from
        // its start to the start of the next, both included.
        let step = if to == from + length && length > 1 {
            length as f64 / (length - 1) as f64
        } else {
            1.0
        };
        let squares: f64 = (from..to)
            .map(|index| {
                let position = from as f64 + (index - from) as f64 * step;
                let expected = evaluate(&polynomial, (position - centre) / scale);
                (values[index] - expected).powi(2)
            })
            .sum();
        scores[from..to].fill((squares / (to - from) as f64).sqrt());
    }
    scores
}

/// The rows that the polynomial at a subsequence is fitted to, within the series.
fn surroundings(from: usize, range: usize, rows: usize) -> std::ops::Range<usize> {
    let half = range / 2;
    if from + half >= rows {
        rows - range..rows
    } else if from > half {
        from - half..from + half
    } else {
        0..range
    }
}

/// Coefficients of the least-squares polynomial from the normal equations, for x from -1 to 1;
/// `None` for too few points.
fn fit(points: impl Iterator<Item = (f64, f64)>) -> Option<[f64; DEGREE + 1]> {
    let mut moments = [0.0; 2 * DEGREE + 1];
    let mut right = [0.0; DEGREE + 1];
    for (x, y) in points {
        let mut power = 1.0;
        for (index, moment) in moments.iter_mut().enumerate() {
            *moment += power;
            if let Some(right) = right.get_mut(index) {
                *right += power * y;
            }
            power *= x;
        }
    }
    let mut left: [[f64; DEGREE + 1]; DEGREE + 1] =
        std::array::from_fn(|i| std::array::from_fn(|j| moments[i + j]));
    // Elimination without pivots: the matrix is positive definite.
    for i in 0..=DEGREE {
        if left[i][i] <= 1e-12 * moments[0] {
            return None;
        }
        for j in i + 1..=DEGREE {
            let factor = left[j][i] / left[i][i];
            let pivot = left[i];
            for (value, above) in left[j].iter_mut().zip(pivot).skip(i) {
                *value -= factor * above;
            }
            right[j] -= factor * right[i];
        }
    }
    for i in (0..=DEGREE).rev() {
        let sum: f64 = (i + 1..=DEGREE).map(|j| left[i][j] * right[j]).sum();
        right[i] = (right[i] - sum) / left[i][i];
    }
    Some(right)
}

fn evaluate(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_has_low_scores_and_a_step_high_scores() {
        let curve = |i: i32| (f64::from(i) / 500.0 - 1.0).powi(4) - f64::from(i) / 300.0;
        let mut values: Vec<f64> = (0..1000).map(curve).collect();
        // In short subsequences the points of the published program are off by at most one step.
        assert!(poly(&values, 20).iter().all(|score| *score < 0.01));
        for value in &mut values[600..620] {
            *value += 5.0;
        }
        let scores = poly(&values, 20);
        assert!((scores[605] - 5.0).abs() < 0.01, "{}", scores[605]);
        assert!(scores[..540].iter().all(|score| *score < 2.0));
    }

    #[test]
    fn short_series_have_one_score_per_value() {
        for rows in 0..8 {
            assert_eq!(poly(&vec![1.0; rows], 5).len(), rows);
        }
    }
}
