//! The tables in the result files of a run. Stage kinds describe their own datasets.

use retrocast_domain::result::column;
pub use retrocast_domain::result::{ResultColumn, ResultTable};

/// The lists in a run's files.
pub fn results() -> Vec<ResultTable> {
    lists::LISTS.to_vec()
}

mod lists;

#[cfg(test)]
mod tests;
