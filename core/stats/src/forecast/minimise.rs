//! Minimisation without derivatives.

/// Minimises by Nelder and Mead's simplex (1965) from `start`, with first steps of the given sizes,
/// and returns the point and its value. Values that are not numbers count as infinite. Stops when
/// the simplex's values differ by less than 1e-8 of their size, or after `evaluations`.
pub(super) fn minimise(
    target: impl Fn(&[f64]) -> f64,
    start: &[f64],
    steps: &[f64],
    evaluations: usize,
) -> (Vec<f64>, f64) {
    let value = |x: &[f64]| {
        let y = target(x);
        if y.is_nan() { f64::INFINITY } else { y }
    };
    let n = start.len();
    let mut simplex: Vec<(Vec<f64>, f64)> = (0..=n)
        .map(|corner| {
            let mut x = start.to_vec();
            if corner > 0 {
                x[corner - 1] += steps[corner - 1];
            }
            let y = value(&x);
            (x, y)
        })
        .collect();
    let mut used = n + 1;
    loop {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst) = (simplex[0].1, simplex[n].1);
        if n == 0 || used >= evaluations || worst - best <= 1e-8 * (best.abs() + 1e-8) {
            return simplex.swap_remove(0);
        }
        let centre: Vec<f64> = (0..n)
            .map(|i| simplex[..n].iter().map(|(x, _)| x[i]).sum::<f64>() / n as f64)
            .collect();
        let at = |factor: f64| {
            let x: Vec<f64> = (0..n)
                .map(|i| centre[i] + factor * (simplex[n].0[i] - centre[i]))
                .collect();
            let y = value(&x);
            (x, y)
        };
        let reflected = at(-1.0);
        used += 1;
        let next = if reflected.1 < best {
            used += 1;
            let expanded = at(-2.0);
            Some(if expanded.1 < reflected.1 {
                expanded
            } else {
                reflected
            })
        } else if reflected.1 < simplex[n - 1].1 {
            Some(reflected)
        } else {
            used += 1;
            let contracted = at(if reflected.1 < worst { -0.5 } else { 0.5 });
            (contracted.1 < worst.min(reflected.1)).then_some(contracted)
        };
        match next {
            Some(corner) => simplex[n] = corner,
            None => {
                let low = simplex[0].0.clone();
                for (x, y) in &mut simplex[1..] {
                    x.iter_mut()
                        .zip(&low)
                        .for_each(|(x, low)| *x = f64::midpoint(*x, *low));
                    *y = value(x);
                }
                used += n;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley has its minimum, 0, at (1, 1).
    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let valley = |x: &[f64]| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2);
        let (x, y) = minimise(valley, &[-1.2, 1.0], &[0.5, 0.5], 1000);
        assert!(y < 1e-7 && (x[0] - 1.0).abs() < 1e-3, "{x:?} {y}");
        assert_eq!(minimise(|_| f64::NAN, &[0.0], &[1.0], 10).1, f64::INFINITY);
    }
}
