//! `gateway/config.yml`: listener, auth, limits, durability. Read once at the start; a key that is
//! unknown or of a wrong type stops the start with file and line, because a misspelt safety setting that
//! is silently ignored is none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use zos_audit::Durability;
use zos_core::yaml::{self, Fields, Findings, Place, Unknown};
use zos_core::{Home, Problem};
use zos_seal::Secret;
use zos_wire::clients::Refusals;

/// The gateway's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// With what the listener encrypts; without it, it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Whether an address beyond this machine may be served without TLS.
    pub dangerous_plain_http: bool,
    /// Who may call.
    pub auth: Auth,
    /// How long providers are waited for.
    pub upstream: UpstreamLimits,
    /// How much a caller may send.
    pub limits: Limits,
    /// How the log is kept.
    pub audit: AuditConfig,
    /// Where a ledger is that several gateways share; absent means the file of this home.
    pub ledger_url: Option<Secret>,
    /// How long a call waits for the owner.
    pub ask_timeout: Duration,
    /// Where spans of calls go, if anywhere.
    pub telemetry: TelemetryConfig,
    /// Which forms refusals have.
    pub refusals: Refusals,
    /// What the program itself writes down: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: &'static str,
}

/// The files with what the listener encrypts with. They are read when it begins to listen.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate and those that lead to its issuer, as PEM.
    pub cert: NamedFile,
    /// Its private key, as PEM.
    pub key: NamedFile,
}

/// A file that the configuration names.
#[derive(Debug, Clone)]
pub struct NamedFile {
    /// Where it is; a relative path begins at the home.
    pub path: PathBuf,
    /// Where the configuration names it.
    pub place: Place,
}

/// Who may call.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Whether a call without a zOS key is served.
    pub keyless: bool,
    /// Names besides this machine's own that a Host header may have.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call.
    pub allowed_origins: Vec<String>,
}

/// How long providers are waited for.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamLimits {
    /// Until there is a connection.
    pub connect_timeout: Duration,
    /// Until the head of the answer has arrived.
    pub first_byte_timeout: Duration,
    /// Between two pieces of the answer.
    pub idle_timeout: Duration,
}

/// How much a caller may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request body, and of a plain answer, which are held in memory whole.
    pub body_bytes: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Connections at once; further ones wait.
    pub connections: usize,
}

/// How the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct AuditConfig {
    /// Whether an answer waits for the disk.
    pub durability: Durability,
}

/// Which names the conventions for generative AI have; none of them is stable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenAi {
    /// Up to 1.36: `gen_ai.system`.
    V1_36,
    /// From 1.37 on: `gen_ai.provider.name`.
    V1_37,
}

/// Where spans go.
#[derive(Debug, Clone, Default)]
pub struct TelemetryConfig {
    /// The collector's address for traces; `None` is off.
    pub otlp: Option<Url>,
    /// The names of generative AI to use besides our own; `None` uses none.
    pub genai: Option<GenAi>,
}

impl Default for Auth {
    fn default() -> Self {
        Auth { keyless: true, allowed_hosts: Vec::new(), allowed_origins: Vec::new() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8788)),
            tls: None,
            dangerous_plain_http: false,
            auth: Auth::default(),
            upstream: UpstreamLimits {
                connect_timeout: Duration::from_secs(10),
                first_byte_timeout: Duration::from_secs(600),
                idle_timeout: Duration::from_secs(300),
            },
            limits: Limits { body_bytes: 32 << 20, header_bytes: 64 << 10, connections: 1024 },
            audit: AuditConfig { durability: Durability::Relaxed },
            ledger_url: None,
            ask_timeout: Duration::from_secs(45),
            telemetry: TelemetryConfig::default(),
            refusals: Refusals::default(),
            log_level: "info",
        }
    }
}

/// What is wrong with the configuration, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

