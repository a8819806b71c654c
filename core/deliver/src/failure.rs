//! What a run leaves that failed.

/// The failure in words for a mail, in the run's folder.
pub const TEXT: &str = "failure.txt";
