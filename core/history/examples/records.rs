//! Writes the records of a repository to standard output: `records git+file:///srv/repo#commits`.
//! Mirrors of repositories on servers are kept in the folder of the second argument.

use retrocast_history::{Repository, RepositoryUri};
use std::{
    io::{BufWriter, stdout},
    path::Path,
    process::ExitCode,
    sync::atomic::AtomicBool,
    time::Instant,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(uri) = arguments.first() else {
        eprintln!("usage: records URI [CACHE]");
        return ExitCode::from(2);
    };
    let cache = arguments.get(1).map_or("target/mirrors", String::as_str);
    let cancel = AtomicBool::new(false);
    let start = Instant::now();
    let written = RepositoryUri::parse(uri)
        .and_then(|uri| Repository::open(&uri, Path::new(cache), &cancel))
        .and_then(|repository| {
            let opened = start.elapsed();
            let count = repository.write(&mut BufWriter::new(stdout().lock()), &cancel)?;
            Ok((repository.identity(), count, opened))
        });
    match written {
        Ok((identity, count, opened)) => {
            let (opened, total) = (opened.as_secs_f64(), start.elapsed().as_secs_f64());
            eprintln!(
                "{count} records, identity {identity}, {total:.2} s, of which {opened:.2} s to open the repository"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
