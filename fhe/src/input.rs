//! Encrypted inputs: a client encrypts values under the compact public key and proves that it did, bound to
//! contract, user, ACL and chain; a coprocessor verifies the proof and expands the list.

use crate::ciphertext::Ciphertext;
use crate::eval::{Evaluator, scalar};
use crate::keys::PublicKeys;
use crate::params;
use alloy_primitives::{Address, U256};
use tfhe::integer::BooleanBlock;
use tfhe::integer::ciphertext::{
    IntegerProvenCompactCiphertextListConformanceParams as ListShape, ReRandomizationSeed,
};
use tfhe::prelude::CiphertextList;
use tfhe::safe_serialization::{safe_deserialize_conformant, safe_serialize};
use tfhe::zk::ZkComputeLoad;
use tfhe::{
    CompactCiphertextListExpander, FheBool, FheUint, FheUint8Id, FheUint16Id, FheUint32Id, FheUint64Id, FheUint128Id,
    FheUint160Id, FheUint256Id, FheUintId, ProvenCompactCiphertextList, ReRandomizationContext,
    with_server_key_as_context,
};
use tkms_types::limits::{INPUT_BITS, INPUT_BYTES, INPUT_VALUES};
use tkms_types::{FheType, Plaintext};

/// Bytes of the metadata a proof is bound to.
pub const METADATA_BYTES: usize = 92;

/// Domain of the seeds of re-randomisation.
const SEED_DOMAIN: [u8; 8] = *b"tkms/rrs";
/// Domain of the encryptions of zero that re-randomise.
const ZERO_DOMAIN: [u8; 8] = *b"tkms/rrz";

/// Whom an encrypted input is for. A proof made for one context is refused under any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputContext {
    /// The contract that will use the input.
    pub contract: Address,
    /// The user who encrypts.
    pub user: Address,
    /// The ACL contract of the host chain.
    pub acl: Address,
    /// The host chain.
    pub chain_id: u64,
}

impl InputContext {
    /// contract (20 bytes), user (20), ACL (20), chain id (32, big-endian).
    #[must_use]
    pub fn metadata(&self) -> [u8; METADATA_BYTES] {
        let mut bytes = [0; METADATA_BYTES];
        let chain_id: [u8; 32] = U256::from(self.chain_id).to_be_bytes();
        let parts = self.contract.iter().chain(self.user.iter()).chain(self.acl.iter()).chain(&chain_id);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
        bytes
    }
}

/// An encrypted input that is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Longer than any input can be.
    #[error("the input has {0} bytes, at most {INPUT_BYTES} are allowed")]
    TooLong(usize),
    /// Bytes that are no proven list for the parameters in use.
    #[error("the input is no proven ciphertext list: {0}")]
    Malformed(String),
    /// The bytes go on after the list.
    #[error("{0} bytes follow the ciphertext list")]
    Trailing(usize),
    /// No value, or more than handles can index.
    #[error("the input holds {0} values, between 1 and {INPUT_VALUES} are allowed")]
    Count(usize),
    /// More bits than the CRS can prove.
    #[error("the input holds {0} bits, at most {INPUT_BITS} are allowed")]
    Bits(usize),
    /// A value of a type that the executor does not know.
    #[error("value {index} of the input has a type that is not in use")]
    Type {
        /// Position in the list.
        index: usize,
    },
    /// The proof does not hold for these values, keys and context.
    #[error("the proof of the input does not hold for this contract, user and chain")]
    Proof,
    /// A verified list that cannot be expanded: our keys do not fit together.
    #[error("the input cannot be expanded: {0}")]
    Expand(#[source] tfhe::Error),
    /// The list cannot be encrypted and proven.
    #[error("the input cannot be encrypted: {0}")]
    Encrypt(String),
}

