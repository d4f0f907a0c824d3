//! Presets: what is known of a provider, as data. A file names one and may overrule it key by key.
//!
//! A preset brings no rights: it fills in what the person would write, and the same checks follow.

use super::{Api, Auth};

/// A provider that many people use.
#[derive(Debug)]
pub(super) struct Preset {
    /// Word of the file.
    pub(super) name: &'static str,
    /// Ways to reach it, the usual one first. `{name}` stands for a variable.
    pub(super) ways: &'static [Way],
    /// Environment variable that its key stands in; empty where it needs no key of the owner.
    pub(super) variable: &'static str,
    /// Keys of the file that its address is made of.
    pub(super) asks: &'static [&'static str],
    /// Whether it has the responses endpoint.
    pub(super) responses: bool,
    /// Whether a plan pays for its calls.
    pub(super) plan: bool,
    /// Whether it is a model on the machine that its address names.
    pub(super) serves_models: bool,
    /// Headers of the caller that it is sent.
    pub(super) pass_up: &'static [&'static str],
    /// Headers of its answers that reach the caller.
    pub(super) pass_down: &'static [&'static str],
}

/// One API of a provider.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) api: Api,
    pub(super) base_url: &'static str,
    pub(super) auth: Auth,
}

const fn openai(base_url: &'static str) -> Way {
    Way { api: Api::OpenAi, base_url, auth: Auth::Bearer }
}

const fn anthropic(base_url: &'static str) -> Way {
    Way { api: Api::Anthropic, base_url, auth: Auth::XApiKey }
}

const USUAL: Preset = Preset {
    name: "",
    ways: &[],
    variable: "",
    asks: &[],
    responses: true,
    plan: false,
    serves_models: false,
    pass_up: &[],
    pass_down: &[],
};

/// All presets, by the words that stand in `preset:`.
pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "anthropic",
        ways: &[anthropic("https://api.anthropic.com")],
        variable: "ANTHROPIC_API_KEY",
        ..USUAL
    },
    Preset {
        name: "openai",
        ways: &[openai("https://api.openai.com/v1")],
        variable: "OPENAI_API_KEY",
        ..USUAL
    },
    // The plan that Codex signs in to. It keeps a turn together by headers of its own, both ways.
    Preset {
        name: "chatgpt",
        ways: &[Way {
            api: Api::OpenAi,
            base_url: "https://chatgpt.com/backend-api/codex",
            auth: Auth::Caller,
        }],
        plan: true,
        pass_up: &[
            "chatgpt-account-id",
            "originator",
            "session_id",
            "session-id",
            "conversation_id",
            "thread_id",
            "thread-id",
            "version",
            "openai-beta",
            "x-openai-subagent",
            "x-client-request-id",
            "x-codex-*",
        ],
        pass_down: &["x-codex-*", "x-models-etag", "x-reasoning-included"],
        ..USUAL
    },
    Preset {
        name: "bedrock-mantle",
        ways: &[
            openai("https://bedrock-mantle.{region}.api.aws/v1"),
            Way {
                api: Api::Anthropic,
                base_url: "https://bedrock-mantle.{region}.api.aws/anthropic",
                auth: Auth::Bearer,
            },
        ],
        variable: "AWS_BEARER_TOKEN_BEDROCK",
        asks: &["region"],
        ..USUAL
    },
    Preset {
        name: "azure-v1",
        ways: &[
            Way {
                api: Api::OpenAi,
                base_url: "https://{resource}.openai.azure.com/openai/v1",
                auth: Auth::ApiKey,
            },
            anthropic("https://{resource}.services.ai.azure.com/anthropic"),
        ],
        variable: "AZURE_OPENAI_API_KEY",
        asks: &["resource"],
        ..USUAL
    },
    Preset {
        name: "vertex-openai",
        ways: &[openai(
            "https://{location-}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/endpoints/openapi",
        )],
        variable: "VERTEX_ACCESS_TOKEN",
        asks: &["project", "location"],
        responses: false,
        ..USUAL
    },
    Preset {
        name: "gemini",
        ways: &[openai("https://generativelanguage.googleapis.com/v1beta/openai")],
        variable: "GEMINI_API_KEY",
        responses: false,
        ..USUAL
    },
    Preset {
        name: "openrouter",
        ways: &[
            openai("https://openrouter.ai/api/v1"),
            Way { api: Api::Anthropic, base_url: "https://openrouter.ai/api", auth: Auth::Bearer },
        ],
        variable: "OPENROUTER_API_KEY",
        ..USUAL
    },
    Preset {
        name: "groq",
        ways: &[openai("https://api.groq.com/openai/v1")],
        variable: "GROQ_API_KEY",
        ..USUAL
    },
    Preset {
        name: "mistral",
        ways: &[openai("https://api.mistral.ai/v1")],
        variable: "MISTRAL_API_KEY",
        responses: false,
        ..USUAL
    },
    Preset {
        name: "deepseek",
        ways: &[openai("https://api.deepseek.com/v1"), anthropic("https://api.deepseek.com/anthropic")],
        variable: "DEEPSEEK_API_KEY",
        responses: false,
        ..USUAL
    },
    Preset { name: "xai", ways: &[openai("https://api.x.ai/v1")], variable: "XAI_API_KEY", ..USUAL },
    Preset {
        name: "ollama",
        ways: &[openai("http://127.0.0.1:11434/v1"), anthropic("http://127.0.0.1:11434")],
        serves_models: true,
        ..USUAL
    },
    Preset {
        name: "lm-studio",
        ways: &[openai("http://127.0.0.1:1234/v1"), anthropic("http://127.0.0.1:1234")],
        serves_models: true,
        ..USUAL
    },
    Preset {
        name: "llama.cpp",
        ways: &[openai("http://127.0.0.1:8080/v1"), anthropic("http://127.0.0.1:8080")],
        serves_models: true,
        ..USUAL
    },
    Preset {
        name: "vllm",
        ways: &[openai("http://127.0.0.1:8000/v1"), anthropic("http://127.0.0.1:8000")],
        serves_models: true,
        ..USUAL
    },
];

