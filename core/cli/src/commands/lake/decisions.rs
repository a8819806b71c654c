//! `retrocast lake decide` and `decisions`: decisions on findings, key figures and effects.

use super::{one_line, print, print_json, table};
use crate::{arguments::DecisionArguments, diagnose::WrongUsage};
use jiff::Timestamp;
use retrocast_store::{
    Lake, Ledger,
    ledger::{self, Decision, LedgerTable, decisions_in_force},
    maintenance::Answer,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Records a decision.
pub fn decide(runtime: &Runtime, lake: &Lake, arguments: &DecisionArguments) -> anyhow::Result<()> {
    let ledger = Ledger::new(lake);
    let (noun, column) = find_table(&arguments.table)?;
    let keys = runtime.block_on(ledger.values(noun, column))?;
    if !keys.contains(&arguments.key) {
        let key = &arguments.key;
        let nearest = retrocast_domain::suggest::nearest(key, keys.iter().map(String::as_str));
        let table = noun.query_name;
        let help = match nearest {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!(
                "`retrocast lake query` with `select distinct {column} from {table}` lists them"
            ),
        };
        let message = format!("{table} has no {column} {key:?}; {help}");
        return Err(WrongUsage(message).into());
    }
    let who = arguments.who.as_deref().unwrap_or_default();
    let decision = Decision {
        time: Timestamp::now(),
        who: one_line("--who", who)?,
        noun: noun.name.to_string(),
        key: arguments.key.clone(),
        decision: one_line("DECISION", &arguments.decision)?,
        why: one_line("--why", &arguments.why)?,
    };
    runtime.block_on(ledger.decide(&decision))?;
    let Decision {
        noun,
        key,
        decision,
        who,
        ..
    } = &decision;
    Ok(print(&format!("{noun} {key}: {decision}, by {who}"))?)
}

/// Finds the ledger table of a decision, and the column that identifies its items.
fn find_table(name: &str) -> Result<(&'static LedgerTable, &'static str), WrongUsage> {
    let has_identity = |noun: &&LedgerTable| noun.identity.is_some();
    let nouns = || ledger::TABLES.iter().filter(has_identity);
    let table = nouns().find(|noun| noun.name == name);
    table
        .and_then(|noun| Some((noun, noun.identity?)))
        .ok_or_else(|| {
            let names: Vec<&str> = nouns().map(|noun| noun.name).collect();
            WrongUsage(format!(
                "decisions on {name:?} are not supported; use one of {}",
                names.join(", ")
            ))
        })
}

/// Lists decisions, newest first.
pub fn list(runtime: &Runtime, lake: &Lake, all: bool, as_json: bool) -> anyhow::Result<()> {
    let decisions = runtime.block_on(Ledger::new(lake).decisions())?;
    let mut listed: Vec<&Decision> = if all {
        decisions.iter().collect()
    } else {
        decisions_in_force(&decisions).into_values().collect()
    };
    listed.sort_by(|a, b| (b.time, &b.key).cmp(&(a.time, &a.key)));
    if as_json {
        let listed: Vec<Value> = listed.iter().map(|decision| json!(decision)).collect();
        return print_json(&listed);
    }
    let rows = listed.iter().map(|decision| {
        let time = format!("{:.0}", decision.time);
        let Decision {
            who,
            noun,
            key,
            decision,
            why,
            ..
        } = decision;
        let texts = [&time, who, noun, key, decision, why];
        texts.map(|text| Some(text.clone())).to_vec()
    });
    let columns = ["time", "who", "noun", "key", "decision", "why"];
    let answer = Answer {
        numbers: vec![false; columns.len()],
        columns: columns.map(String::from).to_vec(),
        rows: rows.collect(),
        more: false,
    };
    Ok(print(&table(&answer))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_need_a_table_with_identified_items() {
        assert_eq!(find_table("findings").unwrap().1, "id");
        assert_eq!(find_table("effects").unwrap().1, "improvement");
        let error = find_table("runs").unwrap_err().to_string();
        assert!(error.contains("findings, kpis, effects"), "{error}");
    }
}
