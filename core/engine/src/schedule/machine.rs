//! The free resources of the machine, as Linux reports them.

use std::{fs, path::Path};

/// The free resources of the machine; `None` where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Machine {
    /// Load average of the last minute: processes that ran or waited for a processor or disk.
    pub load: Option<f64>,
    /// Number of processors that the load refers to.
    pub processors: u32,
    /// Free bytes on the fullest of the disks.
    pub free_disk: Option<u64>,
    /// Bytes available to a new program without swapping.
    pub free_memory: Option<u64>,
}

impl Machine {
    /// Inspects this machine and the disks of `folders`, which may not exist yet.
    pub fn inspect(folders: &[&Path]) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let free = folders.iter().map(|folder| free_disk(folder));
        let memory = read("/proc/meminfo").and_then(|text| parse_mem_available(&text));
        let container = free_in_container(
            read("/sys/fs/cgroup/memory.max").as_deref(),
            read("/sys/fs/cgroup/memory.current").as_deref(),
            read("/sys/fs/cgroup/memory.stat").as_deref(),
        );
        Self {
            load: read("/proc/loadavg").and_then(|text| parse_load(&text)),
            processors: read("/sys/devices/system/cpu/online")
                .and_then(|text| count_processors(&text))
                .unwrap_or_else(|| {
                    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
                }),
            free_disk: free
                .collect::<Option<Vec<u64>>>()
                .and_then(|sizes| sizes.into_iter().min()),
            free_memory: memory.map(|free| free.min(container.unwrap_or(u64::MAX))),
        }
    }
}

/// Bytes that this user may write to the disk of a folder, or of its nearest existing parent.
fn free_disk(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let existing = folder.ancestors().find(|folder| folder.is_dir())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Parses the first number of /proc/loadavg.
fn parse_load(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// Parses `MemAvailable` of /proc/meminfo, in bytes.
fn parse_mem_available(text: &str) -> Option<u64> {
    let rest = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Free bytes within a container's memory limit, file caches included; `None` without a limit.
fn free_in_container(max: Option<&str>, current: Option<&str>, stat: Option<&str>) -> Option<u64> {
    let max: u64 = max?.trim().parse().ok()?;
    let current: u64 = current?.trim().parse().ok()?;
    let cache = stat.and_then(|stat| {
        let line = stat
            .lines()
            .find_map(|line| line.strip_prefix("inactive_file "))?;
        line.trim().parse::<u64>().ok()
    });
    let used = current.saturating_sub(cache.unwrap_or(0));
    Some(max.saturating_sub(used))
}

/// Counts the processors in a list such as "0-3,8".
fn count_processors(text: &str) -> Option<u32> {
    let ranges = text.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some(last.checked_sub(first)? + 1)
    });
    ranges.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_linux_are_parsed() {
        assert_eq!(parse_load("0.52 0.58 0.59 1/389 12345\n"), Some(0.52));
        let text = "MemTotal:       16384256 kB\nMemAvailable:    8123456 kB\nBuffers: 1 kB\n";
        assert_eq!(parse_mem_available(text), Some(8_123_456 * 1024));
        assert_eq!(parse_mem_available("MemTotal: 1 kB\n"), None);
        assert_eq!(count_processors("0-3,8\n"), Some(5));
        assert_eq!(count_processors("0\n"), Some(1));
        assert_eq!(count_processors("3-0\n"), None);
        let stat = "anon 7\ninactive_file 300\n";
        assert_eq!(
            free_in_container(Some("1000\n"), Some("900\n"), Some(stat)),
            Some(400)
        );
        assert_eq!(
            free_in_container(Some("1000\n"), Some("1200\n"), None),
            Some(0)
        );
        assert_eq!(
            free_in_container(Some("max\n"), Some("900\n"), Some(stat)),
            None
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_free_resources() {
        let folder = crate::test_support::Folder::new();
        let machine = Machine::inspect(&[&folder, &folder.join("not/there/yet")]);
        assert!(machine.load.is_some_and(|load| load >= 0.0));
        assert!(machine.processors >= 1);
        assert!(machine.free_disk.is_some_and(|bytes| bytes > 1 << 20));
        assert!(machine.free_memory.is_some_and(|bytes| bytes > 1 << 20));
    }
}
