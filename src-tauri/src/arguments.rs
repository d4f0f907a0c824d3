//! The command line of the desktop.

use clap::Parser;
use std::path::PathBuf;

/// zOS in the tray: a checkpoint for every AI call on this computer.
#[derive(Parser, Debug)]
#[command(name = "zos-desktop", version)]
pub(crate) struct Arguments {
    /// Start in the tray, without a window; for the start at login.
    #[arg(long)]
    pub(crate) hidden: bool,

    /// Folder with your files, in place of $ZOS_HOME or ~/.zos.
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
}

/// Reads the command line; ends the process with 2 and a sentence where it is wrong.
pub(crate) fn read() -> Arguments {
    Arguments::parse()
}

/// Whether the command line of a second start asks for no window.
pub(crate) fn is_hidden(line: &[String]) -> bool {
    line.iter().skip(1).any(|argument| argument == "--hidden")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_and_a_hidden_start_can_be_asked_for() {
        let arguments = Arguments::try_parse_from(["zos-desktop", "--home", "/z", "--hidden"]).unwrap();
        assert_eq!(arguments.home, Some(PathBuf::from("/z")));
        assert!(arguments.hidden);
        assert!(Arguments::try_parse_from(["zos-desktop", "--listen", "x"]).is_err());
    }

    #[test]
    fn the_name_of_the_program_is_no_argument() {
        let line = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(is_hidden(&line(&["/usr/bin/zos-desktop", "--hidden"])));
        assert!(!is_hidden(&line(&["--hidden"])));
    }
}
