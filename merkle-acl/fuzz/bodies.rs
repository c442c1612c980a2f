//! What each fuzz target does with its bytes: no panic, bounded work, and nothing proven that was not put there.
//! `merkle-acl/tests/merkle_acl/fuzzed.rs` runs the same on seeded bytes.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use merkle_acl::compact::{compress, expand};
use merkle_acl::pack::{pack, unpack};
use merkle_acl::range::RangeProof;
use merkle_acl::trust::{
    AnchorHistory, AnchorRules, Attestation, AttesterQuorum, AttesterSet, Finality, HeaderEvidence, HeaderStatement,
    HeaderTrust, SealFormat, ValidatorSeals, Witness, accept,
};
use merkle_acl::{
    AclBlock, AclEvidence, AclHost, AclLayout, AclProof, Anchor, Fact, Grant, SlotProof, keys, prove_account,
    prove_slot,
};

/// One more than the longest node that is read, and one beyond it.
const LONGEST: usize = merkle_acl::MAX_NODE_BYTES + 2;

const RULES: AnchorRules = AnchorRules {
    checkpoint_number: 1,
    min_finality: Finality::Depth(1),
    max_age: u64::MAX,
    max_lag: u64::MAX,
    clock_skew: u64::MAX,
};

/// Takes bytes apart: a length of two bytes and as many bytes, again and again.
fn pieces(bytes: &[u8]) -> Vec<Bytes> {
    let (mut rest, mut found) = (bytes, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)) % LONGEST;
        let (piece, next) = after.split_at(length.min(after.len()));
        found.push(Bytes::copy_from_slice(piece));
        rest = next;
    }
    found
}

fn word(bytes: &[u8], place: usize) -> B256 {
    bytes.chunks_exact(32).nth(place).map_or(B256::ZERO, B256::from_slice)
}

fn number(bytes: &[u8], place: usize) -> u64 {
    let [low, ..] = U256::from_be_bytes(word(bytes, place).0).into_limbs();
    low
}

/// An ordinary header.
pub fn header(bytes: &[u8]) {
    if let Ok(anchor) = Anchor::from_header_rlp(bytes) {
        assert_eq!(anchor.hash(), keccak256(bytes));
        assert_ne!(anchor.number(), 0);
    }
}

/// A sealed header, in both formats, under a set that sealed nothing.
pub fn seals(bytes: &[u8]) {
    for format in [SealFormat::Qbft, SealFormat::Ibft2] {
        let Ok(trust) = ValidatorSeals::new(format, vec![Address::repeat_byte(1), Address::repeat_byte(2)]) else {
            return;
        };
        if let Ok(anchor) = trust.anchor(bytes) {
            assert_ne!(anchor.number(), 0);
        }
        let evidence = HeaderEvidence { header: Bytes::copy_from_slice(bytes), witness: Witness::Seals };
        let accepted = accept(&evidence, &trust, &RULES, &AnchorHistory::default(), Finality::Finalized, 1);
        assert!(accepted.is_err(), "nobody sealed it");
    }
}

/// A proof under a root that its first node has, so that decoding goes on.
pub fn trie(bytes: &[u8]) {
    let nodes = pieces(bytes);
    let root = nodes.first().map_or(B256::ZERO, keccak256);
    let slot = prove_slot(root, word(bytes, 0), &nodes);
    assert_eq!(slot, prove_slot(root, word(bytes, 0), &nodes), "one answer");
    if prove_account(root, Address::repeat_byte(bytes.first().copied().unwrap_or(0)), &nodes).is_ok() {
        assert!(!nodes.is_empty());
    }
    // Under any other root nothing is shown
    assert!(nodes.is_empty() || prove_slot(B256::repeat_byte(0x5a), word(bytes, 0), &nodes).is_err());
}

/// A path under a peak that it does not lead to.
pub fn path(bytes: &[u8]) {
    let hashes: Vec<B256> = bytes.chunks_exact(32).skip(3).map(B256::from_slice).collect();
    let proof = RangeProof { index: number(bytes, 0), path: hashes };
    assert!(proof.verify(word(bytes, 2), number(bytes, 1), B256::repeat_byte(0x5a)).is_err());
}

