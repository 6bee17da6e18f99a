//! TLS of our own, for whoever has a certificate and no proxy: the files are read at start, and again when they change, so that a renewed
//! certificate needs no restart.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// How often the files are looked at, which costs next to nothing.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where the certificate lies: its chain and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Files {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// The certificate in use.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    now: RwLock<Arc<CertifiedKey>>,
    read: Mutex<Option<[Version; 2]>>,
}

impl Certificate {
    /// Reads both files. The error is a sentence that names what to change.
    pub fn read(files: Files) -> Result<Arc<Self>, String> {
        let versions = versions(&files);
        let key = load(&files)?;
        Ok(Arc::new(Self { files, now: RwLock::new(Arc::new(key)), read: Mutex::new(versions) }))
    }

    /// What accepts connections with whichever certificate is in use then.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, String> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}."))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads the files again if they have changed. What cannot be read leaves the old certificate in use, and is said.
    pub fn look_again(&self) {
        let now = versions(&self.files);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *read == now {
            return;
        }
        *read = now;
        match load(&self.files) {
            Ok(key) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                info!("a new certificate is in use");
            }
            Err(error) => warn!(%error, "the changed certificate cannot be used; the old one stays in use"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What changes when a file is written or replaced: its number and its time, in seconds and nanoseconds.
type Version = (u64, i64, i64);

fn versions(files: &Files) -> Option<[Version; 2]> {
    let of = |path: &Path| path.metadata().ok().map(|data| (data.ino(), data.mtime(), data.mtime_nsec()));
    Some([of(&files.chain)?, of(&files.key)?])
}

fn load(files: &Files) -> Result<CertifiedKey, String> {
    let (chain_path, key_path) = (files.chain.display(), files.key.display());
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("--tls-cert {chain_path} cannot be read: {error}."))?;
    if chain.is_empty() {
        return Err(format!("--tls-cert {chain_path} holds no certificate: it must be a PEM file, the server's own certificate first."));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("--tls-key {key_path} cannot be read as a PEM file with a private key: {error}."))?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("--tls-cert {chain_path} and --tls-key {key_path} cannot be used together: {error}."))?;
    Ok(key)
}
