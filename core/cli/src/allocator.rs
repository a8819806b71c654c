//! Tunes how the system's allocator shares memory among threads.
#![allow(unsafe_code)]

/// Limits the number of allocator arenas to the number of processors. glibc allows eight times as
/// many, and an arena does not reuse memory freed in another: with ten million records, this waste
/// was a third of peak memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn limit_arenas() {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arenas = i32::try_from(processors).unwrap_or(i32::MAX);
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: sets a parameter of the allocator, before a second thread exists.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
}

/// Does nothing on other systems.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn limit_arenas() {}
