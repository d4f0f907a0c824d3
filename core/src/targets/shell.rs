//! Command lines: quoting undone, words split, and the targets of commands.
//!
//! It runs nothing and knows no variable: a word that a shell would only make when it runs is on no allow
//! list. A command that is not known may run any of its words and speak to any of them, so these are searched for
//! commands, and for hosts. What *is* known of commands ([`known`]) only makes that more precise.

use super::finder::{Finder, text};
use super::names;
use known::{Head, Known, base};
use split::{Fed, Script, ShellCommand, Word, split};

mod hidden;
mod known;
mod network;
mod options;
mod paths;
mod powershell;
mod split;

/// Depth to which `sh -c "…"` is followed. Deeper targets are on no allow list.
const NESTING_LIMIT: usize = 6;

/// The most places of one command at which another one is read. What has more is on no allow list.
const SEARCH_LIMIT: usize = 32;

/// Ways of reading a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// A script that runs, or may run: its words are searched for commands and hosts.
    Script,
    /// Code of another language: searched like a script, but hosts stand in quotes there.
    Code,
    /// Text that is most likely prose: only lines that begin as a command are one.
    Prose,
}

/// Finds the targets of a script.
pub(super) fn find(finder: &mut Finder, script: &str, mode: Mode) {
    let skips = finder.skip_mail(true);
    text::addresses(finder, script);
    finder.skip_mail(skips);
    patch(finder, script);
    hidden::shares(finder, script);
    hidden::code(finder, script);
    hidden::sockets(finder, script);
    finder.script().length = script.len();
    let script = script.replace("${IFS}", " ").replace("$IFS", " ");
    run(finder, &split(&script), mode);
}

/// Finds the targets of a command that comes as a list.
pub(super) fn find_list(finder: &mut Finder, list: &[String]) {
    let words = list.iter().map(|text| Word { text: text.clone(), ..Word::default() }).collect();
    let command = ShellCommand { words, ..ShellCommand::default() };
    finder.script().length = usize::MAX;
    run(finder, &Script { commands: vec![command], ..Script::default() }, Mode::Script);
}

/// Finds the targets of the rest of a command line that is a command of its own.
fn line(finder: &mut Finder, words: &[Word], mode: Mode) {
    let command = ShellCommand { words: words.to_vec(), ..ShellCommand::default() };
    nest(finder, mode, |finder| run(finder, &Script { commands: vec![command], ..Script::default() }, mode));
}

/// Finds the targets of a script that stands in another one.
fn nested(finder: &mut Finder, script: &str, mode: Mode) {
    nest(finder, mode, |finder| find(finder, script, mode));
}

fn nest(finder: &mut Finder, mode: Mode, read: impl FnOnce(&mut Finder)) {
    let state = finder.script().clone();
    if state.depth == NESTING_LIMIT {
        if mode != Mode::Prose {
            finder.unreadable("commands that are nested too deeply");
        }
        return;
    }
    finder.script().depth += 1;
    read(finder);
    *finder.script() = state;
}

/// The files of a patch in the form that coding agents use.
pub(super) fn patch(finder: &mut Finder, patch: &str) {
    for line in patch.lines() {
        let Some(rest) = line.trim().strip_prefix("*** ") else { continue };
        for head in ["Add File:", "Update File:", "Delete File:", "Move to:"] {
            if let Some(path) = rest.strip_prefix(head) {
                finder.path(path.trim(), false);
            }
        }
    }
}

fn run(finder: &mut Finder, script: &Script, mode: Mode) {
    let state = finder.script();
    state.redefines |= !script.defined.is_empty() || script.commands.iter().any(redefines);
    let redefines = state.redefines;
    state.runs_text |= script.commands.iter().any(|command| runs_text(command, redefines));
    state.runs_files |= script.commands.iter().any(runs_files);
    for command in &script.commands {
        self::command(finder, command, mode);
        if !command.guards {
            finder.script().unguard();
        }
    }
}

/// Whether names of commands may mean something else after this one.
fn redefines(command: &ShellCommand) -> bool {
    command.words.iter().any(|word| {
        let text = word.text.as_str();
        matches!(text, "alias" | "function" | "hash" | "enable")
            || text.starts_with("PATH=")
            || text.starts_with("PATH+=")
    })
}

/// Whether a command may take the text of another one for a script.
fn runs_text(command: &ShellCommand, redefines: bool) -> bool {
    let head = Head::of(&command.words);
    let Some(word) = command.words.get(head.at) else { return false };
    let feeds = || command.words.iter().any(|word| feeds(base(&word.text)));
    word.is_open || !head.is_exact || feeds() || trusted(&word.text, redefines).is_none()
}

