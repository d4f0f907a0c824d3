//! Knowledge about commands by their names.
//!
//! All of this makes finds more precise, and none of it makes them possible: a command that is not named here may
//! run its words and speak to any of them, and so may one behind options that are not named here.

use super::Word;

/// A command whose words are known not to run, or to be read in a way of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// A command that works on this machine alone; its words are no commands.
    Local,
    /// A command that works on files: its operands are paths, but for this number at the beginning.
    Files(usize),
    /// A command on files, as above, whose words may hold commands of their own.
    Scripted(usize),
    /// Prints or keeps its words, which may run, or be spoken to, where something else takes them up.
    Text,
    /// A command whose operands are names of packages and tasks, which look like hosts and are none.
    Packages,
    /// Keeps versions: messages are prose.
    Versions,
    /// Runs code that stands in its words.
    Code,
    /// A command that speaks to the host in its arguments; each is read by its own rules.
    Network,
}

impl Known {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            ":" | "true" | "false" | "pwd" | "date" | "whoami" | "id" | "uname" | "sleep" | "kill"
            | "wait" | "exit" | "return" | "unset" | "shift" | "type" | "which" | "whereis" | "man"
            | "help" | "history" | "jobs" | "fg" | "bg" | "test" | "[" | "[[" | "case" | "esac" | "fi"
            | "done" | "seq" | "expr" | "printenv" | "ps" | "top" | "df" | "free" | "uptime" | "nproc"
            | "groups" | "tty" | "stty" | "clear" | "tput" | "break" | "continue" | "times" | "ulimit"
            | "umask" | "getopts" | "let" | "basename" | "dirname" | "tr" | "pgrep" | "lsof" | "find"
            | "fd" => Self::Local,
            "ls" | "cat" | "tac" | "nl" | "head" | "tail" | "less" | "more" | "tee" | "cp" | "mv" | "rm"
            | "ln" | "touch" | "mkdir" | "rmdir" | "install" | "truncate" | "shred" | "unlink"
            | "readlink" | "realpath" | "stat" | "file" | "du" | "tree" | "cd" | "pushd" | "popd" | "dd"
            | "zip" | "unzip" | "gzip" | "gunzip" | "zcat" | "bzip2" | "xz" | "zstd" | "xxd" | "od"
            | "hexdump" | "strings" | "base64" | "sort" | "uniq" | "wc" | "cut" | "paste" | "join"
            | "comm" | "diff" | "cmp" | "patch" | "split" | "md5sum" | "sha1sum" | "sha256sum" | "shasum"
            | "cksum" | "nano" | "code" | "open" | "bat" | "dir" | "del" | "copy" | "move" | "ren" | "md"
            | "rd" => Self::Files(0),
            "grep" | "egrep" | "fgrep" | "zgrep" | "rg" | "ag" | "ack" | "jq" | "yq" | "chmod" | "chown"
            | "chgrp" | "setfacl" | "chattr" => Self::Files(1),
            "vim" | "vi" | "nvim" | "emacs" | "ed" | "tar" | "bsdtar" | "cpio" => Self::Scripted(0),
            "sed" | "gsed" => Self::Scripted(1),
            "echo" | "printf" | "for" | "select" | "set" | "export" | "local" | "declare" | "readonly"
            | "typeset" | "read" => Self::Text,
            "npm" | "npx" | "pnpm" | "yarn" | "pip" | "pip3" | "pipx" | "uv" | "poetry" | "gem"
            | "bundle" | "cargo" | "rustup" | "apt" | "apt-get" | "brew" | "dnf" | "yum" | "apk"
            | "pacman" | "conda" | "composer" | "make" | "gmake" | "just" | "mvn" | "gradle" | "dotnet"
            | "pytest" | "tox" | "jest" | "vitest" | "systemctl" | "launchctl" => Self::Packages,
            "git" | "gh" | "glab" | "hg" | "svn" | "jj" => Self::Versions,
            "node" | "deno" | "bun" | "perl" | "ruby" | "php" | "lua" | "rscript" | "osascript" | "awk"
            | "gawk" | "mawk" => Self::Code,
            _ if name.strip_prefix("python").is_some_and(is_version) => Self::Code,
            _ if reads(name) => Self::Network,
            _ => return None,
        })
    }
}

