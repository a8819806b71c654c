//! System metrics of services, sampled at regular intervals, as CSV, one file per week.

use crate::{
    Error,
    calendar::{Clock, Day},
    catalogue::alerts::{Fault, FaultDetector},
    company::{Company, DUPLICATE_SHARE, FLAWED_SHARE, LATE_SHARE, Service},
    output::{Codec, FileFormat, Layout, SourceWriter},
    random::Random,
    truth::{SourceTruth, reason},
};
use std::{io::Write, path::Path};

/// Number of the random stream of metrics.
const STREAM: u64 = 4;
const HEADER: &str = "service,time,cpu_percent,memory_percent,latency_ms,error_rate";
/// Correlation of samples that are an hour apart.
const HOURLY_CORRELATION: f64 = 0.6;

/// Flaws: column, replacement text, and the reason for quarantine.
const FLAWS: [(usize, &str, &str); 8] = [
    (2, "140.5", reason::OUT_OF_RANGE),
    (2, "warm", reason::WRONG_TYPE),
    (0, "", reason::MISSING),
    (5, "-0.2", reason::OUT_OF_RANGE),
    (1, "", reason::MISSING),
    (1, "noon", reason::WRONG_TYPE),
    (4, "=1+1", reason::WRONG_TYPE),
    (3, "50,0", reason::BROKEN_CSV),
];

/// Writes all metrics under `root/metrics`; returns the periods in which they exceed the limits of
/// the monitoring.
pub(crate) fn write(
    root: &Path,
    company: &Company,
    seed: u64,
    compress: bool,
) -> Result<(SourceTruth, Vec<Fault>), Error> {
    let days = &company.days;
    let last = days.len() - 1;
    let mut random = Random::new(seed, STREAM);
    let mut output = SourceWriter::new(root, "metrics", "csv", Some(HEADER), Layout::Weekly, last);
    let mut sampler = Sampler::new(company);
    let mut detector = FaultDetector::new();
    let mut line = Vec::with_capacity(128);
    let mut flaws_so_far = 0;
    for day in days {
        let even_week = (day.index / 7) % 2 == 0;
        output.open(day, || FileFormat {
            codec: match (compress && day.index + 14 <= last, even_week) {
                (false, _) => Codec::Plain,
                (true, false) => Codec::Gzip,
                (true, true) => Codec::Zstandard,
            },
            byte_order_mark: !even_week,
            carriage_return: even_week,
            no_final_newline: false,
        })?;
        for step in 0..company.samples_per_day {
            let second = day.start + step * day.seconds / company.samples_per_day;
            for (index, service) in company.services.iter().enumerate() {
                let drift = company.memory_drift(day, index);
                sampler.sample(&mut random, index, service, second, drift);
                let [_, observed @ ..] = sampler.values;
                let normal = [service.latency_ms, service.error_rate];
                detector.sample(second, index, observed, normal);
                sampler.write_row(None, &mut line);
                if random.chance(LATE_SHARE) {
                    let delay = 7 + random.below(7);
                    output.accept_late(day, delay, &line)?;
                    continue;
                }
                output.accept(&line)?;
                if random.chance(DUPLICATE_SHARE) {
                    let delay = random.below(9);
                    output.repeat(day, delay, &line)?;
                }
            }
        }
        let rows = company.samples_per_day as f64 * company.services.len() as f64;
        let mut count = random.poisson(rows * FLAWED_SHARE) as usize;
        if day.index + 7 == days.len() {
            count += FLAWS.len();
        }
        for _ in 0..count {
            write_flawed(
                &mut output,
                day,
                &mut random,
                &mut sampler,
                flaws_so_far,
                &mut line,
            )?;
            flaws_so_far += 1;
        }
    }
    output.close()?;
    Ok((output.truth, detector.faults))
}

fn write_flawed(
    output: &mut SourceWriter,
    day: &Day,
    random: &mut Random,
    sampler: &mut Sampler,
    flaws_so_far: usize,
    line: &mut Vec<u8>,
) -> Result<(), Error> {
    let (column, text, reason) = FLAWS[flaws_so_far % FLAWS.len()];
    sampler.second = day.start + random.below(day.seconds as usize) as i64;
    sampler.write_row(Some((column, text)), line);
    output.reject(line, reason)
}

/// The last sample, and the autocorrelated noise of every service.
struct Sampler {
    clock: Clock,
    correlation: f64,
    noise: Vec<[f64; 4]>,
    names: Vec<String>,
    service: usize,
    second: i64,
    values: [f64; 4],
}

impl Sampler {
    fn new(company: &Company) -> Self {
        let steps = company.samples_per_day as f64;
        let quoted = |name: &str| {
            if name.contains([',', '"', '\n']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_string()
            }
        };
        Self {
            clock: Clock::default(),
            correlation: HOURLY_CORRELATION.powf(24.0 / steps),
            noise: vec![[0.0; 4]; company.services.len()],
            names: company
                .services
                .iter()
                .map(|service| quoted(service.name))
                .collect(),
            service: 0,
            second: 0,
            values: [0.0; 4],
        }
    }

    fn sample(
        &mut self,
        random: &mut Random,
        index: usize,
        service: &Service,
        second: i64,
        drift: f64,
    ) {
        let innovation = (1.0 - self.correlation.powi(2)).sqrt();
        for noise in &mut self.noise[index] {
            *noise = self.correlation * *noise + innovation * random.normal();
        }
        let [cpu, memory, latency, errors] = self.noise[index];
        self.service = index;
        self.second = second;
        self.values = [
            (service.cpu_percent + 4.0 * cpu).clamp(0.0, 100.0),
            (service.memory_percent + drift + 1.5 * memory).clamp(0.0, 100.0),
            service.latency_ms * (0.15 * latency).exp(),
            (service.error_rate * (0.3 * errors).exp()).min(1.0),
        ];
    }

    /// Formats the sample as a row, with one column replaced if requested.
    fn write_row(&mut self, replaced: Option<(usize, &str)>, out: &mut Vec<u8>) {
        out.clear();
        for column in 0..6 {
            if column > 0 {
                out.push(b',');
            }
            match (replaced, column) {
                (Some((index, text)), _) if index == column => {
                    out.extend_from_slice(text.as_bytes());
                }
                (_, 0) => out.extend_from_slice(self.names[self.service].as_bytes()),
                (_, 1) => self.clock.write(self.second, out),
                (_, 5) => drop(write!(out, "{:.5}", self.values[3])),
                _ => drop(write!(out, "{:.2}", self.values[column - 2])),
            }
        }
    }
}
