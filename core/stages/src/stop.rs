//! Cancels an analysis after a timeout or when the run is cancelled. Threads cannot be stopped from
//! outside, so long loops check a flag.

use std::{fmt, panic, sync::Arc};

/// The cancellation of an analysis.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

/// Panic payload of a cancelled analysis.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled;

impl Stop {
    /// Creates a cancellation that takes effect as soon as `is_cancelled` returns true.
    pub fn when(is_cancelled: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_cancelled)))
    }

    /// Unwinds with [`Cancelled`] if cancelled, also through parallel loops: all resources of the
    /// analysis are released. There is no panic message, because a cancellation is not an error.
    pub fn check(&self) {
        if self.0.as_ref().is_some_and(|is_cancelled| is_cancelled()) {
            panic::resume_unwind(Box::new(Cancelled));
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Stop" } else { "never" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_parallel_loop_is_cancelled() {
        let started = Arc::new(AtomicUsize::new(0));
        let observed = started.clone();
        let stop = Stop::when(move || observed.load(Ordering::Relaxed) >= 10);
        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            (0..100_000_usize).into_par_iter().for_each(|_| {
                stop.check();
                started.fetch_add(1, Ordering::Relaxed);
            });
        }));
        assert!(result.unwrap_err().is::<Cancelled>());
        assert!(started.load(Ordering::Relaxed) < 50_000);
        Stop::default().check();
    }
}
