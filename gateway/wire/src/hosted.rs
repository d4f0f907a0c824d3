//! Reach of a provider: what it contacts or runs by itself while it answers a request.
//!
//! A tool that the client runs comes back as a call, and is judged then. A tool that the provider runs (a
//! remote MCP server, a search, code in its sandbox) and an address that it fetches have happened before the
//! answer arrives, so they are read here, before the request leaves. A kind of tool that is not known to be
//! run by the client counts as the provider's: new kinds fail safe.
//!
//! What this does not see: what a model does by itself without being told in the request, such as the models
//! of some providers that search by default.

use crate::json::Value;
use zos_core::targets::undated;

/// One place or tool that the provider reaches by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Address that it contacts or fetches.
    Address(String),
    /// Tool that it runs, by the name that the API has for it: `web_search_20250305`. What lists call it is for
    /// whoever judges it.
    Tool(String),
    /// Service that it is connected to, by the provider's name for it.
    Connector(String),
}

/// The most places of one request. More are one tool of the name `too-many`, which no list allows by name.
const REACH_LIMIT: usize = 256;

/// Kinds of tools that the client runs, or that only choose among tools of the request; without their versions.
const CLIENT_RUN: &[&str] = &[
    "apply_patch",
    "bash",
    "custom",
    "function",
    "local_shell",
    "memory",
    "namespace",
    "str_replace_based_edit_tool",
    "text_editor",
    "tool_search",
    "tool_search_tool",
    "tool_search_tool_bm25",
    "tool_search_tool_regex",
];

/// Everything that the provider reaches by itself for this request, in the order of the body.
pub fn reach(body: &Value<'_>) -> Vec<Reach> {
    let mut found = Vec::new();
    for (key, value) in body.members() {
        match key.text().as_ref() {
            "tools" => tools(value, &mut found),
            "mcp_servers" => value.elements().iter().for_each(|server| mcp(server, "url", &mut found)),
            "web_search_options" if !matches!(value, Value::Null) => push(&mut found, named("web_search")),
            "plugins" => plugins(value, &mut found),
            _ => {}
        }
        fetched(value, &key.text(), &mut found);
    }
    found
}

fn push(found: &mut Vec<Reach>, reach: Reach) {
    if found.len() < REACH_LIMIT {
        if !found.contains(&reach) {
            found.push(reach);
        }
    } else if found.len() == REACH_LIMIT {
        found.push(Reach::Tool("too-many".to_owned()));
    }
}

fn text(value: Option<&Value<'_>>) -> Option<String> {
    value.and_then(Value::as_str).map(|text| text.text().into_owned())
}

fn tools(list: &Value<'_>, found: &mut Vec<Reach>) {
    for tool in list.elements() {
        let Value::Object { .. } = tool else { continue };
        // Bundles of a client's own tools.
        if let Some(inner) = tool.get("tools") {
            tools(inner, found);
        }
        // A label that lies does not hide an address.
        if tool.get("server_url").is_some() {
            mcp(tool, "server_url", found);
        }
        let Some(kind) = text(tool.get("type")) else {
            let is_declared = ["name", "function", "input_schema", "parameters", "functionDeclarations"]
                .iter()
                .any(|key| tool.get(key).is_some());
            if !is_declared {
                tool.members().iter().for_each(|(key, _)| push(found, named(&key.text())));
            }
            continue;
        };
        let plain = undated(&kind);
        let is_local =
            plain == "shell" && text(tool.at(&["environment", "type"])).as_deref() == Some("local");
        if is_local || CLIENT_RUN.contains(&plain) {
            continue;
        }
        if plain == "mcp" {
            mcp(tool, "server_url", found);
        } else {
            push(found, named(&kind));
        }
    }
}

/// A remote MCP server, by its address, its connector, or as the tool `mcp` where it has neither.
fn mcp(server: &Value<'_>, key: &str, found: &mut Vec<Reach>) {
    let connector = text(server.get("connector_id")).map(Reach::Connector);
    let reach = text(server.get(key)).map(Reach::Address).or(connector);
    push(found, reach.unwrap_or_else(|| named("mcp")));
}

/// Plugins of a router, such as `{"id": "web"}`.
fn plugins(list: &Value<'_>, found: &mut Vec<Reach>) {
    for plugin in list.elements() {
        let id = text(plugin.get("id")).or_else(|| text(Some(plugin)));
        let name = id.unwrap_or_else(|| "plugin".to_owned());
        push(found, named(if name == "web" { "web_search" } else { &name }));
    }
}

fn named(kind: &str) -> Reach {
    Reach::Tool(kind.to_owned())
}

/// Addresses of pictures and files that the provider fetches.
fn fetched(value: &Value<'_>, key: &str, found: &mut Vec<Reach>) {
    for element in value.elements() {
        fetched(element, key, found);
    }
    let is_url = || value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is("url"));
    for (name, member) in value.members() {
        let name = name.text();
        let is_address = match name.as_ref() {
            "url" => key == "image_url" || (key == "source" && is_url()) || key == "video_url",
            "image_url" | "file_url" | "video_url" | "fileUri" | "file_uri" => true,
            _ => false,
        };
        match text(Some(member)).filter(|text| is_address && is_web(text)) {
            Some(address) => push(found, Reach::Address(address)),
            None => fetched(member, &name, found),
        }
    }
}

