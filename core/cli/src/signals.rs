//! Handles Ctrl-C and SIGTERM, from the first run to the end of the process.
//!
//! One thread listens, so a signal between two runs of a loop is not lost.

use crate::terminal;
use std::sync::OnceLock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns a token that the first Ctrl-C or SIGTERM cancels; the second ends the process at once.
pub fn stop() -> CancellationToken {
    static STOP: OnceLock<CancellationToken> = OnceLock::new();
    STOP.get_or_init(|| {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let listener = std::thread::Builder::new().name("signals".to_string());
        // Without the thread, signals have their default effect: they end the process.
        let _ = listener.spawn(move || listen(&token));
        stop
    })
    .clone()
}

fn listen(stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            return;
        };
        let mut next_signal = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next_signal().await;
        terminal::message!("stopping; the next run reuses finished nodes");
        silence_cancelled_tasks();
        stop.cancel();
        next_signal().await;
        std::process::exit(1);
    });
}

/// Keeps panics of tasks that wait for a cancelled task off the terminal; Lance unwraps the results
/// of its tasks. Other panics are printed as before.
fn silence_cancelled_tasks() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.payload_as_str().is_some_and(is_cancellation) {
            print(panic);
        }
    }));
}

/// Returns true for the message of an unwrapped result of a cancelled task.
fn is_cancellation(message: &str) -> bool {
    message.contains("JoinError::Cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_panics_of_cancelled_tasks_are_silent() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let result = runtime.block_on(async {
            let task = tokio::spawn(std::future::pending::<()>());
            task.abort();
            task.await
        });
        assert!(is_cancellation(&format!("{:?}", result.unwrap_err())));
        assert!(!is_cancellation("index out of bounds"));
    }
}
