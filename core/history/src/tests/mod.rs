//! Tests against the program `git` itself: it creates the repositories, and its output is the
//! reference.

mod attack;
mod figures;
mod fixture;
mod oracle;
mod order;
mod place;
mod random;
mod real;
mod server;
mod web;
