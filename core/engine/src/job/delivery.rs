//! Parses the sections of a job file on deliveries: `[mail]`, and `[notify.NAME]` for each receiver
//! of notifications. Neither contains secrets: the workspace holds the mail settings, and addresses
//! of notifications are references to secrets.

use super::{
    checker::{Checker, entries},
    document::{Entry, SpannedValue},
    references::SECRET_OPEN,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

/// The runs whose reports or results are sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SendPolicy {
    /// None, except on request.
    Never,
    /// Scheduled runs.
    #[default]
    Scheduled,
    /// All runs, including those started by hand.
    Always,
}

/// Service that receives notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// A signed event in the `CloudEvents` 1.0 format.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of a workflow in Microsoft Teams.
    Teams,
}

/// Result of a run, to select notifications by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResultKind {
    /// Every stage completed.
    Success,
    /// The reports lack an optional part.
    Partial,
    /// No report was written.
    Failure,
}

/// A receiver of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its name in the job file.
    pub name: String,
    /// The service.
    pub kind: NotificationKind,
    /// Environment variable with the address.
    pub url: String,
    /// Environment variable with the key of signatures; only for [`NotificationKind::Webhook`].
    pub secret: Option<String>,
    /// The results to send notifications about.
    pub on: Vec<RunResultKind>,
    /// The runs to send notifications about.
    pub send: SendPolicy,
    /// Base address of the archive for links; by default that of `mail.toml`.
    pub link: Option<String>,
}

/// Reads a value; invalid values are reported by the schema.
fn read<T: DeserializeOwned>(table: &SpannedValue, key: &str) -> Option<T> {
    serde_json::from_value(table.get(key)?.json()).ok()
}

/// Reads the policy that selects the runs to send as mail.
pub(super) fn send_mail(document: &SpannedValue) -> SendPolicy {
    let table = document.get("mail");
    table
        .and_then(|table| read(table, "send"))
        .unwrap_or_default()
}

