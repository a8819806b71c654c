//! Progress output of a run: a bar on a terminal, plain lines elsewhere, JSON on request.

use crate::terminal::{self, escape_controls};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use retrocast_domain::number;
use retrocast_engine::Progress;
use retrocast_run::{Event, EventKind};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::EnvFilter;

/// Sends logs to stderr; only errors by default.
pub fn init_tracing(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "retrocast=info,warn",
        2 => "info",
        _ => "debug",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(crate::terminal::colour(std::io::stderr().is_terminal()))
        // Logging an internal error would panic if stderr cannot be written.
        .log_internal_errors(false)
        .without_time();
    let filter = EnvFilter::try_from_default_env();
    let _ = match filter {
        // A filter with directives takes memory that runs without logs do not need.
        Err(_) if verbose == 0 => subscriber.with_max_level(tracing::Level::ERROR).try_init(),
        filter => subscriber
            .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(level)))
            .try_init(),
    };
}

/// Chooses the listener: JSON lines, bars on a terminal, or plain lines.
pub fn listener(json: bool, nodes: usize) -> Arc<dyn Progress> {
    if json {
        Arc::new(JsonLines)
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bars::new(nodes))
    } else {
        Arc::new(Lines)
    }
}

/// The journal's events on stdout, one JSON object per line.
struct JsonLines;

impl Progress for JsonLines {
    fn event(&self, event: &Event) {
        if let Ok(text) = serde_json::to_string(event) {
            // A write error is reported at the end of the program; the run continues.
            let _ = terminal::print_raw(&text);
        }
    }
}

/// One line per event on stderr.
struct Lines;

impl Progress for Lines {
    fn event(&self, event: &Event) {
        if let Some(line) = format_event(event) {
            terminal::message!("{line}");
        }
    }
}

/// Formats an event as text; `None` for events that are not shown.
fn format_event(event: &Event) -> Option<String> {
    let node = event.node.as_deref().unwrap_or_default();
    let message = escape_controls(event.message.as_deref().unwrap_or_default());
    let rows = event
        .rows
        .map(|n| format!("  {}", number::plural(n, "row")))
        .unwrap_or_default();
    let text = match event.event {
        EventKind::NodeFinished => {
            let mut text = format!(
                "{:<9}{node:<32}{:>9}{rows}",
                "done",
                duration(event.duration_ms?)
            );
            for remark in message.lines() {
                let _ = write!(text, "\n{:<9}{remark}", "");
            }
            text
        }
        EventKind::NodeReused => format!("{:<9}{node:<32}{:>9}{rows}", "reused", ""),
        EventKind::NodeRetried => format!("{:<9}{node}: {message}", "retry"),
        EventKind::NodeFailed => format!("{:<9}{node}: {message}", "failed"),
        EventKind::NodeSkipped => format!("{:<9}{node}: {message}", "skipped"),
        EventKind::NodeCancelled => format!("{:<9}{node}", "stopped"),
        EventKind::NodeWaiting => format!("{:<9}{node}: {message}", "waits"),
        EventKind::RunResumed => format!("{:<9}run {node}, which was interrupted", "resumed"),
        EventKind::RunStarted | EventKind::NodeStarted | EventKind::RunFinished => return None,
    };
    Some(text.trim_end().to_string())
}

/// Formats a duration: 320 ms, 4.2 s, 3 min 20 s.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        _ => format!(
            "{} min {} s",
            milliseconds / 60_000,
            milliseconds / 1000 % 60
        ),
    }
}

/// A bar for the run and a line for each running node.
struct Bars {
    group: MultiProgress,
    run: ProgressBar,
    nodes: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    fn new(nodes: usize) -> Self {
        let group = MultiProgress::new();
        let run = group.add(ProgressBar::new(nodes as u64));
        let style = ProgressStyle::with_template("{bar:28.blue/white.dim} {pos}/{len}  {elapsed}");
        run.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        run.enable_steady_tick(std::time::Duration::from_millis(200));
        Self {
            group,
            run,
            nodes: Mutex::new(BTreeMap::new()),
        }
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn event(&self, event: &Event) {
        let node = event.node.clone().unwrap_or_default();
        match event.event {
            EventKind::NodeStarted => {
                let bar = self.group.add(ProgressBar::new_spinner());
                bar.set_prefix(node.clone());
                let style =
                    ProgressStyle::with_template("{spinner:.blue} {prefix:32} {elapsed:>6}  {msg}");
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.enable_steady_tick(std::time::Duration::from_millis(120));
                self.nodes().insert(node, bar);
            }
            EventKind::NodeFinished
            | EventKind::NodeReused
            | EventKind::NodeFailed
            | EventKind::NodeCancelled
            | EventKind::NodeSkipped => {
                if let Some(bar) = self.nodes().remove(&node) {
                    bar.finish_and_clear();
                }
                self.run.inc(1);
            }
            EventKind::RunFinished => self.run.finish_and_clear(),
            EventKind::RunStarted
            | EventKind::RunResumed
            | EventKind::NodeWaiting
            | EventKind::NodeRetried => {}
        }
        if let Some(line) = format_event(event) {
            let _ = self.group.println(line);
        }
    }

    fn amount(&self, node: &str, records: u64, bytes: u64) {
        if let Some(bar) = self.nodes().get(node) {
            let size = bytes as f64 / 1e6;
            bar.set_message(format!(
                "{}, {size:.0} MB",
                number::plural(records, "record")
            ));
        }
    }
}
