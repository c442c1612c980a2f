//! A user's side of `flood` (step 8 of `docs/protocol/decrypt.md`): shares of the nodes in, masked phases out.
//!
//! Nothing is sent. Reed–Solomon decoding of length n = 3t + 1 and degree t corrects e wrong and s missing shares
//! while 2e + s ≤ 2t.

use crate::decrypt::{MAX_BLOCKS, Opened};
use crate::fault::{Abort, Evidence, Fault, Misuse, StepId};
use crate::ring::{DEGREE, Gr128};
use crate::shamir::{self, Received};
use tkms_types::{Committee, PartyId};

/// How far a combined value can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assurance {
    /// 2t + 1 shares agree: right whatever t parties do, and everyone named has lied.
    Proven,
    /// Fewer agree: right, and the blame just, if at most this many of the answers are lies.
    IfLiarsAtMost(usize),
}

/// A value combined from shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// The masked phases; [`Opened::digits`] rounds them.
    pub opened: Opened,
    /// Answers that were wrong.
    pub faults: Vec<Fault>,
    /// Whether that is certain.
    pub assurance: Assurance,
}

/// Combines the answers of nodes to one user decryption. All are of one session: the caller groups them by it.
///
/// Answers of the wrong length are blamed and count as missing; of two answers of one party the first counts.
///
/// # Errors
/// [`Misuse::Blocks`] and [`Misuse::NotAMember`] in the inner result's place as [`CombineError::Misuse`];
/// [`CombineError::Abort`] if 2e + s > 2t.
pub fn combine_user_shares(
    committee: Committee,
    blocks: usize,
    answers: &[(PartyId, Vec<Gr128>)],
) -> Result<Combined, CombineError> {
    if blocks == 0 || blocks > MAX_BLOCKS {
        return Err(Misuse::Blocks { blocks, max: MAX_BLOCKS }.into());
    }
    let threshold = committee.threshold();
    let (received, mut faults) = sort_out(committee, blocks.div_ceil(DEGREE), answers)?;
    let spare = received.len().checked_sub(threshold.faults() + 1);
    let max_liars = spare.map_or(0, |spare| (spare / 2).min(threshold.faults()));
    let Ok(decoded) = shamir::decode(&received, threshold.faults(), max_liars) else {
        let silent = committee.parties().filter(|party| answers.iter().all(|(from, _)| from != party)).collect();
        return Err(CombineError::Abort(Abort {
            step: StepId::Combine,
            needed: threshold.quorum(),
            heard: received.len(),
            silent,
            faulty: faults.iter().map(|fault| fault.culprit).collect(),
        }));
    };
    faults.extend(decoded.liars.iter().map(|(culprit, element)| Fault {
        culprit: *culprit,
        step: StepId::Combine,
        evidence: Evidence::OffPolynomial { element: *element },
    }));
    let proven = decoded.good.len() >= threshold.quorum();
    let assurance = if proven { Assurance::Proven } else { Assurance::IfLiarsAtMost(max_liars) };
    Ok(Combined { opened: Opened::new(committee, blocks, decoded.values), faults, assurance })
}

fn sort_out(
    committee: Committee,
    expected: usize,
    answers: &[(PartyId, Vec<Gr128>)],
) -> Result<(Vec<Received<'_>>, Vec<Fault>), Misuse> {
    let mut received: Vec<Received<'_>> = Vec::new();
    let mut faults: Vec<Fault> = Vec::new();
    for (party, shares) in answers {
        if !committee.contains(*party) {
            return Err(Misuse::NotAMember { party: *party, size: committee.size() });
        }
        let seen = received.iter().any(|r| r.party == *party) || faults.iter().any(|f| f.culprit == *party);
        if seen {
            continue;
        }
        if shares.len() == expected {
            received.push(Received { party: *party, shares });
        } else {
            let evidence = Evidence::WrongLength { expected, found: shares.len() };
            faults.push(Fault { culprit: *party, step: StepId::Combine, evidence });
        }
    }
    Ok((received, faults))
}

/// Why answers do not combine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// The caller's mistake.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// Too few good answers.
    #[error(transparent)]
    Abort(Abort),
}

#[cfg(test)]
mod tests;
