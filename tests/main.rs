//! The end-to-end suite: runs the real program on real files.

mod suite {
    pub mod support;

    mod bad_input;
    mod catalogue;
    mod commands;
    mod demo;
    mod failures;
    mod incidents;
    mod lake;
    mod ledger;
    mod mail;
    mod mistakes;
    mod object_storage;
    mod pages;
    mod python_readers;
    mod recommendations;
    mod recovery;
    mod register;
    mod schedule;
    mod slices;
    mod truth;
    mod watch;
    mod zones;
}
