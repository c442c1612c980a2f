//! What code sees of the block, and by which rules it runs: both from the header whose hash was vouched for.

use crate::refusal::Refusal;
use alloy_primitives::{Address, B256, U256};
use alloy_rlp::Header;
use revm::context::BlockEnv;
use revm::primitives::hardfork::SpecId;

/// Fields a header has at least: what [`merkle_acl::Anchor`] reads.
const OLDEST: usize = 15;
const BENEFICIARY: usize = 2;
const DIFFICULTY: usize = 7;
const NUMBER: usize = 8;
const GAS_LIMIT: usize = 9;
const TIMESTAMP: usize = 11;
const MIX_HASH: usize = 13;
const BASE_FEE: usize = 15;

/// Rules and block of one run.
pub(super) struct Rules {
    pub(super) spec: SpecId,
    pub(super) block: BlockEnv,
}

/// Reads a header that was accepted as an anchor.
pub(super) fn rules(header: &[u8]) -> Result<Rules, Refusal> {
    let fields = fields(header).ok_or_else(malformed)?;
    let difficulty: U256 = number(&fields, DIFFICULTY)?;
    let spec = spec(fields.len(), difficulty.is_zero())?;
    let basefee = if fields.len() > OLDEST { number::<u64>(&fields, BASE_FEE)? } else { 0 };
    let block = BlockEnv {
        number: number(&fields, NUMBER)?,
        beneficiary: Address::try_from(field(&fields, BENEFICIARY)?).map_err(|_| malformed())?,
        timestamp: number(&fields, TIMESTAMP)?,
        gas_limit: number(&fields, GAS_LIMIT)?,
        basefee,
        difficulty,
        prevrandao: Some(B256::try_from(field(&fields, MIX_HASH)?).map_err(|_| malformed())?),
        // What a blob costs depends on more than the header: BLOBBASEFEE is 0
        blob_excess_gas_and_price: None,
        slot_num: 0,
    };
    Ok(Rules { spec, block })
}

/// The newest rules that a header of so many fields can stand under: each fork but Osaka appended fields. Later forks than Osaka are
/// refused until this build knows them.
fn spec(fields: usize, staked: bool) -> Result<SpecId, Refusal> {
    Ok(match fields {
        15 => SpecId::BERLIN,
        16 if staked => SpecId::MERGE,
        16 => SpecId::LONDON,
        17 => SpecId::SHANGHAI,
        20 => SpecId::CANCUN,
        21 => SpecId::OSAKA,
        _ => {
            return Err(Refusal::SmartAccountUnsupported(
                "smart accounts on a chain whose blocks have fields unknown here",
            ));
        }
    })
}

fn fields(header: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = header;
    let mut payload = Header::decode_bytes(&mut rest, true).ok()?;
    let mut fields = Vec::with_capacity(merkle_acl::MAX_HEADER_FIELDS);
    while !payload.is_empty() && fields.len() <= merkle_acl::MAX_HEADER_FIELDS {
        fields.push(Header::decode_bytes(&mut payload, false).ok()?);
    }
    Some(fields)
}

fn field<'a>(fields: &[&'a [u8]], place: usize) -> Result<&'a [u8], Refusal> {
    fields.get(place).copied().ok_or_else(malformed)
}

fn number<T: TryFrom<U256>>(fields: &[&[u8]], place: usize) -> Result<T, Refusal> {
    let number = U256::try_from_be_slice(field(fields, place)?).ok_or_else(malformed)?;
    T::try_from(number).map_err(|_| malformed())
}

fn malformed() -> Refusal {
    Refusal::HeaderMalformed("header malformed: a field has another width".to_owned())
}
