//! Explains figures of the demo: a key figure, which one stage computes, and the verdict, for which
//! every stage is run again.

use super::{Bench, table::print_row};

const FIGURES: [(&str, &str); 2] = [("k1", "a key figure"), ("v1", "the verdict")];

pub fn measure(bench: &Bench) -> Result<Vec<String>, String> {
    bench.run_demo()?;
    for (id, figure) in FIGURES {
        let mut command = vec!["why".to_string(), format!("latest#{id}")];
        command.extend(bench.project());
        let measured = bench.repeat(|| bench.measure(&bench.folder, &command))?;
        let note = format!("{figure}, computed again");
        print_row(&format!("why latest#{id}"), measured, &note);
    }
    Ok(Vec::new())
}
