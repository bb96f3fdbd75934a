// SPDX-License-Identifier: Apache-2.0

//! TLS 1.3 between a client and the vault whose service key the chain names.
//!
//! A vault's certificate is signed by its own service key, and nothing in it is looked at but that key: names, dates and
//! authorities mean nothing here. Clients show no certificate; what they may do their tickets say.

use std::{fmt, io, sync::Arc};

use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _, UnparsedPublicKey, ED25519},
};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{
    client,
    rustls::{
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{self, ring::cipher_suite, CryptoProvider},
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
        server::ParsedCertificate,
        version::TLS13,
        CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    },
    server, TlsAcceptor, TlsConnector,
};
use zeroize::Zeroizing;

use crate::{WireError, ALPN};

/// Bytes that are taken from a socket at once: TLS by itself asks for 4 KiB.
const READ_BYTES: usize = 64 << 10;
/// Bytes that are encrypted and given to a socket at once.
const WRITE_BYTES: usize = 256 << 10;

/// Bytes of a service key's secret.
pub const SECRET_BYTES: usize = 32;
/// What comes before the secret in the PKCS#8 form of an Ed25519 key (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What comes before an Ed25519 key in a certificate's SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The Ed25519 key that a vault is known by: on the network, and under its receipts.
pub struct ServiceKey {
    pair: Ed25519KeyPair,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl ServiceKey {
    /// A new key.
    ///
    /// # Errors
    /// [`WireError::Key`] if the system has no randomness.
    pub fn generate() -> Result<Self, WireError> {
        let random = ring::rand::generate::<[u8; SECRET_BYTES]>(&SystemRandom::new())
            .map_err(|_| WireError::Key("the system gives no random bytes".into()))?;
        Self::from_secret(Zeroizing::new(random.expose()))
    }

    /// The key with this secret.
    ///
    /// # Errors
    /// [`WireError::Key`] if there is none.
    pub fn from_secret(secret: Zeroizing<[u8; SECRET_BYTES]>) -> Result<Self, WireError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&secret[..]).map_err(|error| WireError::Key(error.to_string()))?;
        Ok(ServiceKey { pair, secret })
    }

    /// The secret, to be kept in a file that only its owner can read.
    pub fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The public key, as it is registered on chain.
    pub fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        public
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        signature
    }

    fn pkcs8(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], &self.secret[..]].concat())
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// Whether the service key `public` signed this.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

/// AES-128 first, ten rounds instead of fourteen: what is carried is ciphertext already.
fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    Arc::new(CryptoProvider { cipher_suites, ..crypto::ring::default_provider() })
}

/// A vault's end: shows a certificate of its service key.
///
/// # Errors
/// [`WireError::Key`] if no certificate can be made of it.
pub fn server_config(key: &ServiceKey) -> Result<Arc<ServerConfig>, WireError> {
    let unusable = |error: &dyn fmt::Display| WireError::Key(error.to_string());
    let signing = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8(), &rcgen::PKCS_ED25519)
        .map_err(|error| unusable(&error))?;
    let certificate = rcgen::CertificateParams::new(vec!["vault.invalid".into()])
        .and_then(|params| params.self_signed(&signing))
        .map_err(|error| unusable(&error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.pkcs8()))
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every connection proves the key anew, and nothing is kept of past ones.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A client's end: speaks only with the owner of the service key `public`.
///
/// # Errors
/// [`WireError::Key`] if TLS can't be set up.
pub fn client_config(public: [u8; 32]) -> Result<Arc<ClientConfig>, WireError> {
    let provider = provider();
    let verifier = Arc::new(OnlyKey { public, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| WireError::Key(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes a client in.
///
/// # Errors
/// Of the socket, or of the handshake.
pub async fn accept(acceptor: &TlsAcceptor, socket: TcpStream) -> io::Result<server::TlsStream<BufReader<TcpStream>>> {
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(BufReader::with_capacity(READ_BYTES, socket)).await?;
    stream.get_mut().1.set_buffer_limit(Some(WRITE_BYTES));
    Ok(stream)
}

/// Connects with a vault.
///
/// # Errors
/// Of the socket, or of the handshake: `InvalidData` if it doesn't have the key.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    socket: TcpStream,
) -> io::Result<client::TlsStream<BufReader<TcpStream>>> {
    socket.set_nodelay(true)?;
    // Not sent and not checked: the key is what counts.
    let name = ServerName::try_from("vault.invalid").map_err(io::Error::other)?;
    let mut stream = TlsConnector::from(config).connect(name, BufReader::with_capacity(READ_BYTES, socket)).await?;
    stream.get_mut().1.set_buffer_limit(Some(WRITE_BYTES));
    Ok(stream)
}

/// Accepts one key.
#[derive(Debug)]
struct OnlyKey {
    public: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let expected = [&SPKI_PREFIX[..], &self.public[..]].concat();
        if shown.as_ref() != expected {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
