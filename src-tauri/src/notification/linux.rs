//! Notifications as the desktops of Linux show them: `org.freedesktop.Notifications` on the session bus,
//! spoken by the toolkit that is here anyway. Source of names and types: the Desktop Notifications
//! Specification 1.2.

use crate::change::{self, Method};
use crate::shared::Shared;
use crate::window;
use gtk::gio::{BusType, Cancellable, DBusCallFlags, DBusConnection, DBusSignalFlags, bus_get_sync};
use gtk::glib::prelude::ToVariant;
use gtk::glib::{Error, Variant, VariantTy};
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use zos_gateway::views::{Approval, AskedTarget, Event};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// As long as a call usually waits.
const SHOWN_MS: i32 = 45_000;
/// Longest wait for an answer of the desktop.
const LONGEST_MS: i32 = 5_000;
/// Asks that are remembered as told. More than a list can hold that a person still reads.
const TOLD_LIMIT: usize = 64;
/// The longest name of a rule, field or model, in characters.
const LONGEST_NAME: usize = 80;

/// Action name of a click on the body.
const BODY: &str = "default";
/// Decision and label of each button. What keeps more secret comes first.
const BUTTONS: [(&str, &str); 3] =
    [("redact", "Redact & send"), ("allow_once", "Allow once"), ("deny", "Keep blocked")];

/// An ask that was told, and the number of its notification while one is shown.
struct Told {
    ask: String,
    number: Option<u32>,
}

/// The notifications. Cheap to clone.
#[derive(Clone)]
struct Notifications {
    app: AppHandle,
    bus: DBusConnection,
    told: Arc<Mutex<VecDeque<Told>>>,
}

/// Follows the asks, and the clicks.
pub(super) fn begin(app: &AppHandle) -> Result<(), Error> {
    let bus = bus_get_sync(BusType::Session, Cancellable::NONE)?;
    let notifications = Notifications { app: app.clone(), bus, told: Arc::default() };
    notifications.listen();
    let receiver = app.state::<Shared>().gateway.events();
    tauri::async_runtime::spawn(follow(receiver, notifications));
    Ok(())
}

