//! A stage that does nothing: it reads no rows, writes no dataset and reports no findings.
//!
//! It measures the overhead of the engine: the run time of a job of such stages is spent on
//! planning, leases, the journal and cached outcomes only. It is also a placeholder while a job is
//! drafted: `retrocast plan` shows the graph before the stages are written. Reports omit it.
//!
//! ```toml
//! [stage.later]
//! kind   = "noop"
//! inputs = ["tickets"]
//! ```
//!
//! # Method
//! None.
//!
//! # Caveats
//! It has no rows: a stage of another kind with a `noop` stage as its input fails.

use crate::{Analysis, Context, Inputs, Reads, StageError, StageKind, with_findings};
use retrocast_domain::Cell;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// The registered kind.
pub const NOOP: StageKind = StageKind {
    name: "noop",
    chapter: None,
    code_version: 1,
    summary: "Does nothing: a placeholder, and a measure of the engine's overhead.",
    manual: include_str!("noop.rs"),
    schema: || schemars::schema_for!(Params),
    result: None,
    reads: Reads::Nothing,
    earlier_values: false,
    ledger: &[],
    run,
};

/// Params of `noop`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Sources and stages that run before this stage.
    #[serde(default)]
    #[schemars(extend("x-dataset" = true))]
    #[expect(dead_code, reason = "they only determine the graph")]
    inputs: Vec<String>,
}

fn run(context: &Context, params: &Value, _inputs: &Inputs) -> Result<Analysis, StageError> {
    let _: Params = serde_json::from_value(params.clone())?;
    let cell = Cell::new(&context.stage, NOOP.name);
    Ok(Analysis {
        cell: with_findings(cell, Vec::new()),
        frame: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::test_data::context_of;
    use retrocast_domain::Window;
    use serde_json::json;

    #[test]
    fn it_returns_an_empty_cell() {
        let window = Window::parse("2026-W45", "UTC").expect("a window");
        let context = context_of("later", window);
        for params in [json!({}), json!({"inputs": ["tickets"]})] {
            let analysis = run(&context, &params, &Inputs::new()).expect("a cell");
            assert_eq!(analysis.cell, Cell::new(&context.stage, "noop"));
            assert!(analysis.frame.is_none());
        }
        assert!(run(&context, &json!({"input": "tickets"}), &Inputs::new()).is_err());
    }
}
