//! Writes a crontab.

use super::Call;

/// Writes the crontab of these jobs.
pub fn cron(calls: &[Call<'_>]) -> String {
    let mut text = String::from(
        "\
# For `crontab -e`. A line in /etc/cron.d needs a user's name before the command.
#
# A line does not say when its job is due but how often to look: then what is due is run, what
# failed is tried again, and what was missed while the machine was off is made up for as the job
# file says. The job file has the time zone, too: no CRON_TZ is needed, and a change of clocks
# neither skips a run nor doubles it. A job that is running is not started a second time.
#
# With --quiet there is no output, and so cron sends no mail, unless something was run.
",
    );
    for call in calls {
        let check_times = call.check_times(15);
        let words: Vec<String> = call
            .words(&["--quiet"])
            .iter()
            .map(|word| shell(word))
            .collect();
        text.push_str(&format!(
            "\n# {}: {}; looks {}.\n{} * * * * {}\n",
            call.job,
            call.due(),
            check_times.words(),
            check_times.cron(),
            // In a crontab an unescaped % ends the command.
            words.join(" ").replace('%', "\\%")
        ));
    }
    text
}

/// Quotes a word for the shell.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
