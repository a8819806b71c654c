//! Dependency cycles: files of one crate that use each other's items, so that none of them can be
//! understood or changed without the others.
//!
//! A file depends on the files that define the items it names. A module may use its children, and
//! they may use its items and those of the modules above it: a stage kind and its parts belong
//! together. Otherwise the graph of files must be acyclic. Code under `#[cfg(test)]` is ignored,
//! and a re-exported item counts for the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

/// Files that use each other in a cycle, with the names that each uses from another.
#[derive(Debug, PartialEq)]
pub struct Cycle {
    pub files: BTreeSet<String>,
    pub uses: Vec<String>,
}

/// Finds the cycles among the modules below `root`, the path of a `lib.rs` or `main.rs`.
pub fn cycles(root: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<Cycle> {
    let mut tree = Tree::default();
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let text = read(root).unwrap_or_default();
    tree.add_file(root, folder, None, &text, read);
    tree.cycles()
}

type Path = Vec<String>;

#[derive(Default)]
struct Tree {
    modules: Vec<Module>,
}

struct Module {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// The names that `use` declarations import, with their paths.
    imports: Vec<(String, Path)>,
    /// The paths of `use path::*`.
    globs: Vec<Path>,
    /// The paths in the code itself.
    paths: BTreeSet<Path>,
}

#[derive(Clone, PartialEq)]
enum Target {
    Module(usize),
    Item { module: usize, name: String },
}

impl Tree {
    fn add_file(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        text: &str,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let code = without_tests(&tokens(text));
        self.add_module(file, folder, parent, &code, read)
    }

    /// Adds a module, and below it the modules it declares, whose files are in `folder`.
    fn add_module(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        code: &[String],
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let id = self.modules.len();
        self.modules.push(Module {
            file: file.to_string(),
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: Vec::new(),
            globs: Vec::new(),
            paths: BTreeSet::new(),
        });
        let token = |index: usize| code.get(index).map_or("", String::as_str);
        let mut depth = 0_usize;
        let mut index = 0;
        while index < code.len() {
            match token(index) {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                "mod" if token(index + 2) == ";" => {
                    let name = token(index + 1);
                    let subfolder = format!("{folder}/{name}");
                    let file = [format!("{subfolder}.rs"), format!("{subfolder}/mod.rs")]
                        .into_iter()
                        .find_map(|file| Some((read(&file)?, file)));
                    if let Some((text, file)) = file {
                        let child = self.add_file(&file, &subfolder, Some(id), &text, read);
                        self.modules[id].children.insert(name.to_string(), child);
                    }
                    index += 2;
                }
                "mod" if token(index + 2) == "{" => {
                    let name = token(index + 1);
                    let end = find_closing(code, index + 2);
                    let subfolder = format!("{folder}/{name}");
                    let inside = &code[index + 3..end];
                    let child = self.add_module(file, &subfolder, Some(id), inside, read);
                    self.modules[id].children.insert(name.to_string(), child);
                    index = end;
                }
                "use" => {
                    let end = (index..code.len())
                        .find(|index| token(*index) == ";")
                        .unwrap_or(code.len());
                    self.modules[id].add_use(&[], &code[index + 1..end]);
                    index = end;
                }
                "macro_rules" if depth == 0 => {
                    self.modules[id].items.insert(token(index + 2).to_string());
                }
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static"
                    if depth == 0 && is_word(token(index + 1)) =>
                {
                    self.modules[id].items.insert(token(index + 1).to_string());
                }
                word if is_word(word) && (index == 0 || token(index - 1) != "::") => {
                    let mut path = vec![word.to_string()];
                    while token(index + 1) == "::" && is_word(token(index + 2)) {
                        path.push(token(index + 2).to_string());
                        index += 2;
                    }
                    self.modules[id].paths.insert(path);
                }
                _ => {}
            }
            index += 1;
        }
        id
    }

    /// Resolves a path in a module; empty if it is not in this crate. `open` holds the imports
    /// being resolved, since imports may be cyclic.
    fn resolve(
        &self,
        module: usize,
        path: &[String],
        open: &mut Vec<(usize, Path)>,
    ) -> Vec<Target> {
        let mut start = module;
        let mut remaining = path;
        while let Some(first) = remaining.first() {
            match first.as_str() {
                "crate" => start = 0,
                "self" => {}
                "super" => start = self.modules[start].parent.unwrap_or(0),
                _ => break,
            }
            remaining = &remaining[1..];
        }
        let Some((name, tail)) = remaining.split_first() else {
            return vec![Target::Module(start)];
        };
        let targets = self.find(start, name, open);
        if tail.is_empty() {
            return targets;
        }
        let module = targets.iter().find_map(|target| match target {
            Target::Module(module) => Some(*module),
            Target::Item { .. } => None,
        });
        match module {
            Some(module) => {
                // The tail of the path is relative to that module; it cannot name a crate.
                let path = [&["self".to_string()], tail].concat();
                self.resolve(module, &path, open)
            }
            None => targets,
        }
    }

    fn find(&self, module: usize, name: &str, open: &mut Vec<(usize, Path)>) -> Vec<Target> {
        let scope = &self.modules[module];
        let mut targets = Vec::new();
        if scope.items.contains(name) {
            let name = name.to_string();
            targets.push(Target::Item { module, name });
        }
        targets.extend(scope.children.get(name).copied().map(Target::Module));
        let imports = scope.imports.iter().filter(|(import, _)| import == name);
        for path in imports.map(|(_, path)| path) {
            let key = (module, path.clone());
            if !open.contains(&key) {
                open.push(key);
                targets.extend(self.resolve(module, path, open));
                open.pop();
            }
        }
        if targets.is_empty() {
            for path in &scope.globs {
                let key = (module, [path.as_slice(), &["*".to_string()]].concat());
                if !open.contains(&key) {
                    open.push(key);
                    for target in self.resolve(module, path, open) {
                        if let Target::Module(module) = target {
                            targets.extend(self.find(module, name, open));
                        }
                    }
                    open.pop();
                }
            }
        }
        targets
    }

    /// Returns true if a module above `module` is in `file`.
    fn is_above(&self, file: &str, module: usize) -> bool {
        let mut next = self.modules[module].parent;
        while let Some(parent) = next {
            if self.modules[parent].file == file {
                return true;
            }
            next = self.modules[parent].parent;
        }
        false
    }

    fn cycles(&self) -> Vec<Cycle> {
        let mut uses: BTreeMap<&str, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
        for (index, module) in self.modules.iter().enumerate() {
            let imports = module.imports.iter().map(|(_, path)| path);
            for path in imports.chain(&module.paths) {
                for target in self.resolve(index, path, &mut Vec::new()) {
                    if let Target::Item { module: to, name } = target {
                        let to = self.modules[to].file.as_str();
                        if to != module.file && !self.is_above(to, index) {
                            let used = uses.entry(&module.file).or_default();
                            used.entry(to).or_default().insert(name);
                        }
                    }
                }
            }
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> = uses
            .keys()
            .map(|file| {
                let mut reached = BTreeSet::new();
                let mut open = vec![*file];
                while let Some(file) = open.pop() {
                    for next in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
                        if reached.insert(*next) {
                            open.push(next);
                        }
                    }
                }
                (*file, reached)
            })
            .collect();
        let components: BTreeSet<BTreeSet<&str>> = reached
            .iter()
            .filter(|(file, others)| others.contains(*file))
            .map(|(file, others)| {
                let mutual = |other: &&&str| reached.get(**other).is_some_and(|r| r.contains(file));
                others.iter().filter(mutual).copied().collect()
            })
            .collect();
        let cycle = |component: BTreeSet<&str>| Cycle {
            uses: component
                .iter()
                .flat_map(|from| uses[from].iter().map(move |(to, names)| (from, to, names)))
                .filter(|(_, to, _)| component.contains(*to))
                .map(|(from, to, names)| {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    format!("{from} uses {} of {to}", names.join(", "))
                })
                .collect(),
            files: component.into_iter().map(str::to_string).collect(),
        };
        components.into_iter().map(cycle).collect()
    }
}

impl Module {
    /// Adds the branches of a `use` tree after `prefix`.
    fn add_use(&mut self, prefix: &[String], tree: &[String]) {
        for branch in branches(tree) {
            self.add_branch(prefix.to_vec(), branch);
        }
    }

    fn add_branch(&mut self, mut path: Path, branch: &[String]) {
        for (index, token) in branch.iter().enumerate() {
            match token.as_str() {
                // The name of a crate follows.
                "::" if path.is_empty() => return,
                "::" => {}
                "{" => return self.add_use(&path, &branch[index + 1..find_closing(branch, index)]),
                "*" => return self.globs.push(path),
                "as" => return self.imports.push((branch[index + 1].clone(), path)),
                "self" if !path.is_empty() => {}
                word => path.push(word.to_string()),
            }
        }
        if let Some(name) = path.last().cloned() {
            self.imports.push((name, path));
        }
    }
}

/// The parts of a `use` tree between its top-level commas.
fn branches(tree: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    tree.split(|token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token == ","
    })
    .filter(|branch| !branch.is_empty())
    .collect()
}

