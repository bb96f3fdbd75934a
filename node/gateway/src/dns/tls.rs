// SPDX-License-Identifier: Apache-2.0

//! Certificates for DoT and DoH: the owner's, or a self-signed one that is made once and kept.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{crypto, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::config::Config;
use super::dnssec::write_private;

/// The self-signed certificate in the data folder.
pub const CERTIFICATE_FILE: &str = "dns-tls-certificate.pem";
/// Its key.
pub const KEY_FILE: &str = "dns-tls-key.pem";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file can't be read or written, or is no PEM.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the key don't make a TLS server.
    #[error("certificate and key can't be used: {0}")]
    Unusable(tokio_rustls::rustls::Error),
    /// No certificate could be made.
    #[error("no self-signed certificate can be made: {0} (check the certificate's names)")]
    SelfSigned(rcgen::Error),
}

/// Makes the acceptors for DoT and for DoH.
///
/// # Errors
/// [`CertificateError`]; its text says what to do.
pub fn acceptors(config: &Config) -> Result<(TlsAcceptor, TlsAcceptor), CertificateError> {
    let own = config.certificate.as_ref().map(|files| (files.chain.clone(), files.key.clone()));
    let (chain_path, key_path) = match own {
        Some(paths) => paths,
        None => {
            let paths = (config.data_folder.join(CERTIFICATE_FILE), config.data_folder.join(KEY_FILE));
            if !paths.0.exists() || !paths.1.exists() {
                make_self_signed(&config.certificate_names, &paths.0, &paths.1)?;
            }
            paths
        },
    };
    let bad = |path: &Path, reason: String| CertificateError::File { path: path.display().to_string(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&chain_path)
        .and_then(Iterator::collect)
        .map_err(|error| bad(&chain_path, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|error| bad(&key_path, error.to_string()))?;
    let provider = Arc::new(crypto::ring::default_provider());
    let base = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(CertificateError::Unusable)?;
    let with = |protocols: &[&[u8]]| {
        let mut config = base.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    };
    Ok((with(&[b"dot"]), with(&[b"h2", b"http/1.1"])))
}

fn make_self_signed(names: &[String], chain_path: &Path, key_path: &Path) -> Result<(), CertificateError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(CertificateError::SelfSigned)?;
    let files = [
        (key_path, pem("PRIVATE KEY", &made.signing_key.serialize_der())),
        (chain_path, pem("CERTIFICATE", made.cert.der())),
    ];
    for (path, text) in files {
        let written = fs::remove_file(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        written
            .and_then(|()| write_private(path, text.as_bytes()))
            .map_err(|error| CertificateError::File { path: path.display().to_string(), reason: error.to_string() })?;
    }
    tracing::info!(path = %chain_path.display(), "made a self-signed certificate; clients have to be told to trust it");
    Ok(())
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {kind}-----\n");
    let mut rest = &text[..];
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {kind}-----\n"));
    pem
}
