//! Runs a target without a fuzzer: on its corpus, and on inputs derived from it by seeded
//! mutations. No input may cause a panic, or need much time or memory.

use std::{
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

/// Length in bytes of the longest generated input.
const MAX_INPUT_BYTES: usize = 16 << 10;
/// Maximum CPU time for one input, in nanoseconds, in a build without optimisation. It is the time
/// of the thread, so it does not depend on the load of the machine.
const MAX_NANOSECONDS: u64 = 10_000_000_000;
/// Maximum memory of the process: several zstd windows of 128 MiB, and everything else.
const MAX_MEMORY_KIB: u64 = 1 << 20;
/// Bytes with a meaning in one of the formats.
const SPECIAL_BYTES: &[u8] = b"\0\n\r\t \"',;:#-+.019eE[]{}\\\x7f\x80\xc0\xed\xff=$";

/// A fuzz target.
pub struct Target {
    /// Its folder in the corpus.
    pub name: &'static str,
    /// Processes an input.
    pub run: fn(&[u8]),
    /// Words with a meaning in its format.
    pub words: &'static [&'static str],
}

impl Target {
    /// Runs every input of the corpus.
    pub fn replay(&self, corpus: &Path) {
        for (name, input) in self.inputs(corpus) {
            self.run_checked(&input, &name);
        }
    }

    /// Runs a number of `inputs` derived from the corpus by mutations.
    pub fn run_mutated(&self, corpus: &Path, inputs: usize) {
        let seeds = self.inputs(corpus);
        let mut random = Random(0x5EED);
        for number in 0..inputs {
            let mut input = random.one_of(&seeds).1.clone();
            for _ in 0..=random.below(4) {
                self.mutate(&mut input, &seeds, &mut random);
            }
            input.truncate(MAX_INPUT_BYTES);
            self.run_checked(&input, &format!("input {number}"));
        }
    }

    /// Name and bytes of all inputs of the corpus, sorted by name.
    fn inputs(&self, corpus: &Path) -> Vec<(String, Vec<u8>)> {
        let folder = corpus.join(self.name);
        let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} is empty", folder.display());
        inputs
    }

    /// Runs one input, checks its time and memory, and prints it if it panics.
    fn run_checked(&self, input: &[u8], name: &str) {
        let start = processor_time();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.run)(input)));
        let nanoseconds = processor_time().saturating_sub(start);
        let memory = peak_memory();
        if let Err(panic) = outcome {
            eprintln!("{} panics on {name}: {}", self.name, byte_string(input));
            resume_unwind(panic);
        }
        let description = || format!("{}: {name}: {}", self.name, byte_string(input));
        assert!(
            nanoseconds < MAX_NANOSECONDS,
            "{nanoseconds} ns for {}",
            description()
        );
        assert!(
            memory < MAX_MEMORY_KIB,
            "{memory} KiB after {}",
            description()
        );
    }

    /// Changes an input as files may be damaged or manipulated.
    fn mutate(&self, input: &mut Vec<u8>, seeds: &[(String, Vec<u8>)], random: &mut Random) {
        let (start, end) = random.range(input.len());
        match random.below(8) {
            0 if start < input.len() => input[start] ^= 1 << random.below(8),
            1 if start < input.len() => input[start] = *random.one_of(SPECIAL_BYTES),
            2 => drop(input.drain(start..end)),
            // A part is doubled, or repeated many times.
            3 => {
                let times = [1, 1, 1, 3, 200][random.below(5)];
                let repeated = input[start..end.min(start + MAX_INPUT_BYTES / times)].repeat(times);
                input.splice(start..start, repeated);
            }
            // The beginning of this input and the end of another input.
            4 => {
                let other = &random.one_of(seeds).1;
                let (other_start, _) = random.range(other.len());
                input.truncate(start);
                input.extend_from_slice(&other[other_start..]);
            }
            5 => drop(input.splice(start..start, random.one_of(self.words).bytes())),
            6 => drop(input.splice(start..end, random.one_of(self.words).bytes())),
            _ => input.insert(start, *random.one_of(SPECIAL_BYTES)),
        }
    }
}

/// Random numbers that are the same in every run (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }

    /// A range of bytes within `length`; it may be empty.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let longest = [4, 16, 64, length][self.below(4)].min(length - start);
        (start, start + self.below(longest + 1))
    }
}

/// CPU time of this thread in nanoseconds; 0 where the system does not report it.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Peak memory of this process in KiB; 0 where the system does not report it.
fn peak_memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// An input as a Rust byte string.
fn byte_string(input: &[u8]) -> String {
    let mut out = String::from("b\"");
    for byte in input {
        let _ = write!(out, "{}", byte.escape_ascii());
    }
    out + "\""
}
