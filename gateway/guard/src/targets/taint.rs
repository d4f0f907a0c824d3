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
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use zos_core::ContextName;
use zos_wire::clients::session_headers;

/// Where a recalled memory says that it comes from, up to the first slash: `zos://memory/<room>/<id>`.
const SCHEME: &str = "zos:";

/// The most conversations whose marks are kept exactly. Those of the ones marked first go to the
/// [`Faded`] marks.
const SESSIONS_LIMIT: usize = 16_384;

/// A conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session([u8; 32]);

impl Session {
    /// The conversation of a call; `None` where the client names none.
    pub fn of(headers: &HeaderMap, key: Option<&str>, context: &ContextName) -> Option<Session> {
        let named = session_headers().find_map(|name| headers.get(name))?;
        let key = key.map(|key| zos_seal::sha256(key.as_bytes())).unwrap_or_default();
        let mut text = format!("{context}\n{key:?}\n").into_bytes();
        text.extend(named.as_bytes());
        Some(Session(zos_seal::sha256(&text)))
    }
}

/// The marks of all conversations.
#[derive(Default)]
pub struct Taints {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    rooms: HashMap<Session, BTreeSet<ContextName>>,
    order: VecDeque<Session>,
    faded: Faded,
}

impl Taints {
    /// Marks a conversation with rooms, and says which it is marked with by now.
    pub fn mark(&self, session: Option<Session>, mut rooms: BTreeSet<ContextName>) -> BTreeSet<ContextName> {
        let Some(session) = session else { return rooms };
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sessions.rooms.get_mut(&session) {
            known.extend(rooms);
            return known.clone();
        }
        rooms.extend(sessions.faded.of(session));
        if rooms.is_empty() {
            return rooms;
        }
        if sessions.order.len() == SESSIONS_LIMIT
            && let Some(oldest) = sessions.order.pop_front()
            && let Some(read) = sessions.rooms.remove(&oldest)
        {
            sessions.faded.add(oldest, read);
        }
        sessions.order.push_back(session);
        sessions.rooms.insert(session, rooms.clone());
        rooms
    }
}

/// Marks of conversations that are not kept exactly any more: a Bloom filter (B. Bloom, 1970) of pairs of
/// conversation and room, of one MiB. It never forgets a mark. It can see one where none is: of a thousand
/// conversations that read nothing less than one is held to a room's lists once 500,000 marks have faded, and
/// more the more there are. A restart begins anew.
#[derive(Default)]
struct Faded {
    /// Empty until the first mark fades.
    bits: Vec<u64>,
    /// The rooms of all faded marks.
    rooms: BTreeSet<ContextName>,
}

impl Faded {
    const WORDS: usize = 1 << 17;

    fn add(&mut self, session: Session, rooms: BTreeSet<ContextName>) {
        self.bits.resize(Self::WORDS, 0);
        for room in rooms {
            for (word, bit) in places(session, &room) {
                self.bits[word] |= bit;
            }
            self.rooms.insert(room);
        }
    }

    fn of(&self, session: Session) -> Vec<ContextName> {
        let is_in = |room: &&ContextName| places(session, room).all(|(word, bit)| self.bits[word] & bit != 0);
        self.rooms.iter().filter(is_in).cloned().collect()
    }
}

/// The eight places of a mark: the word, and the bit in it.
fn places(session: Session, room: &ContextName) -> impl Iterator<Item = (usize, u64)> {
    let hash = zos_seal::sha256(&[&session.0, room.as_str().as_bytes()].concat());
    (0..8).map(move |part| {
        let number = u32::from_le_bytes(std::array::from_fn(|at| hash[part * 4 + at]));
        ((number >> 6) as usize % Faded::WORDS, 1 << (number & 63))
    })
}

/// The rooms whose memories a request holds, of those that there are or were. The slashes may be escaped as
/// JSON allows it, more than once where a text holds JSON, or as in an address.
pub fn recalled(body: &str, mut is_room: impl FnMut(&ContextName) -> bool) -> BTreeSet<ContextName> {
    let mut rooms = BTreeSet::new();
    for at in memchr::memmem::find_iter(body.as_bytes(), SCHEME) {
        let rest = behind_slash(&body[at + SCHEME.len()..]).and_then(behind_slash);
        let rest = rest.and_then(|rest| rest.strip_prefix("memory")).and_then(behind_slash);
        let Some(rest) = rest else { continue };
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
        if let Ok(room) = rest[..end.unwrap_or(rest.len())].parse()
            && !rooms.contains(&room)
            && is_room(&room)
        {
            rooms.insert(room);
        }
    }
    rooms
}

/// The text behind a slash at its beginning, however that is written.
fn behind_slash(text: &str) -> Option<&str> {
    let bare = text.trim_start_matches('\\');
    if let Some(rest) = bare.strip_prefix('/') {
        return Some(rest);
    }
    let escaped = if bare.len() < text.len() { "u002f" } else { "%2f" };
    let head = bare.get(..escaped.len())?;
    head.eq_ignore_ascii_case(escaped).then(|| &bare[escaped.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(names: &[&str]) -> BTreeSet<ContextName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_recalled_memory_names_its_room_however_its_slashes_are_written() {
        let all = |body: &str| recalled(body, |_| true);
        let body = r#"{"a":"zos://memory/clinic/01J","b":"zos:\/\/memory\/acme\/2 zos://memory//x zos://memory/clinic/7"}"#;
        assert_eq!(all(body), rooms(&["acme", "clinic"]));
        assert_eq!(all("no source, zos://canon/acme, zos:/memory/x, zos:u002f/memory/x, zos:"), rooms(&[]));
        for slash in ["/", r"\/", r"\\\/", r"\u002f", r"\u002F", r"\\u002f", "%2F", "%2f"] {
            let body = format!("\u{e4} zos:{slash}{slash}memory{slash}clinic{slash}1");
            assert_eq!(all(&body), rooms(&["clinic"]), "{body}");
        }
    }

    #[test]
    fn made_up_rooms_hide_no_real_one() {
        let mut body: String = (0..1000).map(|number| format!("zos://memory/no-{number}/1 ")).collect();
        body += "zos://memory/clinic/1";
        assert_eq!(recalled(&body, |room| room.as_str() == "clinic"), rooms(&["clinic"]));
    }

    #[test]
    fn no_mark_is_forgotten_however_many_conversations_there_are() {
        let taints = Taints::default();
        let session = |number: u32| Some(Session(zos_seal::sha256(&number.to_le_bytes())));
        let count = 3 * u32::try_from(SESSIONS_LIMIT).unwrap();
        for number in 0..count {
            let room = if number % 2 == 0 { "clinic" } else { "bank" };
            taints.mark(session(number), rooms(&[room]));
        }
        for number in 0..count {
            let room = if number % 2 == 0 { "clinic" } else { "bank" };
            assert!(taints.mark(session(number), rooms(&[])).contains(&room.parse().unwrap()), "{number}");
        }
        // Seldom is one held that read nothing.
        let held =
            (count..count + 10_000).filter(|number| !taints.mark(session(*number), rooms(&[])).is_empty());
        assert!(held.count() < 10);
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
