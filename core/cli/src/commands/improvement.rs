//! `retrocast improvement`: the register of improvements, stored in the ledger.

mod import;

use super::{
    lake::{one_line, table},
    person::person_or_current_user,
    print, print_json,
};
use crate::{
    Exit,
    arguments::{ChangeArguments, Details, ImprovementCommand},
    diagnose::WrongUsage,
    ledger::publish_finished,
    workspace::Workspace,
};
use anyhow::Context as _;
use jiff::{Timestamp, ToSpan as _, Zoned, civil::Date};
use retrocast_domain::{number, suggest::nearest};
use retrocast_store::{
    Lake, Ledger,
    ledger::{FINDINGS, Improvement, ImprovementState, PublishedRecommendation, register},
    maintenance::QueryResult,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// Maximum length of an improvement's id, in characters.
const ID_MAX: usize = 64;

/// The register of a job.
struct Register {
    runtime: Runtime,
    ledger: Ledger,
}

/// Runs a subcommand of `retrocast improvement`.
pub fn improvement(workspace: &Workspace, command: ImprovementCommand) -> anyhow::Result<Exit> {
    let change = |request: &ChangeArguments, state| {
        Register::open(workspace, &request.job)?.change(request, state, |_| ())
    };
    match command {
        ImprovementCommand::Propose { request, details } => {
            let register = Register::open(workspace, &request.job)?;
            if !details.finding.is_empty() || details.recommendation.is_some() {
                publish_finished(workspace, &request.job);
            }
            register.propose(&request, details)?;
        }
        ImprovementCommand::Import { job, file, who, on } => {
            import::import(&Register::open(workspace, &job)?, &job, &file, who, on)?;
        }
        ImprovementCommand::Recommended { job, all, json } => {
            let register = Register::open(workspace, &job)?;
            publish_finished(workspace, &job);
            register.list_recommended(all, json)?;
        }
        ImprovementCommand::Accept {
            request,
            recommendation,
        } => decide(
            workspace,
            &request,
            recommendation,
            ImprovementState::Accepted,
        )?,
        ImprovementCommand::Reject {
            request,
            recommendation,
        } => decide(
            workspace,
            &request,
            recommendation,
            ImprovementState::Rejected,
        )?,
        ImprovementCommand::Close { request } => change(&request, ImprovementState::Closed)?,
        ImprovementCommand::Implement {
            request,
            date,
            cost,
        } => {
            let date = date.unwrap_or_else(|| Zoned::now().date());
            Register::open(workspace, &request.job)?.change(
                &request,
                ImprovementState::Implemented,
                |improvement| {
                    improvement.date = Some(date);
                    improvement.cost = cost.or(improvement.cost);
                },
            )?;
        }
        ImprovementCommand::List { job, state, json } => {
            Register::open(workspace, &job)?.list(state.as_deref(), json)?;
        }
        ImprovementCommand::Show { job, id, json } => {
            Register::open(workspace, &job)?.show(&job, &id, json)?;
        }
    }
    Ok(Exit::Done)
}

/// Accepts or rejects an improvement. With a recommendation, first adds it to the register.
fn decide(
    workspace: &Workspace,
    request: &ChangeArguments,
    recommendation: Option<String>,
    state: ImprovementState,
) -> anyhow::Result<()> {
    let register = Register::open(workspace, &request.job)?;
    if recommendation.is_some() {
        publish_finished(workspace, &request.job);
        let details = Details {
            recommendation,
            ..Details::default()
        };
        register.propose(request, details)?;
    }
    register.change(request, state, |_| ())
}

impl Register {
    fn open(workspace: &Workspace, job: &str) -> anyhow::Result<Self> {
        if !workspace.job_names().iter().any(|known| known == job) {
            let help = workspace.suggest_job(job);
            return Err(WrongUsage(format!("no job {job:?}; {help}")).into());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let lake = Lake::new(&workspace.lake_locations.root, job)?;
        Ok(Self {
            ledger: Ledger::new(&lake),
            runtime,
        })
    }

    fn changes(&self) -> anyhow::Result<Vec<Improvement>> {
        Ok(self.runtime.block_on(self.ledger.improvements())?)
    }

    fn propose(&self, request: &ChangeArguments, details: Details) -> anyhow::Result<()> {
        let changes = self.changes()?;
        if register(&changes).contains_key(request.id.as_str()) {
            let id = &request.id;
            let message = format!(
                "{id:?} is already in the register; `retrocast improvement show {} {id}` shows it",
                request.job
            );
            return Err(WrongUsage(message).into());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if request.id.is_empty() || request.id.len() > ID_MAX || !request.id.chars().all(is_plain) {
            let message =
                format!("an id has up to {ID_MAX} letters, digits, dots, dashes and underscores");
            return Err(WrongUsage(message).into());
        }
        if !details.finding.is_empty() {
            let ids = self.ledger.values(&FINDINGS, "id");
            let ids = self.runtime.block_on(ids)?;
            if !ids.contains(&details.finding) {
                let message = format!(
                    "the ledger has no finding {:?}; `retrocast lake query {} 'select distinct id, \
                     sentence from ledger.findings'` lists them",
                    details.finding, request.job
                );
                return Err(WrongUsage(message).into());
            }
        }
        let recommended = match &details.recommendation {
            Some(id) => Some(self.recommendation(&request.job, id)?),
            None => None,
        };
        let or_recommended = |option: &str, field: fn(&PublishedRecommendation) -> &str| match (
            option,
            &recommended,
        ) {
            ("", Some(recommended)) => field(recommended).to_string(),
            (option, _) => option.to_string(),
        };
        let component =
            |recommendation: &PublishedRecommendation| match recommendation.component.as_str() {
                "all" => String::new(),
                component => component.to_string(),
            };
        let optional_line = |argument: &str, text: &str| match text.trim() {
            "" => Ok(String::new()),
            text => one_line(argument, text),
        };
        let improvement = Improvement {
            id: request.id.clone(),
            state: ImprovementState::Proposed,
            time: Timestamp::UNIX_EPOCH,
            who: String::new(),
            why: String::new(),
            title: one_line(
                "--title",
                &or_recommended(&details.title.unwrap_or_default(), |recommendation| {
                    &recommendation.title
                }),
            )?,
            category: optional_line(
                "--category",
                &or_recommended(&details.category, |recommendation| &recommendation.category),
            )?,
            owner: optional_line("--owner", &details.owner)?,
            component: match (details.component.as_str(), &recommended) {
                ("", Some(recommended)) => component(recommended),
                (option, _) => optional_line("--component", option)?,
            },
            metric: optional_line(
                "--metric",
                &or_recommended(&details.metric, |recommendation| &recommendation.metric),
            )?,
            expected_relative: details.expect.or(recommended
                .as_ref()
                .map(|recommendation| recommendation.expected)),
            // A recommendation is meant to improve its metric.
            lower_is_better: Some(
                !details.higher_is_better
                    && recommended
                        .as_ref()
                        .is_none_or(|recommendation| recommendation.expected <= 0.0),
            ),
            date: None,
            cost: None,
            link: optional_line("--link", &details.link)?,
            finding: or_recommended(&details.finding, |recommendation| {
                recommendation.finding.as_deref().unwrap_or_default()
            }),
            recommendation: details.recommendation.unwrap_or_default(),
        };
        self.record(improvement, request, time_of(request, None)?)
    }

    /// Finds a recommendation of an earlier run by id.
    fn recommendation(&self, job: &str, id: &str) -> anyhow::Result<PublishedRecommendation> {
        let recommendations = self.runtime.block_on(self.ledger.recommendations())?;
        let ids: Vec<String> = recommendations
            .iter()
            .map(|recommendation| recommendation.id.clone())
            .collect();
        recommendations
            .into_iter()
            .find(|recommendation| recommendation.id == id)
            .ok_or_else(|| {
                let help = match nearest(id, ids.iter().map(String::as_str)) {
                    Some(nearest) => format!("did you mean {nearest:?}?"),
                    None => format!("`retrocast improvement recommended {job}` lists them"),
                };
                WrongUsage(format!("the ledger has no recommendation {id:?}; {help}")).into()
            })
    }

    /// Lists the open recommendations of the newest window; with `all`, every recommendation.
    fn list_recommended(&self, all: bool, as_json: bool) -> anyhow::Result<()> {
        let recommended = self.runtime.block_on(self.ledger.recommendations())?;
        let newest = recommended
            .iter()
            .map(|recommendation| recommendation.window_end)
            .max();
        let listed: Vec<&PublishedRecommendation> = recommended
            .iter()
            .filter(|recommendation| {
                all || (recommendation.state == "open" && Some(recommendation.window_end) == newest)
            })
            .collect();
        if as_json {
            let listed: Vec<Value> = listed
                .iter()
                .map(|recommendation| json!(recommendation))
                .collect();
            return print_json(&listed);
        }
        let columns = [
            "id",
            "priority",
            "expected",
            "confidence",
            "past success",
            "days of work",
            "state",
            "title",
        ];
        let rows = listed.iter().map(|recommendation| {
            let past = match recommendation.past_judged {
                0 => "–".to_string(),
                judged => format!("{} of {judged}", recommendation.past_worked),
            };
            let texts = [
                recommendation.id.clone(),
                number::fixed(recommendation.priority, 1),
                number::change(recommendation.expected),
                number::fixed(recommendation.confidence, 2),
                past,
                number::sensible(recommendation.effort_days),
                recommendation.state.clone(),
                recommendation.title.clone(),
            ];
            texts.map(Some).to_vec()
        });
        let result = QueryResult {
            numbers: vec![false; columns.len()],
            columns: columns.map(String::from).to_vec(),
            rows: rows.collect(),
            more: false,
        };
        Ok(print(&table(&result))?)
    }

    /// Changes the state of an improvement that is in the register.
    fn change(
        &self,
        request: &ChangeArguments,
        state: ImprovementState,
        modify: impl FnOnce(&mut Improvement),
    ) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let mut improvement = find(&changes, &request.job, &request.id)?.clone();
        if !state.may_follow(Some(improvement.state)) {
            let message = format!(
                "{} is {}, so it cannot become {state}",
                request.id, improvement.state
            );
            return Err(WrongUsage(message).into());
        }
        let time = time_of(request, Some(improvement.time))?;
        improvement.state = state;
        modify(&mut improvement);
        self.record(improvement, request, time)
    }

    fn record(
        &self,
        mut improvement: Improvement,
        request: &ChangeArguments,
        time: Timestamp,
    ) -> anyhow::Result<()> {
        improvement.who = person_or_current_user("--who", request.who.as_deref())?;
        improvement.why = match request.why.trim() {
            "" => String::new(),
            why => one_line("--why", why)?,
        };
        improvement.time = time;
        self.runtime.block_on(self.ledger.record(&improvement))?;
        let Improvement { id, state, who, .. } = &improvement;
        let first_day = improvement
            .date
            .map_or_else(String::new, |date| format!(", first day {date}"));
        Ok(print(&format!("{id}: {state}{first_day}, by {who}"))?)
    }

    fn list(&self, state: Option<&str>, as_json: bool) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let improvements = register(&changes).into_values();
        let listed: Vec<&Improvement> = improvements
            .filter(|improvement| state.is_none_or(|state| improvement.state.name() == state))
            .collect();
        if as_json {
            let listed: Vec<Value> = listed
                .iter()
                .map(|improvement| json!(improvement))
                .collect();
            return print_json(&listed);
        }
        let columns = [
            "id",
            "state",
            "date",
            "component",
            "expected",
            "owner",
            "title",
        ];
        let rows = listed.iter().map(|improvement| {
            let date = improvement
                .date
                .map_or_else(String::new, |date| date.to_string());
            let expected = improvement
                .expected_relative
                .map_or_else(String::new, number::change);
            let texts = [
                improvement.id.clone(),
                improvement.state.to_string(),
                date,
                improvement.component.clone(),
                expected,
                improvement.owner.clone(),
                improvement.title.clone(),
            ];
            texts.map(Some).to_vec()
        });
        let result = QueryResult {
            numbers: vec![false; columns.len()],
            columns: columns.map(String::from).to_vec(),
            rows: rows.collect(),
            more: false,
        };
        Ok(print(&table(&result))?)
    }

    fn show(&self, job: &str, id: &str, as_json: bool) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let current = find(&changes, job, id)?;
        let history: Vec<&Improvement> = changes
            .iter()
            .filter(|improvement| improvement.id == id)
            .collect();
        if as_json {
            return print_json(&history);
        }
        let mut text = format!("{}: {}\n", current.id, current.title);
        let date = current.date.map(|date| date.to_string());
        let facts = [
            ("state", Some(current.state.to_string())),
            ("first day", date),
            ("component", Some(current.component.clone())),
            ("metric", Some(current.metric.clone())),
            ("expected", current.expected_relative.map(number::change)),
            ("category", Some(current.category.clone())),
            ("owner", Some(current.owner.clone())),
            ("cost", current.cost.map(number::sensible)),
            ("link", Some(current.link.clone())),
            ("finding", Some(current.finding.clone())),
            ("recommendation", Some(current.recommendation.clone())),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
                let _ = writeln!(text, "  {name:<14} {fact}");
            }
        }
        text.push_str("history\n");
        for change in history {
            let why = match change.why.as_str() {
                "" => String::new(),
                why => format!(": {why}"),
            };
            let _ = writeln!(
                text,
                "  {:.0} {} by {}{why}",
                change.time, change.state, change.who
            );
        }
        Ok(print(text.trim_end())?)
    }
}

