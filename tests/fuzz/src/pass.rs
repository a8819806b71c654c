//! Runs a target without a fuzzer: on its corpus, and on inputs made from it by seeded changes.
//! No input may cause a panic, or take much time or memory.

use std::{
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

/// Length in bytes of the longest generated input.
const INPUT_BYTES: usize = 16 << 10;
/// Maximum processor time for one input, in a build without optimisation. It is the time of the
/// thread, so the load of the machine does not matter.
const NANOSECONDS: u64 = 10_000_000_000;
/// Maximum memory of the process: several zstd windows of 128 MiB, and the rest.
const MEMORY_KIB: u64 = 1 << 20;
/// Bytes with a meaning in one of the formats.
const MARKS: &[u8] = b"\0\n\r\t \"',;:#-+.019eE[]{}\\\x7f\x80\xc0\xed\xff=$";

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
            self.survive(&input, &name);
        }
    }

    /// Runs this many inputs derived from the corpus.
    pub fn attack(&self, corpus: &Path, inputs: usize) {
        let seeds = self.inputs(corpus);
        let mut chance = Chance(0x5EED);
        for number in 0..inputs {
            let mut input = chance.one_of(&seeds).1.clone();
            for _ in 0..=chance.below(4) {
                self.change(&mut input, &seeds, &mut chance);
            }
            input.truncate(INPUT_BYTES);
            self.survive(&input, &format!("input {number}"));
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

    /// Runs one input, and prints its name if it panics.
    fn survive(&self, input: &[u8], name: &str) {
        let before = processor_time();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.run)(input)));
        let taken = processor_time().saturating_sub(before);
        let memory = most_memory();
        if let Err(panic) = ended {
            eprintln!("{} does not survive {name}: {}", self.name, shown(input));
            resume_unwind(panic);
        }
        let what = || format!("{}: {name}: {}", self.name, shown(input));
        assert!(taken < NANOSECONDS, "{taken} ns for {}", what());
        assert!(memory < MEMORY_KIB, "{memory} KiB after {}", what());
    }

    /// Changes an input in one of the ways in which files are damaged or manipulated.
    fn change(&self, input: &mut Vec<u8>, seeds: &[(String, Vec<u8>)], chance: &mut Chance) {
        let (start, end) = chance.range(input.len());
        match chance.below(8) {
            0 if start < input.len() => input[start] ^= 1 << chance.below(8),
            1 if start < input.len() => input[start] = *chance.one_of(MARKS),
            2 => drop(input.drain(start..end)),
            // Doubled, or repeated many times.
            3 => {
                let times = [1, 1, 1, 3, 200][chance.below(5)];
                let again = input[start..end.min(start + INPUT_BYTES / times)].repeat(times);
                input.splice(start..start, again);
            }
            // The beginning of this input and the end of another.
            4 => {
                let other = &chance.one_of(seeds).1;
                let (from, _) = chance.range(other.len());
                input.truncate(start);
                input.extend_from_slice(&other[from..]);
            }
            5 => drop(input.splice(start..start, chance.one_of(self.words).bytes())),
            6 => drop(input.splice(start..end, chance.one_of(self.words).bytes())),
            _ => input.insert(start, *chance.one_of(MARKS)),
        }
    }
}

/// Random numbers that are the same in every run (`SplitMix64`).
struct Chance(u64);

impl Chance {
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

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// A range of bytes within this length; it may be empty.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let most = [4, 16, 64, length][self.below(4)].min(length - start);
        (start, start + self.below(most + 1))
    }
}

/// CPU time of this thread in nanoseconds; 0 where the system does not report it.
fn processor_time() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Peak memory of this process in KiB; 0 where the system does not report it.
fn most_memory() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// An input as the text of a byte string.
fn shown(input: &[u8]) -> String {
    let mut out = String::from("b\"");
    for byte in input {
        let _ = write!(out, "{}", byte.escape_ascii());
    }
    out + "\""
}