/// The index of the bracket that closes the bracket at `open`.
fn find_closing(code: &[String], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in code.iter().enumerate().skip(open) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    code.len()
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

/// Removes the items under `#[cfg(test)]`.
fn without_tests(code: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut remaining = Vec::new();
    let mut index = 0;
    while index < code.len() {
        if code[index..].iter().map(String::as_str).take(7).eq(TEST) {
            index = end_of_item(code, index + TEST.len());
        } else {
            remaining.push(code[index].clone());
            index += 1;
        }
    }
    remaining
}

fn end_of_item(code: &[String], mut index: usize) -> usize {
    let mut ends_with_block = true;
    while index < code.len() {
        match code[index].as_str() {
            "use" | "const" | "static" | "let" => ends_with_block = false,
            "fn" => ends_with_block = true,
            ";" => return index + 1,
            "{" if ends_with_block => return find_closing(code, index) + 1,
            "{" | "(" | "[" => index = find_closing(code, index),
            "}" => return index,
            _ => {}
        }
        index += 1;
    }
    index
}

/// The words and symbols of a text. Comments are omitted; so are strings, except those in
/// attributes that are paths of this crate, such as `#[serde(with = "crate::a")]`.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let char_at = |index: usize| text.get(index).copied().unwrap_or('\0');
    let mut tokens: Vec<String> = Vec::new();
    let mut index = 0;
    while index < text.len() {
        let start = index;
        match (char_at(index), char_at(index + 1)) {
            ('/', '/') => {
                while index < text.len() && char_at(index) != '\n' {
                    index += 1;
                }
            }
            ('/', '*') => index = end_of_comment(&text, index),
            ('"', _) => {
                index += 1;
                while index < text.len() && char_at(index) != '"' {
                    index += if char_at(index) == '\\' { 2 } else { 1 };
                }
                index += 1;
                let inside: String = text[start + 1..(index - 1).min(text.len())]
                    .iter()
                    .collect();
                let value_in_attribute = tokens.last().is_some_and(|token| token == "=");
                if value_in_attribute && inside.starts_with("crate::") && !inside.contains(' ') {
                    tokens.extend(self::tokens(&inside));
                }
            }
            // A character, not a lifetime.
            ('\'', '\\') => {
                index += 3;
                while index < text.len() && char_at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            ('\'', _) if char_at(index + 2) == '\'' => index += 3,
            ('\'', _) => {
                index += 1;
                while char_at(index).is_alphanumeric() || char_at(index) == '_' {
                    index += 1;
                }
            }
            (':', ':') => {
                tokens.push("::".to_string());
                index += 2;
            }
            (first, _) if first.is_alphanumeric() || first == '_' => {
                while char_at(index).is_alphanumeric() || char_at(index) == '_' {
                    index += 1;
                }
                let word: String = text[start..index].iter().collect();
                let hashes = text[index..].iter().take_while(|c| **c == '#').count();
                if matches!(word.as_str(), "r" | "br" | "cr") && char_at(index + hashes) == '"' {
                    let end: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
                    index += hashes + 1;
                    while index < text.len() && !text[index..].starts_with(&end) {
                        index += 1;
                    }
                    index += end.len();
                } else {
                    tokens.push(word);
                }
            }
            (first, _) => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                index += 1;
            }
        }
    }
    tokens
}

