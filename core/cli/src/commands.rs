//! The commands, one per file.

pub mod accuracy;
mod archive;
mod backfill;
mod check;
mod contract;
mod deliver;
mod dictionary;
mod diff;
mod effect;
mod export;
mod finding;
mod improvement;
mod init;
mod job;
mod lake;
mod manual;
mod person;
mod plan;
mod report;
mod rerun;
mod resolve;
mod restated;
mod retention;
mod run;
mod schedule;
mod status;
mod templates;
mod truth;
mod verify;
mod watch;
mod why;

use crate::{
    Exit,
    arguments::{Arguments, Command, EvaluateCommand, MailCommand, ReportCommand, ScheduleCommand},
    terminal::{print, print_json, print_raw},
    workspace::Workspace,
};

/// Runs the command in the arguments.
pub fn dispatch(arguments: Arguments) -> anyhow::Result<Exit> {
    let workspace = Workspace::new(&arguments)?;
    if let Some(job) = arguments.command.job() {
        job::check_date(job)?;
    }
    if arguments.command.reads_archive() {
        workspace.fetch()?;
    }
    match arguments.command {
        Command::Init { folder, until } => init::init(&folder, until),
        Command::Check { job, json } => check::check(&workspace, &job, json),
        Command::Contract { command } => contract::contract(&workspace, command),
        Command::Lake { command } => lake::lake(&workspace, command),
        Command::Improvement { command } => improvement::improvement(&workspace, command),
        Command::Templates { command } => templates::templates(&workspace, command),
        Command::Plan { job, mermaid, json } => plan::plan(&workspace, &job, mermaid, json),
        Command::Explain { job, node, json } => plan::explain(&workspace, &job, &node, json),
        Command::Run {
            job,
            force,
            note,
            resources,
        } => run::run(
            &workspace,
            &job,
            &force,
            &note.unwrap_or_default(),
            &resources.into(),
        ),
        Command::Rerun {
            run,
            as_recorded: _,
            current,
            any_build,
            resources,
        } => {
            let resources = resources.into();
            if current {
                rerun::current(&workspace, &run, &resources)
            } else {
                rerun::as_recorded(&workspace, &run, any_build, &resources)
            }
        }
        Command::Backfill {
            job,
            from,
            to,
            set,
            limit,
            resources,
        } => {
            let range = backfill::Range { from, to, limit };
            backfill::backfill(&workspace, &job, &range, &set, &resources.into())
        }
        Command::Watch {
            job,
            options,
            resources,
        } => watch::watch(&workspace, &job, &options, &resources.into()),
        Command::Schedule { command } => run_schedule(&workspace, command),
        Command::Status { job, check, json } => {
            status::status(&workspace, job.as_deref(), check, json)
        }
        Command::Deliver {
            run,
            report,
            dry_run,
        } => deliver::deliver(&workspace, &run, report.as_deref(), dry_run.as_deref()),
        Command::Mail {
            command: MailCommand::Check,
        } => deliver::check(&workspace),
        Command::List { job, json } => archive::list(&workspace, job.as_deref(), json),
        Command::Show { run, window, json } => {
            let run = window.map_or_else(|| run.clone(), |window| format!("{run}/{window}"));
            archive::show(&workspace, &run, json)
        }
        Command::Archive { command } => retention::archive(&workspace, command),
        Command::Why(arguments) => why::why(&workspace, &arguments),
        Command::Diff { old, new, json } => diff::diff(&workspace, &old, &new, json),
        Command::Report {
            command:
                ReportCommand::Render {
                    run,
                    report,
                    out,
                    json,
                },
        } => report::render(&workspace, &run, report.as_deref(), out.as_deref(), json),
        Command::Export {
            run,
            format,
            out,
            json,
        } => export::export(&workspace, &run, format, out.as_deref(), json),
        Command::Verify { target, json } => verify::verify(&workspace, &target, json),
        Command::Finding { command } => finding::finding(&workspace, command),
        Command::Restated { job, since, json } => {
            restated::restated(&workspace, &job, since.as_deref(), json)
        }
        Command::Simulate {
            out,
            seed,
            weeks,
            until,
            records,
            improvements,
        } => truth::simulate(out, seed, weeks, until, records, improvements),
        Command::Evaluate {
            command: Some(EvaluateCommand::Effect(arguments)),
            ..
        } => effect::effect(&arguments),
        Command::Evaluate {
            command: Some(EvaluateCommand::Anomaly(arguments)),
            ..
        } => accuracy::anomaly(&arguments),
        Command::Evaluate {
            command: Some(EvaluateCommand::Forecast(arguments)),
            ..
        } => accuracy::forecast(&arguments),
        Command::Evaluate {
            command: Some(EvaluateCommand::Drift(arguments)),
            ..
        } => accuracy::drift(&arguments),
        Command::Evaluate {
            command: None,
            truth,
            run,
            json,
        } => truth::evaluate(&workspace, &truth.unwrap_or_default(), &run, json),
        Command::Kinds { kind } => manual::kinds(kind.as_deref()),
        Command::Schema { of } => manual::schema(&workspace, of),
        Command::Dictionary { out, format } => {
            dictionary::dictionary(&workspace, out.as_deref(), format)
        }
        Command::Completions { shell } => {
            use clap::CommandFactory as _;
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "retrocast", &mut text);
            print_raw(&String::from_utf8(text)?)?;
            Ok(Exit::Done)
        }
    }
}

fn run_schedule(workspace: &Workspace, command: ScheduleCommand) -> anyhow::Result<Exit> {
    match command {
        ScheduleCommand::Run { job, resources } => {
            let options = schedule::ScheduleOptions {
                again: false,
                quiet: false,
                resources: resources.into(),
            };
            schedule::run(workspace, &job, &options)
        }
        ScheduleCommand::Tick {
            job,
            again,
            quiet,
            resources,
        } => {
            let options = schedule::ScheduleOptions {
                again,
                quiet,
                resources: resources.into(),
            };
            Ok(schedule::tick(workspace, &job, &options))
        }
        ScheduleCommand::Export {
            to,
            job,
            out,
            image,
        } => schedule::export(workspace, to, &job, out.as_deref(), image),
    }
}
