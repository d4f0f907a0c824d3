//! What `zos serve` says when it listens: where everything is, and the first thing to try.

use crate::admin::reachable;
use crate::failure::Result;
use crate::output::{Output, Tone};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use zos_core::Home;
use zos_gateway::Gateway;
use zos_gateway::config::Config;

/// Says it, for people or for programs.
pub(super) fn show(
    house: &Arc<Gateway>,
    home: &Home,
    config: &Config,
    address: SocketAddr,
    output: &mut Output,
) -> Result<()> {
    let snapshot = house.brain().snapshot();
    let active = snapshot.effective_active();
    let url = format!("{}://{}", config.scheme(), reachable(address));
    if output.is_json() {
        let active = active.as_ref().map(ToString::to_string).ok();
        let token = home.admin_token().display().to_string();
        return output.json_line(&json!({
            "address": url, "active": active, "home": home.root().display().to_string(),
            "screens": format!("{url}/zos/"), "admin_token_file": token,
        }));
    }
    let room = match &active {
        Ok(name) if snapshot.is_builtin() => {
            format!("{name}, built in until you make one: zos context new NAME").into()
        }
        Ok(name) => crate::output::Cell(Tone::Strong, name.to_string()),
        Err(why) => crate::output::Cell(Tone::Bad, format!("none, as {why}: zos context use NAME")),
    };
    output.line(output.toned(Tone::Good, &format!("zOS listens on {url}")))?;
    output.line("")?;
    output.facts(&[
        ("room", room),
        ("files", home.root().display().to_string().into()),
        ("screens", format!("{url}/zos/").into()),
        ("token", format!("for the screens: zos token --admin, or {}", home.admin_token().display()).into()),
    ])?;
    let key = if config.auth.keyless { "" } else { " -H \"x-zos-key: $(zos token curl)\"" };
    output.line(if config.auth.keyless { "\nTry it, no provider key needed:\n" } else { "\nTry it:\n" })?;
    // Its certificate need not be one that this machine trusts.
    let insecure = if config.tls.is_some() { " -k" } else { "" };
    output.line(format!(
        "  curl{insecure} {url}/v1/chat/completions -H 'content-type: application/json'{key} \\"
    ))?;
    output.line(
        "    -d '{\"model\":\"demo/echo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n",
    )?;
    output.flush()
}
