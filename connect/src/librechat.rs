//! LibreChat: an endpoint of our own in the `librechat.yaml` of the folder that a variable names.

use crate::client::{Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::json;
use std::path::PathBuf;

/// LibreChat.
pub(crate) const CLIENT: Client = Client {
    id: "librechat",
    name: "LibreChat",
    signs: |machine| vec![file(machine)],
    targets: |machine, address| {
        let endpoint = json!({
            "name": "zOS", "apiKey": address.key(), "baseURL": address.v1(),
            "models": {"default": address.models, "fetch": true},
        });
        let file = Target::new(file(machine), Format::Yaml);
        vec![file.item(&["endpoints", "custom"], "\"name\":\"zOS\"", endpoint)]
    },
    needs_models: true,
    costs: &["In a container this computer is host.docker.internal, which needs auth.allowed_hosts."],
    reload: "after a restart",
    ..UNKNOWN
};

/// It is a server, so its file is wherever it was put: `CONFIG_PATH` says so, else the home is looked at.
fn file(machine: &Machine) -> PathBuf {
    machine.variable("CONFIG_PATH").map_or_else(|| machine.at("LibreChat/librechat.yaml"), PathBuf::from)
}
