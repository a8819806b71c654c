//! Tunes how the system's allocator shares memory among threads.
#![allow(unsafe_code)]

/// Limits the number of allocator arenas to the number of processors. The C library of Linux allows
/// eight times as many, and no arena reuses memory freed in another: at ten million records that
/// was a third of the peak.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn share_pools() {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let pools = i32::try_from(processors).unwrap_or(i32::MAX);
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        // SAFETY: a setting of the allocator, made before a second thread exists.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, pools) };
    }
}

/// Elsewhere the allocator is unchanged.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_pools() {}
