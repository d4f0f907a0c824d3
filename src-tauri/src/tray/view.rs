//! Content of the tray, computed from the admin API. No toolkit here.

use crate::admin::AdminError;
use crate::shared::Shared;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Most rooms in the menu; the others are found in the window.
pub(super) const ROOMS_SHOWN: usize = 8;

/// Longest time without a look at the state: the clock may have been set, the
/// machine may have slept.
pub(super) const LONGEST_UNSEEN: Duration = Duration::from_secs(15 * 60);

/// The longest sentence in the status line, in characters. A longer one would make the menu as wide.
const LONGEST_SENTENCE: usize = 90;

/// Content of the tray.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    /// The first line.
    pub(super) status: String,
    /// The icon.
    pub(super) look: Look,
    /// At most [`ROOMS_SHOWN`], the active one among them.
    pub(super) rooms: Vec<Room>,
    /// Whether there are more.
    pub(super) has_more_rooms: bool,
    /// The pause.
    pub(super) pause: Pause,
    /// Address at which clients reach the gateway.
    pub(super) address: Option<String>,
    /// Number of asks that wait for an answer.
    pub(super) asks: usize,
    /// The last call that was blocked because nobody answered, while it can still be let through.
    pub(super) blocked: Option<Blocked>,
    /// Whether the end has begun.
    pub(super) is_stopping: bool,
    /// Time for which this stays true if nothing happens.
    pub(super) is_good_for: Duration,
}

/// The state that the icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The shield is on.
    On,
    /// The active room only observes.
    Observe,
    /// The owner paused the shield.
    Paused,
    /// A call waits for the owner's answer.
    Asks,
    /// The gateway, or a part of it, does not work.
    Down,
}

/// One room in the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) is_active: bool,
    /// A room whose file never loaded cannot be chosen.
    pub(super) is_usable: bool,
}

/// A call that was blocked because nobody answered in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    /// The ask.
    pub(super) id: String,
    /// Rule that blocked it.
    pub(super) rule: String,
}

/// The pause of the shield.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// No display.
    Off,
    /// There is one, with the local time of its end.
    Until(String),
    /// There is one until somebody resumes.
    Open,
}

#[derive(Debug, Deserialize)]
struct Status {
    address: Option<String>,
    listen_error: Option<String>,
    active: Option<String>,
    shield: Shield,
    health: Health,
}

#[derive(Debug, Deserialize)]
struct Shield {
    paused: bool,
    until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Health {
    ok: bool,
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Contexts {
    contexts: Vec<Context>,
}

#[derive(Debug, Deserialize)]
struct Context {
    name: String,
    title: String,
    isolation: Option<String>,
    state: String,
}

#[derive(Debug, Deserialize)]
struct Asks {
    approvals: Vec<Ask>,
}

#[derive(Debug, Deserialize)]
struct Ask {
    id: String,
    rules: Vec<Rule>,
    expires: Timestamp,
    waiting: u64,
}

#[derive(Debug, Deserialize)]
struct Rule {
    rule: String,
}

#[derive(Debug, Deserialize)]
struct Budgets {
    budgets: Vec<Budget>,
}

#[derive(Debug, Deserialize)]
struct Budget {
    context: String,
    limit: Option<u64>,
    used: u64,
    resets_at: Timestamp,
}

/// Everything a view is worked out from.
#[derive(Debug)]
struct Facts {
    status: Status,
    contexts: Vec<Context>,
    budgets: Vec<Budget>,
    asks: Vec<Ask>,
    refusal: Option<String>,
    is_stopping: bool,
    now: Timestamp,
    zone: TimeZone,
}

impl View {
    /// Asks the admin API.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) async fn load(shared: &Shared) -> Result<Self, AdminError> {
        let contexts: Contexts = shared.admin.get("/zos/v1/contexts").await?;
        let budgets: Budgets = shared.admin.get("/zos/v1/budgets").await?;
        let asks: Asks = shared.admin.get("/zos/v1/approvals").await?;
        let facts = Facts {
            status: shared.admin.get("/zos/v1/status").await?,
            contexts: contexts.contexts,
            budgets: budgets.budgets,
            asks: asks.approvals,
            refusal: shared.refusal(),
            is_stopping: shared.is_stopping.load(Ordering::Acquire),
            now: Timestamp::now(),
            zone: TimeZone::system(),
        };
        Ok(Self::of(&facts))
    }

    fn of(facts: &Facts) -> Self {
        let pause = pause(facts);
        let (rooms, has_more_rooms) = rooms(facts);
        Self {
            status: shorten(&status(facts, &pause)),
            look: look(facts),
            rooms,
            has_more_rooms,
            pause,
            address: facts.status.address.clone(),
            asks: facts.asks.len(),
            blocked: blocked(facts),
            is_stopping: facts.is_stopping,
            is_good_for: is_good_for(facts),
        }
    }
}

impl Facts {
    fn active(&self) -> Option<&Context> {
        let name = self.status.active.as_deref()?;
        self.contexts.iter().find(|context| context.name == name)
    }