fn is_version(rest: &str) -> bool {
    rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Whether a command is read in a way of its own where it stands.
pub(super) fn reads(name: &str) -> bool {
    reaches_out(name)
        || matches!(
            name,
            "xh" | "xhs"
                | "aria2c"
                | "lynx"
                | "w3m"
                | "links"
                | "axel"
                | "mosh"
                | "ssh-copy-id"
                | "autossh"
                | "socat"
                | "openssl"
                | "mail"
                | "mailx"
                | "mutt"
                | "sendmail"
                | "msmtp"
                | "ftp"
                | "lftp"
                | "tftp"
                | "whois"
                | "nmap"
                | "rdesktop"
                | "proxyjump"
                | "hostname"
                | "rclone"
        )
        || super::powershell::is_known(name)
}

/// Whether a command speaks to where its arguments say.
pub(super) fn reaches_out(name: &str) -> bool {
    matches!(
        name,
        "curl"
            | "wget"
            | "ssh"
            | "scp"
            | "sftp"
            | "rsync"
            | "nc"
            | "ncat"
            | "netcat"
            | "telnet"
            | "ping"
            | "ping6"
            | "fping"
            | "mtr"
            | "traceroute"
            | "traceroute6"
            | "tracepath"
            | "dig"
            | "drill"
            | "host"
            | "nslookup"
            | "http"
            | "https"
    )
}

/// Commands whose `user@host` is an account on a machine and no mailbox.
pub(super) fn has_accounts(name: &str) -> bool {
    matches!(name, "ssh" | "scp" | "sftp" | "rsync" | "git" | "mosh" | "ssh-copy-id" | "autossh")
}

/// Words that shells read before a command.
const KEYWORDS: &[&str] =
    &["then", "do", "else", "elif", "if", "while", "until", "!", "{", "}", "(", "time", "coproc", "always"];

/// A command in front of another one: the letters of its options that take a value, those that take none, and how
/// many operands of its own come before the other command.
struct Wrapper {
    name: &'static str,
    valued: &'static str,
    plain: &'static str,
    operands: usize,
}

const fn wrapper(name: &'static str, valued: &'static str, plain: &'static str, operands: usize) -> Wrapper {
    Wrapper { name, valued, plain, operands }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper("sudo", "CDghpRTtUu", "ABbEeHKklNnPSsVvi", 0),
    wrapper("doas", "Cu", "Lns", 0),
    wrapper("env", "uC", "i0v", 0),
    wrapper("nohup", "", "", 0),
    wrapper("exec", "a", "cl", 0),
    wrapper("command", "", "p", 0),
    wrapper("builtin", "", "", 0),
    wrapper("nice", "n", "", 0),
    wrapper("ionice", "cn", "t", 0),
    wrapper("stdbuf", "eio", "", 0),
    wrapper("setsid", "", "cfw", 0),
    wrapper("timeout", "ks", "v", 1),
    wrapper("watch", "nq", "bcdegptx", 0),
    wrapper("xargs", "adEIiLlnPs", "0oprtx", 0),
    wrapper("parallel", "IjnN", "k", 0),
    wrapper("strace", "aeEIoOPpsSuUX", "cCdDfFhiknqrtTvVwxyYzZ", 0),
    wrapper("caffeinate", "tw", "dimsu", 0),
    wrapper("chronic", "", "ev", 0),
    wrapper("eval", "", "", 0),
    wrapper("torsocks", "", "", 0),
    wrapper("proxychains", "f", "q", 0),
    wrapper("proxychains4", "f", "q", 0),
    wrapper("proxycommand", "", "", 0),
    wrapper("busybox", "", "", 0),
    wrapper("toybox", "", "", 0),
];

/// Place of a command's own name among its words.
pub(super) struct Head {
    /// Index of the name.
    pub(super) at: usize,
    /// Index of the first word that is no assignment and no keyword.
    pub(super) begin: usize,
    /// Whether every word before it is known to come before it.
    pub(super) is_exact: bool,
}

impl Head {
    pub(super) fn of(words: &[Word]) -> Self {
        let mut at = 0;
        let mut begin = None;
        let mut is_exact = true;
        while let Some(word) = words.get(at) {
            if is_assignment(&word.text) {
                at += 1;
                continue;
            }
            if word.text == "function" {
                at += 2;
                continue;
            }
            if KEYWORDS.contains(&word.text.as_str()) && begin.is_none() {
                // The name of a coprocess may come first, the option of `time` as well.
                let is_named = word.text == "coproc" || word.text == "time";
                is_exact &=
                    !is_named || words.get(at + 1).is_none_or(|next| Known::of(base(&next.text)).is_some());
                at += 1;
                continue;
            }
            let name = base(&word.text);
            let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) else { break };
            begin.get_or_insert(at);
            at += 1;
            is_exact &= skip_options(words, &mut at, wrapper);
            at += wrapper.operands;
            // Numbers belong to what stands before them.
            while words
                .get(at)
                .is_some_and(|word| word.text.starts_with(|first: char| first.is_ascii_digit()))
            {
                is_exact = false;
                at += 1;
            }
        }
        Self { at, begin: begin.unwrap_or(at), is_exact }
    }
}

