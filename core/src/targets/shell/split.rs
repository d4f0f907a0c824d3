//! A script as a shell splits it: commands, their words with quotes and escapes undone, redirections, and the
//! lines that a command is fed.
//!
//! If shells differ, the reading that finds more commands is taken: what looks like lines for a command to
//! read is read as commands, too, unless the end of these lines is there to be seen.

use std::collections::HashSet;

/// One word of a command line.
#[derive(Clone, Default, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether a shell decides what it is: a variable, a substitution, a brace.
    pub(super) is_open: bool,
    /// Whether a shell puts the names of files in its place.
    pub(super) is_pattern: bool,
    /// Whether it begins with a quote.
    pub(super) is_quoted: bool,
}

impl Word {
    /// Word with another text, and the marks of this one.
    pub(super) fn part(&self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self.clone_marks() }
    }

    fn clone_marks(&self) -> Self {
        Self { text: String::new(), ..*self }
    }
}

/// A command: the words of one, and what it reads and writes.
#[derive(Default, Debug)]
pub(super) struct ShellCommand {
    pub(super) words: Vec<Word>,
    /// Files behind `<` and `>`.
    pub(super) files: Vec<Word>,
    /// Input texts: `<<< text`, and the lines up to the end of a here-document.
    pub(super) fed: Vec<Fed>,
    /// Whether the command behind it runs only if it succeeds.
    pub(super) guards: bool,
    /// Whether it stands behind `|` or `||`: it runs in a shell of its own, or perhaps not at all.
    pub(super) is_alternative: bool,
}

/// Text that a command is fed.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) text: String,
    /// Whether the shell leaves it as it is: nothing in it runs before the command reads it.
    pub(super) is_literal: bool,
}

/// A script in parts.
#[derive(Default, Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<ShellCommand>,
    /// Names that the script gives to functions of its own.
    pub(super) defined: HashSet<String>,
}

/// The most here-documents of one script whose ends are looked for. What is beyond is read as commands.
const HERE_LIMIT: usize = 64;

/// The longest sum that is told from nested subshells, in bytes: each bracket looks that far ahead.
const SUM_LIMIT: usize = 256;

/// Splits a script.
pub(super) fn split(script: &str) -> Script {
    let mut splitter = Splitter { rest: script, ..Splitter::default() };
    splitter.script.commands.push(ShellCommand::default());
    splitter.run();
    let mut script = splitter.script;
    script
        .commands
        .retain(|command| !command.words.is_empty() || !command.files.is_empty() || !command.fed.is_empty());
    script
}

/// Role of the next word, after a sign that tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// A file to read or write.
    File,
    /// The text of `<<<`.
    Text,
    /// The number of an open file.
    Number,
}

/// A here-document whose lines have not come yet.
struct Here {
    command: usize,
    end: String,
    is_literal: bool,
    is_indented: bool,
}

/// A command that a substitution or subshell interrupts.
struct Outer {
    command: usize,
    /// Whether two brackets stand together: it may be a sum, where `<<` is no here-document.
    is_double: bool,
    /// Whether a backtick ends it, and no bracket.
    is_ticked: bool,
    /// Number of open `case` in what interrupts it: a bracket ends one of their patterns.
    cases: usize,
}

#[derive(Default)]
struct Splitter<'t> {
    rest: &'t str,
    script: Script,
    /// The command that is read, and those that a substitution interrupts.
    current: usize,
    outer: Vec<Outer>,
    word: Option<Word>,
    awaited: Option<Awaited>,
    awaiting: Vec<Here>,
    heres: usize,
    is_in_backticks: bool,
}

