//! Tests of whole messages and of sending to servers that fail on purpose.

mod composing;
mod faults;
mod fixture;
mod picturing;
mod sending;
mod server;
mod setting;
