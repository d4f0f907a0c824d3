//! Target as the owner is shown it, and the entry that lets it pass for good.

use super::path::Written;
use super::rules::TargetEntry;
use super::{Form, Target, TargetKind, TargetVerdict, Targets};

/// The longest target that is shown to the owner, in characters. Nobody can decide about what is not seen
/// whole.
const SHOWN_LIMIT: usize = 2000;

/// Why no entry of the allow list would let a target pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAlways {
    /// The room denies it.
    #[error("`targets` of this context denies it by now")]
    Denied,
    /// The target passes without an entry.
    #[error("`targets` of this context allows it already")]
    Allowed,
    /// Another entry of the confirm list holds it, and more.
    #[error("an entry of `targets.confirm` names more than this target, and goes before `targets.allow`")]
    Wider,
    /// The default would speak of all others of its kind from then on.
    #[error("the first name of its kind in `targets.allow` puts every other one under the default")]
    Kind,
    /// No entry can name it: a part is left open, or programs read it differently.
    #[error("no entry of `targets.allow` can name this target exactly")]
    Nameless,
}

/// A text of a call as the owner is shown it: whole, with letters that would not be seen written out. Absent
/// where it is too long for a person to read.
#[must_use]
pub fn for_the_owner(text: &str) -> Option<String> {
    let shown = zos_rules::shown_line(text);
    (shown.chars().count() <= SHOWN_LIMIT).then(|| shown.into_owned())
}

impl Target {
    /// Text of it for the owner; absent where it is too long for a person to read.
    #[must_use]
    pub fn for_the_owner(&self) -> Option<String> {
        for_the_owner(&self.shown)
    }

    /// The entry that names this target and nothing but it; of a web address its host and port.
    fn entry(&self) -> Option<String> {
        let text = match &self.form {
            Form::Web(address) => {
                let host = address.host.as_ref().filter(|_| !address.is_ambiguous)?.shown();
                match (address.scheme.as_str(), address.port) {
                    ("" | "http" | "https", None) => host,
                    _ => format!("{host}:{}", address.effective_port()?),
                }
            }
            Form::Mail(mailbox) => mailbox.shown(),
            Form::Path { forms, written: Written { is_open: false, .. } } => match forms.as_slice() {
                [path] if super::path::is_absolute(path) => path.clone(),
                [path] => format!("./{path}"),
                _ => return None,
            },
            Form::Word(word) => {
                let head = match self.kind {
                    TargetKind::Phone => "phone:",
                    TargetKind::Repo => "repo:",
                    TargetKind::Channel => "channel:",
                    TargetKind::Tool => "tool:",
                    TargetKind::Model => "model:",
                    TargetKind::Room => "room:",
                    TargetKind::Provider => "provider:",
                    TargetKind::Connector => "connector:",
                    _ => return None,
                };
                format!("{head}{word}")
            }
            Form::Path { .. } | Form::Unreadable | Form::TooMany | Form::TooManyPaths => return None,
        };
        let is_plain = !text.contains(['*', '?', '[', '\\']) || matches!(self.form, Form::Web(_));
        (is_plain && !text.chars().any(zos_rules::is_unseen)).then_some(text)
    }
}

impl Targets {
    /// The entry to write into the allow list so that a target that is to be confirmed passes from now on.
    /// An entry of the confirm list that names the very same goes.
    ///
    /// # Errors
    /// When such an entry would not do that.
    pub fn always(&self, target: &Target) -> Result<String, NotAlways> {
        match self.judge(target).0 {
            TargetVerdict::Deny => return Err(NotAlways::Denied),
            TargetVerdict::Allow => return Err(NotAlways::Allowed),
            TargetVerdict::Confirm => {}
        }
        let text = target.entry().ok_or(NotAlways::Nameless)?;
        let entry: TargetEntry = text.parse().map_err(|_| NotAlways::Nameless)?;
        let mut changed = self.clone();
        changed.confirm.retain(|confirmed| *confirmed != entry);
        changed.allow.push(entry);
        if changed.speaks_of(target.kind)
            && !self.speaks_of(target.kind)
            && self.default != TargetVerdict::Allow
        {
            return Err(NotAlways::Kind);
        }
        match changed.judge(target) {
            (TargetVerdict::Allow, _) => Ok(text),
            (TargetVerdict::Confirm, rule) if rule != "target-default" => Err(NotAlways::Wider),
            _ => Err(NotAlways::Nameless),
        }
    }

    /// Whether anything is to be confirmed by the owner.
    #[must_use]
    pub fn may_confirm(&self) -> bool {
        self.default == TargetVerdict::Confirm || !self.confirm.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TargetEntry, check, extract};
    use super::*;

    fn room(confirm: &[&str], default: TargetVerdict) -> Targets {
        let entries = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Targets { default, confirm: entries(confirm), ..Targets::default() }
    }

