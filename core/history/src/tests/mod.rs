//! Tests against the program `git` itself, which makes the repositories and reports their
//! contents.

mod attack;
mod figures;
mod fixture;
mod isolation;
mod oracle;
mod order;
mod real;
mod server;
mod uri;
mod web;