impl Splitter<'_> {
    fn run(&mut self) {
        while let Some(letter) = self.take() {
            match letter {
                '\'' => {
                    let end = self.rest.find('\'').unwrap_or(self.rest.len());
                    let (inner, rest) = self.rest.split_at(end);
                    self.rest = rest.get(1..).unwrap_or_default();
                    self.begin_quote().text.push_str(inner);
                }
                '"' => self.quoted(),
                '$' if self.eat('\'') => self.ansi(),
                '\\' => match self.take() {
                    Some('\n') | None => {}
                    Some(next) => self.word().text.push(next),
                },
                '`' if self.is_in_backticks => {
                    self.is_in_backticks = false;
                    while self.outer.last().is_some_and(|outer| !outer.is_ticked) {
                        self.outer.pop();
                    }
                    self.close();
                }
                '$' | '(' if self.arithmetic(letter) => {}
                '$' | '`' | '{' => self.opening(letter),
                '#' if self.word.is_none() => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                '<' | '>' => self.redirection(letter),
                '&' if self.eat('>') => {
                    self.end_word();
                    self.eat('>');
                    self.awaited = Some(Awaited::File);
                }
                '\n' => {
                    self.next();
                    self.here_documents();
                }
                '&' if self.eat('&') => {
                    self.end_word();
                    self.current().guards = true;
                    self.next();
                }
                '|' => {
                    self.next();
                    self.current().is_alternative = true;
                }
                ';' | '&' => self.next(),
                '(' if self.defines() => {}
                '(' => self.open(),
                // What looks like the end of a pattern begins a command, whatever a shell would make of it.
                ')' if self.outer.last().is_some_and(|outer| outer.is_ticked || outer.cases > 0) => {
                    self.next()
                }
                ')' => self.close(),
                _ if letter.is_whitespace() => self.end_word(),
                '*' | '?' | '[' => {
                    let word = self.word();
                    word.is_pattern = true;
                    word.text.push(letter);
                }
                _ => self.word().text.push(letter),
            }
        }
        self.end_word();
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn eat(&mut self, letter: char) -> bool {
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn begin_quote(&mut self) -> &mut Word {
        let is_first = self.word.is_none();
        let word = self.word();
        word.is_quoted |= is_first;
        word
    }

    fn current(&mut self) -> &mut ShellCommand {
        &mut self.script.commands[self.current]
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if let Some(outer) = self.outer.last_mut().filter(|_| !word.is_quoted) {
            match word.text.as_str() {
                "case" => outer.cases += 1,
                "esac" => outer.cases = outer.cases.saturating_sub(1),
                _ => {}
            }
        }
        match self.awaited.take() {
            None => self.current().words.push(word),
            Some(Awaited::File) => self.current().files.push(word),
            Some(Awaited::Text) => {
                self.current().fed.push(Fed { text: word.text, is_literal: !word.is_open });
            }
            Some(Awaited::Number) if word.text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {}
            Some(Awaited::Number) => self.current().files.push(word),
        }
    }

    fn next(&mut self) {
        self.end_word();
        self.awaited = None;
        self.script.commands.push(ShellCommand::default());
        self.current = self.script.commands.len() - 1;
    }

    /// A substitution or subshell begins.
    fn open(&mut self) {
        let is_first = self.word.is_none() && self.script.commands[self.current].words.is_empty();
        let outer = Outer {
            command: self.current,
            is_double: is_first && !self.outer.is_empty(),
            is_ticked: self.is_in_backticks && !self.outer.iter().any(|outer| outer.is_ticked),
            cases: 0,
        };
        self.next();
        self.outer.push(outer);
    }

    /// Ends the open construct; the one that it stood in goes on.
    fn close(&mut self) {
        self.end_word();
        match self.outer.pop() {
            Some(outer) => {
                self.current = outer.command;
                self.awaited = None;
            }
            None => self.next(),
        }
    }

    /// Reads a part that a shell completes: `$x`, `$(…)`, backticks, braces.
    fn opening(&mut self, letter: char) {
        let word = self.word();
        word.is_open = true;
        word.text.push(letter);
        self.is_in_backticks |= letter == '`';
        // What a substitution runs is a command of its own.
        if letter == '`' || letter == '$' && self.eat('(') {
            self.open();
        }
    }

    /// `f()`, `f ()`: the name of a function. What follows is a command.
    fn defines(&mut self) -> bool {
        if !self.rest.trim_start_matches([' ', '\t']).starts_with(')') {
            return false;
        }
        let command = &self.script.commands[self.current];
        let name = match (&self.word, command.words.as_slice()) {
            (Some(word), []) => word.text.clone(),
            (Some(word), [only]) if only.text == "function" => word.text.clone(),
            (None, [.., last]) if command.words.len() <= 2 => last.text.clone(),
            _ => return false,
        };
        self.rest = self.rest.split_once(')').map_or("", |(_, rest)| rest);
        self.script.defined.insert(name);
        self.next();
        true
    }

    /// `$((1 + 2))`, `((i++))`: a sum, where nothing can run. A dot or a quote in it makes it commands again.
    fn arithmetic(&mut self, letter: char) -> bool {
        let inner = match letter {
            '$' => self.rest.strip_prefix("(("),
            _ if self.word.is_none() => self.rest.strip_prefix('('),
            _ => None,
        };
        let Some(inner) = inner else { return false };
        let inner = &inner[..inner.floor_char_boundary(SUM_LIMIT)];
        let is_sum =
            |letter: char| letter.is_ascii_alphanumeric() || " \t_+-*/%<>=!&|^~?:,()[]$".contains(letter);
        let length = inner.find(|letter| !is_sum(letter)).unwrap_or(inner.len());
        let Some(end) = inner[..length].find("))").filter(|end| !inner[..*end].contains("$(")) else {
            return false;
        };
        let begin = if letter == '$' { 2 } else { 1 };
        self.rest = &self.rest[begin + end + 2..];
        let word = self.word();
        word.is_open = true;
        word.text.push_str("$((");
        true
    }

    /// `<`, `>`, `>>`, `2>&1`, `<<<`, `<<END`, `<(…)`.
    fn redirection(&mut self, letter: char) {
        // `2>x` is about the second file, `a>x` is the word `a`.
        if self
            .word
            .as_ref()
            .is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_quoted)
        {
            self.word = None;
        }
        self.end_word();
        if self.eat('(') {
            let word = self.word();
            word.is_open = true;
            word.text.push(letter);
            return self.open();
        }
        self.awaited = Some(Awaited::File);
        if letter == '>' {
            if !self.eat('>') && !self.eat('|') && self.eat('&') {
                self.awaited = Some(Awaited::Number);
            }
        } else if self.rest.starts_with("<<") {
            self.rest = &self.rest[2..];
            self.awaited = Some(Awaited::Text);
        } else if self.eat('<') {
            self.awaited = None;
            self.here();
        } else if self.eat('&') {
            self.awaited = Some(Awaited::Number);
        } else {
            self.eat('>');
        }
    }

    /// Behind `<<`: the word that ends the document. Where it may be a sum, its lines are read as commands.
    fn here(&mut self) {
        let is_indented = self.eat('-');
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let end = rest.find(|letter: char| letter.is_whitespace() || ";&|<>()".contains(letter));
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let end: String = word.chars().filter(|letter| !matches!(letter, '\'' | '"' | '\\')).collect();
        let is_literal = end.len() < word.len();
        self.rest = rest;
        if self.outer.iter().any(|outer| outer.is_double) || end.is_empty() || self.heres == HERE_LIMIT {
            return;
        }
        self.heres += 1;
        self.awaiting.push(Here { command: self.current, end, is_literal, is_indented });
    }

    /// The lines of the here-documents that the line before announced.
    fn here_documents(&mut self) {
        for here in std::mem::take(&mut self.awaiting) {
            let mut length = 0;
            let mut lines = self.rest.split_inclusive('\n');
            let end = lines.find_map(|line| {
                let bare = line.trim_end_matches(['\n', '\r']);
                let bare = if here.is_indented { bare.trim_start_matches('\t') } else { bare };
                let begin = length;
                length += line.len();
                (bare == here.end).then_some(begin)
            });
            // Without its end it may be none.
            let Some(end) = end else { return };
            let text = self.rest[..end].to_owned();
            self.rest = &self.rest[length..];
            self.script.commands[here.command].fed.push(Fed { text, is_literal: here.is_literal });
        }
    }

    fn quoted(&mut self) {
        self.begin_quote();
        while let Some(letter) = self.take() {
            match letter {
                '"' => return,
                '\\' => match self.rest.chars().next() {
                    Some('"' | '\\' | '$' | '`') => {
                        let next = self.take();
                        self.word().text.extend(next);
                    }
                    Some('\n') => drop(self.take()),
                    _ => self.word().text.push('\\'),
                },
                '$' | '`' => {
                    let word = self.word();
                    word.is_open = true;
                    word.text.push(letter);
                }
                _ => self.word().text.push(letter),
            }
        }
    }

    /// `$'\x65'`.
    fn ansi(&mut self) {
        self.begin_quote();
        while let Some(letter) = self.take() {
            match letter {
                '\'' => return,
                '\\' => {
                    let Some(kind) = self.take() else { return };
                    let (radix, most, first) = match kind {
                        'x' => (16, 2, None),
                        'u' => (16, 4, None),
                        'U' => (16, 8, None),
                        '0'..='7' => (8, 2, kind.to_digit(8)),
                        other => {
                            let letter = match other {
                                'n' => '\n',
                                't' => '\t',
                                other => other,
                            };
                            self.word().text.push(letter);
                            continue;
                        }
                    };
                    let mut code = first.unwrap_or(0);
                    for _ in 0..most {
                        let next = self.rest.chars().next();
                        let Some(digit) = next.and_then(|letter| letter.to_digit(radix)) else { break };
                        code = code.wrapping_mul(radix).wrapping_add(digit);
                        self.take();
                    }
                    self.word().text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                _ => self.word().text.push(letter),
            }
        }
    }
}
