//! Measures how fast records are read and checked against a contract: `read_speed CONTRACT
//! URI [THREADS]`.

use retrocast_records::{
    Format, contract,
    read::{Dialect, FileReader, ReadEvent},
    source::Listing,
};
use std::{error::Error, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [contract, uri, rest @ ..] = &arguments[..] else {
        return Err("usage: read_speed CONTRACT URI [THREADS]".into());
    };
    let threads = rest.first().map_or(Ok(1), |text| text.parse())?;
    let contract = contract::parse("read_speed", contract, &std::fs::read_to_string(contract)?)
        .map_err(|error| format!("{error:?}"))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let listing = runtime.block_on(Listing::find("read_speed", uri, Path::new("."), true, None))?;
    let format_of =
        |name: &str| Format::from_name(name).ok_or("the file's name does not show its format");
    let files = listing.files.iter();
    let files = files.map(|file| format_of(&file.name).map(|format| (file.clone(), format)));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let reader = FileReader {
        listing: &listing,
        files: &files,
        dialect: &Dialect::DEFAULT,
        contract: &contract,
        hash_key: None,
        threads,
        cancel: &tokio_util::sync::CancellationToken::new(),
        runtime: runtime.handle(),
    };
    let (mut rows, mut refused, mut bytes) = (0, 0, 0);
    reader.run(&mut |event| {
        if let ReadEvent::Records(parsed) = event {
            rows += parsed.lines.len();
            refused += parsed.refused.len();
            bytes += parsed.bytes;
        }
        Ok::<(), retrocast_records::SourceError>(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{rows} rows, {refused} refused, {megabytes:.0} MB in {seconds:.2} s: {:.0} MB/s",
        megabytes / seconds
    );
    Ok(())
}
