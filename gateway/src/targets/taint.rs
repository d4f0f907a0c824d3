//! Which rooms' memories a conversation has read.
//!
//! Whoever has read a room's memory may only reach where that room allows, whichever room governs the call.
//! A recalled memory carries its source, `zos://memory/<room>/<id>`; a request that holds one has read that
//! room. The mark stays with the conversation: the caller's zOS key, the room that governs, and the header in
//! which the client names its conversation. Without such a header a mark lasts for the one call, and since
//! clients send the whole conversation with every call, it is found again in the next.
//!
//! What this does not do: it does not follow what a model retells without the source.

use http::HeaderMap;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use zos_core::ContextName;

/// Where a recalled memory says that it comes from.
const SOURCE: &str = "zos://memory/";
/// The same as some writers of JSON escape it.
const ESCAPED: &str = r"zos:\/\/memory\/";

/// The most rooms that one call is marked with. A request that names more is marked with the first ones.
const ROOMS_LIMIT: usize = 64;

/// The most conversations that are remembered; the one that was marked first is forgotten first.
const SESSIONS_LIMIT: usize = 16_384;

/// Headers in which clients name their conversation.
const CONVERSATION: &[&str] = &[
    "x-zos-conversation",
    "x-claude-code-session-id",
    "session_id",
    "session-id",
    "conversation_id",
    "conversation-id",
];

/// A conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Session([u8; 32]);

impl Session {
    /// The conversation of a call; `None` where the client names none.
    pub(crate) fn of(headers: &HeaderMap, key: Option<&str>, context: &ContextName) -> Option<Session> {
        let named = CONVERSATION.iter().find_map(|name| headers.get(*name))?;
        let key = key.map(|key| zos_seal::sha256(key.as_bytes())).unwrap_or_default();
        let mut text = format!("{context}\n{key:?}\n").into_bytes();
        text.extend(named.as_bytes());
        Some(Session(zos_seal::sha256(&text)))
    }
}

/// The marks of all conversations.
#[derive(Default)]
pub(crate) struct Taints {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    rooms: HashMap<Session, BTreeSet<ContextName>>,
    order: std::collections::VecDeque<Session>,
}

impl Taints {
    /// Marks a conversation with rooms, and says which it is marked with by now.
    pub(crate) fn mark(
        &self,
        session: Option<Session>,
        rooms: BTreeSet<ContextName>,
    ) -> BTreeSet<ContextName> {
        let Some(session) = session else { return rooms };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sessions.rooms.get_mut(&session) {
            known.extend(rooms);
            return known.clone();
        }
        if rooms.is_empty() {
            return rooms;
        }
        if sessions.order.len() == SESSIONS_LIMIT
            && let Some(oldest) = sessions.order.pop_front()
        {
            sessions.rooms.remove(&oldest);
        }
        sessions.order.push_back(session);
        sessions.rooms.insert(session, rooms.clone());
        rooms
    }
}

/// The rooms whose memories a request holds.
pub(crate) fn recalled(body: &str) -> BTreeSet<ContextName> {
    let mut rooms = BTreeSet::new();
    for source in [SOURCE, ESCAPED] {
        for at in memchr::memmem::find_iter(body.as_bytes(), source) {
            let rest = &body[at + source.len()..];
            let end =
                rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
            if let Ok(room) = rest[..end.unwrap_or(rest.len())].parse()
                && rooms.len() < ROOMS_LIMIT
            {
                rooms.insert(room);
            }
        }
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(names: &[&str]) -> BTreeSet<ContextName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_recalled_memory_names_its_room() {
        let body = r#"{"a":"zos://memory/clinic/01J","b":"zos:\/\/memory\/acme\/2 zos://memory//x zos://memory/clinic/7"}"#;
        assert_eq!(recalled(body), rooms(&["acme", "clinic"]));
        assert_eq!(recalled("no source, zos://canon/acme"), rooms(&[]));
    }

    #[test]
    fn a_mark_stays_with_its_conversation_alone() {
        let taints = Taints::default();
        let context: ContextName = "acme".parse().unwrap();
        let session = |name: &str, key| {
            let mut headers = HeaderMap::new();
            headers.insert("session_id", name.parse().unwrap());
            Session::of(&headers, key, &context)
        };
        assert_eq!(Session::of(&HeaderMap::new(), None, &context), None);
        assert_eq!(taints.mark(session("a", None), rooms(&["clinic"])), rooms(&["clinic"]));
        assert_eq!(taints.mark(session("a", None), rooms(&[])), rooms(&["clinic"]));
        assert_eq!(taints.mark(session("a", None), rooms(&["bank"])), rooms(&["bank", "clinic"]));
        for other in [session("b", None), session("a", Some("k")), None] {
            assert_eq!(taints.mark(other, rooms(&[])), rooms(&[]));
        }
    }
}
