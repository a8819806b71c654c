//! Parses the `[mail]` section of a job file. Sender and server are not settings of a job, because
//! its file must not contain secrets.

use super::document::Item;
use schemars::JsonSchema;

/// The runs that are sent to the recipients of reports.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SendMail {
    /// None, except on request.
    Never,
    /// Scheduled runs.
    #[default]
    Scheduled,
    /// All runs, including those started by hand.
    Always,
}

/// Reads the setting; invalid values are reported by the schema.
pub(super) fn send_mail(document: &Item) -> SendMail {
    let send = document.get("mail").and_then(|table| table.get("send"));
    let send = send.and_then(|item| serde_json::from_value(item.json()).ok());
    send.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::SendMail;
    use crate::test_support;

    #[test]
    fn scheduled_runs_are_sent_by_default() {
        assert_eq!(
            test_support::job(test_support::JOB).send_mail,
            SendMail::Scheduled
        );
        let with = |word: &str| format!("{}\n[mail]\nsend = \"{word}\"\n", test_support::JOB);
        assert_eq!(test_support::job(&with("never")).send_mail, SendMail::Never);
        assert_eq!(
            test_support::job(&with("always")).send_mail,
            SendMail::Always
        );
        let checked = test_support::checked(&with("sometimes"));
        assert!(checked.job.is_none(), "{:?}", checked.diagnostics);
    }
}