fn end_of_comment(text: &[char], mut index: usize) -> usize {
    let mut depth = 0;
    while index < text.len() {
        if text[index..].starts_with(&['/', '*']) {
            depth += 1;
            index += 2;
        } else if text[index..].starts_with(&['*', '/']) {
            depth -= 1;
            index += 2;
            if depth == 0 {
                break;
            }
        } else {
            index += 1;
        }
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_cycles(files: &[(&str, &str)]) -> Vec<Cycle> {
        cycles("src/lib.rs", &|path| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| text.to_string())
        })
    }

    #[test]
    fn cycles_through_reexports_are_found() {
        let cycles = find_cycles(&[
            ("src/lib.rs", "mod read; mod source; pub use read::Read;"),
            (
                "src/read/mod.rs",
                "mod json; pub use self::json::{Json as Plain, Read};",
            ),
            (
                "src/read/json.rs",
                "pub struct Read; pub struct Json;\nfn f() -> crate::source::Source { todo!() }",
            ),
            (
                "src/source.rs",
                "use super::{read::{self, *}, Read};\npub struct Source(Read, read::Plain);",
            ),
        ]);
        assert_eq!(
            cycles,
            [Cycle {
                files: ["src/read/json.rs", "src/source.rs"]
                    .map(str::to_string)
                    .into(),
                uses: vec![
                    "src/read/json.rs uses Source of src/source.rs".to_string(),
                    "src/source.rs uses Json, Read of src/read/json.rs".to_string(),
                ],
            }]
        );
    }

    #[test]
    fn a_module_and_its_children_may_use_each_other() {
        let cycles = find_cycles(&[
            ("src/lib.rs", "mod a; mod b; pub struct Root;"),
            ("src/a.rs", "mod part; pub struct A; fn f() { part::g() }"),
            (
                "src/a/part.rs",
                "use super::A; pub fn g(_: A, _: crate::Root) {}",
            ),
            ("src/b.rs", "fn f(_: crate::a::A) {}"),
        ]);
        assert_eq!(cycles, []);
    }

    #[test]
    fn tests_comments_and_strings_are_ignored() {
        let text = r##"
            pub struct B;
            /* /* crate::a::A */ crate::a::A */ // crate::a::A
            const QUOTE: char = '"'; const TEXT: &str = "crate::a::A \" crate::a::A";
            const RAW: &str = r#"crate::a::A " crate::a::A"#;
            #[cfg(test)]
            use crate::a::{self, A};
            #[cfg(test)]
            #[derive(Debug)]
            struct Sample { a: crate::a::A }
            #[cfg(test)]
            mod tests { fn f<'a>(_: &'a crate::a::A) {} }
        "##;
        let a = ("src/a.rs", "pub struct A; fn f(_: crate::b::B) {}");
        let lib = ("src/lib.rs", "mod a; mod b;");
        assert_eq!(find_cycles(&[lib, a, ("src/b.rs", text)]), []);
        let text = format!("{text} fn f(_: crate::a::A) {{}}");
        assert_eq!(find_cycles(&[lib, a, ("src/b.rs", &text)]).len(), 1);
    }
}
