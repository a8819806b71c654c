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
    let (noun, column) = noun(&arguments.noun)?;
    let known = runtime.block_on(ledger.values(noun, column))?;
    if !known.contains(&arguments.key) {
        let key = &arguments.key;
        let near = retrocast_domain::suggest::nearest(key, known.iter().map(String::as_str));
        let table = noun.query_name;
        let help = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!(
                "`retrocast lake query` with `select distinct {column} from {table}` lists them"
            ),
        };
        let message = format!("no run left {column} {key:?} in {table}; {help}");
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

/// The ledger table that a decision is about, and the column that identifies its rows.
fn noun(name: &str) -> Result<(&'static LedgerTable, &'static str), WrongUsage> {
    let about = |noun: &&LedgerTable| noun.identity.is_some();
    let nouns = || ledger::TABLES.iter().filter(about);
    let found = nouns().find(|noun| noun.name == name);
    found
        .and_then(|noun| Some((noun, noun.identity?)))
        .ok_or_else(|| {
            let names: Vec<&str> = nouns().map(|noun| noun.name).collect();
            WrongUsage(format!(
                "{name:?} is nothing to decide about; use one of {}",
                names.join(", ")
            ))
        })
}

/// Lists decisions, newest first.
pub fn list(runtime: &Runtime, lake: &Lake, all: bool, as_json: bool) -> anyhow::Result<()> {
    let decisions = runtime.block_on(Ledger::new(lake).decisions())?;
    let mut shown: Vec<&Decision> = if all {
        decisions.iter().collect()
    } else {
        decisions_in_force(&decisions).into_values().collect()
    };
    shown.sort_by(|a, b| (b.time, &b.key).cmp(&(a.time, &a.key)));
    if as_json {
        let shown: Vec<Value> = shown.iter().map(|decision| json!(decision)).collect();
        return print_json(&shown);
    }
    let rows = shown.iter().map(|decision| {
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
    fn decisions_are_about_what_runs_find() {
        assert_eq!(noun("findings").unwrap().1, "id");
        assert_eq!(noun("effects").unwrap().1, "improvement");
        let wrong = noun("runs").unwrap_err().to_string();
        assert!(wrong.contains("findings, kpis, effects"), "{wrong}");
    }
}
