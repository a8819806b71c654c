//! Volume under the surface of range-aware precision and recall (VUS-PR).
//!
//! Paparrizos et al., "Volume Under the Surface", PVLDB 15(11), 2022, as the TSB-AD benchmark
//! computes it (Liu and Paparrizos, "The Elephant in the Room", `NeurIPS` 2024): the labels are
//! extended on both sides by a buffer in which they fall from 1 with the square root of the
//! distance; the area under precision and recall is computed from 250 thresholds, and averaged over
//! all buffers from 0 to the length of a window.

/// Number of thresholds, at equal steps of rank.
const THRESHOLDS: usize = 250;

/// VUS-PR of scores against labels, from 0 to 1. The buffers before and after an event together
/// have 0 to `window` rows.
///
/// Both slices have one entry per row; scores are finite. `None` if no row or every row is
/// labelled, since then all scores are equally good.
pub fn vus_pr(labels: &[bool], scores: &[f64], window: usize) -> Option<f64> {
    if !is_mixed(labels) {
        return None;
    }
    let events = events(labels);
    let ranks = Ranks::new(scores);
    let labelled: usize = events.iter().map(|(first, last)| last - first + 1).sum();
    let mut inside = vec![0.0; THRESHOLDS];
    for (first, last) in &events {
        for rank in &ranks.by_row[*first..=*last] {
            inside[*rank] += 1.0;
        }
    }
    accumulate(&mut inside);
    let mut buffer = vec![0.0; labels.len()];
    let areas = (0..=window).map(|width| {
        let half = width / 2;
        let gains = buffer_gains(&events, &ranks, &mut buffer, width);
        let detected = detected_shares(&events, &ranks, half);
        let (mut area, mut recall_before) = (0.0, 0.0);
        for i in 0..THRESHOLDS {
            let hits = inside[i] + gains[i];
            let recall = (hits / (labelled as f64 + gains[i] / 2.0)).min(1.0) * detected[i];
            area += (recall - recall_before) * hits / ranks.predicted[i];
            recall_before = recall;
        }
        area
    });
    Some(areas.sum::<f64>() / (window + 1) as f64)
}

/// Returns true if some rows are labelled and others are not.
pub(crate) fn is_mixed(labels: &[bool]) -> bool {
    labels.contains(&true) && labels.contains(&false)
}

/// First and last row of each run of labels.
pub(crate) fn events(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut events: Vec<(usize, usize)> = Vec::new();
    for (row, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match events.last_mut() {
            Some((_, last)) if *last + 1 == row => *last = row,
            _ => events.push((row, row)),
        }
    }
    events
}

/// Ranks of rows: the order in which they become alerts as the threshold falls.
struct Ranks {
    /// Index of the first threshold at or below the row's score.
    by_row: Vec<usize>,
    /// Number of alerts at each threshold.
    predicted: Vec<f64>,
}

impl Ranks {
    fn new(scores: &[f64]) -> Self {
        let mut descending = scores.to_vec();
        descending.sort_by(|a, b| b.total_cmp(a));
        let last = scores.len() - 1;
        let step = last as f64 / (THRESHOLDS - 1) as f64;
        let mut thresholds: Vec<f64> = (0..THRESHOLDS)
            .map(|i| descending[((i as f64 * step) as usize).min(last)])
            .collect();
        // Rounding must not leave out the least score.
        thresholds[THRESHOLDS - 1] = descending[last];
        let first_at_or_below = |score: &f64| thresholds.partition_point(|t| t > score);
        Self {
            by_row: scores.iter().map(first_at_or_below).collect(),
            predicted: thresholds
                .iter()
                .map(|t| descending.partition_point(|score| score >= t) as f64)
                .collect(),
        }
    }
}

fn accumulate(counts: &mut [f64]) {
    for i in 1..counts.len() {
        counts[i] += counts[i - 1];
    }
}

/// Weight of the alerts within the buffers at each threshold. `buffer` is scratch space of zeros.
fn buffer_gains(
    events: &[(usize, usize)],
    ranks: &Ranks,
    buffer: &mut [f64],
    width: usize,
) -> Vec<f64> {
    let mut gains = vec![0.0; THRESHOLDS];
    let (half, rows) = (width / 2, buffer.len());
    let around = |(first, last): (usize, usize)| {
        let after = last + 1..(last + half + 1).min(rows);
        let before = first.saturating_sub(half)..first;
        let after = after.map(move |row| (row, row - last));
        after.chain(before.map(move |row| (row, first - row)))
    };
    for event in events {
        for (row, distance) in around(*event) {
            buffer[row] += (1.0 - distance as f64 / width as f64).sqrt();
        }
    }
    // Rows of another event are counted as part of it.
    for (first, last) in events {
        buffer[*first..=*last].fill(0.0);
    }
    for event in events {
        for (row, _) in around(*event) {
            gains[ranks.by_row[row]] += buffer[row].min(1.0);
            buffer[row] = 0.0;
        }
    }
    accumulate(&mut gains);
    gains
}

