//! The list of commands, and the page that `zos --help` shows. Each command stands in its own file, with its arguments.

use crate::failure::{Outcome, Result};
use crate::output::Output;
use crate::session::Session;
use clap::builder::Styles;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use std::fmt::Write;
use std::path::PathBuf;
use zos_core::ContextName;

/// Makes the commands, their dispatch and the groups of the help page out of one list. A module of the list has a type
/// `Command`, whose doc comment is what the help says, and a function `run`.
macro_rules! commands {
    ($($group:literal: [$($(#[$kind:meta])* $name:ident $module:ident),+];)+) => {
        /// A command with its arguments.
        #[derive(Subcommand)]
        pub(crate) enum What {
            $($($(#[$kind])* $name(crate::$module::Command),)+)+
        }

        impl What {
            /// Does what was asked.
            pub(crate) fn run(&self, session: &Session, output: &mut Output) -> Result<Outcome> {
                match self {
                    $($(What::$name(command) => crate::$module::run(session, command, output),)+)+
                }
            }
        }

        /// Groups of the help page with their commands, in order.
        const PAGE: &[(&str, &[&str])] = &[$(($group, &[$(stringify!($module)),+])),+];
    };
}

commands! {
    "Run": [Init init, Serve serve, Status status, Doctor doctor];
    "Rooms and rules": [
        #[command(subcommand)] Context context,
        #[command(subcommand)] Firewall firewall,
        #[command(subcommand)] Target target,
        Allow allow,
        #[command(subcommand)] Shield shield,
        #[command(subcommand)] Canon canon,
        Lint lint
    ];
    "What a room knows": [#[command(subcommand)] Memory memory];
    "Models and keys": [
        Models models,
        #[command(subcommand)] Route route,
        #[command(subcommand)] Providers providers,
        #[command(subcommand)] Key key,
        Token token
    ];
    "AI clients": [Connect connect, Disconnect disconnect, Run run, Mcp mcp];
    "What happened": [
        #[command(subcommand)] Audit audit,
        #[command(subcommand)] Attest attest,
        Usage usage,
        Budget budget
    ];
    "Your shell": [Completions completions, Openapi openapi];
}

const AFTER: &str = "\
A room is what the files call a context: work, personal, each client. Its file says what must
never leave it, and every AI call on this computer is checked against it.

First steps:
  zos init                                  files to begin with, each explaining itself
  zos serve                                 start, and print one call to try
  zos context new acme                      a room of its own
  zos firewall test -c acme \"Project X\"     would this be stopped?

Exit codes: 0 fine, 1 found something or failed, 2 wrong use or environment.";

/// What was asked for.
#[derive(Parser)]
#[command(
    name = "zos",
    version,
    about = "A checkpoint for every AI call on this computer.",
    after_help = AFTER,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    #[command(subcommand)]
    pub(crate) command: What,
}

/// Options of every command.
#[derive(Args)]
pub(crate) struct Everywhere {
    /// The folder with your files [default: $ZOS_HOME, else ~/.zos]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Reads the command line, or ends the process with the help or what is wrong. The rooms that it names come with it,
/// whatever the command.
pub(crate) fn read() -> (Arguments, Vec<ContextName>) {
    let matches = command().get_matches();
    let rooms = rooms(&matches);
    (Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()), rooms)
}

/// Every value of a command line that is the name of a room.
fn rooms(matches: &ArgMatches) -> Vec<ContextName> {
    let of_id = |id: &clap::Id| matches.try_get_many::<ContextName>(id.as_str()).ok().flatten();
    let mut rooms: Vec<ContextName> = matches.ids().filter_map(of_id).flatten().cloned().collect();
    if let Some((_, inner)) = matches.subcommand() {
        rooms.extend(self::rooms(inner));
    }
    rooms
}

/// The command with its help page.
pub(crate) fn command() -> Command {
    let mut command = Arguments::command();
    let page = page(&command);
    command = command.help_template(page);
    command
}

/// The help page: clap has no groups of commands, so the list is written here, from the same texts.
fn page(command: &Command) -> String {
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut page = String::from("{about-with-newline}\n{usage-heading} {usage}\n");
    let mut line = |text: std::fmt::Arguments<'_>| page.write_fmt(text).expect("a String takes all");
    for (group, names) in PAGE {
        line(format_args!("\n{header}{group}:{header:#}\n"));
        let shown = names.iter().filter_map(|name| command.find_subcommand(name));
        for shown in shown.filter(|shown| !shown.is_hide_set()) {
            let (name, about) = (shown.get_name(), shown.get_about().map(ToString::to_string));
            line(format_args!("  {literal}{name:<12}{literal:#} {}\n", about.unwrap_or_default()));
        }
    }
    line(format_args!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_make_sense_to_clap() {
        command().debug_assert();
    }

    #[test]
    fn the_page_shows_every_command_once() {
        let help = command().render_help().to_string();
        for subcommand in Arguments::command().get_subcommands() {
            let name = subcommand.get_name();
            assert!(
                PAGE.iter().any(|(_, names)| names.contains(&name)),
                "{name} is not called as its file is"
            );
            let about =
                subcommand.get_about().unwrap_or_else(|| panic!("{name} does not say what it is for"));
            let line = format!("\n  {name:<12} {about}\n");
            assert_eq!(help.matches(&line).count(), usize::from(!subcommand.is_hide_set()), "{name}");
        }
    }

    /// Every command that does something, as its way from `zos` on and as its row of `docs/commands.md`.
    fn rows() -> Vec<(String, String)> {
        fn below(command: &mut Command, found: &mut Vec<(String, String)>) {
            for inner in command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()) {
                let way = inner.get_bin_name().unwrap_or_default().to_owned();
                if !inner.is_subcommand_required_set() {
                    let usage = inner.render_usage().to_string();
                    let usage = usage.trim_start_matches("Usage: ").lines().next().unwrap_or_default();
                    let usage = usage.replace(" [OPTIONS]", "").replace(" [COMMAND]", "");
                    let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
                    found.push((way, format!("| `{}` | {about} |", usage.replace('|', "\\|"))));
                }
                below(inner, found);
            }
        }
        let mut command = command();
        command.build();
        let mut found = Vec::new();
        below(&mut command, &mut found);
        found
    }

    #[test]
    fn the_page_of_commands_shows_every_command() {
        let page = include_str!("../../docs/commands.md");
        let found = rows();
        assert!(found.len() > 50, "{found:?}");
        let wanted: Vec<&str> = found.iter().map(|(_, row)| row.as_str()).collect();
        let shown: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(shown, wanted, "\n{}", wanted.join("\n"));
    }

    #[test]
    fn every_command_is_run_in_a_test() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let tests: String = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        let tests: String = tests.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = rows();
        let is_missing = |way: &&String| {
            let words: Vec<String> = way.split(' ').skip(1).map(|word| format!("\"{word}\"")).collect();
            !tests.contains(&words.join(", "))
        };
        let missing: Vec<&String> = found.iter().map(|(way, _)| way).filter(is_missing).collect();
        assert!(missing.is_empty(), "no test in cli/tests runs {missing:?}");
    }
}
