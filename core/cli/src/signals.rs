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
        stop.cancel();
        next_signal().await;
        std::process::exit(1);
    });
}