/// Whether a provider would take it for an address on the network: any scheme that is not `data`.
fn is_web(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control());
    text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.eq_ignore_ascii_case("data")
            && !scheme.is_empty()
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    }) || text.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn of(body: &str) -> Vec<Reach> {
        reach(&parse(body).unwrap())
    }

    fn tool(name: &str) -> Reach {
        Reach::Tool(name.to_owned())
    }

    fn address(text: &str) -> Reach {
        Reach::Address(text.to_owned())
    }

    #[test]
    fn what_a_provider_runs_or_fetches_is_named() {
        for (body, expected) in [
            (
                r#"{"tools":[{"type":"mcp","server_label":"x","server_url":"https://a.example/mcp"}]}"#,
                vec![address("https://a.example/mcp")],
            ),
            (
                r#"{"tools":[{"type":"mcp","connector_id":"connector_dropbox"}]}"#,
                vec![Reach::Connector("connector_dropbox".into())],
            ),
            (r#"{"tools":[{"type":"mcp"}]}"#, vec![tool("mcp")]),
            (
                r#"{"tools":[{"type":"function","name":"f","server_url":"https://a.example"}]}"#,
                vec![address("https://a.example")],
            ),
            (
                r#"{"mcp_servers":[{"type":"url","url":"https://b.example","name":"b"},{}]}"#,
                vec![address("https://b.example"), tool("mcp")],
            ),
            (
                r#"{"tools":[{"type":"web_search_20250305","name":"web_search"},{"type":"web_search_preview_2025_03_11"}]}"#,
                vec![tool("web_search_20250305"), tool("web_search_preview_2025_03_11")],
            ),
            (
                r#"{"tools":[{"type":"web_fetch_20250910","name":"f"},{"type":"code_execution_20250825","name":"c"}]}"#,
                vec![tool("web_fetch_20250910"), tool("code_execution_20250825")],
            ),
            (
                r#"{"tools":[{"type":"computer_use_preview"},{"type":"computer_20250124","name":"c"}]}"#,
                vec![tool("computer_use_preview"), tool("computer_20250124")],
            ),
            (
                r#"{"tools":[{"type":"shell"},{"type":"shell","environment":{"type":"local"}}]}"#,
                vec![tool("shell")],
            ),
            (r#"{"tools":[{"type":"a_new_thing"}]}"#, vec![tool("a_new_thing")]),
            (r#"{"tools":[{"googleSearch":{}}]}"#, vec![tool("googleSearch")]),
            (
                r#"{"tools":[{"type":"namespace","name":"n","tools":[{"type":"file_search","vector_store_ids":["v"]}]}]}"#,
                vec![tool("file_search")],
            ),
            (r#"{"web_search_options":{}}"#, vec![tool("web_search")]),
            (
                r#"{"plugins":[{"id":"web"},{"id":"file-parser"}]}"#,
                vec![tool("web_search"), tool("file-parser")],
            ),
            (
                r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://c.example/?q=1"}}]}]}"#,
                vec![address("https://c.example/?q=1")],
            ),
            (
                r#"{"messages":[{"content":[{"type":"image","source":{"type":"url","url":"HTTPS://d.example"}}]}]}"#,
                vec![address("HTTPS://d.example")],
            ),
            (
                r#"{"input":[{"content":[{"type":"input_image","image_url":" https://e.example"},{"type":"input_file","file_url":"gs://f"}]}]}"#,
                vec![address(" https://e.example"), address("gs://f")],
            ),
        ] {
            assert_eq!(of(body), expected, "{body}");
        }
    }

    #[test]
    fn what_the_client_runs_or_carries_itself_is_not() {
        for body in [
            r#"{"tools":[{"type":"function","function":{"name":"fetch","parameters":{}}}]}"#,
            r#"{"tools":[{"name":"Bash","description":"runs https://x","input_schema":{}}]}"#,
            r#"{"tools":[{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"e"},{"type":"custom","name":"c"}]}"#,
            r#"{"tools":[{"type":"local_shell"},{"type":"apply_patch"},{"type":"tool_search_tool_regex_20251119","name":"t"}]}"#,
            r#"{"web_search_options":null,"tools":[]}"#,
            r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
            r#"{"messages":[{"content":"see https://a.example"}]}"#,
        ] {
            assert_eq!(of(body), [], "{body}");
        }
    }

    #[test]
    fn more_than_anybody_looks_over_is_one_name_that_no_list_has() {
        let servers: Vec<_> = (0..300).map(|n| format!(r#"{{"url":"https://{n}.example"}}"#)).collect();
        let found = of(&format!(r#"{{"mcp_servers":[{}]}}"#, servers.join(",")));
        assert_eq!((found.len(), found.last()), (REACH_LIMIT + 1, Some(&tool("too-many"))));
    }
}
