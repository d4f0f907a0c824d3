//! Addresses that the page may go to: the screens alone. A web link opens in the person's own browser.

use crate::{display, scheme};
use tauri::Url;

/// Whether an address is one of the screens. Windows spells a scheme as a host.
pub(super) fn is_ours(url: &Url) -> bool {
    let host = match url.scheme() {
        scheme::NAME => "localhost",
        "http" if cfg!(windows) => "zos.localhost",
        _ => return false,
    };
    url.host_str() == Some(host) && url.port().is_none() && url.path().starts_with("/zos/")
}

/// Opens a link in the browser, if it may be opened at all.
pub(super) fn follow(url: &Url) {
    if !is_web(url) {
        tracing::warn!(scheme = url.scheme(), "a link to something other than a web page was not followed");
        return;
    }
    let commands = open::commands(url.as_str());
    // Some browsers stay in the foreground of what started them.
    tauri::async_runtime::spawn_blocking(move || {
        let is_started = commands.into_iter().any(|mut command| {
            for name in display::set_here() {
                command.env_remove(name);
            }
            command.status().is_ok_and(|status| status.success())
        });
        if !is_started {
            tracing::warn!("no browser could be started");
        }
    });
}

/// A web page on another machine. Schemes start programs, a password in an address is a trick, and our own
/// machine's ports are none of a link's business.
fn is_web(url: &Url) -> bool {
    let is_elsewhere = match url.host() {
        Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => !address.is_loopback() && !address.is_unspecified(),
        Some(url::Host::Ipv6(address)) => !address.is_loopback() && !address.is_unspecified(),
        None => false,
    };
    matches!(url.scheme(), "http" | "https")
        && is_elsewhere
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_screens_are_ours() {
        for (address, expected) in [
            ("zos://localhost/zos/", true),
            ("zos://localhost/zos/#/rooms", true),
            ("zos://localhost/zos/v1/status", true),
            ("zos://localhost/", false),
            ("zos://elsewhere/zos/", false),
            ("https://localhost/zos/", false),
            ("tauri://localhost/zos/", false),
            ("data:text/html,x", false),
            ("about:blank", false),
        ] {
            assert_eq!(is_ours(&address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn only_web_pages_elsewhere_are_opened() {
        for (address, expected) in [
            ("https://example.org/a?b#c", true),
            ("http://192.0.2.7/", true),
            ("http://127.0.0.1:8788/", false),
            ("http://[::1]/", false),
            ("http://app.localhost/", false),
            ("https://user@example.org/", false),
            ("https://:word@example.org/", false),
            ("file:///etc/passwd", false),
            ("javascript:alert(1)", false),
            ("mailto:ann@example.org", false),
        ] {
            assert_eq!(is_web(&address.parse().unwrap()), expected, "{address}");
        }
    }
}