impl Preset {
    /// The way by this API, or the usual one; `None` where it does not speak it.
    pub(super) fn way(&self, api: Option<Api>) -> Option<&'static Way> {
        match api {
            None => self.ways.first(),
            Some(api) => self.ways.iter().find(|way| way.api == api),
        }
    }
}

impl Way {
    /// The address, its variables filled in. `{location-}` is what stands in front of a host that has one for each
    /// place: nothing for the place `global`.
    pub(super) fn address(&self, values: &[(&'static str, &str)]) -> String {
        let filled = values.iter().fold(self.base_url.to_owned(), |address, (name, value)| {
            let front = if *value == "global" { String::new() } else { format!("{value}-") };
            address.replace(&format!("{{{name}-}}"), &front).replace(&format!("{{{name}}}"), value)
        });
        debug_assert!(!filled.contains('{'), "a preset asks for every variable of its address");
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::travel::Headers;
    use std::collections::BTreeSet;

    #[test]
    fn every_preset_has_an_address_of_exactly_what_it_asks_for() {
        let mut names = BTreeSet::new();
        for preset in PRESETS {
            assert!(names.insert(preset.name), "{}", preset.name);
            assert!(!preset.ways.is_empty(), "{}", preset.name);
            for way in preset.ways {
                let values: Vec<_> = preset.asks.iter().map(|name| (*name, "abc")).collect();
                let address = way.address(&values);
                assert!(!address.contains(['{', '}']), "{address}");
                assert!(super::super::provider::parse_base_url(&address, false).is_ok(), "{address}");
                assert!(
                    preset.asks.iter().all(|name| way.base_url.contains(&format!("{{{name}}}"))),
                    "{address}"
                );
                assert_eq!(address.ends_with("/v1"), address.ends_with("/v1") && way.api == Api::OpenAi);
            }
            for name in preset.pass_up.iter().chain(preset.pass_down) {
                assert_eq!(Headers::default().add(name), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn a_place_stands_in_front_of_the_host_unless_it_is_global() {
        let vertex = PRESETS.iter().find(|preset| preset.name == "vertex-openai").unwrap();
        let at = |location| vertex.ways[0].address(&[("project", "p"), ("location", location)]);
        assert_eq!(
            at("europe-west4"),
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/endpoints/openapi"
        );
        assert_eq!(
            at("global"),
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi"
        );
    }
}
