//! Exports: tables in three formats, their descriptor, JSON Schemas, and a notebook that runs.

use super::support::*;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Everything of the demo run, exported once.
fn export_folder() -> &'static Path {
    static OUT: OnceLock<(Scratch, PathBuf)> = OnceLock::new();
    let (_, out) = OUT.get_or_init(|| {
        let scratch = Scratch::new();
        let out = scratch.join("export");
        let (workspace, _) = demo();
        let arguments = [
            "export",
            "weekly-operations",
            "--out",
            &out.display().to_string(),
        ];
        retrocast_in(workspace.path(), &arguments).expect(0);
        (scratch, out)
    });
    out
}

fn resources() -> Vec<Value> {
    let descriptor = json(&export_folder().join("datapackage.json"));
    descriptor["resources"].as_array().unwrap().clone()
}

/// All files of the export, by path.
fn files(folder: &Path, prefix: &str, out: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{name}/"), out);
        } else {
            out.insert(name);
        }
    }
}

#[test]
fn the_descriptor_lists_every_file() {
    let mut expected = BTreeSet::new();
    files(export_folder(), "", &mut expected);
    expected.remove("datapackage.json");
    let descriptor = json(&export_folder().join("datapackage.json"));
    let tables = resources();
    let mut described = tables.clone();
    described.extend(descriptor["retrocast"]["files"].as_array().unwrap().clone());
    let paths = described.iter().map(|file| file["path"].as_str().unwrap());
    assert_eq!(paths.map(str::to_string).collect::<BTreeSet<_>>(), expected);
    assert_eq!(described.len(), expected.len());
    let names: BTreeSet<&str> = tables
        .iter()
        .map(|table| table["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), tables.len());
    for file in &described {
        assert_eq!(file["hash"].as_str().unwrap().len(), "sha256:".len() + 64);
    }
    assert_eq!(descriptor["retrocast"]["job"], "weekly-operations");
    assert_eq!(descriptor.get("licenses"), None);
    // The same run gives the same bytes.
    let (workspace, _) = demo();
    let again = Scratch::new();
    let out = again.path().display().to_string();
    retrocast_in(workspace.path(), &["export", "latest", "--out", &out]).expect(0);
    for file in expected {
        let [first, second] =
            [export_folder(), again.path()].map(|root| fs::read(root.join(&file)));
        assert!(first.unwrap() == second.unwrap(), "{file}");
    }
}

#[test]
fn tables_have_the_same_rows_in_csv_and_json() {
    let resources = resources();
    let tables = resources
        .iter()
        .filter(|resource| resource["format"] == "csv");
    let mut formulas = 0;
    for table in tables.clone() {
        let path = export_folder().join(table["path"].as_str().unwrap());
        let fields = table["schema"]["fields"].as_array().unwrap();
        let mut csv = csv::Reader::from_path(&path).unwrap();
        let rows = json(&path.with_extension("json"));
        let rows = rows.as_array().unwrap();
        let mut count = 0;
        for (record, row) in csv.records().zip(rows) {
            count += 1;
            let record = record.unwrap();
            assert_eq!(record.len(), fields.len());
            for (cell, field) in record.iter().zip(fields) {
                let value = &row[field["name"].as_str().unwrap()];
                let is_number = ["number", "integer"].contains(&field["type"].as_str().unwrap());
                match value {
                    Value::Null => assert_eq!(cell, ""),
                    Value::Number(number) => {
                        assert!(is_number, "{field}");
                        assert_eq!(cell.parse::<f64>().ok(), number.as_f64());
                    }
                    Value::String(text) if text.starts_with(['=', '+', '@']) => {
                        formulas += 1;
                        assert_eq!(cell, format!("'{text}"));
                    }
                    Value::String(text) => assert_eq!(cell, text),
                    _ => {}
                }
            }
        }
        assert_eq!(table["rows"], count, "{}", path.display());
        assert_eq!(rows.len(), count);
    }
    // The simulated records have a component that is a formula.
    assert!(formulas > 10, "{formulas}");
    assert!(tables.count() > 20);
}

#[test]
fn results_are_those_of_the_run() {
    let (_, run) = demo();
    let report = json(&run.join("report.json"));
    let rows = |table: &str| json(&export_folder().join("tables").join(table));
    let figures = rows("kpis.json");
    let first = &report["kpis"][0];
    let figure = figures.as_array().unwrap().iter();
    let mut figure = figure.filter(|row| row["metric"] == first["name"]);
    assert_eq!(figure.next().unwrap()["value"], first["value"]);
    let effects = rows("effects.json");
    assert_eq!(
        effects.as_array().unwrap().len(),
        report["effects"].as_array().unwrap().len()
    );
    let sentences = rows("findings.json");
    let sentences = sentences
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["sentence"]);
    let expected = findings(run);
    let expected = expected.iter().map(|finding| &finding["sentence"]);
    assert_eq!(sentences.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    for file in ["report.json", "findings.json"] {
        let [original, copy] =
            [run, export_folder()].map(|root| fs::read(root.join(file)).unwrap());
        assert!(original == copy, "{file}");
    }
}

/// Checks a value against a JSON Schema, for the keywords that our schemas use.
fn matches(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return matches(root, &root["$defs"][name], value, path);
    }
    for key in ["anyOf", "oneOf"] {
        let Some(alternatives) = schema[key].as_array() else {
            continue;
        };
        let fits = |part: &&Value| matches(root, part, value, path).is_ok();
        if !alternatives.iter().any(|part| fits(&part)) {
            return Err(format!("{path}: no alternative fits {value}"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = |allowed: &&str| *allowed == kind || (*allowed == "number" && kind == "integer");
    if !allowed.is_empty() && !allowed.iter().any(fits) {
        return Err(format!("{path}: {kind} instead of {allowed:?}"));
    }
    if schema
        .get("const")
        .is_some_and(|constant| constant != value)
    {
        return Err(format!("{path}: {value} instead of {}", schema["const"]));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Err(format!("{path}: no {name}"));
        }
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => matches(root, schema, part, &format!("{path}/{name}"))?,
            None if schema.get("properties").is_some() && schema.get("oneOf").is_none() => {
                return Err(format!("{path}: {name} is not in the schema"));
            }
            None => {}
        }
    }
    for (index, part) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            matches(root, items, part, &format!("{path}/{index}"))?;
        }
    }
    Ok(())
}

#[test]
fn files_match_their_published_schemas() {
    for (file, name) in [("report.json", "report"), ("findings.json", "findings")] {
        let printed = retrocast_in(Path::new("."), &["schema", name])
            .expect(0)
            .stdout;
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            schema,
            json(&export_folder().join(format!("{name}.schema.json")))
        );
        let value = json(&export_folder().join(file));
        matches(&schema, &schema, &value, file).unwrap_or_else(|error| panic!("{error}"));
        // A wrong value is found.
        let mut wrong = value.clone();
        let number = match name {
            "report" => &mut wrong["cells"][0]["findings"][0]["n"],
            _ => &mut wrong[0]["n"],
        };
        *number = "many".into();
        assert!(matches(&schema, &schema, &wrong, file).is_err());
    }
}

