//! Writes a crontab.

use super::ScheduledCommand;

/// Writes a crontab that runs the commands.
pub fn cron(commands: &[ScheduledCommand<'_>]) -> String {
    let mut text = String::from(
        "\
# For `crontab -e`. A line in /etc/cron.d needs a user's name before the command.
#
# The minutes are not the due times of a job but the times of its checks. A check runs what is due,
# retries what failed, and catches up runs missed while the machine was off, as the job file
# configures. The time zone is in the job file, too: no CRON_TZ is needed, and a clock change
# neither skips nor repeats a run. A job that is running is not started a second time.
#
# With --quiet there is no output, so cron sends no mail, unless a job was run.
",
    );
    for command in commands {
        let check_times = command.check_times(15);
        let words: Vec<String> = command
            .command_line(&["--quiet"])
            .iter()
            .map(|word| quote(word))
            .collect();
        text.push_str(&format!(
            "\n# {}: {}; checked {}.\n{} * * * * {}\n",
            command.job,
            command.describe_due(),
            check_times.describe(),
            check_times.cron(),
            // In a crontab, an unescaped % ends the command.
            words.join(" ").replace('%', "\\%")
        ));
    }
    text
}

/// Quotes a word for the shell, if necessary.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
