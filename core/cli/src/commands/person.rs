//! The person who makes a change: named by an option, or else the current user.

use super::lake::one_line;
use crate::diagnose::WrongUsage;
use std::process::Command;

/// The person or team that makes a change: the value of `option`, or else the current user.
pub(super) fn person_or_current_user(
    option: &str,
    value: Option<&str>,
) -> Result<String, WrongUsage> {
    match value {
        Some(name) => one_line(option, name),
        None => current_user().ok_or_else(|| {
            WrongUsage(format!(
                "the name of the current user is unknown; give {option} NAME"
            ))
        }),
    }
}

/// The name in `USER` or `LOGNAME`, which schedulers and containers may not set, or else the name
/// of the user id.
fn current_user() -> Option<String> {
    name_in_environment(|variable| std::env::var(variable).ok()).or_else(name_of_user_id)
}

fn name_in_environment(value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names = ["USER", "LOGNAME"].into_iter().filter_map(value);
    let mut names = names.map(|name| name.trim().to_string());
    names.find(|name| !name.is_empty())
}

/// The name of the user id, as `id` looks it up; `None` if the system has no name for it.
fn name_of_user_id() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_with_a_name_counts() {
        let check = |user: Option<&str>, logname: Option<&str>, expected: Option<&str>| {
            let value = |variable: &str| match variable {
                "USER" => user.map(str::to_string),
                _ => logname.map(str::to_string),
            };
            assert_eq!(name_in_environment(value).as_deref(), expected);
        };
        check(Some("ann"), Some("bea"), Some("ann"));
        check(Some(" "), Some("bea"), Some("bea"));
        check(None, Some("bea"), Some("bea"));
        check(None, Some(""), None);
    }

    #[test]
    fn a_given_name_must_not_be_empty() {
        assert_eq!(
            person_or_current_user("--who", Some(" ann ")).unwrap(),
            "ann"
        );
        let error = person_or_current_user("--who", Some("")).unwrap_err();
        assert_eq!(error.to_string(), "--who is empty");
    }
}
