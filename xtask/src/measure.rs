//! Measures wall time, peak memory and bytes read of whole processes.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Interval between samples of a process's memory.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(1);

/// Unit of the processor times in `/proc`, the same on all Linux systems in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// The measurement of a process.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// Wall time, in seconds.
    pub seconds: f64,
    /// Processor time of all threads, in seconds, in steps of 0.01.
    pub cpu_seconds: f64,
    /// Peak resident memory, in KiB; the last millisecond may be missed.
    pub peak_kib: u64,
    /// Bytes read through system calls, from disk or cache (`rchar`), without mapped files.
    pub read_bytes: u64,
}

/// Error of a command that was ended by its limit.
pub const STOPPED: &str = "stopped at its time limit";

/// Runs a command and measures it. Its stderr goes to the log file, whose last lines become part of
/// the error if the command fails.
pub fn once(command: &mut Command, log: &Path) -> Result<Measurement, String> {
    within(None, command, log)
}

/// Runs a command like [`once`], but ends it after the limit; then the error is [`STOPPED`].
pub fn within(
    limit: Option<Duration>,
    command: &mut Command,
    log: &Path,
) -> Result<Measurement, String> {
    let name = format!("{command:?}").replace('"', "");
    let message = |error: std::io::Error| format!("{name}: {error}");
    let file = File::create(log).map_err(message)?;
    if limit.is_some() {
        command.process_group(0);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let mut child = command.stderr(file).spawn().map_err(message)?;
    let (process, ended) = (child.id(), AtomicBool::new(false));
    let (status, seconds, sample) = thread::scope(|scope| {
        let sampler = scope.spawn(|| sample_until(process, &ended));
        let status = wait(&mut child, limit);
        let seconds = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (status, seconds, sampler.join().unwrap_or_default())
    });
    let Some(status) = status.map_err(message)? else {
        return Err(STOPPED.to_string());
    };
    // Code 3: success, but an optional part is missing.
    if !matches!(status.code(), Some(0 | 3)) {
        let stderr = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = stderr.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n  ");
        return Err(format!("{name}: {status}\n  {last}"));
    }
    Ok(Measurement {
        seconds,
        cpu_seconds: sample.cpu_ticks as f64 / TICKS_PER_SECOND,
        peak_kib: sample.peak_kib,
        read_bytes: sample.read_bytes,
    })
}

/// Waits for a process; ends it after the limit and returns `None`.
fn wait(child: &mut Child, limit: Option<Duration>) -> io::Result<Option<ExitStatus>> {
    let Some(limit) = limit else {
        return child.wait().map(Some);
    };
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            // The process and those that it has started.
            let group = format!("-{}", child.id());
            Command::new("kill")
                .args(["-KILL", "--", &group])
                .status()?;
            return child.wait().map(|_| None);
        }
        thread::sleep(SAMPLE_INTERVAL);
    }
}

/// The last figures of a process from the kernel.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    cpu_ticks: u64,
    peak_kib: u64,
    read_bytes: u64,
}

/// Samples a process until it has ended.
fn sample_until(process: u32, ended: &AtomicBool) -> Sample {
    let mut sample = Sample::default();
    while !ended.load(Ordering::Relaxed) {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        sample = Sample {
            cpu_ticks: sample.cpu_ticks.max(cpu_ticks(&stat)),
            peak_kib: sample.peak_kib.max(proc_value(process, "status", "VmHWM:")),
            read_bytes: sample.read_bytes.max(proc_value(process, "io", "rchar:")),
        };
        thread::sleep(SAMPLE_INTERVAL);
    }
    sample
}

/// Processor time of a process and of its children that have ended, from its line in `/proc`.
fn cpu_ticks(stat: &str) -> u64 {
    // The name of the program, in parentheses, may contain spaces.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let fields = after_name.split(' ').skip(11).take(4);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// A number that the kernel reports for a process.
fn proc_value(process: u32, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// Repeated measurements.
#[derive(Debug, Clone)]
pub struct Series {
    /// Wall times in milliseconds, ascending.
    times: Vec<f64>,
    /// The largest peak resident memory, in KiB.
    pub peak_kib: u64,
}

impl Series {
    /// Repeats a measurement.
    pub fn measure(
        times: usize,
        mut once: impl FnMut(usize) -> Result<Measurement, String>,
    ) -> Result<Self, String> {
        let measurements = (0..times).map(&mut once).collect::<Result<Vec<_>, _>>()?;
        let mut times: Vec<f64> = measurements
            .iter()
            .map(|measurement| measurement.seconds * 1e3)
            .collect();
        times.sort_by(f64::total_cmp);
        let peaks = measurements.iter().map(|measurement| measurement.peak_kib);
        let peak_kib = peaks.max().unwrap_or(0);
        Ok(Self { times, peak_kib })
    }

    /// The shortest time, in milliseconds.
    pub fn minimum(&self) -> f64 {
        self.times.first().copied().unwrap_or(0.0)
    }

    /// The median time, in milliseconds; for an even count, the longer of the two middle times.
    pub fn median(&self) -> f64 {
        self.times.get(self.times.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Load average of the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_minimum_and_a_median() {
        let seconds = [0.003, 0.001, 0.002];
        let series = Series::measure(3, |i| {
            Ok(Measurement {
                seconds: seconds[i],
                cpu_seconds: 0.0,
                peak_kib: i as u64,
                read_bytes: 2 * i as u64,
            })
        });
        let series = series.unwrap();
        assert!((series.minimum() - 1.0).abs() < 1e-9);
        assert!((series.median() - 2.0).abs() < 1e-9);
        assert_eq!(series.peak_kib, 2);
    }

    #[test]
    fn processor_time_is_parsed_after_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 12 3 4 1 20 0 1 0 99 1000";
        assert_eq!(cpu_ticks(stat), 20);
        assert_eq!(cpu_ticks(""), 0);
    }

    #[test]
    fn a_process_ends_at_its_limit() {
        let log = std::env::temp_dir().join(format!("xtask-limit-{}", std::process::id()));
        let limit = Some(Duration::from_millis(50));
        let mut command = Command::new("sleep");
        let error = within(limit, command.arg("60"), &log).unwrap_err();
        assert_eq!(error, STOPPED);
        let mut command = Command::new("true");
        assert!(within(Some(Duration::from_secs(60)), &mut command, &log).is_ok());
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_failed_process_is_reported_with_its_stderr() {
        let log = std::env::temp_dir().join(format!("xtask-measure-{}", std::process::id()));
        let mut command = Command::new("sh");
        let error = once(command.args(["-c", "echo why >&2; exit 7"]), &log).unwrap_err();
        assert!(error.contains("why") && error.contains('7'), "{error}");
        let mut command = Command::new("sh");
        let measured = once(command.args(["-c", "sleep 0.05"]), &log).unwrap();
        assert!(measured.seconds >= 0.05 && measured.peak_kib > 0 && measured.read_bytes > 0);
        fs::remove_file(log).unwrap();
    }
}