/// Whether a command may run a file that another one wrote.
fn runs_files(command: &ShellCommand) -> bool {
    let shells = ["sh", "bash", "dash", "zsh", "ksh", "fish", "source", ".", "eval"];
    command.words.get(Head::of(&command.words).at).is_some_and(|word| {
        word.is_open || !known::is_itself(&word.text) || shells.contains(&base(&word.text))
    }) || command.words.iter().any(|word| shells.contains(&word.text.as_str()) && word.text.len() > 1)
}

/// Knowledge about a command by its name, where the name means what it usually does.
fn trusted(name: &str, redefines: bool) -> Option<Known> {
    if redefines || !known::is_itself(name) {
        return None;
    }
    Known::of(base(name).to_ascii_lowercase().trim_end_matches(".exe"))
}

/// Whether what a command is called with comes from elsewhere.
fn feeds(name: &str) -> bool {
    matches!(name, "xargs" | "parallel")
}

fn command(finder: &mut Finder, command: &ShellCommand, mode: Mode) {
    let words = command.words.as_slice();
    let head = Head::of(words);
    let lower = words.get(head.at).map(|word| base(&word.text).to_ascii_lowercase()).unwrap_or_default();
    let name = lower.trim_end_matches(".exe");
    let redefines = finder.script().redefines;
    let known =
        words.get(head.at).filter(|word| !word.is_open).and_then(|word| trusted(&word.text, redefines));
    // `user@host` of some is an account on a machine.
    let skips = finder.skips_mail();
    for (index, word) in words.iter().enumerate() {
        let within = within(finder, name, known, mode, words, index);
        general(finder, word, within, mode);
        if known::has_accounts(base(&word.text)) {
            finder.skip_mail(true);
        }
    }
    finder.skip_mail(skips);
    for file in &command.files {
        general(finder, file, Mode::Prose, Mode::Prose);
        paths::file(finder, file);
    }
    for fed in &command.fed {
        self::fed(finder, command, fed, known, mode);
    }
    let runs_text = finder.script().runs_text;
    if mode == Mode::Script && runs_text {
        // What is set here may be what a command speaks to that nobody knows.
        let set = words[..head.at.min(words.len())].iter().filter(|word| known::is_assignment(&word.text));
        set.for_each(|word| name_hosts(finder, &word.text));
    }
    let Some(rest) = words.get(head.at + 1..) else { return };
    let doubts = finder.doubt(finder.doubts() || mode == Mode::Prose);
    network::read(finder, name, rest);
    finder.doubt(doubts);
    if head.at > 0 && known::reaches_out(name) && words[..head.at].iter().any(|word| feeds(base(&word.text)))
    {
        finder.unreadable(&format!("xargs {name}"));
    }
    paths::operands(finder, name, rest);
    run_by(finder, name, rest, mode);
    let is_searched = !head.is_exact
        || match known {
            None | Some(Known::Packages | Known::Versions | Known::Code | Known::Scripted(_)) => true,
            Some(Known::Text) => runs_text,
            Some(Known::Local | Known::Files(_) | Known::Network) => false,
        };
    let may_reach = !head.is_exact
        || match known {
            None | Some(Known::Code) => true,
            Some(Known::Text) => runs_text,
            Some(_) => false,
        };
    if mode != Mode::Prose && is_searched {
        search(finder, words, head.begin);
    }
    if mode != Mode::Prose && may_reach {
        // `{curl,x.org}` is both, and code has an argument where a command would have its name.
        let is_named = head.is_exact && !words[head.at].is_open && !words[head.at].is_quoted;
        let begin = if is_named { head.at + 1 } else { head.begin };
        hosts(finder, words, begin.min(words.len()), mode, known == Some(Known::Code));
    }
    if mode == Mode::Script && (may_reach || known == Some(Known::Packages)) {
        options::named_hosts(finder, name, rest);
    }
    if matches!(name, "cd" | "pushd" | "popd" | "chdir") {
        let folder = rest.iter().find(|word| !word.text.starts_with('-') || word.text == "-");
        let folder = match folder {
            _ if name == "popd" => None,
            None => Some("~"),
            Some(word) if word.is_open || word.is_pattern || word.text == "-" => None,
            Some(word) => Some(word.text.as_str()),
        };
        // `! cd x && …` goes on where it is.
        let is_sure = command.guards && !command.is_alternative && head.at == 0;
        finder.script().enter(folder, is_sure);
    }
}

