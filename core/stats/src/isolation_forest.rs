//! Isolation forest: how few random cuts separate a point from the others.
//!
//! Liu, Ting and Zhou, "Isolation Forest", ICDM 2008: trees on small samples drawn without
//! replacement, cut at a uniform value of a uniform feature, grown to the average depth of the
//! sample; score `2^(-E[h(x)] / c(n))`. Scores around 0.5 are normal, above 0.6 suspicious. Trees
//! are drawn with a seed, so the same data and seed give the same scores.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of trees, and size of their samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Number of trees; the paper uses 100.
    pub trees: usize,
    /// Number of points per tree; the paper uses 256.
    pub sample: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            trees: 100,
            sample: 256,
        }
    }
}

/// A grown forest.
#[derive(Debug, Clone)]
pub struct IsolationForest {
    trees: Vec<Vec<Node>>,
    /// Average path length for the sample size, the unit of scores.
    scale: f64,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Leaf {
        size: usize,
    },
    /// Values below `cut` go left, to the next node; the others to `right`.
    Cut {
        feature: usize,
        cut: f64,
        right: usize,
    },
}

/// Average path length of an unsuccessful search in a binary search tree of `n` points.
pub fn average_path_length(n: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

impl IsolationForest {
    /// Grows a forest on points of equal dimension. Without points every score is 0.5.
    pub fn grow(points: &[Vec<f64>], options: Options, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sample = options.sample.min(points.len());
        let limit = (sample.max(2) as f64).log2().ceil() as usize;
        let mut order: Vec<usize> = (0..points.len()).collect();
        let mut trees = Vec::with_capacity(options.trees);
        for _ in 0..options.trees {
            for i in 0..sample {
                let j = random.random_range(i..order.len());
                order.swap(i, j);
            }
            let mut nodes = Vec::new();
            split(
                points,
                &mut order[..sample],
                0,
                limit,
                &mut random,
                &mut nodes,
            );
            trees.push(nodes);
        }
        Self {
            trees,
            scale: average_path_length(sample),
        }
    }

    /// The anomaly score of a point, between 0 and 1.
    pub fn score(&self, point: &[f64]) -> f64 {
        if self.trees.is_empty() || self.scale <= 0.0 {
            return 0.5;
        }
        let total: f64 = self.trees.iter().map(|tree| path_length(tree, point)).sum();
        2f64.powf(-(total / self.trees.len() as f64) / self.scale)
    }
}

/// Grows the subtree of `rows` in depth-first order: the left child follows its parent.
fn split(
    points: &[Vec<f64>],
    rows: &mut [usize],
    depth: usize,
    limit: usize,
    random: &mut ChaCha8Rng,
    nodes: &mut Vec<Node>,
) {
    let index = nodes.len();
    nodes.push(Node::Leaf { size: rows.len() });
    if rows.len() <= 1 || depth >= limit {
        return;
    }
    let dimension = points[rows[0]].len();
    let varying: Vec<(usize, f64, f64)> = (0..dimension)
        .filter_map(|feature| {
            let (low, high) = rows
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |range, row| {
                    let value = points[*row][feature];
                    (range.0.min(value), range.1.max(value))
                });
            (high > low).then_some((feature, low, high))
        })
        .collect();
    if varying.is_empty() {
        return;
    }
    let (feature, low, high) = varying[random.random_range(0..varying.len())];
    let cut = low + (high - low) * random.random::<f64>();
    let mut middle = 0;
    for i in 0..rows.len() {
        if points[rows[i]][feature] < cut {
            rows.swap(i, middle);
            middle += 1;
        }
    }
    let (left, right) = rows.split_at_mut(middle);
    split(points, left, depth + 1, limit, random, nodes);
    let right_at = nodes.len();
    split(points, right, depth + 1, limit, random, nodes);
    nodes[index] = Node::Cut {
        feature,
        cut,
        right: right_at,
    };
}

fn path_length(nodes: &[Node], point: &[f64]) -> f64 {
    let (mut index, mut depth) = (0, 0.0);
    loop {
        match nodes[index] {
            Node::Leaf { size } => return depth + average_path_length(size),
            Node::Cut {
                feature,
                cut,
                right,
            } => {
                index = if point[feature] < cut {
                    index + 1
                } else {
                    right
                };
                depth += 1.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_length_of_256_points_agrees_with_the_paper() {
        assert!((average_path_length(256) - 10.2448).abs() < 5e-5);
        assert_eq!(average_path_length(2), 1.0);
        assert_eq!(average_path_length(1), 0.0);
    }

    #[test]
    fn planted_outliers_rank_above_the_rest() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut normal = || {
            let (u, v): (f64, f64) = (random.random(), random.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        let mut points: Vec<Vec<f64>> = (0..1000).map(|_| vec![normal(), normal()]).collect();
        for i in 0..20 {
            let angle = f64::from(i) * 0.314;
            points.push(vec![6.0 * angle.cos(), 6.0 * angle.sin()]);
        }
        let forest = IsolationForest::grow(&points, Options::default(), 42);
        let scores: Vec<f64> = points.iter().map(|point| forest.score(point)).collect();
        let mut above = 0.0;
        for outlier in &scores[1000..] {
            for inlier in &scores[..1000] {
                above += if outlier > inlier { 1.0 } else { 0.0 };
            }
        }
        assert!(above / 20_000.0 > 0.99, "AUC {}", above / 20_000.0);
        let regrown = IsolationForest::grow(&points, Options::default(), 42);
        assert!(
            points
                .iter()
                .zip(&scores)
                .all(|(point, score)| regrown.score(point) == *score)
        );
    }

    #[test]
    fn degenerate_data_have_normal_scores() {
        let forest = IsolationForest::grow(&[], Options::default(), 1);
        assert_eq!(forest.score(&[1.0]), 0.5);
        let same = vec![vec![3.0]; 50];
        let forest = IsolationForest::grow(&same, Options::default(), 1);
        assert!(forest.score(&[3.0]) <= 0.5 + 1e-9);
    }
}
