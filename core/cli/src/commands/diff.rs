//! `retrocast diff`: the differences between two runs.

use super::{archive, print, print_json};
use crate::{Exit, workspace::Workspace};

pub fn diff(workspace: &Workspace, old: &str, new: &str, as_json: bool) -> anyhow::Result<Exit> {
    let [old, new] = [
        archive::find_with_files(workspace, old)?,
        archive::find_with_files(workspace, new)?,
    ];
    let difference = retrocast_deliver::diff(&old, &new)?;
    if as_json {
        print_json(&difference)?;
    } else {
        print(&difference.text())?;
    }
    Ok(Exit::Done)
}
