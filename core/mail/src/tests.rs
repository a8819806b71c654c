//! Tests of whole messages and of sending to servers with injected faults.

mod fixture;
mod message;
mod outbox;
mod picture;
mod server;
mod settings;
mod smtp;