/// Way of reading a word of a command that holds more than one word.
fn within(
    finder: &mut Finder,
    name: &str,
    known: Option<Known>,
    mode: Mode,
    words: &[Word],
    index: usize,
) -> Mode {
    if mode == Mode::Prose {
        return mode;
    }
    match known {
        Some(Known::Local | Known::Files(_)) => Mode::Prose,
        // Headers and data.
        Some(Known::Network) if matches!(name, "curl" | "wget" | "http" | "https" | "xh" | "xhs") => {
            Mode::Prose
        }
        Some(Known::Text) if !finder.script().runs_text => Mode::Prose,
        Some(Known::Versions) if is_message(words, index) => Mode::Prose,
        Some(Known::Code) => Mode::Code,
        // A column of a table has the form of a host's name.
        _ if QUERIED.contains(&name) && !finder.script().redefines => Mode::Code,
        _ => Mode::Script,
    }
}

/// Clients of databases, whose words may be queries.
const QUERIED: &[&str] = &[
    "psql",
    "mysql",
    "mariadb",
    "sqlite3",
    "duckdb",
    "clickhouse-client",
    "cqlsh",
    "sqlcmd",
    "bq",
    "mongosh",
    "mongo",
];

/// Whether a word is the message of a commit, an issue or the like.
fn is_message(words: &[Word], index: usize) -> bool {
    const OPTIONS: &[&str] = &[
        "-m",
        "-am",
        "-cm",
        "-sm",
        "-t",
        "-b",
        "--message",
        "--title",
        "--body",
        "--notes",
        "--description",
        "--subject",
        "--grep",
        "--author",
        "-S",
        "-G",
    ];
    let own = words[index].text.split_once('=').map_or("", |(option, _)| option);
    let before = index.checked_sub(1).map_or("", |before| words[before].text.as_str());
    OPTIONS.contains(&before)
        || OPTIONS.contains(&own)
        || own.is_empty() && words[index].text.starts_with("-m")
}

/// Text that a command is fed: a script for what runs scripts, else what it is fed to.
fn fed(finder: &mut Finder, command: &ShellCommand, fed: &Fed, known: Option<Known>, mode: Mode) {
    // Other languages than those of shells: their names with dots are no hosts.
    const CODE: &[&str] = &[
        "py", "js", "ts", "jsx", "tsx", "mjs", "cjs", "rs", "go", "java", "kt", "swift", "c", "h", "cc",
        "cpp", "hpp", "rb", "php", "pl", "lua", "css", "html", "xml", "svelte", "vue", "sql", "toml", "json",
        "yml", "yaml", "md", "txt",
    ];
    let is_code = command.files.iter().any(|file| {
        file.text.rsplit_once('.').is_some_and(|(_, end)| CODE.contains(&end.to_ascii_lowercase().as_str()))
    });
    let runs = !fed.is_literal && has_substitution(&fed.text);
    let mode = match known {
        _ if mode == Mode::Prose => mode,
        Some(Known::Code) => Mode::Code,
        Some(Known::Files(_) | Known::Local | Known::Text | Known::Scripted(_)) if !runs => {
            let state = finder.script();
            match (state.runs_text, is_code && !state.runs_files) {
                (false, _) => Mode::Prose,
                (true, true) => Mode::Code,
                (true, false) => Mode::Script,
            }
        }
        _ => Mode::Script,
    };
    if mode == Mode::Script {
        // What reads them may speak to each.
        fed.text.split_whitespace().for_each(|word| name_hosts(finder, word));
    }
    nested(finder, &fed.text, mode);
}

/// Commands that others are told to run: `find -exec`, `git bisect run`, `npx`.
fn run_by(finder: &mut Finder, name: &str, rest: &[Word], mode: Mode) {
    let behind: &[&str] = match name {
        "find" | "fd" => &["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"],
        "git" => &["run", "foreach", "-x", "--exec"],
        "npm" | "pnpm" | "yarn" | "bun" => &["exec", "dlx", "x"],
        "uv" | "poetry" | "bundle" | "conda" | "pipx" => &["run", "exec"],
        "npx" => &[],
        _ => return,
    };
    if name == "find" {
        let folders = rest.iter().take_while(|word| !word.text.starts_with(['-', '(', '!']));
        folders.for_each(|word| paths::file(finder, word));
    }
    let begin = match behind {
        [] => Some(0),
        behind => rest.iter().position(|word| behind.contains(&word.text.as_str())).map(|at| at + 1),
    };
    let Some(run) = begin.and_then(|begin| rest.get(begin..)) else { return };
    let run = &run[run.iter().take_while(|word| name != "find" && word.text.starts_with('-')).count()..];
    let end = run.iter().position(|word| name == "find" && matches!(word.text.as_str(), ";" | "+"));
    line(finder, &run[..end.unwrap_or(run.len())], mode);
}

