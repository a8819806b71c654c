//! Writes the records of a repository to standard output: `records git+file:///srv/repo#commits`.
//! Mirrors of repositories on servers are kept in the folder given second.

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
    let go = AtomicBool::new(false);
    let begin = Instant::now();
    let written = RepositoryUri::parse(uri)
        .and_then(|uri| Repository::open(&uri, Path::new(cache), &go))
        .and_then(|repository| {
            let opened = begin.elapsed();
            let count = repository.write(&mut BufWriter::new(stdout().lock()), &go)?;
            Ok((repository.identity(), count, opened))
        });
    match written {
        Ok((identity, count, opened)) => {
            let (opened, whole) = (opened.as_secs_f64(), begin.elapsed().as_secs_f64());
            eprintln!(
                "{count} records, identity {identity}, {whole:.2} s, {opened:.2} s of it to open"
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
