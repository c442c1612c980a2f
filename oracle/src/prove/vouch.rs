//! Who vouches for a block, as nodes judge it: the same rules from the same cluster file.

use super::attesters::finality;
use super::block::FinalBlock;
use alloy_primitives::B256;
use merkle_acl::trust::{
    AnchorRules, Attestation, AttesterQuorum, AttesterSet, HeaderStatement, HeaderTrust, SealFormat, SetError,
    ValidatorSeals, Witness,
};
use merkle_acl::{Anchor, HeaderError};
use tkms_types::{HeaderTrustKind, HostChain, typed_data};

/// The chain's rules for anchors.
pub(super) fn rules(chain: &HostChain) -> AnchorRules {
    AnchorRules {
        checkpoint_number: chain.checkpoint_number,
        min_finality: finality(chain.min_finality),
        max_age: chain.max_anchor_age,
        max_lag: chain.max_anchor_lag,
        clock_skew: chain.clock_skew,
    }
}

/// Who is believed about the chain; `None` where nodes ask their own endpoints.
pub(super) fn trust(chain: &HostChain) -> Result<Option<Box<dyn HeaderTrust + Send + '_>>, SetError> {
    let (members, quorum) = (chain.attesters.members.clone(), chain.attesters.quorum.into());
    let sealed = |format, members| ValidatorSeals::new(format, members).map(|seals| Some(Box::new(seals) as Box<_>));
    match chain.trust {
        HeaderTrustKind::Attesters => {
            let set = AttesterSet::new(chain.attester_set_id(), members, quorum)?;
            let digest = |statement: &HeaderStatement| digest(statement, chain);
            Ok(Some(Box::new(AttesterQuorum::new(vec![set], digest))))
        }
        HeaderTrustKind::Qbft => sealed(SealFormat::Qbft, members),
        HeaderTrustKind::Ibft2 => sealed(SealFormat::Ibft2, members),
        HeaderTrustKind::Rpc => Ok(None),
    }
}

/// Reads a header and hashes it as its chain does.
pub(super) fn anchor(chain: &HostChain, header: &[u8]) -> Result<Anchor, HeaderError> {
    match trust(chain) {
        Ok(Some(trust)) => trust.anchor(header),
        // A set that is none is refused where it is asked to vouch
        _ => Anchor::from_header_rlp(header),
    }
}

/// What stands beside the header.
pub(super) fn witness(block: &FinalBlock) -> Witness {
    let Some(attested) = &block.attested else { return Witness::Seals };
    let attestations = attested.attestations.iter().map(|attestation| Attestation {
        signer: attestation.signer,
        finality: finality(attestation.finality),
        signature: attestation.signature.to_vec().into(),
    });
    Witness::Attestations { set: attested.set, attestations: attestations.collect() }
}

fn digest(statement: &HeaderStatement, chain: &HostChain) -> B256 {
    let (finality, depth) = statement.finality.signed();
    let attestation = typed_data::HeaderAttestation {
        attesterSetId: statement.set,
        number: statement.number,
        blockHash: statement.hash,
        stateRoot: statement.state_root,
        timestamp: statement.timestamp,
        finality,
        depth,
    };
    typed_data::header_digest(&attestation, chain)
}