impl Config {
    /// The scheme of the listener's addresses.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Reads the configuration of a home; the default where there is no file.
    ///
    /// # Errors
    /// Every finding, with file and line.
    pub fn load(home: &Home) -> Result<Config, ConfigError> {
        let path = home.gateway_config();
        let file = home.relative(&path);
        match zos_seal::read_regular(&path, yaml::MAX_BYTES + 1) {
            Ok(bytes) => Config::parse(&file, &bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(unreadable(&file, &path, &error)),
        }
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// Every finding, with file and line.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Config, ConfigError> {
        let document = yaml::parse(file, bytes).map_err(|problem| ConfigError(vec![*problem]))?;
        let mut findings = Findings::new(file);
        let config = Fields::of(&document.root, "", &mut findings).map(|fields| read(fields, &mut findings));
        match config {
            Some(config) if !findings.has_errors() => Ok(config),
            _ => Err(ConfigError(findings.into_problems())),
        }
    }
}

fn unreadable(file: &str, path: &Path, error: &std::io::Error) -> ConfigError {
    let fix = match error.kind() {
        _ if path.is_dir() => "replace the folder by a file",
        std::io::ErrorKind::InvalidInput => "replace it by a plain text file",
        _ => "make it readable for you, or remove it",
    };
    ConfigError(vec![Problem::error(file, format!("the file cannot be read: {error}"), fix)])
}

fn read(mut top: Fields<'_>, findings: &mut Findings) -> Config {
    let mut config = Config::default();
    if let Some(node) = top.value("listen", findings) {
        match top.text("listen", findings).map(str::parse) {
            Some(Ok(listen)) => config.listen = listen,
            Some(Err(_)) => findings.error(
                node.place,
                "`listen` is not an address with a port",
                "write for example 127.0.0.1:8788",
            ),
            None => {}
        }
    }
    set(&mut config.dangerous_plain_http, top.flag("dangerous_plain_http", findings));
    if let Some(mut tls) = top.map("tls", findings) {
        let place = tls.place();
        match (named_file(&mut tls, "cert", findings), named_file(&mut tls, "key", findings)) {
            (Some(cert), Some(key)) => config.tls = Some(Tls { cert, key }),
            _ => findings.error(
                place,
                "`tls` needs both `cert` and `key`",
                "write tls: {cert: gateway/cert.pem, key: gateway/key.pem}",
            ),
        }
        tls.finish(Unknown::Refuse, findings);
    }
    if let Some(mut auth) = top.map("auth", findings) {
        set(&mut config.auth.keyless, auth.flag("keyless", findings));
        set(&mut config.auth.allowed_hosts, texts(&mut auth, "allowed_hosts", findings));
        set(&mut config.auth.allowed_origins, texts(&mut auth, "allowed_origins", findings));
        auth.finish(Unknown::Refuse, findings);
    }
    if let Some(mut upstream) = top.map("upstream", findings) {
        let limits = &mut config.upstream;
        set(&mut limits.connect_timeout, duration(&mut upstream, "connect_timeout_ms", findings));
        set(&mut limits.first_byte_timeout, duration(&mut upstream, "first_byte_timeout_ms", findings));
        set(&mut limits.idle_timeout, duration(&mut upstream, "idle_timeout_ms", findings));
        upstream.finish(Unknown::Refuse, findings);
    }
    if let Some(mut limits) = top.map("limits", findings) {
        set(&mut config.limits.body_bytes, size(&mut limits, "body_bytes", 1 << 10, 1 << 30, findings));
        set(&mut config.limits.header_bytes, size(&mut limits, "header_bytes", 8 << 10, 1 << 20, findings));
        set(&mut config.limits.connections, size(&mut limits, "connections", 1, 1 << 16, findings));
        limits.finish(Unknown::Refuse, findings);
    }
    if let Some(mut audit) = top.map("audit", findings) {
        let words = [("relaxed", Durability::Relaxed), ("sync", Durability::Sync)];
        set(&mut config.audit.durability, audit.word("durability", &words, findings));
        audit.finish(Unknown::Refuse, findings);
    }
    if let Some(mut ask) = top.map("ask", findings) {
        let stated = size(&mut ask, "timeout_s", 1, 600, findings);
        set(&mut config.ask_timeout, stated.map(|seconds| Duration::from_secs(seconds as u64)));
        ask.finish(Unknown::Refuse, findings);
    }
    if let Some(mut ledger) = top.map("ledger", findings) {
        let place = ledger.entry("url").map(|entry| entry.value.place);
        match (ledger.text("url", findings), place) {
            (Some(url), _) if is_postgres(url) => config.ledger_url = Some(Secret::from(url)),
            // The address is not repeated: it may hold a password.
            (Some(_), Some(place)) => findings.error(
                place,
                "`ledger.url` is not the address of a PostgreSQL",
                "write for example postgres://zos@db.example/zos, or remove the line: gateway/usage.db serves",
            ),
            _ => {}
        }
        ledger.finish(Unknown::Refuse, findings);
    }
    if let Some(mut telemetry) = top.map("telemetry", findings) {
        let words = [("none", None), ("1.36", Some(GenAi::V1_36)), ("1.37", Some(GenAi::V1_37))];
        set(&mut config.telemetry.genai, telemetry.word("genai", &words, findings));
        let place = telemetry.entry("otlp").map(|entry| entry.value.place);
        if let (Some(place), Some(text)) = (place, telemetry.text("otlp", findings)) {
            match Url::parse(text) {
                Ok(mut url) if matches!(url.scheme(), "http" | "https") => {
                    if url.path() == "/" {
                        url.set_path("/v1/traces");
                    }
                    config.telemetry.otlp = Some(url);
                }
                _ => findings.error(
                    place,
                    "`otlp` is not the address of a collector",
                    "write for example http://127.0.0.1:4318",
                ),
            }
        }
        telemetry.finish(Unknown::Refuse, findings);
    }
    let words = [("best", Refusals::Best), ("reference", Refusals::Reference)];
    set(&mut config.refusals, top.word("refusals", &words, findings));
    if let Some(mut log) = top.map("log", findings) {
        let words =
            [("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug"), ("trace", "trace")];
        set(&mut config.log_level, log.word("level", &words, findings));
        log.finish(Unknown::Refuse, findings);
    }
    top.finish(Unknown::Refuse, findings);
    config
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn set<T>(setting: &mut T, stated: Option<T>) {
    if let Some(stated) = stated {
        *setting = stated;
    }
}

fn named_file(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<NamedFile> {
    let place = fields.entries().iter().find(|entry| entry.key == key).map(|entry| entry.value.place)?;
    let path = fields.text(key, findings)?;
    Some(NamedFile { path: PathBuf::from(path), place })
}

fn texts(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<Vec<String>> {
    let texts = fields.texts(key, findings)?;
    Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
}

fn duration(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<Duration> {
    size(fields, key, 1, 86_400_000, findings).map(|millis| Duration::from_millis(millis as u64))
}

fn size(
    fields: &mut Fields<'_>,
    key: &'static str,
    least: u64,
    most: u64,
    findings: &mut Findings,
) -> Option<usize> {
    let place = fields.entries().iter().find(|entry| entry.key == key).map(|entry| entry.value.place)?;
    let stated = fields.whole(key, findings)?;
    if !(least..=most).contains(&stated) {
        findings.error(
            place,
            format!("`{}` must be from {least} to {most}", fields.name(key)),
            "write a number in that range",
        );
        return None;
    }
    usize::try_from(stated).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("gateway/config.yml", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_file_is_read() {
        let config = parse(
            "listen: 127.0.0.1:9000\nauth: {keyless: false, allowed_hosts: [zos.example], allowed_origins: []}\n\
             upstream: {connect_timeout_ms: 1, first_byte_timeout_ms: 2, idle_timeout_ms: 3}\n\
             limits: {body_bytes: 33554432, header_bytes: 65536, connections: 8}\naudit: {durability: sync}\nledger: {}\nask: {timeout_s: 7}\nlog: {level: debug}\n\
             telemetry: {otlp: \"http://127.0.0.1:4318\", genai: \"1.37\"}\n",
        )
        .unwrap();
        assert_eq!(config.telemetry.otlp.unwrap().as_str(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(config.telemetry.genai, Some(GenAi::V1_37));
        assert_eq!(config.listen.port(), 9000);
        assert!(!config.auth.keyless);
        assert_eq!(config.upstream.idle_timeout, Duration::from_millis(3));
        assert_eq!(config.limits.connections, 8);
        assert_eq!(config.audit.durability, Durability::Sync);
        assert_eq!(config.ask_timeout, Duration::from_secs(7));
        assert_eq!(config.log_level, "debug");
    }

    #[test]
    fn the_address_of_a_ledger_is_kept_and_never_shown() {
        let config = parse("ledger: {url: \"postgres://zos:hunter2@db/zos\"}\n").unwrap();
        assert_eq!(config.ledger_url.as_ref().unwrap().expose(), "postgres://zos:hunter2@db/zos");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("# nothing yet\n").unwrap().listen.port(), 8788);
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        for (text, place, word) in [
            ("listen: here\n", "gateway/config.yml:1:", "listen"),
            ("\nauth: {keyles: false}\n", "gateway/config.yml:2:", "keyless"),
            ("auth: {keyless: maybe}\n", "gateway/config.yml:1:", "true or false"),
            ("limits:\n  body_bytes: 12\n", "gateway/config.yml:2:", "body_bytes"),
            ("limits:\n  body_bytes: big\n", "gateway/config.yml:2:", "whole number"),
            ("audit: {durability: never}\n", "gateway/config.yml:1:", "relaxed"),
            ("telemetry: {otlp: here}\n", "gateway/config.yml:1:", "collector"),
            ("audit: sync\n", "gateway/config.yml:1:", "map"),
            ("auth: {}\ntls: {cert: a.pem}\n", "gateway/config.yml:2:", "both"),
            ("tls: yes\n", "gateway/config.yml:1:", "map"),
            ("ledger: {url: \"mysql://x:hunter2@y\"}\n", "gateway/config.yml:1:", "PostgreSQL"),
            ("refusals: worst\n", "gateway/config.yml:1:", "refusals"),
            ("ask: {timeout_s: 0}\n", "gateway/config.yml:1:", "timeout_s"),
            ("- a\n", "gateway/config.yml:1:", "map"),
            ("listen: [\n", "gateway/config.yml:", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(place) && error.contains(word), "{text:?}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
