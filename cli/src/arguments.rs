//! What can be asked for, and the page that `zos --help` shows.

mod audit;
mod memory;

pub(crate) use audit::{Audit, Export, Tail};
pub(crate) use memory::Memory;

use clap::builder::Styles;
use clap::{
    ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint,
};
use clap_complete::Shell;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use zos_core::ContextName;

/// The commands as the help page shows them. A test keeps it complete.
const PAGE: &[(&str, &[&str])] = &[
    ("Run", &["init", "serve", "status", "doctor"]),
    ("Rooms and rules", &["context", "firewall", "target", "allow", "canon", "lint"]),
    ("What a room knows", &["memory"]),
    ("Models and keys", &["models", "route", "providers", "key", "token"]),
    ("AI clients", &["mcp"]),
    ("What happened", &["audit", "attest", "usage", "budget"]),
    ("Your shell", &["completions"]),
];

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

/// The commands.
#[derive(Subcommand)]
pub(crate) enum What {
    /// Begin: a canon, two rooms and an example, where they are missing
    Init,
    /// Run the gateway, without a window
    Serve(Serve),
    /// What runs, where, and which room governs
    Status,
    /// Look for what is wrong, and say how to mend it
    Doctor,
    /// Check every file, with line and mend
    Lint {
        /// Let warnings count as findings too
        #[arg(long)]
        strict: bool,
    },
    /// List, show, choose, make and edit rooms
    #[command(subcommand)]
    Context(Context),
    /// What your AI is told in a room, and which file says it
    #[command(subcommand)]
    Canon(Canon),
    /// Try words against a room's rules; nothing is sent
    #[command(subcommand)]
    Firewall(Firewall),
    /// Try where a tool call points against a room's lists; nothing is called
    #[command(subcommand)]
    Target(Target),
    /// What a room remembers: add, search, review, forget
    #[command(subcommand)]
    Memory(Memory),
    /// Offer a room to an AI client, as an MCP server over standard input and output
    Mcp {
        /// The room; the client cannot leave it
        #[arg(long, short, value_name = "NAME")]
        context: ContextName,
    },
    /// Answer what waits for you, or list it
    Allow(Allow),
    /// Which models can be asked for, who serves them, and what they cost
    Models(Models),
    /// Where a call for a model would go
    #[command(subcommand)]
    Route(Route),
    /// Whose models you use, and your keys for them
    #[command(subcommand)]
    Providers(Providers),
    /// zOS keys, which bind an AI client to a room
    #[command(subcommand)]
    Key(Key),
    /// Print the zOS key of an AI client
    Token(Token),
    /// What is left of each room's tokens and money, and until when
    Budget(InContext),
    /// Tokens and money by day, room, model and client
    Usage(Usage),
    /// Read the log of calls and decisions
    #[command(subcommand)]
    Audit(Audit),
    /// Show and verify what governed a call
    #[command(subcommand)]
    Attest(Attest),
    /// Print completions for your shell
    Completions {
        /// Your shell
        shell: Shell,
    },
    /// Print the document of the admin API
    #[command(hide = true)]
    Openapi,
}

/// `zos serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// Listen here instead of where gateway/config.yml says; port 0 takes a free one
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Rename a damaged log and begin a new one, which says so first
    #[arg(long)]
    pub(crate) set_damaged_log_aside: bool,
    /// Write on in a log that is not what was signed for; nothing in it is signed from then on
    #[arg(long, conflicts_with = "set_damaged_log_aside")]
    pub(crate) dangerous_serve_tampered_log: bool,
    /// Sign for records that no signature covers, though nothing tells that none ever did
    #[arg(long)]
    pub(crate) adopt_unsigned_log: bool,
}

/// A choice of one context, where that is optional.
#[derive(Args)]
pub(crate) struct InContext {
    /// The room
    #[arg(long, short, value_name = "NAME")]
    pub(crate) context: Option<ContextName>,
}

