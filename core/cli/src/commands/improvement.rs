//! `retrocast improvement`: the register of improvements, kept in the ledger.

mod import;

use super::{
    lake::{one_line, table},
    print, print_json,
};
use crate::{
    Exit,
    arguments::{About, Details, ImprovementCommand},
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
    maintenance::Answer,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokio::runtime::Runtime;

/// Longest id of an improvement, in characters.
const ID_MAX: usize = 64;

/// The register of a job.
struct Register {
    runtime: Runtime,
    ledger: Ledger,
}

/// Runs a subcommand of `retrocast improvement`.
pub fn improvement(workspace: &Workspace, command: ImprovementCommand) -> anyhow::Result<Exit> {
    let change =
        |about: &About, state| Register::open(workspace, &about.job)?.change(about, state, |_| ());
    match command {
        ImprovementCommand::Propose { about, details } => {
            let register = Register::open(workspace, &about.job)?;
            if !details.finding.is_empty() || details.recommendation.is_some() {
                publish_finished(workspace, &about.job);
            }
            register.propose(&about, details)?;
        }
        ImprovementCommand::Import { job, file, who } => {
            import::import(&Register::open(workspace, &job)?, &job, &file, who)?;
        }
        ImprovementCommand::Recommended { job, all, json } => {
            let register = Register::open(workspace, &job)?;
            publish_finished(workspace, &job);
            register.recommended(all, json)?;
        }
        ImprovementCommand::Accept {
            about,
            recommendation,
        } => answer(
            workspace,
            &about,
            recommendation,
            ImprovementState::Accepted,
        )?,
        ImprovementCommand::Reject {
            about,
            recommendation,
        } => answer(
            workspace,
            &about,
            recommendation,
            ImprovementState::Rejected,
        )?,
        ImprovementCommand::Close { about } => change(&about, ImprovementState::Closed)?,
        ImprovementCommand::Implement { about, date, cost } => {
            let date = date.unwrap_or_else(|| Zoned::now().date());
            Register::open(workspace, &about.job)?.change(
                &about,
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

/// Accepts or rejects an improvement. One that comes of a recommendation is put on the register first.
fn answer(
    workspace: &Workspace,
    about: &About,
    recommendation: Option<String>,
    state: ImprovementState,
) -> anyhow::Result<()> {
    let register = Register::open(workspace, &about.job)?;
    if recommendation.is_some() {
        publish_finished(workspace, &about.job);
        let details = Details {
            recommendation,
            ..Details::default()
        };
        register.propose(about, details)?;
    }
    register.change(about, state, |_| ())
}

impl Register {
    fn open(workspace: &Workspace, job: &str) -> anyhow::Result<Self> {
        if !workspace.job_names().iter().any(|known| known == job) {
            let help = workspace.jobs_instead(job);
            return Err(WrongUsage(format!("there is no job {job:?}: {help}")).into());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let lake = Lake::new(&workspace.places.root, job)?;
        Ok(Self {
            ledger: Ledger::new(&lake),
            runtime,
        })
    }

    fn changes(&self) -> anyhow::Result<Vec<Improvement>> {
        Ok(self.runtime.block_on(self.ledger.improvements())?)
    }

    fn propose(&self, about: &About, details: Details) -> anyhow::Result<()> {
        let changes = self.changes()?;
        if register(&changes).contains_key(about.id.as_str()) {
            let id = &about.id;
            let message = format!(
                "{id:?} is on the register already; `retrocast improvement show {} {id}` shows it",
                about.job
            );
            return Err(WrongUsage(message).into());
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if about.id.is_empty() || about.id.len() > ID_MAX || !about.id.chars().all(is_plain) {
            let message =
                format!("an id has up to {ID_MAX} letters, digits, dots, dashes and underscores");
            return Err(WrongUsage(message).into());
        }
        if !details.finding.is_empty() {
            let known = self.ledger.values(&FINDINGS, "id");
            let known = self.runtime.block_on(known)?;
            if !known.contains(&details.finding) {
                let message = format!(
                    "no run left a finding {:?}; `retrocast lake query {} 'select distinct id, sentence \
                     from ledger.findings'` lists them",
                    details.finding, about.job
                );
                return Err(WrongUsage(message).into());
            }
        }
        let recommended = match &details.recommendation {
            Some(id) => Some(self.recommendation(&about.job, id)?),
            None => None,
        };
        let from =
            |given: &str, of: fn(&PublishedRecommendation) -> &str| match (given, &recommended) {
                ("", Some(recommended)) => of(recommended).to_string(),
                (given, _) => given.to_string(),
            };
        let component = |one: &PublishedRecommendation| match one.component.as_str() {
            "all" => String::new(),
            component => component.to_string(),
        };
        let text = |argument: &str, text: &str| match text.trim() {
            "" => Ok(String::new()),
            text => one_line(argument, text),
        };
        let improvement = Improvement {
            id: about.id.clone(),
            state: ImprovementState::Proposed,
            time: Timestamp::UNIX_EPOCH,
            who: String::new(),
            why: String::new(),
            title: one_line(
                "--title",
                &from(&details.title.unwrap_or_default(), |one| &one.title),
            )?,
            category: text("--category", &from(&details.category, |one| &one.category))?,
            owner: text("--owner", &details.owner)?,
            component: match (details.component.as_str(), &recommended) {
                ("", Some(recommended)) => component(recommended),
                (given, _) => text("--component", given)?,
            },
            metric: text("--metric", &from(&details.metric, |one| &one.metric))?,
            expected_relative: details
                .expect
                .or(recommended.as_ref().map(|one| one.expected)),
            lower_is_better: Some(!details.higher_is_better),
            date: None,
            cost: None,
            link: text("--link", &details.link)?,
            finding: from(&details.finding, |one| {
                one.finding.as_deref().unwrap_or_default()
            }),
            recommendation: details.recommendation.unwrap_or_default(),
        };
        self.record(improvement, about, time_of(about, None)?)
    }

    /// A recommendation of an earlier run.
    fn recommendation(&self, job: &str, id: &str) -> anyhow::Result<PublishedRecommendation> {
        let all = self.runtime.block_on(self.ledger.recommendations())?;
        let ids: Vec<String> = all.iter().map(|one| one.id.clone()).collect();
        all.into_iter().find(|one| one.id == id).ok_or_else(|| {
            let help = match nearest(id, ids.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("`retrocast improvement recommended {job}` lists them"),
            };
            WrongUsage(format!("no run made a recommendation {id:?}: {help}")).into()
        })
    }

    /// Lists recommendations of the last run.
    fn recommended(&self, all: bool, as_json: bool) -> anyhow::Result<()> {
        let recommended = self.runtime.block_on(self.ledger.recommendations())?;
        let last = recommended.iter().map(|one| one.window_end).max();
        let shown: Vec<&PublishedRecommendation> = recommended
            .iter()
            .filter(|one| all || (one.state == "open" && Some(one.window_end) == last))
            .collect();
        if as_json {
            let shown: Vec<Value> = shown.iter().map(|one| json!(one)).collect();
            return print_json(&shown);
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
        let rows = shown.iter().map(|one| {
            let past = format!("{} of {}", one.past_worked, one.past_judged);
            let texts = [
                one.id.clone(),
                number::fixed(one.priority, 1),
                number::change(one.expected),
                number::fixed(one.confidence, 2),
                past,
                number::sensible(one.effort_days),
                one.state.clone(),
                one.title.clone(),
            ];
            texts.map(Some).to_vec()
        });
        let answer = Answer {
            numbers: vec![false; columns.len()],
            columns: columns.map(String::from).to_vec(),
            rows: rows.collect(),
            more: false,
        };
        Ok(print(&table(&answer))?)
    }

    /// Changes the state of an improvement that is on the register.
    fn change(
        &self,
        about: &About,
        state: ImprovementState,
        with: impl FnOnce(&mut Improvement),
    ) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let mut improvement = find(&changes, &about.job, &about.id)?.clone();
        if !state.may_follow(Some(improvement.state)) {
            let message = format!(
                "{} is {}, so it cannot become {state}",
                about.id, improvement.state
            );
            return Err(WrongUsage(message).into());
        }
        let time = time_of(about, Some(improvement.time))?;
        improvement.state = state;
        with(&mut improvement);
        self.record(improvement, about, time)
    }

    fn record(
        &self,
        mut improvement: Improvement,
        about: &About,
        time: Timestamp,
    ) -> anyhow::Result<()> {
        improvement.who = one_line("--who", about.who.as_deref().unwrap_or_default())?;
        improvement.why = match about.why.trim() {
            "" => String::new(),
            why => one_line("--why", why)?,
        };
        improvement.time = time;
        self.runtime.block_on(self.ledger.record(&improvement))?;
        let Improvement { id, state, who, .. } = &improvement;
        let on = improvement
            .date
            .map_or_else(String::new, |date| format!(", first day {date}"));
        Ok(print(&format!("{id}: {state}{on}, by {who}"))?)
    }

    fn list(&self, state: Option<&str>, as_json: bool) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let all = register(&changes).into_values();
        let shown: Vec<&Improvement> = all
            .filter(|one| state.is_none_or(|state| one.state.name() == state))
            .collect();
        if as_json {
            let shown: Vec<Value> = shown.iter().map(|one| json!(one)).collect();
            return print_json(&shown);
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
        let rows = shown.iter().map(|one| {
            let date = one.date.map_or_else(String::new, |date| date.to_string());
            let expected = one
                .expected_relative
                .map_or_else(String::new, number::change);
            let texts = [
                one.id.clone(),
                one.state.to_string(),
                date,
                one.component.clone(),
                expected,
                one.owner.clone(),
                one.title.clone(),
            ];
            texts.map(Some).to_vec()
        });
        let answer = Answer {
            numbers: vec![false; columns.len()],
            columns: columns.map(String::from).to_vec(),
            rows: rows.collect(),
            more: false,
        };
        Ok(print(&table(&answer))?)
    }

    fn show(&self, job: &str, id: &str, as_json: bool) -> anyhow::Result<()> {
        let changes = self.changes()?;
        let now = find(&changes, job, id)?;
        let history: Vec<&Improvement> = changes.iter().filter(|one| one.id == id).collect();
        if as_json {
            return print_json(&history);
        }
        let mut text = format!("{}: {}\n", now.id, now.title);
        let date = now.date.map(|date| date.to_string());
        let facts = [
            ("state", Some(now.state.to_string())),
            ("first day", date),
            ("component", Some(now.component.clone())),
            ("metric", Some(now.metric.clone())),
            ("expected", now.expected_relative.map(number::change)),
            ("category", Some(now.category.clone())),
            ("owner", Some(now.owner.clone())),
            ("cost", now.cost.map(number::sensible)),
            ("link", Some(now.link.clone())),
            ("finding", Some(now.finding.clone())),
            ("recommendation", Some(now.recommendation.clone())),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact.filter(|fact| !fact.is_empty()) {
                let _ = writeln!(text, "  {name:<14} {fact}");
            }
        }
        text.push_str("history\n");
        for one in history {
            let why = match one.why.as_str() {
                "" => String::new(),
                why => format!(": {why}"),
            };
            let _ = writeln!(text, "  {:.0} {} by {}{why}", one.time, one.state, one.who);
        }
        Ok(print(text.trim_end())?)
    }
}

/// The time of a change of state: now, or on the given day. It is after `last`, the improvement's
/// previous change, so that changes on one day keep their order.
fn time_of(about: &About, last: Option<Timestamp>) -> anyhow::Result<Timestamp> {
    let midnight = |day: Date| anyhow::Ok(day.in_tz("UTC")?.timestamp());
    let (begin, end) = match about.on {
        Some(day) => (midnight(day)?, midnight(day.tomorrow()?)?),
        None => (Timestamp::now(), Timestamp::now()),
    };
    match last {
        Some(last) if last >= end => {
            let id = &about.id;
            let message =
                format!("the last change of {id} is of {last:.0}: date this one after it");
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
    let all = register(changes);
    all.get(id).copied().ok_or_else(|| {
        let help = match nearest(id, all.keys().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("`retrocast improvement list {job}` lists them"),
        };
        WrongUsage(format!("no improvement {id:?} is on the register; {help}"))
    })
}
