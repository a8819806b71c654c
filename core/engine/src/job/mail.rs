//! Which runs of a job are sent as mail. From whom and through which server is no matter of a job: no secret
//! belongs in its file.

use super::document::Item;
use schemars::JsonSchema;

/// Which runs are sent to those that reports name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SendMail {
    /// None, unless somebody asks.
    Never,
    /// Those that were due.
    #[default]
    Scheduled,
    /// All, those that were started by hand too.
    Always,
}

/// Reads which runs are sent; what cannot be read is reported by the schema.
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
    fn what_is_due_is_sent_unless_the_job_says_otherwise() {
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
