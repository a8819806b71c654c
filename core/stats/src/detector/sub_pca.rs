//! Sub-PCA: distance of subsequences from the principal components of all subsequences.
//!
//! Shyu et al., "A novel anomaly detection scheme based on principal component classifier", ICDM
//! 2003, on subsequences as in TSB-AD: the columns of all subsequences are standardised; the score
//! of a subsequence is the sum of its distances to all components of length one, each divided by
//! the share of variance that the component explains. Rare directions weigh most.
//!
//! Limits: the cost grows with the square of the length; components are fitted to all subsequences,
//! so an anomaly that is often repeated becomes a component.

use super::subsequence::centred;

/// Shares of variance below this are rounding errors.
const SHARE_MIN: f64 = 1e-15;

/// Raw score of each value, for subsequences of `length`. Zeros for fewer values.
pub fn sub_pca(values: &[f64], length: usize) -> Vec<f64> {
    if length == 0 || values.len() < length {
        return vec![0.0; values.len()];
    }
    let (means, sds) = columns(values, length);
    let components = eigen(correlations(values, length, &means, &sds));
    let total: f64 = components.iter().map(|(value, _)| value.max(0.0)).sum();
    if total <= 0.0 {
        return vec![0.0; values.len()];
    }
    let weighted: Vec<(f64, &Vec<f64>)> = components
        .iter()
        .map(|(value, vector)| ((value / total).max(SHARE_MIN), vector))
        .collect();
    let scores: Vec<f64> = values
        .windows(length)
        .map(|subsequence| {
            let standard: Vec<f64> = (0..length)
                .map(|index| (subsequence[index] - means[index]) / sds[index])
                .collect();
            let square: f64 = standard.iter().map(|x| x * x).sum();
            let distances = weighted.iter().map(|(share, vector)| {
                let along: f64 = standard.iter().zip(*vector).map(|(a, b)| a * b).sum();
                (square + 1.0 - 2.0 * along).max(0.0).sqrt() / share
            });
            distances.sum()
        })
        .collect();
    centred(&scores, length)
}

/// Mean and standard deviation of each column of the subsequences; 1 for a constant column.
fn columns(values: &[f64], length: usize) -> (Vec<f64>, Vec<f64>) {
    let count = values.len() - length + 1;
    (0..length)
        .map(|index| {
            let column = &values[index..index + count];
            let mean = crate::describe::mean(column);
            let squares: f64 = column.iter().map(|value| (value - mean).powi(2)).sum();
            let sd = (squares / count as f64).sqrt();
            (mean, if sd > 0.0 { sd } else { 1.0 })
        })
        .unzip()
}

/// Matrix of the products of the standardised columns. Neighbouring entries of a diagonal differ by
/// two products only, so only the first row is summed.
fn correlations(values: &[f64], length: usize, means: &[f64], sds: &[f64]) -> Vec<Vec<f64>> {
    let count = values.len() - length + 1;
    let middle = crate::describe::mean(values);
    let centred: Vec<f64> = values.iter().map(|value| value - middle).collect();
    let mut matrix = vec![vec![0.0; length]; length];
    for distance in 0..length {
        let first = centred[..count].iter().zip(&centred[distance..]);
        let mut products: f64 = first.map(|(a, b)| a * b).sum();
        for row in 0..length - distance {
            let column = row + distance;
            let offset = count as f64 * (means[row] - middle) * (means[column] - middle);
            let value = (products - offset) / (sds[row] * sds[column]);
            matrix[row][column] = value;
            matrix[column][row] = value;
            if column + 1 < length {
                products +=
                    centred[row + count] * centred[column + count] - centred[row] * centred[column];
            }
        }
    }
    matrix
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix; the component with the largest
/// magnitude is positive.
///
/// Householder reduction and the implicit QL algorithm (Bowdler et al., 1968; EISPACK `tred2` and
/// `tql2`).
#[expect(
    clippy::needless_range_loop,
    reason = "rows and columns are indexed as in the source of the method"
)]
fn eigen(mut a: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let n = a.len();
    let (mut diagonal, mut subdiagonal) = tridiagonal(&mut a);
    // After the transposition, the rows of `a` are the vectors.
    for i in 0..n {
        for j in 0..i {
            let (upper, lower) = (a[i][j], a[j][i]);
            a[i][j] = lower;
            a[j][i] = upper;
        }
    }
    diagonalize(&mut a, &mut diagonal, &mut subdiagonal);
    let components = diagonal.into_iter().zip(a);
    components
        .map(|(value, mut vector)| {
            let greatest = vector
                .iter()
                .copied()
                .max_by(|a, b| a.abs().total_cmp(&b.abs()));
            if greatest.is_some_and(|component| component < 0.0) {
                for component in &mut vector {
                    *component = -*component;
                }
            }
            (value, vector)
        })
        .collect()
}