    fn observes(&self) -> bool {
        self.active().is_some_and(|context| context.isolation.as_deref() == Some("open"))
    }
}

fn status(facts: &Facts, pause: &Pause) -> String {
    if facts.is_stopping {
        return "Stopping: calls that run may finish…".to_owned();
    }
    if let Some(error) = &facts.status.listen_error {
        return format!("Not listening: {error}");
    }
    if let Some(refusal) = &facts.refusal {
        return format!("Not done: {refusal}");
    }
    if let (false, Some(problem)) = (facts.status.health.ok, facts.status.health.problems.first()) {
        return format!("Attention: {problem}");
    }
    let Some(active) = facts.active() else {
        return "No room is active: calls that name none are refused".to_owned();
    };
    let shield = match pause {
        Pause::Until(time) => format!("shield paused until {time}"),
        Pause::Open => "shield paused".to_owned(),
        Pause::Off if facts.observes() => "observes only".to_owned(),
        Pause::Off => "shield on".to_owned(),
    };
    let used = facts.budgets.iter().find(|budget| budget.context == active.name);
    let used = match used {
        Some(Budget { used, limit: Some(limit), .. }) => {
            format!("{} of {} tokens", grouped(*used), grouped(*limit))
        }
        Some(Budget { used, .. }) => format!("{} tokens today", grouped(*used)),
        None => "0 tokens today".to_owned(),
    };
    format!("{} · {shield} · {used}", active.title)
}

fn look(facts: &Facts) -> Look {
    if facts.status.listen_error.is_some() || !facts.status.health.ok || facts.status.active.is_none() {
        Look::Down
    } else if !facts.asks.is_empty() {
        Look::Asks
    } else if facts.status.shield.paused {
        Look::Paused
    } else if facts.observes() {
        Look::Observe
    } else {
        Look::On
    }
}

/// The newest ask that no call waits for any more: its call was blocked.
fn blocked(facts: &Facts) -> Option<Blocked> {
    let ask = facts.asks.iter().rev().find(|ask| ask.waiting == 0)?;
    let rule = ask.rules.first().map(|first| first.rule.as_str()).unwrap_or_default();
    let rule = match ask.rules.len() {
        0 | 1 => rule.to_owned(),
        more => format!("{rule} and {} more", more - 1),
    };
    Some(Blocked { id: ask.id.clone(), rule: shorten(&rule) })
}

fn pause(facts: &Facts) -> Pause {
    match &facts.status.shield {
        Shield { paused: false, .. } => Pause::Off,
        Shield { until: None, .. } => Pause::Open,
        Shield { until: Some(until), .. } => {
            let until = until.to_zoned(facts.zone.clone());
            Pause::Until(format!("{:02}:{:02}", until.hour(), until.minute()))
        }
    }
}

/// The rooms for the menu, and whether there are more. The active one is always among them.
fn rooms(facts: &Facts) -> (Vec<Room>, bool) {
    let active = facts.status.active.as_deref();
    let mut chosen: Vec<&Context> = facts.contexts.iter().take(ROOMS_SHOWN).collect();
    if let Some(active) = facts.active()
        && !chosen.iter().any(|context| context.name == active.name)
    {
        chosen.pop();
        chosen.push(active);
    }
    let room = |context: &Context| {
        let is_usable = context.state != "broken";
        let label =
            if is_usable { context.title.clone() } else { format!("{} (its file is broken)", context.title) };
        Room { name: context.name.clone(), label, is_active: active == Some(&context.name), is_usable }
    };
    (chosen.into_iter().map(room).collect(), facts.contexts.len() > ROOMS_SHOWN)
}

/// Until the next thing that changes by itself: the end of the pause, the reset of a budget, the end of an ask.
fn is_good_for(facts: &Facts) -> Duration {
    let budgets = facts.budgets.iter().map(|budget| &budget.resets_at);
    let asks = facts.asks.iter().map(|ask| &ask.expires);
    let ends = facts.status.shield.until.iter().chain(budgets).chain(asks);
    let soonest = ends.filter(|end| **end > facts.now).min();
    let left = soonest.and_then(|end| Duration::try_from(end.duration_since(facts.now)).ok());
    // A moment later, so that it has surely come.
    left.map_or(LONGEST_UNSEEN, |left| left + Duration::from_millis(100)).min(LONGEST_UNSEEN)
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most [`LONGEST_SENTENCE`] characters, cut between two words.
fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST_SENTENCE {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONGEST_SENTENCE).collect();
    let head = head.rsplit_once(' ').map_or(head.as_str(), |(head, _)| head);
    format!("{}…", head.trim_end_matches([',', ';', ':', '.']))
}

#[cfg(test)]
mod tests;
