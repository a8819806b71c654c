//! The identity of findings over several runs.

use super::*;

#[test]
fn a_verdict_is_a_new_finding() {
    let id = |factor: f64, date: &str| {
        let series = [
            ("billing", counts(1, 15.0, factor)),
            ("search", counts(2, 15.0, 1.0)),
        ];
        let analysis = analyse(&series, &[("IMP-001", "billing", date)]);
        let finding = analysis.cell.findings[0].clone();
        (finding.numbers["verdict"].clone(), finding.id)
    };
    let (early, works, harmful) = (
        id(1.0, "2026-11-13"),
        id(0.4, "2026-10-05"),
        id(1.8, "2026-10-05"),
    );
    assert_eq!(early.0, "too early");
    assert_eq!((works.0, harmful.0), ("works".into(), "harmful".into()));
    assert!(early.1 != works.1 && early.1 != harmful.1 && works.1 != harmful.1);
    // An effect without proof is as open as one that is too recent to judge.
    let unclear = id(1.0, "2026-10-05");
    assert_eq!(unclear, ("not proven".into(), early.1));
}
