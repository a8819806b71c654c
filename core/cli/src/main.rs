//! `retrocast`: the composition root. Connects the crates; contains messages, exit codes and
//! progress, and no analysis.

// These panic if the stream cannot be written; `terminal` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod allocator;
mod arguments;
mod commands;
mod deliveries;
mod diagnose;
mod executor;
mod folder_watcher;
mod housekeeping;
mod ledger;
mod mail;
mod notifications;
mod progress;
mod runs;
mod signals;
mod temporary_folder;
mod terminal;
mod workspace;

use clap::Parser;
use std::process::ExitCode;

/// The result of a command; each has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: success.
    Done,
    /// 1: the run or the request failed.
    Failed,
    /// 2: wrong usage, or an invalid job file.
    Usage,
    /// 3: done, but an optional part is missing.
    Partial,
    /// 4: already running in another process.
    Busy,
}

impl Exit {
    /// The more severe of two results.
    #[must_use]
    pub fn more_severe(self, other: Self) -> Self {
        let severity = |exit: Self| match exit {
            Self::Done => 0,
            Self::Partial => 1,
            Self::Busy => 2,
            Self::Usage => 3,
            Self::Failed => 4,
        };
        if severity(other) > severity(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Partial => 3,
            Exit::Busy => 4,
        })
    }
}

fn main() -> ExitCode {
    allocator::limit_arenas();
    terminal::finish(run()).into()
}

fn run() -> Exit {
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are errors in clap, and go to stdout.
        Err(error) => {
            let printed = error.print();
            if error.use_stderr() {
                return Exit::Usage;
            }
            if let Err(error) = printed {
                terminal::store_stdout_error(&error);
            }
            return Exit::Done;
        }
    };
    progress::init_tracing(arguments.verbose);
    match commands::dispatch(arguments) {
        Ok(exit) => exit,
        // Reported when the program ends.
        Err(error) if error.is::<terminal::StdoutError>() => Exit::Done,
        Err(error) => {
            terminal::print_error(&error);
            diagnose::exit(&error)
        }
    }
}
