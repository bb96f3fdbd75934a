// SPDX-License-Identifier: Apache-2.0

//! Certificates for DoT and DoH: the owner's, or a self-signed one that is made once and kept.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
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

/// A certificate that is served, and read again when its files change: it is renewed every few weeks.
///
/// # Correctness
/// What was served stays until there is something better: files that can't be read, or a certificate and a key that don't
/// belong together (one of the two files was replaced, the other one not yet), are logged once and looked at again when
/// they change.
pub struct Certificate {
    chain_path: PathBuf,
    key_path: PathBuf,
    current: ArcSwap<CertifiedKey>,
    /// What the files were when they were read last, whatever came of it.
    seen: Mutex<[Option<Stamp>; 2]>,
}

/// Tells one state of a file from another: time of its last change, length, and which file it is.
type Stamp = (SystemTime, u64, u64);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain_path).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Certificate {
    /// The certificate of `config`; without one, a self-signed one that is made once and kept.
    ///
    /// # Errors
    /// [`CertificateError`]; its text says what to do.
    pub fn open(config: &Config) -> Result<Arc<Self>, CertificateError> {
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
        let seen = Mutex::new([stamp(&chain_path), stamp(&key_path)]);
        let current = ArcSwap::from_pointee(read(&chain_path, &key_path)?);
        Ok(Arc::new(Certificate { chain_path, key_path, current, seen }))
    }

    /// Acceptors for DoT and for DoH that serve whatever the certificate is by then.
    ///
    /// # Errors
    /// `Unusable`.
    pub fn acceptors(self: &Arc<Self>) -> Result<(TlsAcceptor, TlsAcceptor), CertificateError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Unusable)?;
        let base = builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        let with = |protocols: &[&[u8]]| {
            let mut config = base.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsAcceptor::from(Arc::new(config))
        };
        Ok((with(&[b"dot"]), with(&[b"h2", b"http/1.1"])))
    }

    /// Reads the files again if they have changed, or whatever they are if this is `forced`.
    pub fn refresh(&self, forced: bool) {
        let now = [stamp(&self.chain_path), stamp(&self.key_path)];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now && !forced {
            return;
        }
        *seen = now;
        match read(&self.chain_path, &self.key_path) {
            Ok(read) => {
                self.current.store(Arc::new(read));
                tracing::info!(path = %self.chain_path.display(), "serving the certificate that was read again");
            },
            Err(error) => {
                tracing::warn!(%error, "the changed certificate can't be used: the one before is served; mend the files");
            },
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

fn provider() -> Arc<crypto::CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

/// Reads a chain and its key, which must belong together.
fn read(chain_path: &Path, key_path: &Path) -> Result<CertifiedKey, CertificateError> {
    let bad = |path: &Path, reason: String| CertificateError::File { path: path.display().to_string(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain_path)
        .and_then(Iterator::collect)
        .map_err(|error| bad(chain_path, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| bad(key_path, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(CertificateError::Unusable)
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
