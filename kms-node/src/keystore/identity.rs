//! Who a node is: the key that signs answers, the TLS key of the peer port, the age identity shares are sealed to.

use super::KeystoreError;
use age::secrecy::ExposeSecret as _;
use alloy_primitives::Address;
use k256::ecdsa::SigningKey;
use rand::TryRngCore as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Version of the identity file.
const VERSION: u32 = 1;
/// Room for the file's JSON, so that it is written without growing (which would leave copies behind).
const FILE_BYTES: usize = 8192;
/// Draws until a scalar is in range; one in 2¹²⁸ is not.
const DRAWS: usize = 4;

/// The name in a node's TLS certificate: bound to the signer, so that a certificate cannot pass for another node's.
#[must_use]
pub fn tls_name(signer: Address) -> String {
    format!("{signer:x}.node.tkms")
}

/// The secrets of a node's identity. Redacted in `Debug`, zeroed on drop.
pub struct NodeIdentity {
    signing: SigningKey,
    tls_key: Zeroizing<String>,
    tls_certificate: String,
    age: age::x25519::Identity,
}

/// The public side: what the cluster file and the dealer need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeRecord {
    /// Address of the key that signs answers.
    pub signer: Address,
    /// PEM of the self-signed TLS certificate.
    pub tls_certificate: String,
    /// age recipient that key shares are encrypted to.
    pub recipient: String,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IdentityFile {
    version: u32,
    signing_key: String,
    tls_key: String,
    tls_certificate: String,
    age_identity: String,
}

impl NodeIdentity {
    /// Makes all keys anew from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeystoreError::Generate`] if there is none or the certificate cannot be made.
    pub fn generate() -> Result<Self, KeystoreError> {
        let signing = draw_signing_key()?;
        let failed = |error: rcgen::Error| KeystoreError::Generate(error.to_string());
        let name = tls_name(tkms_wire::signature::address(signing.verifying_key()));
        let tls = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(vec![name.clone()]).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&tls).map_err(failed)?;
        Ok(Self {
            signing,
            tls_key: Zeroizing::new(tls.serialize_pem()),
            tls_certificate: certificate.pem(),
            age: age::x25519::Identity::generate(),
        })
    }

    /// The public side.
    #[must_use]
    pub fn record(&self) -> NodeRecord {
        NodeRecord {
            signer: self.signer(),
            tls_certificate: self.tls_certificate.clone(),
            recipient: self.age.to_public().to_string(),
        }
    }

    /// Address of the key that signs answers.
    #[must_use]
    pub fn signer(&self) -> Address {
        tkms_wire::signature::address(self.signing.verifying_key())
    }

    /// The key that signs answers.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// PEM of the TLS certificate and of its key.
    #[must_use]
    pub fn tls(&self) -> (&str, &str) {
        (&self.tls_certificate, &self.tls_key)
    }

    pub(super) fn open_package(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, age::DecryptError> {
        age::decrypt(&self.age, sealed).map(Zeroizing::new)
    }

    /// Encrypts to this node.
    pub(super) fn seal_package(&self, bytes: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        age::encrypt(&self.age.to_public(), bytes).map_err(|error| KeystoreError::Encrypt(error.to_string()))
    }

    pub(super) fn to_secret_bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let scalar: Zeroizing<[u8; 32]> = Zeroizing::new(self.signing.to_bytes().into());
        let file = IdentityFile {
            version: VERSION,
            signing_key: alloy_primitives::hex::encode(scalar.as_slice()),
            tls_key: self.tls_key.to_string(),
            tls_certificate: self.tls_certificate.clone(),
            age_identity: self.age.to_string().expose_secret().to_owned(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
        serde_json::to_writer(&mut *bytes, &file).map_err(|error| KeystoreError::Encrypt(error.to_string()))?;
        Ok(bytes)
    }

    pub(super) fn from_secret_bytes(bytes: &[u8]) -> Result<Self, String> {
        // serde's own message could quote a value, so it is not passed on
        let file: IdentityFile = serde_json::from_slice(bytes).map_err(|_| "not an identity".to_owned())?;
        if file.version != VERSION {
            return Err(format!("identity of version {}, this build reads {VERSION}", file.version));
        }
        let scalar = alloy_primitives::hex::decode(&file.signing_key).map(Zeroizing::new);
        let signing = scalar.ok().and_then(|scalar| SigningKey::from_slice(&scalar).ok());
        let age = age::x25519::Identity::from_str(&file.age_identity);
        Ok(Self {
            signing: signing.ok_or("the signing key is no key")?,
            tls_key: Zeroizing::new(file.tls_key.clone()),
            tls_certificate: file.tls_certificate.clone(),
            age: age.map_err(|_| "the age identity is none".to_owned())?,
        })
    }
}

fn draw_signing_key() -> Result<SigningKey, KeystoreError> {
    let mut scalar = Zeroizing::new([0u8; 32]);
    for _ in 0..DRAWS {
        let drawn = rand::rngs::OsRng.try_fill_bytes(scalar.as_mut_slice());
        drawn.map_err(|error| KeystoreError::Generate(error.to_string()))?;
        if let Ok(key) = SigningKey::from_slice(scalar.as_slice()) {
            return Ok(key);
        }
    }
    Err(KeystoreError::Generate("the operating system's randomness is broken".to_owned()))
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeIdentity({}, redacted)", self.signer())
    }
}