impl Checker<'_> {
    /// Parses the receivers of notifications, in the order of the file.
    pub(super) fn parse_notifications(&mut self, document: &SpannedValue) -> Vec<Notification> {
        let entries = entries(document, "notify").iter();
        entries
            .filter_map(|entry| self.parse_notification(entry))
            .collect()
    }

    fn parse_notification(&mut self, entry: &Entry) -> Option<Notification> {
        self.check_name(entry, "notification");
        let table = &entry.item;
        let kind: NotificationKind = read(table, "kind")?;
        let url = self.parse_secret(table, "url");
        let secret = self.parse_secret(table, "secret");
        match (kind, table.get("secret")) {
            (NotificationKind::Webhook, None) => self.error(
                &entry.key_span,
                "a webhook needs the key of its signatures",
                "add secret = \"${secret.NAME}\"; the variable holds whsec_ and 32 random bytes in base64",
            ),
            (NotificationKind::Slack | NotificationKind::Teams, Some(item)) => self.error(
                &item.span,
                "Slack and Teams check no signatures",
                "remove it: for them, the address is the secret",
            ),
            _ => {}
        }
        if let Some(item) = table.get("link")
            && item
                .text()
                .is_some_and(|text| !text.starts_with("https://") && !text.starts_with("http://"))
        {
            let message = format!("{} is not a web address", item.describe());
            let help = "use one such as \"https://reports.example.org/\"";
            self.error(&item.span, message, help);
        }
        Some(Notification {
            name: entry.key.clone(),
            kind,
            url: url?,
            secret,
            on: read(table, "on").unwrap_or_else(|| {
                use RunResultKind::{Failure, Partial, Success};
                vec![Success, Partial, Failure]
            }),
            send: read(table, "send").unwrap_or_default(),
            link: read(table, "link"),
        })
    }

    /// Reads the name of the environment variable of a reference such as `${secret.SLACK_URL}`. The
    /// message does not contain the value, which may be the secret itself.
    fn parse_secret(&mut self, table: &SpannedValue, key: &str) -> Option<String> {
        let item = table.get(key)?;
        let text = item.text()?;
        let name = text
            .strip_prefix(SECRET_OPEN)
            .and_then(|rest| rest.strip_suffix('}'))
            .map(str::trim);
        let is_name = |name: &&str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let name = name.filter(is_name);
        if name.is_none() {
            self.error(
                &item.span,
                format!("`{key}` is not a reference to a secret"),
                format!(
                    "put the value into an environment variable and write {key} = \"${{secret.NAME}}\""
                ),
            );
        }
        name.map(str::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::{Notification, NotificationKind, RunResultKind, SendPolicy};
    use crate::test_support;

    #[test]
    fn scheduled_runs_are_sent_by_default() {
        assert_eq!(
            test_support::job(test_support::JOB).send_mail,
            SendPolicy::Scheduled
        );
        let with = |word: &str| format!("{}\n[mail]\nsend = \"{word}\"\n", test_support::JOB);
        assert_eq!(
            test_support::job(&with("never")).send_mail,
            SendPolicy::Never
        );
        assert_eq!(
            test_support::job(&with("always")).send_mail,
            SendPolicy::Always
        );
        let checked = test_support::checked(&with("sometimes"));
        assert!(checked.job.is_none(), "{:?}", checked.diagnostics);
    }

    #[test]
    fn notifications_refer_to_secrets() {
        let text = format!(
            "{}\n[notify.team]\nkind = \"slack\"\nurl = \"${{secret.SLACK_URL}}\"\non = [\"failure\"]\n\
             [notify.bus]\nkind = \"webhook\"\nurl = \"${{secret.BUS}}\"\nsecret = \"${{secret.KEY}}\"\n\
             send = \"always\"\nlink = \"https://reports.example.org/\"\n",
            test_support::JOB
        );
        let job = test_support::job(&text);
        let kinds = [
            RunResultKind::Success,
            RunResultKind::Partial,
            RunResultKind::Failure,
        ];
        assert_eq!(
            job.notifications,
            [
                Notification {
                    name: "team".to_string(),
                    kind: NotificationKind::Slack,
                    url: "SLACK_URL".to_string(),
                    secret: None,
                    on: vec![RunResultKind::Failure],
                    send: SendPolicy::Scheduled,
                    link: None,
                },
                Notification {
                    name: "bus".to_string(),
                    kind: NotificationKind::Webhook,
                    url: "BUS".to_string(),
                    secret: Some("KEY".to_string()),
                    on: kinds.to_vec(),
                    send: SendPolicy::Always,
                    link: Some("https://reports.example.org/".to_string()),
                },
            ]
        );
    }

    #[test]
    fn invalid_notifications_are_reported_without_their_values() {
        for (section, message) in [
            (
                "kind = \"slack\"\nurl = \"https://hooks.slack.com/services/T/B/x\"",
                "`url` is not a reference to a secret",
            ),
            (
                "kind = \"slack\"\nurl = \"${secret.A}/x\"",
                "`url` is not a reference to a secret",
            ),
            (
                "kind = \"webhook\"\nurl = \"${secret.A}\"",
                "a webhook needs the key of its signatures",
            ),
            (
                "kind = \"teams\"\nurl = \"${secret.A}\"\nsecret = \"${secret.B}\"",
                "Slack and Teams check no signatures",
            ),
            ("kind = \"slack\"", "missing key `url`"),
            (
                "kind = \"pager\"\nurl = \"${secret.A}\"",
                "`kind` is not one of the allowed values",
            ),
            (
                "kind = \"slack\"\nurl = \"${secret.A}\"\non = [\"sucess\"]",
                "is not one of the allowed values",
            ),
            (
                "kind = \"slack\"\nurl = \"${secret.A}\"\nlink = \"reports\"",
                "is not a web address",
            ),
        ] {
            let text = format!("{}\n[notify.x]\n{section}\n", test_support::JOB);
            let checked = test_support::checked(&text);
            assert!(checked.job.is_none(), "{section}");
            let messages: Vec<&str> = checked
                .diagnostics
                .iter()
                .map(|diagnostic| diagnostic.message.as_str())
                .collect();
            assert!(
                messages.iter().any(|text| text.contains(message)),
                "{section}: {messages:?}"
            );
            assert!(!messages.concat().contains("hooks.slack"), "{messages:?}");
        }
    }
}
