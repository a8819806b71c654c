//! Arguments for the resources of a run, and for the nodes to run again.

use clap::Args;
use retrocast_engine::job::size::{self, SIZE_HELP};

/// Resources of a run, and the format of its output.
#[derive(Debug, Clone, Copy, Args)]
pub struct ResourceArguments {
    /// Print events as JSON, one object per line, instead of progress
    #[arg(long)]
    pub json: bool,
    /// Threads for analysis [default: one per core]
    #[arg(long, value_name = "N", env = "RETROCAST_THREADS",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Memory shared by all nodes, such as "2 GiB", 2G, 512MiB or 2GB; a plain number is in MiB. A query
    /// uses up to half of it before it spills to disk [default: half of the free memory]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Disk space for spilled queries, in the same units as --memory
    #[arg(long, value_name = "SIZE", default_value = "10 GiB", value_parser = size)]
    pub spill: u64,
    /// Send neither mail nor notifications, even if the job file requests them
    #[arg(long)]
    pub no_mail: bool,
}

/// Options of `retrocast watch`.
#[derive(Debug, Clone, Copy, Args)]
pub struct WatchArguments {
    /// Seconds between listings of the sources
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub every: u16,
    /// Stop after this many runs
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
}

/// Nodes to run even if nothing has changed.
#[derive(Debug, Args)]
pub struct ForceArguments {
    /// Run every node, even if nothing has changed
    #[arg(long, conflicts_with = "from")]
    pub force: bool,
    /// Run this node and its dependents, even if nothing has changed
    #[arg(long, value_name = "NODE")]
    pub from: Vec<String>,
}

const MIB: u64 = 1 << 20;

/// Parses a size into bytes; a plain number is in MiB.
pub(super) fn size(text: &str) -> Result<u64, String> {
    size::parse(text, MIB).ok_or_else(|| format!("{SIZE_HELP}; a plain number is in MiB"))
}

/// Parses the memory of a run into bytes, within the supported range.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    let maximum = u64::from(u32::MAX) * MIB;
    if (16 * MIB..=maximum).contains(&bytes) {
        Ok(bytes)
    } else {
        Err("memory must be at least 16 MiB and less than 4096 TiB".to_string())
    }
}
