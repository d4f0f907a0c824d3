//! Schemas of well-known tools, and roles of arguments by their names.

use super::super::finder::{Finder, text};
use super::super::shell::{self, Mode};

/// The tools whose arguments are known well enough to know which of them point nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// Runs command lines.
    Shell,
    /// Reads and writes files: contents are no targets.
    Files,
    /// Finds files by a pattern of their paths.
    Globs,
    /// A patch that names its files.
    Patch,
    /// Searches, notes and sub-agents: what they are asked is no target.
    Words,
    /// Fetches an address and is told what to make of the page.
    Fetch,
    /// Anything else.
    Other,
}

impl Schema {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "bash"
            | "shell"
            | "shellcommand"
            | "localshell"
            | "localshellcall"
            | "shellcall"
            | "exec"
            | "execcommand"
            | "executebash"
            | "runcommand"
            | "runshellcommand"
            | "executecommand"
            | "runterminalcmd"
            | "runterminalcommand"
            | "builtinrunterminalcommand"
            | "runinterminal"
            | "terminal"
            | "execute"
            | "unifiedexec"
            | "powershell"
            | "cmd"
            | "process" => Self::Shell,
            "glob" | "findfiles" | "findpath" | "findbyname" | "filesearch" | "listfiles" => Self::Globs,
            "read"
            | "write"
            | "edit"
            | "multiedit"
            | "notebookedit"
            | "notebookread"
            | "editnotebook"
            | "editnotebookfile"
            | "readfile"
            | "readmanyfiles"
            | "writefile"
            | "writetofile"
            | "createfile"
            | "createnewfile"
            | "builtincreatenewfile"
            | "editfile"
            | "editexistingfile"
            | "builtineditexistingfile"
            | "inserteditintofile"
            | "replaceinfile"
            | "replacestringinfile"
            | "multireplacestringinfile"
            | "replacefilecontent"
            | "searchreplace"
            | "fswrite"
            | "fsread"
            | "appendfile"
            | "deletefile"
            | "strreplace"
            | "strreplaceeditor"
            | "strreplacebasededittool"
            | "texteditor"
            | "replace"
            | "insert"
            | "grep"
            | "grepsearch"
            | "ls"
            | "listdir"
            | "listdirectory"
            | "createdirectory"
            | "copypath"
            | "movepath"
            | "deletepath"
            | "viewfile"
            | "readmultiplefiles"
            | "searchfiles"
            | "searchfilecontent"
            | "codebasesearch"
            | "viewimage"
            | "memory" => Self::Files,
            "applypatch" => Self::Patch,
            "websearch" | "todowrite" | "todoread" | "updateplan" | "task" | "agent" | "exitplanmode"
            | "askuserquestion" | "think" | "sequentialthinking" => Self::Words,
            "webfetch" => Self::Fetch,
            _ => Self::Other,
        }
    }

    /// The arguments as one text.
    pub(super) fn plain(self, finder: &mut Finder, text: &str) {
        match self {
            Self::Shell => shell::find(finder, text, Mode::Script),
            Self::Patch => shell::patch(finder, text),
            Self::Words => {}
            Self::Files | Self::Globs | Self::Fetch | Self::Other => {
                text::find(finder, text);
                shell::patch(finder, text);
            }
        }
    }

    /// Whether an argument is text that points nowhere.
    pub(super) fn is_content(self, key: &str) -> bool {
        match self {
            Self::Files => matches!(
                key,
                "content"
                    | "contents"
                    | "newstring"
                    | "oldstring"
                    | "newstr"
                    | "oldstr"
                    | "filetext"
                    | "inserttext"
                    | "newsource"
                    | "pattern"
                    | "query"
                    | "regex"
                    | "description"
                    | "type"
                    | "text"
                    | "code"
                    | "codeedit"
                    | "codecontent"
                    | "diff"
                    | "explanation"
                    | "instruction"
                    | "instructions"
                    | "newcontent"
                    | "oldcontent"
                    | "newtext"
                    | "oldtext"
                    | "replacementcontent"
                    | "targetcontent"
            ),
            Self::Globs => matches!(key, "type" | "description" | "explanation" | "query" | "regex"),
            Self::Shell => matches!(key, "description" | "justification" | "type" | "id"),
            Self::Fetch => key == "prompt",
            Self::Words | Self::Patch | Self::Other => false,
        }
    }
}

/// Roles of an argument by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Url,
    Host,
    File,
    /// A pattern of paths.
    Paths,
    Mail,
    /// A mailbox, number, channel or path.
    Recipient,
    Channel,
    Repo,
    Phone,
    Model,
    Room,
    Command,
    Patch,
    /// No known role: read by syntax.
    Text,
}

impl Role {
    pub(super) fn of(schema: Schema, key: &str) -> Self {
        match key {
            "url" | "uri" | "href" | "endpoint" | "link" | "webhook" | "src" | "origin" | "baseurl"
            | "redirect" => Self::Url,
            "host" | "hostname" | "domain" | "server" | "ip" | "ipaddress" | "alloweddomains"
            | "remotehost" => Self::Host,
            "pattern" | "filepattern" | "patterns" if schema == Schema::Globs => Self::Paths,
            "glob" | "globs" | "include" | "includes" | "includepattern" | "filepattern" => Self::Paths,
            "cwd" | "cd" | "workdir" | "root" | "targetnotebook" => Self::File,
            "cc" | "bcc" | "email" | "emails" | "replyto" | "mailto" | "attendees" | "toemail" => Self::Mail,
            "to" | "recipient" | "recipients" | "destination" | "target" => Self::Recipient,
            "channel" | "channels" | "channelid" | "channelname" => Self::Channel,
            "repo" | "repository" | "reponame" => Self::Repo,
            "phone" | "phonenumber" | "tel" | "mobile" => Self::Phone,
            "model" => Self::Model,
            "room" | "context" if schema == Schema::Other => Self::Room,
            "command" | "cmd" | "script" | "commands" => Self::Command,
            "code" | "chars" | "input" if schema == Schema::Shell => Self::Command,
            "patch" | "input" | "diff" if schema == Schema::Patch => Self::Patch,
            _ if key.ends_with("url")
                || key.ends_with("urls")
                || key.ends_with("uri")
                || key.ends_with("uris") =>
            {
                Self::Url
            }
            _ if is_path(key) => Self::File,
            _ if key.ends_with("hostname") => Self::Host,
            _ => Self::Text,
        }
    }
}

/// Whether an argument's name ends as those of paths do.
fn is_path(key: &str) -> bool {
    const NO_PATHS: &[&str] = &["profile", "jsonpath", "xpath", "keypath", "classpath", "redir", "profiles"];
    const ENDS: &[&str] = &[
        "path",
        "paths",
        "file",
        "files",
        "filename",
        "filenames",
        "dir",
        "dirs",
        "directory",
        "directories",
        "folder",
        "folders",
    ];
    ENDS.iter().any(|end| key.ends_with(end)) && !NO_PATHS.iter().any(|other| key.ends_with(other))
}
