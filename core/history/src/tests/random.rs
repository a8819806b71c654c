//! Random histories with everything that affects git's figures: similarities near the limit, many
//! equal lines, files that swap places, long files with scattered edits.

use super::{
    fixture::{Fixture, said},
    oracle::same_as_git,
};
use std::{collections::BTreeMap, io::Write, process::Stdio};

/// Marsaglia's xorshift, so that the same seed makes the same history.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

type Lines = Vec<Vec<u8>>;

/// Files by path, and the dice.
struct World {
    dice: Dice,
    files: BTreeMap<String, (bool, Vec<u8>)>,
}

impl World {
    fn line(&mut self, words: usize) -> Vec<u8> {
        let word = self.dice.roll(words);
        let end = if self.dice.roll(12) == 0 {
            "\r\n"
        } else {
            "\n"
        };
        let long = if self.dice.roll(9) == 0 {
            "x".repeat(word % 150)
        } else {
            String::new()
        };
        format!("{}word {word}{long}{end}", " ".repeat(word % 5)).into_bytes()
    }

    fn lines(&mut self, count: usize, words: usize) -> Lines {
        (0..count).map(|_| self.line(words)).collect()
    }

    fn contents(&mut self) -> Vec<u8> {
        let (count, words) = (self.dice.roll(60), 2 + self.dice.roll(80));
        let mut bytes = self.lines(count, words).concat();
        match self.dice.roll(10) {
            0 => bytes.push(0),
            1 => bytes.extend_from_slice(b"no end"),
            2 => bytes.clear(),
            _ => {}
        }
        bytes
    }

    fn path(&mut self) -> String {
        let names = ["a", "b", "lib.rs", "mod.rs", "x.txt", "é", "a.b"];
        let depth = self.dice.roll(3);
        let mut path = String::new();
        for _ in 0..depth {
            path += &format!("d{}/", self.dice.roll(4));
        }
        path + names[self.dice.roll(names.len())]
    }

    fn edited(&mut self, contents: &[u8], edits: usize) -> Vec<u8> {
        let mut lines: Lines = contents
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        for _ in 0..edits {
            let at = self.dice.roll(lines.len() + 1);
            match self.dice.roll(4) {
                0 if at < lines.len() => drop(lines.remove(at)),
                1 if at < lines.len() => lines[at] = self.line(60),
                2 if at < lines.len() => {
                    let moved = lines.remove(at);
                    let to = self.dice.roll(lines.len() + 1);
                    lines.insert(to, moved);
                }
                _ => {
                    let line = self.line(60);
                    lines.insert(at, line);
                }
            }
        }
        lines.concat()
    }

    fn some_path(&mut self) -> Option<String> {
        let at = self.dice.roll(self.files.len().max(1));
        self.files.keys().nth(at).cloned()
    }

    /// Puts a file somewhere; what is in its way goes.
    fn put(&mut self, path: String, file: (bool, Vec<u8>)) {
        let below = format!("{path}/");
        self.files.retain(|other, _| {
            !other.starts_with(&below) && !path.starts_with(&format!("{other}/"))
        });
        self.files.insert(path, file);
    }

    fn step(&mut self) {
        let Some(path) = self.some_path() else {
            let (path, contents) = (self.path(), self.contents());
            return self.put(path, (false, contents));
        };
        let file = self.files[&path].clone();
        match self.dice.roll(12) {
            0 | 1 => {
                let (path, contents) = (self.path(), self.contents());
                self.put(path, (false, contents));
            }
            2 => drop(self.files.remove(&path)),
            3 | 4 => {
                let (edits, to) = (self.dice.roll(25), self.path());
                let contents = self.edited(&file.1, edits);
                self.files.remove(&path);
                self.put(to, (file.0, contents));
            }
            5 => {
                let to = self.path();
                self.files.remove(&path);
                self.put(to, file);
            }
            6 => {
                let to = self.path();
                self.put(to, file);
            }
            7 => self.put(path, (!file.0, file.1)),
            8 => self.move_folder(),
            _ => {
                let edits = 1 + self.dice.roll(12);
                let contents = self.edited(&file.1, edits);
                self.put(path, (file.0, contents));
            }
        }
    }

    fn move_folder(&mut self) {
        let (from, to) = (
            format!("d{}/", self.dice.roll(4)),
            format!("d{}/", self.dice.roll(4)),
        );
        let moving: Vec<String> = self
            .files
            .keys()
            .filter(|path| path.starts_with(&from))
            .cloned()
            .collect();
        for path in moving {
            let Some(mut file) = self.files.remove(&path) else {
                continue;
            };
            if self.dice.roll(3) == 0 {
                file.1 = self.edited(&file.1, 8);
            }
            self.put(path.replacen(&from, &to, 1), file);
        }
    }
}

/// Input of `git fast-import`.
struct Stream(Vec<u8>);

impl Stream {
    fn commit(&mut self, number: usize, files: &BTreeMap<String, (bool, Vec<u8>)>) {
        let at = 1_600_000_000 + number * 60;
        let head =
            format!("commit refs/heads/main\ncommitter C <c@x> {at} +0000\ndata 2\nm\ndeleteall\n");
        self.0.extend_from_slice(head.as_bytes());
        for (path, (executable, contents)) in files {
            let mode = if *executable { "100755" } else { "100644" };
            let head = format!("M {mode} inline {path}\ndata {}\n", contents.len());
            self.0.extend_from_slice(head.as_bytes());
            self.0.extend_from_slice(contents);
            self.0.push(b'\n');
        }
    }

    fn import(self) -> Fixture {
        let repo = Fixture::new();
        let mut command = repo.command();
        command
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&self.0).unwrap();
        assert!(child.wait().unwrap().success());
        said(repo.command().args(["reset", "-q", "--hard"]));
        repo
    }
}

#[test]
fn many_small_changes() {
    for seed in seeds() {
        let mut world = World {
            dice: Dice(0x9E37_79B9 + seed * 7919),
            files: BTreeMap::new(),
        };
        let mut stream = Stream(Vec::new());
        for number in 0..150 {
            for _ in 0..=world.dice.roll(9) {
                world.step();
            }
            stream.commit(number, &world.files);
        }
        let checked = same_as_git(&stream.import().path);
        assert_eq!(checked.commits, 150, "seed {seed}");
    }
}

#[test]
fn long_files_edited_all_over() {
    for seed in seeds() {
        let mut world = World {
            dice: Dice(0x51_7CC1 + seed * 104_729),
            files: BTreeMap::new(),
        };
        let mut stream = Stream(Vec::new());
        let (count, words) = (
            2000 + world.dice.roll(4000),
            [3, 40, 2000][world.dice.roll(3)],
        );
        let mut contents = world.lines(count, words).concat();
        for number in 0..8 {
            world
                .files
                .insert("long".to_string(), (false, contents.clone()));
            stream.commit(number, &world.files);
            let edits = [20, 500, 3000][world.dice.roll(3)];
            contents = match world.dice.roll(6) {
                0 => world.lines(count, words).concat(),
                _ => world.edited(&contents, edits),
            };
        }
        same_as_git(&stream.import().path);
    }
}

/// A few seeds, or those up to the number in `RETROCAST_SEEDS`.
fn seeds() -> std::ops::RangeInclusive<u64> {
    let most = std::env::var("RETROCAST_SEEDS")
        .ok()
        .and_then(|most| most.parse().ok());
    1..=most.unwrap_or(3)
}
