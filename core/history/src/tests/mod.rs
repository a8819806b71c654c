//! Tests against the program `git` itself, which creates the repositories and reports their
//! contents.

mod attack;
mod figures;
mod fixture;
mod isolation;
mod oracle;
mod order;
mod own_history;
mod server;
mod uri;
mod web;