/// Steps over the options of a wrapper; whether all of them are known.
fn skip_options(words: &[Word], at: &mut usize, wrapper: &Wrapper) -> bool {
    let mut is_exact = true;
    while let Some(word) = words.get(*at) {
        if let Some(option) = word.text.strip_prefix("--") {
            *at += 1;
            if option.is_empty() {
                return is_exact;
            }
            is_exact &= option.contains('=');
        } else if let Some(cluster) = word.text.strip_prefix('-') {
            *at += 1;
            for (place, letter) in cluster.char_indices() {
                if wrapper.valued.contains(letter) {
                    *at += usize::from(place + letter.len_utf8() == cluster.len());
                    break;
                }
                // `nice -5`
                is_exact &= wrapper.plain.contains(letter) || letter.is_ascii_digit();
            }
        } else if is_assignment(&word.text) {
            *at += 1;
        } else {
            break;
        }
    }
    is_exact
}

/// `NAME=value` in front of a command.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The folders that a program of a well-known name is its well-known self in.
const PROGRAM_FOLDERS: &[&str] =
    &["/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/opt/homebrew/bin", "/usr/local/sbin"];

/// Whether a name, or a path to it, is that of the program which everybody knows.
pub(super) fn is_itself(command: &str) -> bool {
    match command.rsplit_once(['/', '\\']) {
        None => true,
        Some((folder, _)) => PROGRAM_FOLDERS.contains(&folder),
    }
}

/// The name of a command, without the folders before it and the signs that programs put in front of one.
pub(super) fn base(command: &str) -> &str {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    let bare = name.trim_start_matches(['!', '@', '+', '-', ':', '"', '\'']);
    if bare.is_empty() { name } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(line: &str) -> (String, bool) {
        let words: Vec<Word> =
            line.split(' ').map(|text| Word { text: text.to_owned(), ..Word::default() }).collect();
        let head = Head::of(&words);
        (words.get(head.at).map(|word| word.text.clone()).unwrap_or_default(), head.is_exact)
    }

    #[test]
    fn a_head_is_trusted_only_behind_words_that_are_known() {
        for (line, name, is_exact) in [
            ("ls -la", "ls", true),
            ("A=1 sudo -n -u ann ls", "ls", true),
            ("sudo -uann ls", "ls", true),
            ("timeout -k 5 10s ls", "ls", true),
            ("env -i A=1 ls", "ls", true),
            ("nice -n 5 ls", "ls", true),
            ("if ! ls", "ls", true),
            ("sudo --user ann ls", "ann", false),
            ("sudo -Z ls", "ls", false),
            ("strace -f ls", "ls", true),
            ("chroot / ls", "chroot", true),
        ] {
            assert_eq!(head(line), (name.to_owned(), is_exact), "{line}");
        }
    }
}
