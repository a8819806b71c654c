//! Tests against the program `git` itself: it makes the repositories, and says what is in them.

mod attack;
mod figures;
mod fixture;
mod isolation;
mod oracle;
mod order;
mod place;
mod real;
mod server;
mod web;
