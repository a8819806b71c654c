//! Mail of runs: the workspace's settings and templates, and the mail in the outbox of a run.

use crate::{diagnose::WrongUsage, signals, terminal, workspace::Workspace};
use anyhow::Context as _;
use jiff::Timestamp;
use retrocast_domain::number::plural;
use retrocast_engine::job::ReportSection;
use retrocast_mail::{
    Address, Auth, Channel, Content, Delivery, EnqueueResult, Fonts, Message, Outbox, Selection,
    Settings, Smtp, Templates, compose,
};
use retrocast_render::{theme::Theme, world::font_files};
use retrocast_run::{RunSummary, SliceIndex};
use std::{io, path::Path};

/// Name of the settings file in the workspace.
pub const SETTINGS: &str = "mail.toml";

/// Settings for a dry run in a workspace without mail settings.
const SAMPLE_SETTINGS: &str = "from = \"retrocast@localhost\"\n[server]\nhost = \"localhost\"\n\
                      tls = \"loopback-plaintext\"\n";

/// Composes and sends the mail of runs.
pub struct Mailer {
    settings: Settings,
    templates: Templates,
    fonts: Fonts,
}

impl Mailer {
    /// Reads the settings; `None` if the workspace has none.
    pub fn new(workspace: &Workspace) -> anyhow::Result<Option<Self>> {
        let settings = settings(workspace)?;
        let mailer = settings.map(|settings| Self::from_settings(workspace, settings));
        mailer.transpose()
    }

    /// Reads the settings for a dry run; uses sample settings if the workspace has none.
    pub fn for_preview(workspace: &Workspace) -> anyhow::Result<Self> {
        let settings = match settings(workspace)? {
            Some(settings) => settings,
            None => Settings::parse(SAMPLE_SETTINGS)?,
        };
        Self::from_settings(workspace, settings)
    }

