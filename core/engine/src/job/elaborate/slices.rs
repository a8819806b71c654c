//! Checks slices: the column exists, and the dataset of recipients has the named columns.

use super::SemanticCheck;
use crate::job::{checker::entries, document::SpannedValue};
use retrocast_domain::suggest;
use std::collections::BTreeSet;

impl SemanticCheck<'_> {
    /// Checks the columns and datasets of slices.
    pub(super) fn check_slices(&mut self) {
        for entry in entries(self.document, "report") {
            if let Some(each) = entry.item.get("each") {
                self.check_slice_column(each);
            }
            let Some(recipients) = entry.item.get("recipients") else {
                continue;
            };
            let Some((dataset, span)) = recipients
                .get("dataset")
                .and_then(|item| Some((item.text()?, item.span.clone())))
            else {
                continue;
            };
            if !self.is_dataset(dataset) {
                self.report_unknown_dataset(dataset, span);
                continue;
            }
            let Some(columns) = self.columns_of(dataset) else {
                continue;
            };
            let key = recipients.get("key").or_else(|| entry.item.get("each"));
            for item in key.into_iter().chain(recipients.get("to")) {
                let Some(name) = item.text() else { continue };
                if !columns.iter().any(|column| column == name) {
                    let help = suggest::help(name, columns.iter().map(String::as_str), "columns");
                    let message = format!("`{dataset}` has no column `{name}`");
                    self.error(item.span.clone(), message, help);
                }
            }
        }
    }

    /// Checks that a source has the column, or that a query names it.
    fn check_slice_column(&mut self, each: &SpannedValue) {
        let Some(name) = each.text() else { return };
        let sources: Vec<&str> = self.sources.keys().copied().collect();
        let mut columns = BTreeSet::new();
        for source in sources {
            match self.columns_of(source) {
                Some(known) => columns.extend(known),
                None => return,
            }
        }
        let is_in_query = |stage: &SpannedValue| {
            let query = stage.get("query").and_then(SpannedValue::text);
            query.is_some_and(|query| query.contains(name))
        };
        if !columns.contains(name) && !self.stages.values().any(|stage| is_in_query(stage)) {
            let help = suggest::help(name, columns.iter().map(String::as_str), "columns");
            let message = format!("no dataset has a column `{name}`");
            self.error(each.span.clone(), message, help);
        }
    }
}
