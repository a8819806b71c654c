//! What a run leaves behind, table by table: the lists in its files. Stage kinds know their own datasets.

use retrocast_domain::result::column;
pub use retrocast_domain::result::{ResultColumn, ResultTable};

/// The lists in a run's files.
pub fn results() -> Vec<ResultTable> {
    lists::LISTS.to_vec()
}

mod lists;

#[cfg(test)]
mod tests;