async fn follow(mut receiver: Receiver<Arc<Event>>, notifications: Notifications) {
    loop {
        let event = match receiver.recv().await {
            Ok(event) => event,
            // An ask that was lost here still stands in the list.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Event::Approval { approval } = &*event else { continue };
        let (approval, notifications) = (approval.clone(), notifications.clone());
        let app = notifications.app.clone();
        if app.run_on_main_thread(move || notifications.take(&approval)).is_err() {
            return;
        }
    }
}

impl Notifications {
    /// Shows a new ask, takes an answered one away. On the main thread.
    fn take(&self, approval: &Approval) {
        if approval.decision.is_some() {
            let shown = self
                .told()
                .iter_mut()
                .find(|told| told.ask == approval.id)
                .and_then(|told| told.number.take());
            self.forget(&approval.id);
            if let Some(number) = shown {
                self.close(number);
            }
            return;
        }
        // A rule that is met all the time holds no calls: its asks wait in the list.
        if approval.waiting == 0 || !self.remember(&approval.id) {
            return;
        }
        let (notifications, ask) = (self.clone(), approval.id.clone());
        self.call("Notify", &message(approval), Some("(u)"), move |answer| match answer {
            Ok(answer) => {
                if let Some((number,)) = answer.get::<(u32,)>() {
                    notifications.shown(&ask, number);
                }
            }
            Err(error) => tracing::debug!(%error, "this desktop shows no notifications"),
        });
    }

    /// Notes the number of a notification; one that was answered meanwhile goes away.
    fn shown(&self, ask: &str, number: u32) {
        let is_open = match self.told().iter_mut().find(|told| told.ask == ask) {
            Some(told) => {
                told.number = Some(number);
                true
            }
            None => false,
        };
        if !is_open {
            self.close(number);
        }
    }

    fn listen(&self) {
        for signal in ["ActionInvoked", "NotificationClosed"] {
            let notifications = self.clone();
            self.bus.signal_subscribe(
                Some(NAME),
                Some(NAME),
                Some(signal),
                Some(PATH),
                None,
                DBusSignalFlags::NONE,
                move |_, _, _, _, signal, parameters| match signal {
                    "ActionInvoked" => {
                        if let Some((number, action)) = parameters.get::<(u32, String)>() {
                            notifications.clicked(number, &action);
                        }
                    }
                    _ => {
                        if let Some((number, _)) = parameters.get::<(u32, u32)>() {
                            notifications.closed(number);
                        }
                    }
                },
            );
        }
    }

    fn clicked(&self, number: u32, action: &str) {
        let ask = self.told().iter().find(|told| told.number == Some(number)).map(|told| told.ask.clone());
        // Others show notifications as well.
        let Some(ask) = ask else { return };
        if action == BODY {
            window::open(&self.app, Some("/shield"));
        } else if let Some((decision, _)) = BUTTONS.iter().find(|(decision, _)| *decision == action) {
            let path = format!("/zos/v1/approvals/{ask}");
            change::ask(&self.app, Method::Post, path, json!({ "decision": decision }));
        }
    }

    /// It is gone from the screen; its ask stays told.
    fn closed(&self, number: u32) {
        if let Some(told) = self.told().iter_mut().find(|told| told.number == Some(number)) {
            told.number = None;
        }
    }

    fn close(&self, number: u32) {
        self.call("CloseNotification", &(number,).to_variant(), None, |answer| {
            if let Err(error) = answer {
                tracing::debug!(%error, "a notification stays");
            }
        });
    }

    fn call(
        &self,
        method: &str,
        arguments: &Variant,
        answer: Option<&str>,
        then: impl FnOnce(Result<Variant, Error>) + 'static,
    ) {
        let kind = answer.and_then(|kind| VariantTy::new(kind).ok());
        self.bus.call(
            Some(NAME),
            PATH,
            NAME,
            method,
            Some(arguments),
            kind,
            DBusCallFlags::NONE,
            LONGEST_MS,
            Cancellable::NONE,
            then,
        );
    }

    /// Whether the ask was not told before.
    fn remember(&self, ask: &str) -> bool {
        let mut all = self.told();
        if all.iter().any(|told| told.ask == ask) {
            return false;
        }
        if all.len() >= TOLD_LIMIT {
            all.pop_front();
        }
        all.push_back(Told { ask: ask.to_owned(), number: None });
        true
    }

    fn forget(&self, ask: &str) {
        self.told().retain(|told| told.ask != ask);
    }

    fn told(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The arguments of `Notify`: program, what it replaces, icon, title, body, buttons, hints, time.
fn message(approval: &Approval) -> Variant {
    let mut actions = vec![BODY, "Show"];
    // A target passes or not: there is nothing to redact.
    let buttons = BUTTONS.iter().filter(|(decision, _)| approval.targets.is_empty() || *decision != "redact");
    actions.extend(buttons.flat_map(|(decision, label)| [*decision, *label]));
    let hints: HashMap<&str, Variant> =
        HashMap::from([("desktop-entry", "zos".to_variant()), ("category", "transfer".to_variant())]);
    let title = format!("zOS asks · {}", short(&approval.context));
    ("zOS", 0u32, "", title, body(approval), actions, hints, SHOWN_MS).to_variant()
}

/// Question as a sentence. Names come from files and calls, and a body may hold markup.
fn body(approval: &Approval) -> String {
    let text = match approval.targets.as_slice() {
        [] => words(approval),
        targets => points(approval, targets),
    };
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Target that an answer would decide about, for the owner's eyes.
fn points(approval: &Approval, targets: &[AskedTarget]) -> String {
    let Some(first) = targets.first() else { return String::new() };
    let more = match targets.len() {
        1 => String::new(),
        all => format!(", and {} more", all - 1),
    };
    let (model, target) = (short(&approval.model), short(&first.target));
    match &first.tool {
        Some(tool) => format!("{model} wants to use {} on {target}{more}.", short(tool)),
        None => format!("The answer of {model} links to {target}{more}."),
    }
}

/// Names of the rules that found something.
fn words(approval: &Approval) -> String {
    let what = match approval.rules.as_slice() {
        [] => "something".to_owned(),
        [only] => format!("what rule {} found in {}", short(&only.rule), short(&only.field)),
        [first, others @ ..] => {
            format!(
                "what rule {} found in {}, and {} more",
                short(&first.rule),
                short(&first.field),
                others.len()
            )
        }
    };
    let model = short(&approval.model);
    match (approval.side.as_str(), &approval.client) {
        ("answer", _) => format!("The answer of {model} holds {what}."),
        (_, Some(client)) => format!("{} wants to send {what} to {model}.", short(client)),
        (_, None) => format!("A client wants to send {what} to {model}."),
    }
}

fn short(name: &str) -> String {
    let mut kept: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use zos_gateway::views::AskedRule;

    fn approval() -> Approval {
        Approval {
            id: "k7f2".to_owned(),
            context: "acme".to_owned(),
            client: Some("claude".to_owned()),
            model: "demo/echo".to_owned(),
            side: "request".to_owned(),
            rules: vec![AskedRule {
                rule: "falcon".to_owned(),
                field: "messages[2].content".to_owned(),
                count: 1,
            }],
            targets: Vec::new(),
            asked: String::new(),
            expires: String::new(),
            calls: 1,
            waiting: 1,
            decision: None,
        }
    }

    #[test]
    fn a_notification_says_who_what_and_where() {
        let mut ask = approval();
        assert_eq!(
            body(&ask),
            "claude wants to send what rule falcon found in messages[2].content to demo/echo."
        );
        ask.client = None;
        ask.rules.push(ask.rules[0].clone());
        assert_eq!(
            body(&ask),
            "A client wants to send what rule falcon found in messages[2].content, and 1 more to demo/echo."
        );
        ask.side = "answer".to_owned();
        assert!(body(&ask).starts_with("The answer of demo/echo holds what rule falcon"), "{}", body(&ask));
    }

    #[test]
    fn a_target_is_shown_and_offers_nothing_to_redact() {
        let mut ask = approval();
        ask.targets.push(AskedTarget {
            rule: "target-confirm/1".to_owned(),
            tool: Some("WebFetch".to_owned()),
            kind: "url".to_owned(),
            target: "https://pay.acme.com/x?<b>".to_owned(),
            count: 1,
            always: Some("pay.acme.com".to_owned()),
            not_always: None,
        });
        assert_eq!(body(&ask), "demo/echo wants to use WebFetch on https://pay.acme.com/x?&lt;b&gt;.");
        let shown = message(&ask).print(false).to_string();
        assert!(!shown.contains("redact") && shown.contains("allow_once"), "{shown}");
        ask.targets[0].tool = None;
        ask.targets.push(ask.targets[0].clone());
        assert_eq!(
            body(&ask),
            "The answer of demo/echo links to https://pay.acme.com/x?&lt;b&gt;, and 1 more."
        );
    }

    #[test]
    fn names_from_calls_are_no_markup_and_have_a_length() {
        let mut ask = approval();
        ask.model = format!("<b>{}</b>&\n", "x".repeat(500));
        let body = body(&ask);
        assert!(!body.contains(['<', '>', '\n']) && body.contains("&lt;b&gt;xx"), "{body}");
        assert!(body.chars().count() < 200, "{body}");
    }

    #[test]
    fn the_message_has_the_types_of_the_specification() {
        assert_eq!(message(&approval()).type_().as_str(), "(susssasa{sv}i)");
    }
}