/// The time of a change of state: now, or on the given day. It is after `last`, the improvement's
/// previous change, so that changes on one day keep their order.
fn time_of(request: &ChangeArguments, last: Option<Timestamp>) -> anyhow::Result<Timestamp> {
    let midnight = |day: Date| anyhow::Ok(day.in_tz("UTC")?.timestamp());
    let (begin, end) = match request.on {
        Some(day) => (midnight(day)?, midnight(day.tomorrow()?)?),
        None => (Timestamp::now(), Timestamp::now()),
    };
    match last {
        Some(last) if last >= end => {
            let id = &request.id;
            let message =
                format!("the last change of {id} is dated {last:.0}; date this change after it");
            Err(WrongUsage(message).into())
        }
        Some(last) if last >= begin => Ok(last.checked_add(1.microsecond())?),
        _ => Ok(begin),
    }
}

/// Finds the current state of an improvement by id.
fn find<'a>(
    changes: &'a [Improvement],
    job: &str,
    id: &str,
) -> Result<&'a Improvement, WrongUsage> {
    let improvements = register(changes);
    improvements.get(id).copied().ok_or_else(|| {
        let help = match nearest(id, improvements.keys().copied()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("`retrocast improvement list {job}` lists them"),
        };
        WrongUsage(format!("no improvement {id:?} is in the register; {help}"))
    })
}
