//! What the listener encrypts with: certificate and key from the files that `tls` in gateway/config.yml
//! names. They are read once, when it begins to listen; a renewed certificate needs a restart.
//!
//! Errors name the line of the configuration and never a path or anything of the key.

use crate::config::{NamedFile, Tls};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use zos_core::{Home, Problem};

/// Certificates with their keys take a few kilobytes; more is another file.
const FILE_BYTES: usize = 1 << 20;

/// Reads the files and makes what takes encrypted connections.
///
/// # Errors
/// A problem with the place in the configuration: a file that cannot be read or holds something else, or a
/// key of another certificate.
pub(crate) fn acceptor(home: &Home, tls: &Tls) -> Result<TlsAcceptor, Box<Problem>> {
    let about = |file: &NamedFile, message: String, fix: &str| {
        let config = home.relative(&home.gateway_config());
        Box::new(Problem::error(config, message, fix).at(file.place.line, file.place.column))
    };
    let text = |file: &NamedFile, key: &str| {
        read(home, file).map_err(|error| {
            let message = format!("the file that `tls.{key}` names cannot be read: {error}");
            about(file, message, "name a PEM file that you can read")
        })
    };
    let chain = CertificateDer::pem_slice_iter(&text(&tls.cert, "cert")?).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
        let message = "the file that `tls.cert` names holds no certificate".to_owned();
        about(&tls.cert, message, "it must be PEM: -----BEGIN CERTIFICATE-----")
    })?;
    let key = PrivateKeyDer::from_pem_slice(&text(&tls.key, "key")?).map_err(|error| {
        let what = match error {
            pem::Error::NoItemsFound => "holds no private key",
            _ => "is not valid PEM",
        };
        let message = format!("the file that `tls.key` names {what}");
        about(&tls.key, message, "it must be PEM without a password: -----BEGIN PRIVATE KEY-----")
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            let message = format!("certificate and key of `tls` cannot be used: {error}");
            about(&tls.key, message, "name the key that belongs to the certificate")
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read(home: &Home, file: &NamedFile) -> std::io::Result<Vec<u8>> {
    zos_seal::read_regular(&home.root().join(&file.path), FILE_BYTES)
}