/// Packed proofs of up to three keys: what unpacks is the one packed form of what comes out.
pub fn packed(bytes: &[u8]) {
    let (count, packed) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(first % 4), rest));
    // Keys that part late, so that short children and extensions occur
    let keys: Vec<B256> = (0u8..3).map(|place| B256::with_last_byte(place << 3 | place)).take(count).collect();
    if let Ok(proofs) = unpack(packed, &keys) {
        let proofs: Vec<(B256, &[Bytes])> = keys.iter().copied().zip(proofs.iter().map(Vec::as_slice)).collect();
        assert_eq!(pack(&proofs).as_deref(), Ok(packed));
    }
}

/// Compact paths: what expands, compresses to the same.
pub fn compact(bytes: &[u8]) {
    let parts = pieces(bytes);
    let count = number(bytes, 0) % 4096;
    let leaf = |part: &Bytes| (number(keccak256(part).as_slice(), 0) % 4096, keccak256(part));
    let mut leaves: Vec<_> = parts.iter().take(12).map(leaf).collect();
    leaves.sort_unstable();
    leaves.dedup_by_key(|(index, _)| *index);
    let hashes: Vec<B256> = bytes.chunks_exact(32).map(B256::from_slice).collect();
    for given in 0..hashes.len().min(40) {
        let Ok(paths) = expand(&leaves, count, hashes.get(..given).unwrap_or_default()) else { continue };
        let paths: Vec<_> = leaves.iter().map(|(_, leaf)| *leaf).zip(paths).collect();
        assert_eq!(compress(&paths, count).ok().as_deref(), hashes.get(..given));
    }
}

/// Attestations of a header that is sound; nobody signed it.
pub fn attestation(bytes: &[u8]) {
    let members = vec![Address::repeat_byte(1), Address::repeat_byte(2), Address::repeat_byte(3)];
    let digest = |statement: &HeaderStatement| statement.hash;
    let Ok(set) = AttesterSet::new(B256::ZERO, members.clone(), 2) else { return };
    let trust = AttesterQuorum::new(vec![set], digest);
    let (header, rest) = bytes.split_at(bytes.len() / 2);
    let attestations = pieces(rest).into_iter().zip(members.iter().cycle()).map(|(signature, signer)| Attestation {
        signer: *signer,
        finality: Finality::from_signed(signature.first().copied().unwrap_or(1), 0).unwrap_or(Finality::Finalized),
        signature,
    });
    let witness = Witness::Attestations { set: B256::ZERO, attestations: attestations.collect() };
    let evidence = HeaderEvidence { header: Bytes::copy_from_slice(header), witness };
    let accepted = accept(&evidence, &trust, &RULES, &AnchorHistory::default(), Finality::Finalized, 1);
    assert!(accepted.is_err(), "nobody signed it");
}

/// A whole block and a fact in it, from bytes that know no storage.
pub fn block(bytes: &[u8]) {
    let acl = AclHost { address: Address::repeat_byte(0xac), code_hash: keccak256("code"), layout: AclLayout::Range };
    let parts = pieces(bytes);
    let (header, nodes) = parts.split_first().map_or((Bytes::new(), &[][..]), |(first, rest)| (first.clone(), rest));
    let (account, nodes) = nodes.split_at(nodes.len() / 2);
    let slot = |slot| SlotProof { slot, nodes: nodes.to_vec() };
    let slots = vec![slot(keys::RANGE_NAMESPACE), slot(keys::range_peak(0))];
    let evidence = AclEvidence { header, account: account.to_vec(), slots: slots.clone() };
    let Ok(block) = AclBlock::verify(&evidence, &acl) else { return };
    let grant = Grant::Public { handle: word(bytes, 0) };
    let proof = AclProof::Slot(slot(grant.slot()));
    assert!(block.facts(&[proof], &[Fact::Granted(grant)]).is_err(), "its slots are those of the block");
    assert!(block.with_peaks(&slots).is_ok_and(|same| same == block));
}
