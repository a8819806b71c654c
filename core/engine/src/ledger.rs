//! The part of the ledger that a run sees, in the form that its plan records.

pub use retrocast_run::ledger::{DATASETS, LEDGER, LedgerRun, LedgerView, is_of_events};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fingerprint::Components, test_support};
    use retrocast_run::Plan;

    const JOB: &str = r#"
title = "Review"
window = "week"
[source.tickets]
uri = "tickets/*.jsonl"
contract = "ticket"
[stage.known]
kind = "sql"
query = "select * from ledger.findings join tickets"
[stage.tallied]
kind = "sql"
query = "select * from known"
[report.executive]
"#;

    fn view(publication: &str, decision: &str) -> LedgerView {
        let run = LedgerRun {
            window: "2026-W45".to_string(),
            run: "1a2b3c4d".to_string(),
            publication: publication.to_string(),
        };
        LedgerView {
            runs: vec![run],
            decisions: vec![decision.to_string()],
            improvements: Vec::new(),
        }
    }

    fn plan(text: &str, view: &LedgerView) -> Plan {
        test_support::plan_with_ledger(text, &[], &[], view).unwrap()
    }

    fn fingerprint(plan: &Plan, node: &str) -> String {
        let node = plan.node(node).unwrap();
        Components::new(node, plan, None, &[], "").fingerprint().0
    }

    #[test]
    fn fingerprint_and_plan_depend_on_the_ledger() {
        let (old, new) = (view("a", "x"), view("b", "x"));
        let [first, other_decision, other_publication] =
            [&old, &view("a", "y"), &new].map(|view| plan(JOB, view));
        assert_eq!(
            first.node("stage.known").unwrap().ledger,
            ["ledger.findings"]
        );
        assert_eq!(
            first.node("stage.known").unwrap().inputs,
            ["source.tickets"]
        );
        assert_eq!(first, other_decision, "no stage reads decisions");
        let known = |plan: &Plan| fingerprint(plan, "stage.known");
        assert_ne!(known(&first), known(&other_publication));
        let tallied = |plan: &Plan| fingerprint(plan, "stage.tallied");
        assert_eq!(tallied(&first), tallied(&other_publication));
        let recorded = serde_json::to_value(&first).unwrap()["ledger"].clone();
        let recorded: LedgerView = serde_json::from_value(recorded).unwrap();
        assert_eq!(
            (recorded.runs, recorded.decisions.len()),
            (old.runs.clone(), 0)
        );

        let decided = JOB.replace("ledger.findings", "ledger.decisions");
        let decided = plan(&decided, &old).ledger.unwrap();
        assert_eq!((decided.runs.len(), decided.decisions.len()), (0, 1));
    }

    #[test]
    fn jobs_that_do_not_read_the_ledger_do_not_depend_on_it() {
        let text = JOB.replace("ledger.findings join ", "");
        let plans = [view("a", "x"), view("b", "y")].map(|view| plan(&text, &view));
        assert_eq!(plans[0], plans[1]);
        let text = serde_json::to_string(&plans[0]).unwrap();
        assert!(!text.contains("ledger"), "{text}");
    }

    #[test]
    fn stages_cannot_have_the_name_of_a_ledger_dataset() {
        let text = JOB.replace("[stage.tallied]", "[stage.ledger__runs]");
        let diagnostic = test_support::checked(&text).diagnostics.remove(0);
        let message = "`ledger__runs` is the name of a dataset of the ledger";
        assert_eq!(diagnostic.message, message);
    }

    #[test]
    fn unknown_ledger_tables_are_reported_with_their_position() {
        let text = JOB.replace("ledger.findings", "ledger.finding");
        let diagnostic = test_support::checked(&text).diagnostics.remove(0);
        assert_eq!(
            diagnostic.message,
            "the ledger has no table `ledger.finding`"
        );
        assert_eq!(
            diagnostic.help.as_deref(),
            Some("did you mean `ledger.findings`?")
        );
        assert_eq!(&text[diagnostic.span.unwrap()], "ledger.finding");
    }
}
