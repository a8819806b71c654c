//! Tests of whole messages and of sending to servers with injected faults.

mod faults;
mod fixture;
mod http;
mod message;
mod notification;
mod outbox;
mod picture;
mod server;
mod settings;
mod smtp;