impl PublicKeys {
    /// Encrypts values in order and proves it: some 0.8 s for one value on two cores. The form is the official
    /// client's.
    ///
    /// # Errors
    /// [`InputError::Count`] and [`InputError::Bits`] for too many values; [`InputError::Encrypt`].
    pub fn encrypt(&self, values: &[Plaintext], context: &InputContext) -> Result<Vec<u8>, InputError> {
        check_size(values.len(), values.iter().map(Plaintext::kind))?;
        let failed = |error: tfhe::Error| InputError::Encrypt(error.to_string());
        let mut builder = ProvenCompactCiphertextList::builder(&self.public_key);
        for value in values {
            if value.kind() == FheType::Bool {
                builder.push(!value.value().is_zero());
            } else {
                builder.push_with_num_bits(scalar(value.value()), value.kind().bits()).map_err(failed)?;
            }
        }
        let list =
            builder.build_with_proof_packed(&self.crs, &context.metadata(), ZkComputeLoad::Verify).map_err(failed)?;
        let mut bytes = Vec::new();
        safe_serialize(&list, &mut bytes, INPUT_BYTES as u64)
            .map_err(|error| InputError::Encrypt(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads a proven list and checks its size and shape, cheaply, before its proof.
    fn parse_list(&self, bytes: &[u8]) -> Result<(ProvenCompactCiphertextList, Vec<FheType>), InputError> {
        if bytes.len() > INPUT_BYTES {
            return Err(InputError::TooLong(bytes.len()));
        }
        let shape = ListShape::from_crs_and_parameters(params::PUBLIC_KEY.pke_params, &self.crs);
        let mut rest = bytes;
        let list: ProvenCompactCiphertextList =
            safe_deserialize_conformant(&mut rest, INPUT_BYTES as u64, &shape).map_err(InputError::Malformed)?;
        if !rest.is_empty() {
            return Err(InputError::Trailing(rest.len()));
        }
        check_size(list.len(), [])?;
        let kinds = (0..list.len())
            .map(|index| {
                let number = list.get_kind_of(index).and_then(|kind| u8::try_from(kind as i32).ok());
                number.and_then(FheType::from_number).ok_or(InputError::Type { index })
            })
            .collect::<Result<Vec<_>, _>>()?;
        check_size(kinds.len(), kinds.iter().copied())?;
        Ok((list, kinds))
    }
}

impl Evaluator {
    /// Verifies an encrypted input for its context (some 0.4 s), re-randomises it and expands it to one ciphertext per
    /// value.
    ///
    /// Re-randomisation adds encryptions of zero that the sender cannot choose, so the noise of what is computed and
    /// decrypted later is not the sender's either. They come from a hash of list, proof and context, all public: every
    /// coprocessor makes the same bytes.
    ///
    /// In one rayon pool, one call at a time: the library holds a thread-local borrow while it waits for the pool.
    ///
    /// # Errors
    /// [`InputError`]; everything but [`InputError::Expand`] is the sender's fault.
    pub fn verify_input(
        &self,
        keys: &PublicKeys,
        list: &[u8],
        context: &InputContext,
    ) -> Result<Vec<Ciphertext>, InputError> {
        let (list, kinds) = keys.parse_list(list)?;
        if list.verify(&keys.crs, &keys.public_key, &context.metadata()).is_invalid() {
            return Err(InputError::Proof);
        }
        let seed = seed(&list, context).map_err(InputError::Expand)?;
        // Verified just above; the combined call would not tell a bad proof from a failure of ours.
        let expand = || list.re_randomize_and_expand_without_verification(&keys.public_key, seed);
        let expander = with_server_key_as_context(self.key.clone(), expand).map_err(InputError::Expand)?;
        kinds.into_iter().enumerate().map(|(index, kind)| take(&expander, index, kind)).collect()
    }
}

fn seed(list: &ProvenCompactCiphertextList, context: &InputContext) -> tfhe::Result<ReRandomizationSeed> {
    let metadata = context.metadata();
    let mut hash = ReRandomizationContext::new(SEED_DOMAIN, [metadata.as_slice()], ZERO_DOMAIN);
    hash.add_ciphertext(list);
    hash.finalize().next_seed()
}

fn check_size(count: usize, kinds: impl IntoIterator<Item = FheType>) -> Result<(), InputError> {
    if count == 0 || count > INPUT_VALUES {
        return Err(InputError::Count(count));
    }
    let bits = kinds.into_iter().map(FheType::counted_bits).sum();
    if bits > INPUT_BITS { Err(InputError::Bits(bits)) } else { Ok(()) }
}

fn take(expander: &CompactCiphertextListExpander, index: usize, kind: FheType) -> Result<Ciphertext, InputError> {
    match kind {
        FheType::Bool => {
            let value: Option<FheBool> = expander.get(index).map_err(InputError::Expand)?;
            let block = value.ok_or(InputError::Type { index })?.into_raw_parts();
            Ok(Ciphertext::bool(BooleanBlock::new_unchecked(block)))
        }
        FheType::Uint8 => take_uint::<FheUint8Id>(expander, index, kind),
        FheType::Uint16 => take_uint::<FheUint16Id>(expander, index, kind),
        FheType::Uint32 => take_uint::<FheUint32Id>(expander, index, kind),
        FheType::Uint64 => take_uint::<FheUint64Id>(expander, index, kind),
        FheType::Uint128 => take_uint::<FheUint128Id>(expander, index, kind),
        FheType::Uint160 => take_uint::<FheUint160Id>(expander, index, kind),
        FheType::Uint256 => take_uint::<FheUint256Id>(expander, index, kind),
    }
}

fn take_uint<Id: FheUintId>(
    expander: &CompactCiphertextListExpander,
    index: usize,
    kind: FheType,
) -> Result<Ciphertext, InputError> {
    let value: Option<FheUint<Id>> = expander.get(index).map_err(InputError::Expand)?;
    Ok(Ciphertext::uint(kind, value.ok_or(InputError::Type { index })?.into_raw_parts().0))
}