    fn from_settings(workspace: &Workspace, settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            settings,
            templates: templates(workspace.templates.as_deref())?,
            fonts: Fonts::new(font_files()),
        })
    }

    /// True if the settings have a login for the server.
    pub fn has_login(&self) -> bool {
        !matches!(self.settings.auth, Auth::None)
    }

    /// Connects to the server, logs in if there is a login, and sends nothing.
    pub fn check(&self) -> anyhow::Result<()> {
        self.server()?.check().map_err(anyhow::Error::msg)
    }

    fn server(&self) -> anyhow::Result<Smtp> {
        Ok(Smtp::new(&self.settings, &|name| std::env::var(name).ok())?)
    }

    /// Composes the messages of a run's reports, dated now; writes no outbox.
    pub fn messages(
        &self,
        folder: &Path,
        reports: &[ReportSection],
    ) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for (content, recipients) in self.contents(folder, reports)? {
            for to in recipients {
                let (settings, templates) = (&self.settings, &self.templates);
                let message = compose(settings, templates, &content, &to, Timestamp::now())?;
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// Reads the content and recipients of the mail for each report that has recipients.
    fn contents(
        &self,
        folder: &Path,
        reports: &[ReportSection],
    ) -> anyhow::Result<Vec<(Content, Vec<Address>)>> {
        let status = RunSummary::read(folder)?.status;
        let mut contents = Vec::new();
        for report in reports {
            // A run of selected nodes may have written only one of the reports.
            let page = folder.join(format!("{}.html", report.name));
            if status.has_reports() && !page.is_file() {
                continue;
            }
            let limit = self.settings.attach_max_bytes();
            // Failures concern all records, so recipients of slices are not notified.
            if status.has_reports() {
                contents.extend(slices(folder, report, limit)?);
            }
            if report.to.is_empty() {
                continue;
            }
            let recipients = report.to.iter().map(|text| text.parse::<Address>());
            let recipients = recipients.collect::<Result<_, _>>().map_err(WrongUsage)?;
            let content = Content::read(folder, &report.name, &self.fonts, limit)?;
            contents.push((content, recipients));
        }
        Ok(contents)
    }

    /// Adds the mail of a run to its outbox. With `requeue`, existing deliveries that no server
    /// accepted become due again.
    pub fn enqueue(
        &self,
        outbox: &mut Outbox,
        folder: &Path,
        reports: &[ReportSection],
        requeue: bool,
    ) -> anyhow::Result<()> {
        for (content, recipients) in self.contents(folder, reports)? {
            for to in recipients {
                if !requeue && outbox.find(&content, Channel::Mail, &to.email).is_some() {
                    continue;
                }
                let (settings, templates) = (&self.settings, &self.templates);
                let now = Timestamp::now();
                let added = outbox.enqueue(settings, templates, &content, &to, now)?;
                if requeue && added == EnqueueResult::Accepted {
                    let report = content.report();
                    terminal::message!("mail: {report} to {}: already accepted", to.email);
                }
            }
        }
        Ok(())
    }

    /// Sends the selected deliveries, and reports each attempt.
    pub fn send(&self, outbox: &mut Outbox, selection: Selection) -> anyhow::Result<()> {
        let is_open_mail = |delivery: &Delivery| {
            delivery.queued.channel == Channel::Mail && delivery.state.is_open()
        };
        // Without mail to send, no login is needed.
        if !outbox.deliveries().iter().any(is_open_mail) {
            return Ok(());
        }
        let stop = signals::stop();
        let is_stopped = || stop.is_cancelled();
        let mut server = self.server()?;
        let tried = outbox.send(&mut server, selection, &Timestamp::now, &is_stopped)?;
        report_attempts(outbox, &tried);
        Ok(())
    }
}

/// Reports attempts to stderr.
pub fn report_attempts(outbox: &Outbox, tried: &[String]) {
    for delivery in tried.iter().filter_map(|id| outbox.deliveries().get(id)) {
        terminal::message!("{}", format_delivery(delivery));
    }
}

/// Formats a delivery in one line: "mail: executive to ada@example.org: accepted since ...".
pub fn format_delivery(delivery: &Delivery) -> String {
    let queued = &delivery.queued;
    format!(
        "{}: {} to {}: {}",
        queued.channel.word(),
        queued.report,
        queued.recipient,
        terminal::truncate(&delivery.describe(), 300)
    )
}

/// The content and recipients of the mail for each slice of a report.
fn slices(
    folder: &Path,
    report: &ReportSection,
    limit: u64,
) -> anyhow::Result<Vec<(Content, Vec<Address>)>> {
    let Some(index) = SliceIndex::read(folder, &report.name)? else {
        return Ok(Vec::new());
    };
    let mut contents = Vec::new();
    let mut without_address = 0;
    for slice in index.slices {
        without_address += slice.without_address;
        let recipients = slice.to.iter().map(|text| text.parse::<Address>());
        let recipients = recipients
            .collect::<Result<Vec<_>, _>>()
            .map_err(WrongUsage)?;
        if !recipients.is_empty() {
            contents.push((Content::read_slice(folder, &slice.name, limit)?, recipients));
        }
    }
    if without_address > 0 {
        let rows = plural(without_address, "recipient");
        let name = &report.name;
        terminal::message!("warning: {rows} of slices of {name} without a valid mail address");
    }
    Ok(contents)
}

/// Reads the settings of a workspace; `None` if it has none.
pub fn settings(workspace: &Workspace) -> anyhow::Result<Option<Settings>> {
    let path = workspace.root.join(SETTINGS);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
    };
    let usage_error = |error| WrongUsage(format!("{}: {error}", path.display()));
    let settings = Settings::parse(&text).map_err(usage_error)?;
    Ok(Some(settings.with_base_folder(&workspace.root)))
}

/// The built-in templates, each replaced by the one in the folder if it exists.
pub fn templates(folder: Option<&Path>) -> anyhow::Result<Templates> {
    let mut templates = Templates::built_in();
    let Some(folder) = folder else {
        return Ok(templates);
    };
    let names: Vec<String> = templates.names().map(str::to_string).collect();
    for name in names {
        let path = folder.join(&name);
        match std::fs::read_to_string(&path) {
            Ok(text) => templates = templates.with(&name, text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        }
    }
    let theme = retrocast_render::theme::FILE;
    match std::fs::read_to_string(folder.join(theme)) {
        Ok(text) => {
            let theme = Theme::parse(&text).map_err(|error| WrongUsage(error.to_string()))?;
            Ok(templates.with_accent(theme.accent()))
        }
        Err(_) => Ok(templates),
    }
}