/// Runs the code cells of a notebook in order, as Jupyter does, and reads the Parquet files.
const RUN_CELLS: &str = r#"
import json, sys
import polars
cells = json.load(open("notebook.ipynb", encoding="utf-8"))["cells"]
scope = {"__name__": "__main__"}
for cell in cells:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["id"], "exec"), scope)
figures = scope["figures"].select("figure", "of", "value").rows()
parquet = polars.read_parquet("tables/kpis.parquet")
print(json.dumps({
    "figures": figures,
    "datasets": scope["datasets"].height,
    "parquet": parquet.select("metric", "subject", "value").rows(),
}))
"#;

#[test]
fn the_notebook_reads_the_same_numbers() {
    let notebook = json(&export_folder().join("notebook.ipynb"));
    assert_eq!([&notebook["nbformat"], &notebook["nbformat_minor"]], [4, 5]);
    let text = notebook.to_string();
    assert!(text.contains("pip install") && text.contains("image/svg+xml"));
    let variable = "RETROCAST_READERS_PYTHON";
    let Some(python) = std::env::var_os(variable) else {
        let reason = format!("{variable} names no Python with pylance and polars");
        return report_skipped("the notebook", &reason);
    };
    let output = Command::new(python)
        .args(["-c", RUN_CELLS])
        .current_dir(export_folder())
        .env_remove("RETROCAST_LAKE")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let results: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    let report = json(&export_folder().join("report.json"));
    let cited = report["provenance"]["datasets"].as_array().unwrap();
    assert_eq!(results["datasets"], cited.len());
    let figures = results["figures"].as_array().unwrap();
    assert!(figures.len() >= 5, "{figures:?}");
    let parquet = results["parquet"].as_array().unwrap();
    for figure in figures {
        assert!(parquet.contains(figure), "{figure} is not in {parquet:?}");
    }
    let first = &report["kpis"][0];
    let first = serde_json::json!([first["name"], first["subject"], first["value"]]);
    assert!(figures.contains(&first), "{figures:?}");
}