/// `zos context …`.
#[derive(Subcommand)]
pub(crate) enum Context {
    /// All rooms; a star marks the active one
    #[command(visible_alias = "ls")]
    List,
    /// One room: its lists, its budget, its file
    Show {
        /// The room [default: the active one]
        name: Option<ContextName>,
    },
    /// Make a room the active one; the next call is governed by it
    Use {
        /// The room
        #[arg(required_unless_present = "none")]
        name: Option<ContextName>,
        /// None: calls that name no room are refused, or governed by the room `default`
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Make a room
    New {
        /// Its name: a to z, 0 to 9, - and _
        name: ContextName,
        /// What people call it
        #[arg(long)]
        title: Option<String>,
        /// Findings are only reported; without it, every doubt stops the call
        #[arg(long)]
        open: bool,
    },
    /// Edit a room's file in $EDITOR; a broken version is never put in force
    Edit {
        /// The room
        name: ContextName,
    },
}

/// `zos canon …`.
#[derive(Subcommand)]
pub(crate) enum Canon {
    /// Print it, byte for byte as it is delivered
    Build(InContext),
    /// Which file and line says this. Exits with 1 when none does
    Why {
        #[command(flatten)]
        context: InContext,
        /// A part of a line, or several lines
        text: String,
    },
    /// Lines that one room is told and another is not, or was not when it was attested last. Exits with 1
    /// when there are any
    Diff {
        /// The one room
        #[arg(value_name = "ROOM")]
        one: ContextName,
        /// The other room [default: the same one, as it was attested last]
        #[arg(value_name = "OTHER")]
        other: Option<ContextName>,
    },
    /// What is wrong with it, or probably not meant; of all rooms unless one is named
    Lint(InContext),
    /// What it costs, file by file. Exits with 1 when that is too much
    Budget(InContext),
    /// Write it into the file that an AI client reads
    Export {
        #[command(flatten)]
        context: InContext,
        /// The client
        #[arg(long, value_enum)]
        format: ClientFile,
        /// The folder to write to: a project, mostly
        #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// Write nothing; exit with 1 when the file does not hold this canon
        #[arg(long)]
        check: bool,
    },
}

/// The AI clients that read a file of their own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ClientFile {
    /// CLAUDE.md
    Claude,
    /// AGENTS.md
    Agents,
    /// GEMINI.md
    Gemini,
    /// .cursor/rules/zos-canon.mdc
    Cursor,
    /// .github/copilot-instructions.md
    Copilot,
    /// zos-canon/SKILL.md
    Skill,
}

/// `zos firewall …`.
#[derive(Subcommand)]
pub(crate) enum Firewall {
    /// What a room's rules make of a text. Exits with 1 when it would be stopped
    ///
    /// Each finding is explained: the rule, where it stands, where in the text it was found, by which
    /// detector and behind which disguise, and what would be sent. Only the text given here is tried:
    /// records keep no text, so a new rule cannot be tried against calls of the past.
    Test {
        #[command(flatten)]
        context: InContext,
        /// The text [default: standard input]
        text: Option<String>,
    },
}

/// `zos allow`.
#[derive(Args)]
#[command(after_help = "\
A call that meets a rule with `action: ask` waits for you. Without an option it may pass this once; a
call that no longer waits may pass once when the same words are sent again within ten minutes.")]
pub(crate) struct Allow {
    /// What waits, as the refusal and the list name it [default: list what waits]
    pub(crate) id: Option<String>,
    /// Send placeholders in the place of what was found
    #[arg(long, requires = "id", group = "decision")]
    pub(crate) redact: bool,
    /// Refuse it
    #[arg(long, requires = "id", group = "decision")]
    pub(crate) deny: bool,
    /// Let the rule only report from now on: changes the room's file, and says how
    #[arg(long, requires = "id", group = "decision")]
    pub(crate) always: bool,
}

/// `zos target …`.
#[derive(Subcommand)]
pub(crate) enum Target {
    /// Where a tool call points, and what the room makes of it. Exits with 1 when it would not pass by itself
    Check {
        #[command(flatten)]
        context: InContext,
        /// The tool's name
        #[arg(long, value_name = "TOOL")]
        tool: String,
        /// Its arguments, as JSON; - reads standard input
        #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
        args: String,
    },
}

/// `zos route …`.
#[derive(Subcommand)]
pub(crate) enum Route {
    /// Who would serve a model, and why not
    Explain {
        /// The model or slot as a client asks for it
        #[arg(required_unless_present = "named")]
        model: Option<String>,
        /// The same, by name
        #[arg(long = "model", id = "named", value_name = "MODEL", conflicts_with = "model")]
        named: Option<String>,
        #[command(flatten)]
        context: InContext,
        /// The API that the client speaks [default: that of the model's provider]
        #[arg(long, value_enum)]
        api: Option<Face>,
        /// What the call needs the model to do, such as vision or tools
        #[arg(long, value_delimiter = ',')]
        caps: Vec<String>,
        /// Tokens of the call's input
        #[arg(long, default_value_t = 0)]
        tokens: u64,
    },
}

/// The APIs that clients speak.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Face {
    Anthropic,
    Openai,
}

/// `zos providers …`.
#[derive(Subcommand)]
pub(crate) enum Providers {
    /// All providers, and where their keys come from
    #[command(visible_alias = "ls")]
    List,
    /// Store or remove a provider's key in the keychain
    #[command(subcommand)]
    Key(ProviderKey),
    /// Ask a provider for its models with your key: costs nothing
    Test {
        /// The provider
        id: String,
    },
}

/// `zos providers key …`.
#[derive(Subcommand)]
pub(crate) enum ProviderKey {
    /// Store a key, typed without echo or read from standard input
    Set {
        /// The provider
        id: String,
    },
    /// Remove the key
    #[command(visible_alias = "rm")]
    Delete {
        /// The provider
        id: String,
    },
}

