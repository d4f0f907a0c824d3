//! How often a call is read, and how much whoever awaits it carries along. The tree is built once for what the caller sent and once for what the provider answered, and
//! once more for a body that was changed, whatever the room asks for.

use super::*;
use crate::access::caller::Caller;
use crate::gateway::Gateway;
use std::time::Duration;
use zos_core::Home;
use zos_guard::approvals::Decision;
use zos_wire::json::counted;

/// One reading is the demo's own, as any provider would read what it is sent.
const BY_THE_PROVIDER: u64 = 1;

/// What the demo says begins with a bracket: where words may have to come back, it is tried as JSON inside of JSON.
const TRIED: u64 = 1;

/// Opens a home with one room, and gives how many texts were read for a chat that says `text`, with the answer.
async fn read(room: &str, text: &str) -> (u64, http::StatusCode, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("contexts/acme.yml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, format!("version: 1\n{room}")).unwrap();
    std::fs::create_dir_all(home.path().join("context-prose")).unwrap();
    let gateway = Gateway::open(Home::resolve(Some(home.path())).unwrap()).unwrap();
    let deciding = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            loop {
                for asked in gateway.guards.approvals.list(gateway.journal.now_ms()) {
                    let decided = gateway.guards.approvals.decide(
                        &asked.id,
                        Decision::AllowOnce,
                        gateway.journal.now_ms(),
                    );
                    assert!(decided.is_ok());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let body = serde_json::json!({
        "model": "demo/echo", "max_tokens": 64,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
    });
    let mut request = Request::new(axum::body::Body::from(body.to_string()));
    request.extensions_mut().insert(Caller::Owner);
    let active = gateway.drain.enter();
    let call = Call::arrived(
        gateway.books.clone(),
        gateway.journal.clone(),
        "r".to_owned(),
        Face::ChatCompletions.name(),
        zos_wire::clients::Form::Reference,
        active,
    );
    counted::take();
    let response =
        serve(gateway.clone(), Face::ChatCompletions, Some("acme".to_owned()), request, call).await;
    let count = counted::take();
    deciding.abort();
    let status = response.status();
    let answer = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    gateway.stop(Duration::from_secs(5)).await;
    (count - BY_THE_PROVIDER, status, String::from_utf8(answer.to_vec()).unwrap())
}

#[tokio::test]
async fn a_call_is_read_once_on_its_way_out_and_once_on_its_way_back() {
    for room in ["", "outbound_deny: [Falcon]\n", "budget: {daily_tokens: 1000000}\n", "state: none\n"] {
        let (count, status, answer) = read(room, "Hello there").await;
        assert_eq!((count, status.as_u16()), (2, 200), "{room}: {answer}");
        assert!(answer.contains("Hello there"), "{room}: {answer}");
    }
}

#[tokio::test]
async fn a_changed_body_is_read_once_more_whatever_changes_it() {
    let redacts = "outbound_deny: [{term: Falcon, action: redact}]\n";
    for room in [redacts.to_owned(), format!("{redacts}state: none\n")] {
        let (count, status, answer) = read(&room, "Falcon lands").await;
        assert_eq!((count, status.as_u16()), (3 + TRIED, 200), "{room}: {answer}");
        // Its own word comes back to the caller.
        assert!(answer.contains("Falcon lands"), "{room}: {answer}");
    }
}

#[tokio::test]
async fn a_call_that_waits_for_the_owner_is_read_again_when_it_goes_on_and_its_answer_is_not() {
    let room = "outbound_deny: [{term: Falcon, action: ask}]\n";
    let (count, status, answer) = read(room, "Falcon lands").await;
    assert_eq!((count, status.as_u16()), (3, 200), "{answer}");
    // An open room does not read a request backwards, so the word is met in the answer alone: that is looked over once,
    // before the owner is asked.
    let room = "isolation: open\noutbound_deny: [{term: Falcon, action: ask}]\n";
    let (count, status, answer) = read(room, "say backwards: noclaF").await;
    assert_eq!((count, status.as_u16()), (2, 200), "{answer}");
    assert!(answer.contains("Falcon"), "{answer}");
}

#[tokio::test]
async fn a_call_that_is_refused_is_read_once() {
    let room = "isolation: open\noutbound_deny: [{term: Falcon, action: deny}]\n";
    let (count, status, answer) = read(room, "say backwards: noclaF").await;
    assert_eq!(status, 502, "{answer}");
    assert_eq!(count, 2, "the answer is what is refused");
}

/// Bytes of the future of a function with five arguments.
fn future_bytes<A, B, C, D, E, F>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
    size_of::<F>()
}

/// Every layer around a call may move its future once. What is large in it has to be boxed where it begins.
#[test]
fn whoever_awaits_a_call_carries_little_along() {
    let bytes = future_bytes(serve);
    assert!(bytes <= 12 << 10, "{bytes}");
}