    #[test]
    fn the_entry_that_is_written_lets_exactly_this_target_pass() {
        for (confirm, tool, arguments, expected) in [
            (&["pay.acme.com"][..], "fetch", r#"{"url":"https://u@PAY.acme.com./x?y"}"#, Ok("pay.acme.com")),
            (&[], "fetch", r#"{"url":"http://10.1.2.3:8080/"}"#, Ok("10.1.2.3:8080")),
            (&[], "fetch", r#"{"url":"http://[::7]/"}"#, Ok("0.0.0.7")),
            (&[], "fetch", r#"{"url":"http://[fd00::7]:81/"}"#, Ok("[fd00::7]:81")),
            (&[], "Bash", r#"{"command":"git clone git@git.acme.com:a/b"}"#, Ok("git.acme.com:22")),
            (&[], "mail", r#"{"to":"Ann@X.org"}"#, Ok("ann@x.org")),
            (&["/srv/a"], "Read", r#"{"file_path":"/srv/./a"}"#, Ok("/srv/a")),
            (&[], "Read", r#"{"file_path":"a/b"}"#, Ok("./a/b")),
            (&["tool:Deploy"], "Deploy", "{}", Ok("tool:deploy")),
            (&["tool:Deploy", "acme.com"], "Deploy", r#"{"url":"https://acme.com"}"#, Ok("tool:deploy")),
            (&[], "post", r##"{"channel":"#General"}"##, Ok("channel:general")),
            (&["*.acme.com"], "fetch", r#"{"url":"https://pay.acme.com"}"#, Err(NotAlways::Wider)),
            (&[], "fetch", r#"{"url":"https://acme.com\\@x.org"}"#, Err(NotAlways::Nameless)),
            (&[], "fetch", r#"{"url":"data:text/html,x"}"#, Err(NotAlways::Nameless)),
            (&[], "Bash", r#"{"command":"curl $HOST"}"#, Err(NotAlways::Nameless)),
            (&[], "Read", r#"{"file_path":"/a/*"}"#, Err(NotAlways::Nameless)),
        ] {
            let default = if confirm.is_empty() { TargetVerdict::Confirm } else { TargetVerdict::Allow };
            let rules = room(confirm, default);
            let judged = check(&rules, tool, arguments);
            let asked = judged.targets.iter().find(|one| one.verdict == TargetVerdict::Confirm);
            let target = &asked.unwrap_or_else(|| panic!("{arguments}: {judged:?}")).target;
            let always = rules.always(target);
            assert_eq!(always.as_deref().map_err(|error| *error), expected, "{arguments}");
            if let Ok(entry) = always {
                let mut after = rules.clone();
                let entry: TargetEntry = entry.parse().unwrap();
                after.confirm.retain(|confirmed| *confirmed != entry);
                after.allow.push(entry);
                assert_eq!(after.judge(target).0, TargetVerdict::Allow, "{arguments}");
                let other = extract("other", r#"{"url":"https://other.org","to":"eve@other.org"}"#);
                for other in other {
                    assert_eq!(after.judge(&other).0, rules.judge(&other).0, "{arguments}");
                }
            }
        }
    }

    /// Else every other tool would be stopped.
    #[test]
    fn the_first_tool_is_not_named_where_the_default_is_strict() {
        let rules = room(&["tool:Deploy"], TargetVerdict::Deny);
        let target = &extract("Deploy", "{}")[0];
        assert_eq!(rules.always(target), Err(NotAlways::Kind));
        let mut listing = rules;
        listing.allow.push("tool:Read".parse().unwrap());
        assert_eq!(listing.always(target).as_deref(), Ok("tool:deploy"));
    }

    #[test]
    fn what_is_denied_or_allowed_by_now_is_not_written() {
        let target = &extract("fetch", r#"{"url":"https://acme.com"}"#)[1];
        let denies = Targets { default: TargetVerdict::Deny, ..Targets::default() };
        assert_eq!(denies.always(target), Err(NotAlways::Denied));
        assert_eq!(Targets::default().always(target), Err(NotAlways::Allowed));
    }

    #[test]
    fn the_owner_sees_what_would_not_show_and_nothing_in_part() {
        let shown = |text: &str| {
            Target { kind: TargetKind::File, shown: text.to_owned(), form: Form::Unreadable }.for_the_owner()
        };
        assert_eq!(shown("a\u{202e}b\n").unwrap(), "a\\u{202e}b\\u{a}");
        assert_eq!(shown(&"ä".repeat(SHOWN_LIMIT)).map(|text| text.chars().count()), Some(SHOWN_LIMIT));
        assert_eq!(shown(&"ä".repeat(SHOWN_LIMIT + 1)), None);
        let target = &extract("fetch", r#"{"url":"https://acme.com/a?secret=1#x"}"#)[1];
        assert_eq!(target.for_the_owner().unwrap(), "https://acme.com/a?secret=1#x");
    }
}
