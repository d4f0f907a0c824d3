//! `zos context edit`: the room's file in the person's editor, on a copy. What comes back is checked, and
//! put in force only when it is a valid room and nobody else changed the file meanwhile. The copy stays
//! when it was not taken, so that no work is lost.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Members, Output};
use crate::{files, findings};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use zos_core::{Code, ContextName, Home};

/// Edits until the file is valid or the person gives up.
pub(super) fn run(home: &Home, admin: &Admin, name: &ContextName, output: &mut Output) -> Result<Outcome> {
    let before = admin
        .ask_or(&Ask::get(&["contexts", name.as_str()]), || files::context(home, name))
        .map_err(|failure| match failure {
            Failure::Wrong(reason) if reason.is(Code::UnknownContext) => {
                Failure::unknown_context(name.as_str())
            }
            failure => failure,
        })?;
    if before.text("etag").is_empty() {
        return Err(Failure::unknown_context(name.as_str())
            .hint(format!("This one is built in and has no file. `zos context new {name}` makes one.")));
    }
    let copy = Copy::of(name, before.text("yaml"))?;
    loop {
        open_editor(&copy.path)?;
        let yaml = copy.read()?;
        if yaml == before.text("yaml") {
            return told(output, &json!({"etag": before.text("etag")}), "Nothing changed.");
        }
        let change = json!({"yaml": yaml, "etag": before.text("etag")});
        match admin.ask(&Ask::put(&["contexts", name.as_str()], &change)) {
            Ok(written) => {
                return told(
                    output,
                    &written,
                    &format!("The room {name} is changed, from the next call on."),
                );
            }
            Err(Failure::Failed(reason))
                if reason.is(Code::InvalidContext) && std::io::stdin().is_terminal() && !output.is_json() =>
            {
                output.line("This is no valid room yet:\n")?;
                findings::show(&reason.problems, output)?;
                if !again(output)? {
                    return Err(copy.kept(Failure::Failed(reason)));
                }
            }
            Err(failure) => return Err(copy.kept(failure)),
        }
    }
}

fn told(output: &mut Output, written: &Value, text: &str) -> Result<Outcome> {
    if output.is_json() {
        output.json(written)?
    } else {
        output.line(text)?
    }
    Ok(Outcome::Fine)
}

/// A copy in a private folder, under the name that editors know the format by.
struct Copy {
    folder: TempDir,
    path: PathBuf,
}

impl Copy {
    fn of(name: &ContextName, yaml: &str) -> Result<Self> {
        let made = TempDir::with_prefix("zos-").and_then(|folder| {
            let path = folder.path().join(format!("{name}.yml"));
            std::fs::write(&path, yaml)?;
            Ok(Copy { folder, path })
        });
        made.map_err(|error| {
            Failure::wrong(Code::Environment, format!("A copy to edit cannot be made: {error}."))
        })
    }

    fn read(&self) -> Result<String> {
        std::fs::read_to_string(&self.path).map_err(|error| {
            Failure::failed(Code::Environment, format!("The edited copy cannot be read: {error}."))
        })
    }

    /// Keeps the copy, and says where it is.
    fn kept(self, failure: Failure) -> Failure {
        let _folder = self.folder.keep();
        failure.hint(format!("Nothing was changed. Your version is in {}.", self.path.display()))
    }
}

/// Runs the editor and waits for it. `VISUAL` and `EDITOR` may hold arguments.
fn open_editor(path: &Path) -> Result<()> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL")
        .or_else(|| set("EDITOR"))
        .unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().expect("an editor's name is not blank");
    let ended = Command::new(program).args(words).arg(path).status();
    let choose = "Set EDITOR to the editor you like, for example: EDITOR=nano zos context edit …";
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::failed(
            Code::Editor,
            format!("The editor {program} ended with {status}, so nothing was changed."),
        )
        .hint(choose)),
        Err(error) => {
            Err(Failure::wrong(Code::Editor, format!("The editor {program} cannot be started: {error}."))
                .hint(choose))
        }
    }
}

fn again(output: &mut Output) -> Result<bool> {
    output.line("")?;
    output.ask("Edit it again? [Y/n]")?;
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer).unwrap_or(0);
    Ok(read > 0 && !answer.trim().to_lowercase().starts_with('n'))
}