/// Looks for commands at any place of a command.
fn search(finder: &mut Finder, words: &[Word], begin: usize) {
    let mut read = 0;
    for (at, word) in words.iter().enumerate().skip(begin) {
        let lower = base(&word.text).to_ascii_lowercase();
        let name = lower.trim_end_matches(".exe");
        if !known::reads(name) && !matches!(name, "git" | "gh" | "glab" | "docker" | "podman" | "find") {
            continue;
        }
        read += 1;
        if read > SEARCH_LIMIT {
            return finder.unreadable("more commands than can be judged");
        }
        if known::reaches_out(name) && words[..at].iter().any(|word| feeds(base(&word.text))) {
            finder.unreadable(&format!("xargs {name}"));
        }
        let doubts = finder.doubt(true);
        network::read(finder, name, &words[at + 1..]);
        finder.doubt(doubts);
    }
}

/// Words of a command that are hosts, where nothing says that it speaks to none.
fn hosts(finder: &mut Finder, words: &[Word], begin: usize, mode: Mode, is_code: bool) {
    // Code calls a function of that name where a command would have its name.
    let begin = if mode == Mode::Code { begin.saturating_sub(1) } else { begin };
    for (at, word) in words.iter().enumerate().skip(begin) {
        let is_skipped =
            mode == Mode::Code && !word.is_quoted || is_code && word.text.contains(['"', '\'', '(']);
        if is_skipped {
            continue;
        }
        name_hosts(finder, &word.text);
        // What stands before the dot comes from elsewhere.
        let is_behind = at > 0 && words[at - 1].is_open && word.text.starts_with('.');
        let tail = match word.is_open {
            true => word
                .text
                .rsplit(['$', '}', ')', '`'])
                .next()
                .and_then(|tail| tail.find('.').map(|dot| &tail[dot..])),
            false => Some(word.text.as_str()).filter(|_| is_behind),
        };
        let tail = tail.map(|tail| tail.split(['/', ':']).next().unwrap_or(tail));
        if let Some(tail) = tail.filter(|tail| tail.len() > 1 && names::is_host(&format!("x{tail}"), true)) {
            finder.host(tail, None);
        }
    }
}

fn name_hosts(finder: &mut Finder, word: &str) {
    for named in names::in_word(word) {
        finder.host(named.host, named.port);
    }
}

/// Whether a shell runs a part of a text that stands in double quotes or in a here-document.
fn has_substitution(text: &str) -> bool {
    text.contains("$(") || text.contains('`')
}

/// Targets that any word of any command may hold.
fn general(finder: &mut Finder, word: &Word, within: Mode, mode: Mode) {
    let text = word.text.as_str();
    let value = text.split_once('=').map_or(text, |(_, value)| value);
    let path = value.trim_start_matches(|letter: char| letter.is_ascii_digit() || "<>&@".contains(letter));
    if let Some((name, port)) = hidden::socket(path) {
        network::host(finder, &word.part(name), Some(port));
    } else {
        paths::of_word(finder, word, mode == Mode::Script);
    }
    text::addresses(finder, text);
    options::setting(finder, word);
    let is_split = text.contains(|letter: char| letter.is_whitespace() || "'\"`()".contains(letter))
        || text.contains([';', '|', '<', '>']) && !text.contains("://");
    if is_split && text.len() < finder.script().length {
        nested(finder, text, within);
        if within != Mode::Script && word.is_open && has_substitution(text) {
            // From within the first one on: its output is a part of the word, and does not run.
            let begin =
                text.find("$(").map(|at| at + 2).into_iter().chain(text.find('`').map(|at| at + 1)).min();
            let inner = text[begin.unwrap_or(0)..].replace('`', "\n");
            nested(finder, &inner, Mode::Script);
        }
        // `GIT_SSH_COMMAND=ssh …`, `ProxyCommand=nc …`
        if value.contains(char::is_whitespace) && value.len() < text.len() {
            nested(finder, value, within);
        }
    } else if let Some(decoded) = hidden::text_of(text) {
        nested(finder, &decoded, Mode::Script);
    }
}
