//! Arguments of `retrocast improvement`.

use super::date;
use clap::{Args, Subcommand};
use jiff::civil::Date;

/// Commands on the register of improvements.
#[derive(Debug, Subcommand)]
pub enum ImprovementCommand {
    /// Put an improvement on the register
    #[command(after_help = "\
Examples:
  retrocast improvement propose weekly-operations cache-2026 --title 'Cache sessions' \\
      --component billing --metric failures --expect -30% --owner team-billing
  retrocast improvement propose weekly-operations more-memory --title 'More memory for worker' \\
      --component worker --finding 8f3c2a91b0d4")]
    Propose {
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        details: Details,
    },
    /// Enter the improvements of a TOML file, for teams that keep their register in git
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

What the register has already is left as it is, so the same file can be entered again after each change.")]
    Import {
        /// Job: its name
        job: String,
        /// TOML file
        file: std::path::PathBuf,
        /// Person or team that enters it [default: the current user]
        #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
        who: Option<String>,
    },
    /// List the open recommendations of the last run, by priority
    #[command(after_help = "\
Examples:
  retrocast improvement recommended weekly-operations
  retrocast improvement accept weekly-operations more-memory --recommendation 5d41c07e9a12")]
    Recommended {
        /// Job: its name
        job: String,
        /// Also those that are answered or expired
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Record that an improvement will be made
    Accept {
        #[command(flatten)]
        about: About,
        /// Recommendation that is accepted: puts the improvement on the register first
        #[arg(long, value_name = "ID")]
        recommendation: Option<String>,
    },
    /// Record that an improvement was made, so that runs measure its effect
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
        about: About,
        /// First day after the change [default: today]
        #[arg(long, value_name = "DATE", value_parser = date)]
        date: Option<Date>,
        /// Cost of making it
        #[arg(long, value_name = "AMOUNT", value_parser = amount)]
        cost: Option<f64>,
    },
    /// Record that an improvement will not be made
    Reject {
        #[command(flatten)]
        about: About,
        /// Recommendation that is rejected: puts the improvement on the register first
        #[arg(long, value_name = "ID")]
        recommendation: Option<String>,
    },
    /// Record that the effect is known, and end its measurement
    Close {
        #[command(flatten)]
        about: About,
    },
    /// List improvements with their state
    List {
        /// Job: its name
        job: String,
        /// Only improvements in this state
        #[arg(long, value_name = "STATE", value_parser =
            ["proposed", "accepted", "rejected", "implemented", "closed"])]
        state: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an improvement with all changes of its state
    Show {
        /// Job: its name
        job: String,
        /// Improvement: its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The improvement, and who changes its state when and why.
#[derive(Debug, Args)]
pub struct About {
    /// Job: its name
    pub job: String,
    /// Improvement: its id, of letters, digits, dots and dashes
    pub id: String,
    /// Reason
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub why: String,
    /// Person or team that changes the state [default: the current user]
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    pub who: Option<String>,
    /// Day of the change of state, for entries made later [default: now]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub on: Option<Date>,
}

/// The intended change of an improvement.
#[derive(Debug, Default, Args)]
pub struct Details {
    /// Recommendation that it comes of: what is not given here is taken from it
    #[arg(long, value_name = "ID")]
    pub recommendation: Option<String>,
    /// Title
    #[arg(long, value_name = "TEXT", required_unless_present = "recommendation")]
    pub title: Option<String>,
    /// Category, such as configuration, resources, scaling, workflow or quality
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub category: String,
    /// Person or team that makes it
    #[arg(long, value_name = "NAME", default_value = "")]
    pub owner: String,
    /// Component that it changes [default: all]
    #[arg(long, value_name = "NAME", default_value = "")]
    pub component: String,
    /// Metric that it is meant to change
    #[arg(long, value_name = "NAME", default_value = "")]
    pub metric: String,
    /// Expected change of the metric, such as -30% or 0.1
    #[arg(long, value_name = "CHANGE", value_parser = share, allow_hyphen_values = true)]
    pub expect: Option<f64>,
    /// More of the metric is better; by default less is
    #[arg(long)]
    pub higher_is_better: bool,
    /// Link to a ticket or a change request
    #[arg(long, value_name = "URL", default_value = "")]
    pub link: String,
    /// Finding that it answers: its id
    #[arg(long, value_name = "ID", default_value = "")]
    pub finding: String,
}

/// A relative change: "-30%" or "-0.3".
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let change = number.trim().parse::<f64>().ok().map(|n| n / scale);
    change
        .filter(|change| (-1.0..=100.0).contains(change))
        .ok_or_else(|| "write a relative change such as -30% or 0.1".to_string())
}

/// A cost: not negative.
fn amount(text: &str) -> Result<f64, String> {
    let amount = text.trim().parse::<f64>().ok();
    amount
        .filter(|amount| amount.is_finite() && *amount >= 0.0)
        .ok_or_else(|| "write an amount such as 4000, not a negative one".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shares_or_percentages() {
        assert_eq!(share("-30%"), Ok(-0.3));
        assert_eq!(share("0.1"), Ok(0.1));
        for wrong in ["", "-2", "NaN", "a third", "-30 percent"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn costs_are_not_negative() {
        assert_eq!(amount("4000"), Ok(4000.0));
        for wrong in ["-1", "inf", "", "4 000"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
    }
}
