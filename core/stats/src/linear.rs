//! Linear equations with a positive definite matrix.

/// Factors a symmetric matrix, given by its lower triangle, in place; returns the logarithm of its
/// determinant, or `None` if it is singular.
pub(crate) fn cholesky(matrix: &mut [f64], size: usize) -> Option<f64> {
    let mut log_determinant = 0.0;
    for i in 0..size {
        let (above, line) = matrix.split_at_mut(i * size);
        for (j, other) in above.chunks_exact(size).enumerate() {
            line[j] = (line[j] - dot(&line[..j], &other[..j])) / other[j];
        }
        let pivot = line[i] - dot(&line[..i], &line[..i]);
        if pivot <= line[i] * 1e-10 {
            return None;
        }
        line[i] = pivot.sqrt();
        log_determinant += pivot.ln();
    }
    Some(log_determinant)
}

/// Solves `L x = b`.
pub(crate) fn forward(triangle: &[f64], b: &[f64]) -> Vec<f64> {
    let size = b.len();
    let mut x = b.to_vec();
    for i in 0..size {
        let line = &triangle[i * size..=i * size + i];
        x[i] = (x[i] - dot(&line[..i], &x)) / line[i];
    }
    x
}

/// Solves `L' x = b`.
pub(crate) fn backward(triangle: &[f64], b: &[f64]) -> Vec<f64> {
    let size = b.len();
    let mut x = b.to_vec();
    for i in (0..size).rev() {
        x[i] /= triangle[i * size + i];
        for j in 0..i {
            x[j] -= triangle[i * size + j] * x[i];
        }
    }
    x
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
