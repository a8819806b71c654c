//! The end-to-end suite: runs the real program on real files.

mod suite {
    pub mod support;

    mod accessibility;
    mod archive;
    mod bad_input;
    mod catalogue;
    mod commands;
    mod conformance;
    mod demo;
    mod exports;
    mod failures;
    mod finding;
    mod hostile;
    mod identity;
    mod incidents;
    mod lake;
    mod ledger;
    mod mail;
    mod mistakes;
    mod notifications;
    mod object_storage;
    mod pages;
    mod python_readers;
    mod recommendations;
    mod recovery;
    mod register;
    mod restated;
    mod schedule;
    mod slices;
    mod truth;
    mod verify;
    mod watch;
    mod why;
    mod zones;
}
