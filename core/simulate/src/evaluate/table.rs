//! Formats an evaluation as a table for a terminal.

use super::Evaluation;
use std::fmt;

/// Shortens a line to a width, in characters.
fn shorten(text: &str, width: usize) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    if text.chars().count() <= width {
        return text;
    }
    let head: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{head}…")
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = self.found.len() + self.missed.len();
        writeln!(
            f,
            "planted facts      {} of {planted} found",
            self.found.len()
        )?;
        for found in &self.found {
            writeln!(
                f,
                "  found   {:<18} {}",
                found.fact,
                shorten(&found.what, 90)
            )?;
            writeln!(f, "          {:<18} by: {}", "", shorten(&found.by, 110))?;
        }
        for missed in &self.missed {
            writeln!(
                f,
                "  MISSED  {:<18} {}",
                missed.fact,
                shorten(&missed.what, 90)
            )?;
            writeln!(f, "          {:<18} {}", "", shorten(&missed.hint, 160))?;
        }
        writeln!(f, "false claims       {}", self.false_claims.len())?;
        for claim in &self.false_claims {
            let kind = shorten(&claim.kind, 18);
            writeln!(
                f,
                "  FALSE   {kind:<18} {} [{}]",
                shorten(&claim.sentence, 140),
                claim.stage
            )?;
            writeln!(f, "          {:<18} {}", "", shorten(&claim.why, 110))?;
        }
        let right = self.improvements.iter().filter(|check| check.ok).count();
        writeln!(
            f,
            "improvements       {right} of {} judged correctly",
            self.improvements.len()
        )?;
        for check in &self.improvements {
            let label = if check.ok { "right" } else { "WRONG" };
            let (id, truth) = (&check.improvement, &check.truth);
            writeln!(
                f,
                "  {label}   {id:<18} {truth}; verdict: {}",
                check.verdict
            )?;
        }
        if !self.sources.is_empty() {
            let right = self.sources.iter().filter(|check| check.ok).count();
            writeln!(
                f,
                "records            {right} of {} sources agree",
                self.sources.len()
            )?;
        }
        for check in self.sources.iter().filter(|check| !check.ok) {
            for (count, planted, reported) in &check.differences {
                let source = &check.source;
                writeln!(
                    f,
                    "  DIFFER  {source:<18} {count}: {reported} reported, {planted} planted"
                )?;
            }
        }
        let (implied, informational) = (self.implied.len(), self.informational);
        writeln!(
            f,
            "other findings     {implied} implied by planted facts, {informational} claim no effect"
        )?;
        for line in &self.unjudged {
            writeln!(f, "  of unknown kind    {}", shorten(line, 120))?;
        }
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        writeln!(f, "result             {verdict}")
    }
}
