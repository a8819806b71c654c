//! Arguments of `retrocast improvement`.

use super::date;
use clap::{Args, Subcommand};
use jiff::civil::Date;

/// Subcommands of `retrocast improvement`.
#[derive(Debug, Subcommand)]
pub enum ImprovementCommand {
    /// Add an improvement to the register
    #[command(after_help = "\
Examples:
  retrocast improvement propose weekly-operations cache-2026 --title 'Cache sessions' \\
      --component billing --metric failures --expect -30% --owner team-billing
  retrocast improvement propose weekly-operations more-memory --title 'More memory for worker' \\
      --component worker --finding 8f3c2a91b0d4")]
    Propose {
        #[command(flatten)]
        request: ChangeArguments,
        #[command(flatten)]
        details: Details,
    },
    /// Import the improvements of a TOML file, for teams that keep their register in git
    #[command(after_help = "\
Example of a file:
  [[improvement]]
  id        = \"cache-2026\"
  title     = \"Cache sessions\"
  state     = \"implemented\"        # or proposed, accepted, rejected, closed
  component = \"billing\"
  metric    = \"failures\"
  expected  = -0.3
  date      = 2026-10-05
  cost      = 4000
  on        = 2026-10-05             # day of this change of state [default: now]

A run sees the changes of state before its date. For runs on past dates, set `on`, or --on for all
entries. Adds missing improvements and updates the states of the others, so the same file can be
imported again after each change.")]
    Import {
        /// Name of the job
        job: String,
        /// TOML file
        file: std::path::PathBuf,
        /// Person or team that imports the file [default: the current user]
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        /// Day on which the state of entries without `on` changed [default: now]
        #[arg(long, value_name = "DATE", value_parser = date)]
        on: Option<Date>,
    },
    /// List the open recommendations of the last run, by priority
    #[command(after_help = "\
Examples:
  retrocast improvement recommended weekly-operations
  retrocast improvement accept weekly-operations more-memory --recommendation 5d41c07e9a12")]
    Recommended {
        /// Name of the job
        job: String,
        /// Include recommendations that were accepted or rejected, or that expired
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Record that an improvement will be implemented
    Accept {
        #[command(flatten)]
        request: ChangeArguments,
        /// Recommendation to accept; its improvement is added to the register first
        #[arg(long, value_name = "ID")]
        recommendation: Option<String>,
    },
    /// Record that an improvement was implemented, so that runs measure its effect
    #[command(after_help = "\
Example:
  retrocast improvement implement weekly-operations cache-2026 --date 2026-10-05 --cost 4000

A job measures the improvements of the register with two stages:
  [stage.improvements]
  kind  = \"sql\"
  query = \"select * from ledger.improvements where state = 'implemented'\"

  [stage.effects]
  kind         = \"effectiveness\"
  improvements = \"improvements\"")]
    Implement {
        #[command(flatten)]
        request: ChangeArguments,
        /// First day after the change [default: today]
        #[arg(long, value_name = "DATE", value_parser = date)]
        date: Option<Date>,
        /// Cost of the improvement
        #[arg(long, value_name = "AMOUNT", value_parser = cost, allow_negative_numbers = true)]
        cost: Option<f64>,
    },
    /// Record that an improvement will not be implemented
    Reject {
        #[command(flatten)]
        request: ChangeArguments,
        /// Recommendation to reject; its improvement is added to the register first
        #[arg(long, value_name = "ID")]
        recommendation: Option<String>,
    },
    /// Record that the effect is known; later runs do not measure it
    Close {
        #[command(flatten)]
        request: ChangeArguments,
    },
    /// List improvements with their state
    List {
        /// Name of the job
        job: String,
        /// List only improvements in this state
        #[arg(long, value_name = "STATE", value_parser =
            ["proposed", "accepted", "rejected", "implemented", "closed"])]
        state: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an improvement with all changes of its state
    Show {
        /// Name of the job
        job: String,
        /// Id of the improvement
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A change of an improvement's state.
#[derive(Debug, Args)]
pub struct ChangeArguments {
    /// Name of the job
    pub job: String,
    /// Id of the improvement: letters, digits, dots and dashes
    pub id: String,
    /// Reason
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub why: String,
    /// Person or team that changes the state [default: the current user]
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Day on which the state changed [default: now]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub on: Option<Date>,
}

/// Details of a proposed improvement.
#[derive(Debug, Default, Args)]
pub struct Details {
    /// Recommendation to follow; its values are the defaults of the other options
    #[arg(long, value_name = "ID")]
    pub recommendation: Option<String>,
    /// Title
    #[arg(long, value_name = "TEXT", required_unless_present = "recommendation")]
    pub title: Option<String>,
    /// Category, such as configuration, resources, scaling, workflow or quality
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub category: String,
    /// Person or team that will implement the improvement
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub owner: String,
    /// Component that the improvement changes [default: all]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub component: String,
    /// Metric that the improvement is intended to change
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub metric: String,
    /// Expected change of the metric, such as -30% or 0.1
    #[arg(long, value_name = "CHANGE", value_parser = relative_change, allow_hyphen_values = true)]
    pub expect: Option<f64>,
    /// Higher values of the metric are better [default: lower values are better]
    #[arg(long)]
    pub higher_is_better: bool,
    /// Link to a ticket or a change request
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    pub link: String,
    /// Id of the finding that the improvement addresses
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub finding: String,
}

/// Parses a relative change: "-30%" or "-0.3".
fn relative_change(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let change = number.trim().parse::<f64>().ok().map(|n| n / scale);
    change
        .filter(|change| (-1.0..=100.0).contains(change))
        .ok_or_else(|| "write a relative change such as -30% or 0.1".to_string())
}

/// Parses a cost, which must not be negative.
fn cost(text: &str) -> Result<f64, String> {
    let cost = text.trim().parse::<f64>().ok();
    cost.filter(|cost| cost.is_finite() && *cost >= 0.0)
        .ok_or_else(|| "write an amount such as 4000; it must not be negative".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_changes_are_fractions_or_percentages() {
        assert_eq!(relative_change("-30%"), Ok(-0.3));
        assert_eq!(relative_change("0.1"), Ok(0.1));
        for wrong in ["", "-2", "NaN", "a third", "-30 percent"] {
            assert!(relative_change(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn costs_are_not_negative() {
        assert_eq!(cost("4000"), Ok(4000.0));
        for wrong in ["-1", "inf", "", "4 000"] {
            assert!(cost(wrong).is_err(), "{wrong}");
        }
        // A negative number is a value, not an unknown option.
        let command = ImprovementCommand::augment_subcommands(clap::Command::new("improvement"));
        let arguments = ["improvement", "implement", "job", "id", "--cost", "-5"];
        let error = command.try_get_matches_from(arguments).unwrap_err();
        assert!(
            error.to_string().contains("must not be negative"),
            "{error}"
        );
    }
}