/// Share of events with an alert in them or in their buffer, at each threshold. Events whose
/// buffers touch count as one.
fn detected_shares(events: &[(usize, usize)], ranks: &Ranks, half: usize) -> Vec<f64> {
    let mut detected = vec![0.0; THRESHOLDS];
    let (mut count, mut rank) = (0.0, usize::MAX);
    for (i, (first, last)) in events.iter().enumerate() {
        let rows = first.saturating_sub(half)..(last + half + 1).min(ranks.by_row.len());
        rank = rank.min(
            ranks.by_row[rows]
                .iter()
                .copied()
                .min()
                .unwrap_or(usize::MAX),
        );
        let is_apart = events
            .get(i + 1)
            .is_none_or(|(next, _)| last + half < next.saturating_sub(half));
        if is_apart {
            count += 1.0;
            detected[rank.min(THRESHOLDS - 1)] += 1.0;
            rank = usize::MAX;
        }
    }
    accumulate(&mut detected);
    detected.iter().map(|events| events / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: usize, events: &[(usize, usize)]) -> Vec<bool> {
        let is_labelled = |row| events.iter().any(|(a, b)| (*a..=*b).contains(&row));
        (0..rows).map(is_labelled).collect()
    }

    /// Computes the definition row by row, for every buffer and threshold.
    fn vus_pr_by_definition(labels: &[bool], scores: &[f64], window: usize) -> f64 {
        let events = events(labels);
        let rows = labels.len();
        let mut descending = scores.to_vec();
        descending.sort_by(|a, b| b.total_cmp(a));
        let mut total = 0.0;
        for width in 0..=window {
            let half = width / 2;
            let weight: Vec<f64> = (0..rows)
                .map(|row| {
                    let weight_near = |(first, last): &(usize, usize)| {
                        let distance = first.saturating_sub(row).max(row.saturating_sub(*last));
                        if distance == 0 {
                            1.0
                        } else if distance <= half {
                            (1.0 - distance as f64 / width as f64).sqrt()
                        } else {
                            0.0
                        }
                    };
                    events.iter().map(weight_near).sum::<f64>().min(1.0)
                })
                .collect();
            let mut before = 0.0;
            for k in 0..THRESHOLDS {
                let rank = (k as f64 * (rows - 1) as f64 / 249.0) as usize;
                let alert: Vec<bool> = scores.iter().map(|s| *s >= descending[rank]).collect();
                let hits: f64 = (0..rows).filter(|r| alert[*r]).map(|r| weight[r]).sum();
                let size: f64 = (0..rows)
                    .filter(|r| labels[*r] || alert[*r])
                    .map(|r| weight[r])
                    .sum();
                let labelled = labels.iter().filter(|label| **label).count() as f64;
                let mut groups: Vec<(usize, usize)> = Vec::new();
                for (first, last) in &events {
                    let (from, to) = (first.saturating_sub(half), (last + half).min(rows - 1));
                    match groups.last_mut() {
                        Some(group) if group.1 >= from => group.1 = to,
                        _ => groups.push((from, to)),
                    }
                }
                let found = groups
                    .iter()
                    .filter(|(a, b)| alert[*a..=*b].contains(&true));
                let recall = (hits / f64::midpoint(labelled, size)).min(1.0) * found.count() as f64
                    / groups.len() as f64;
                let predicted = alert.iter().filter(|alert| **alert).count() as f64;
                total += (recall - before) * hits / predicted;
                before = recall;
            }
        }
        total / (window + 1) as f64
    }

    #[test]
    fn cumulative_sums_match_the_definition() {
        for (rows, events) in [
            (300, vec![(50, 60), (70, 71), (200, 200)]),
            (120, vec![(0, 3), (110, 119)]),
            (40, vec![(20, 25)]),
        ] {
            let labels = labels(rows, &events);
            let scores: Vec<f64> = (0..rows).map(|row| ((row * 7919) % 97) as f64).collect();
            for window in [0, 1, 7, 30] {
                let actual = vus_pr(&labels, &scores, window).unwrap();
                let expected = vus_pr_by_definition(&labels, &scores, window);
                assert!(
                    (actual - expected).abs() < 1e-12,
                    "{rows} {window}: {actual} {expected}"
                );
            }
        }
    }

    #[test]
    fn scores_equal_to_the_labels_score_nearly_one() {
        let labels = labels(1000, &[(400, 449)]);
        let scores: Vec<f64> = labels
            .iter()
            .map(|label| f64::from(u8::from(*label)))
            .collect();
        assert!(vus_pr(&labels, &scores, 0).unwrap() > 0.999);
        let inverse: Vec<f64> = scores.iter().map(|score| -score).collect();
        assert!(vus_pr(&labels, &inverse, 0).unwrap() < 0.06);
        for labels in [vec![], vec![true], vec![true; 10], vec![false; 10]] {
            assert_eq!(vus_pr(&labels, &vec![0.0; labels.len()], 5), None);
        }
    }
}
