//! JSON Schemas of the files that a run writes, for programs that read them.

use crate::{Finding, Report};
use schemars::{JsonSchema, Schema, generate::SchemaSettings};

/// The schema of `report.json`.
pub fn report() -> Schema {
    of::<Report>()
}

/// The schema of `findings.json`.
pub fn findings() -> Schema {
    of::<Vec<Finding>>()
}

fn of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_may_be_nan_may_be_null() {
        let schema = findings().to_value();
        let magnitude = &schema["$defs"]["Magnitude"];
        let kind = &magnitude["properties"]["value"]["type"];
        assert_eq!(*kind, serde_json::json!(["number", "null"]));
        let required = magnitude["required"].as_array().expect("a list");
        assert!(required.iter().any(|name| name == "value"), "{required:?}");
    }

    #[test]
    fn every_property_is_described() {
        let schema = report().to_value();
        let definitions = schema["$defs"].as_object().expect("definitions");
        assert!(definitions.len() > 25, "{}", definitions.len());
        for (name, definition) in definitions {
            for (property, part) in definition["properties"].as_object().into_iter().flatten() {
                let text = part["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{name}.{property}");
            }
        }
    }
}
