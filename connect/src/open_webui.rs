//! Open WebUI: its connections are kept in its own database after the first start.

use crate::client::{Client, Governs, Run, UNKNOWN};

/// Open WebUI.
pub(crate) const CLIENT: Client = Client {
    id: "open-webui",
    name: "Open WebUI",
    governs: Governs::Nothing(
        "enter the address by hand: Admin, Connections; from a container use host.docker.internal, which needs auth.allowed_hosts",
    ),
    signs: |machine| vec![machine.at(".open-webui")],
    programs: &["open-webui"],
    run: Some(|_, address| Run {
        environment: vec![
            ("OPENAI_API_BASE_URL", address.v1()),
            ("OPENAI_API_KEY", address.key().to_owned()),
            ("ENABLE_PERSISTENT_CONFIG", "False".to_owned()),
        ],
        ..Run::default()
    }),
    ..UNKNOWN
};
