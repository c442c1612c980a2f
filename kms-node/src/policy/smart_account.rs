//! Check 8 for users that are contracts (ERC-1271): the account's own code says whether the permit is signed, run on state that
//! is proven under the request's block. Rules and bounds: `docs/protocol/smart-accounts.md`.
//!
//! Pure, like the rest of policy: witness, header and claim in, a word out. No endpoint is asked; what the witness does not
//! prove ends the run.

mod block;
mod run;
mod state;

use crate::refusal::Refusal;
use alloy_primitives::{Address, B256, Bytes};
use merkle_acl::Anchor;
use state::ProvenState;
use tkms_wire::account_witness::{AccountWitness, is_for_undeployed, signature_call};

/// A permit that no key of its user has signed. The user may be a contract that accepts the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The permit's user.
    pub account: Address,
    /// What is signed: the digest that a user with a key signs.
    pub digest: B256,
    /// For the account's code to judge.
    pub signature: Bytes,
}

impl Claim {
    /// Takes the claim, unless its signature names an account that does not exist yet.
    ///
    /// # Errors
    /// [`Refusal::SmartAccountUnsupported`].
    pub fn new(account: Address, digest: B256, signature: Bytes) -> Result<Self, Refusal> {
        if is_for_undeployed(&signature) {
            return Err(Refusal::SmartAccountUnsupported("signatures of accounts that are not deployed (ERC-6492)"));
        }
        Ok(Self { account, digest, signature })
    }

    fn call(&self) -> Bytes {
        signature_call(self.digest, &self.signature).into()
    }
}

/// The account accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Who.
    pub account: Address,
    /// Hash of the code that stands there.
    pub code_hash: B256,
}

/// Asks the account, in the state after the block of `header`.
///
/// # Errors
/// [`Refusal::AccountProofInvalid`] and [`Refusal::SlotProofInvalid`] for the witness; [`Refusal::SmartAccountUndeployed`] where no
/// contract stands; [`Refusal::SmartAccountUnproven`] for what the run needed and the witness lacks;
/// [`Refusal::SmartAccountRejected`] for any answer but yes; [`Refusal::SmartAccountUnsupported`] for a block whose rules are not known.
pub fn ask(
    claim: &Claim,
    witness: &AccountWitness,
    anchor: &Anchor,
    header: &[u8],
    chain_id: u64,
) -> Result<Accepted, Refusal> {
    let rules = block::rules(header)?;
    let state = ProvenState::verify(witness, anchor.state_root(), rules.spec)?;
    let code_hash = state.contract(claim.account)?;
    run::accepts(claim, state, rules, chain_id)?;
    Ok(Accepted { account: claim.account, code_hash })
}