/// Reduces a symmetric matrix to tridiagonal form: returns its diagonal and its subdiagonal (from
/// index 1), and writes the transformation to `a`.
#[expect(
    clippy::needless_range_loop,
    reason = "rows and columns are indexed as in the source of the method"
)]
fn tridiagonal(a: &mut [Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let n = a.len();
    let (mut diagonal, mut subdiagonal) = (vec![0.0; n], vec![0.0; n]);
    for i in (1..n).rev() {
        let scale: f64 = a[i][..i].iter().map(|x| x.abs()).sum();
        if i == 1 || scale == 0.0 {
            subdiagonal[i] = a[i][i - 1];
            continue;
        }
        let mut h = 0.0;
        for k in 0..i {
            a[i][k] /= scale;
            h += a[i][k] * a[i][k];
        }
        let f = a[i][i - 1];
        let g = if f >= 0.0 { -h.sqrt() } else { h.sqrt() };
        subdiagonal[i] = scale * g;
        h -= f * g;
        a[i][i - 1] = f - g;
        let row = a[i].clone();
        let mut sum = 0.0;
        for j in 0..i {
            a[j][i] = row[j] / h;
            let before: f64 = (0..=j).map(|k| a[j][k] * row[k]).sum();
            let after: f64 = (j + 1..i).map(|k| a[k][j] * row[k]).sum();
            subdiagonal[j] = (before + after) / h;
            sum += subdiagonal[j] * row[j];
        }
        let half = sum / (h + h);
        for j in 0..i {
            subdiagonal[j] -= half * row[j];
            for k in 0..=j {
                a[j][k] -= row[j] * subdiagonal[k] + subdiagonal[j] * row[k];
            }
        }
        diagonal[i] = h;
    }
    for i in 0..n {
        if diagonal[i] != 0.0 {
            let row = a[i][..i].to_vec();
            let mut projections = vec![0.0; i];
            for (k, factor) in row.iter().enumerate() {
                for j in 0..i {
                    projections[j] += factor * a[k][j];
                }
            }
            for k in 0..i {
                let factor = a[k][i];
                for j in 0..i {
                    a[k][j] -= projections[j] * factor;
                }
            }
        }
        diagonal[i] = a[i][i];
        a[i][i] = 1.0;
        for j in 0..i {
            a[i][j] = 0.0;
            a[j][i] = 0.0;
        }
    }
    (diagonal, subdiagonal)
}

/// Turns the diagonals into eigenvalues and the rows of `vectors` into eigenvectors.
fn diagonalize(vectors: &mut [Vec<f64>], diagonal: &mut [f64], subdiagonal: &mut [f64]) {
    const ROUNDS_MAX: usize = 60;
    let n = diagonal.len();
    subdiagonal.rotate_left(1);
    if let Some(last) = subdiagonal.last_mut() {
        *last = 0.0;
    }
    for l in 0..n {
        for _ in 0..ROUNDS_MAX {
            let is_small = |m: &usize| {
                let around = diagonal[*m].abs() + diagonal[*m + 1].abs();
                subdiagonal[*m].abs() <= f64::EPSILON * around
            };
            let m = (l..n - 1).find(is_small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (diagonal[l + 1] - diagonal[l]) / (2.0 * subdiagonal[l]);
            let mut r = g.hypot(1.0);
            g = diagonal[m] - diagonal[l] + subdiagonal[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut is_split = false;
            for i in (l..m).rev() {
                let f = s * subdiagonal[i];
                let b = c * subdiagonal[i];
                r = f.hypot(g);
                subdiagonal[i + 1] = r;
                if r == 0.0 {
                    diagonal[i + 1] -= p;
                    subdiagonal[m] = 0.0;
                    is_split = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = diagonal[i + 1] - p;
                r = (diagonal[i] - g) * s + 2.0 * c * b;
                p = s * r;
                diagonal[i + 1] = g + p;
                g = c * r - b;
                let (lower, upper) = vectors.split_at_mut(i + 1);
                for (low, high) in lower[i].iter_mut().zip(&mut upper[0]) {
                    let f = *high;
                    *high = s * *low + c * f;
                    *low = c * *low - s * f;
                }
            }
            if !is_split {
                diagonal[l] -= p;
                subdiagonal[l] = g;
                subdiagonal[m] = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_diagonalize_the_matrix() {
        let n = 40;
        let matrix: Vec<Vec<f64>> = (0..n)
            .map(|i: usize| {
                let entry = |j: usize| ((i * 13 + j * 13 + i * j * 7) % 17) as f64;
                (0..n).map(entry).collect()
            })
            .collect();
        let components = eigen(matrix.clone());
        for (value, vector) in &components {
            let length: f64 = vector.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-10);
            for (row, component) in matrix.iter().zip(vector) {
                let product: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                assert!((product - value * component).abs() < 1e-8);
            }
        }
        let trace: f64 = (0..n).map(|i| matrix[i][i]).sum();
        let sum: f64 = components.iter().map(|(value, _)| value).sum();
        assert!((trace - sum).abs() < 1e-8);
    }

    #[test]
    fn a_break_of_the_rhythm_has_the_highest_score() {
        let mut values: Vec<f64> = (0..1000)
            .map(|i| (f64::from(i) * 0.3).sin() + f64::from(i * 7919 % 101) / 500.0)
            .collect();
        for value in &mut values[500..510] {
            *value = -*value;
        }
        let scores = sub_pca(&values, 21);
        let greatest = (0..1000).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert!((490..520).contains(&greatest.unwrap()), "{greatest:?}");
        assert_eq!(sub_pca(&[1.0; 30], 10), [0.0; 30]);
        assert_eq!(sub_pca(&[1.0; 3], 10), [0.0; 3]);
    }
}