/// `zos key …`.
#[derive(Subcommand)]
pub(crate) enum Key {
    /// Make a key and show it, this once
    Add {
        /// The AI client that will use it
        client: String,
        /// Bind it to this room [default: the active one at each call]
        #[arg(long, short, value_name = "NAME")]
        context: Option<ContextName>,
    },
    /// All keys, without their values
    #[command(visible_alias = "ls")]
    List,
    /// Take a key back; it is refused from now on
    #[command(visible_alias = "rm")]
    Revoke {
        /// Its id, as `zos key list` shows it
        id: String,
    },
}

/// `zos token`.
#[derive(Args)]
#[command(after_help = "\
The key is made at the first call and kept in a file that only you can read. Clients that run a
command to get a key (for example `apiKeyHelper`) use this one. A key that you revoke is not made
again unless you say --renew.")]
pub(crate) struct Token {
    /// The AI client, for example claude-code
    #[arg(required_unless_present = "admin")]
    pub(crate) client: Option<String>,
    /// Bind a new key to this room [default: the active one at each call]
    #[arg(long, short, value_name = "NAME", conflicts_with = "admin")]
    pub(crate) context: Option<ContextName>,
    /// Make a new key, and revoke the old one
    #[arg(long, conflicts_with = "admin")]
    pub(crate) renew: bool,
    /// Print the token of the admin API and the screens instead
    #[arg(long, conflicts_with = "client")]
    pub(crate) admin: bool,
}

/// `zos models`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) context: InContext,
    #[command(subcommand)]
    pub(crate) command: Option<ModelsCommand>,
}

/// `zos models …`.
#[derive(Subcommand)]
pub(crate) enum ModelsCommand {
    /// Where the prices come from: source, date, digest
    Prices,
    /// Put another catalogue of prices in place, once it is checked
    Update {
        /// A catalogue: the data.json of genai-prices, or one of ours
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "shipped")]
        from: Option<PathBuf>,
        /// Go back to the prices that ship with zOS
        #[arg(long, conflicts_with = "from")]
        shipped: bool,
    },
}

/// `zos usage`.
#[derive(Args)]
pub(crate) struct Usage {
    #[command(flatten)]
    pub(crate) context: InContext,
    /// First UTC day, YYYY-MM-DD [default: 30 days ago]
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<zos_meter::Day>,
    /// Last UTC day, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<zos_meter::Day>,
    /// One line for each of these instead of all details; several, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    pub(crate) by: Vec<UsageBy>,
    /// Print comma-separated values, for spreadsheets; amounts are in US dollars
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// What usage can be summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageBy {
    Day,
    Context,
    Model,
    Provider,
    Client,
}

/// `zos attest …`.
#[derive(Subcommand)]
pub(crate) enum Attest {
    /// What governs a room now, or what governed a call
    Show {
        /// A state id [default: that of the room now]
        id: Option<String>,
        #[command(flatten)]
        context: InContext,
        /// The state that governed the call with this number in the log
        #[arg(long, value_name = "SEQ", conflicts_with = "id")]
        record: Option<u64>,
    },
    /// Are the statements that the log names, and the files they cover, what was signed?
    Verify {
        /// A state id [default: all]
        id: Option<String>,
        /// The public key that you know them by, or a file with it
        #[arg(long, value_name = "PUB")]
        key: Option<String>,
        /// The folder of the statements [default: attest/ of this home]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Do without the files that the statements cover, as beside a copy that lacks them
        #[arg(long)]
        without_objects: bool,
    },
    /// Make a new key; the one before vouches for it
    Rotate,
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
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            line(format_args!("  {literal}{name:<12}{literal:#} {}\n", about.unwrap_or_default()));
        }
    }
    line(format_args!("\n{header}Options:{header:#}\n{{options}}{{after-help}}"));
    page
}

/// An address to listen on: `127.0.0.1:8788`, `localhost:8788`, or a port of this machine.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let local = |port: &str| port.parse().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    let named = text.strip_prefix("localhost:").unwrap_or(text);
    text.parse()
        .or_else(|_| local(named))
        .map_err(|_| "write an address with a port, for example 127.0.0.1:8788".to_owned())
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
        let shown: Vec<&str> = PAGE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for subcommand in Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert_eq!(
                shown.iter().filter(|name| **name == subcommand.get_name()).count(),
                1,
                "{}",
                subcommand.get_name()
            );
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
        }
        assert_eq!(
            shown.len(),
            Arguments::command().get_subcommands().filter(|command| !command.is_hide_set()).count()
        );
    }

    #[test]
    fn an_address_is_a_port_or_has_one() {
        for (text, address) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("8788", "127.0.0.1:8788"),
            ("localhost:1", "127.0.0.1:1"),
            ("[::1]:5", "[::1]:5"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "localhost", "127.0.0.1", "70000", "example.com:80"] {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }
}
