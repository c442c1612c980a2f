//! Which domain a digest is made under, and who signed it.

use crate::cluster::cluster;
use alloy_primitives::{Address, B256, Bytes, U256, b256, hex};
use alloy_sol_types::SolStruct;
use tkms_types::typed_data::{
    HeaderAttestation, PublicDecryptVerification, ciphertext_domain, decryption_domain, header_digest, header_domain,
    input_domain, permit_digest, permit_domain, public_answer_digest, recover, user_answer_digest, user_link,
};
use tkms_types::{FheType, Handle, HandlePair, UserRequest};

#[test]
fn permits_name_the_host_chain_and_answers_the_gateway_s() {
    let cluster = cluster(4);
    let (answer, permit) = (decryption_domain(&cluster.gateway), permit_domain(&cluster.gateway, 31337));
    assert_eq!(answer.chain_id, Some(U256::from(54321)));
    assert_eq!(permit.chain_id, Some(U256::from(31337)));
    assert_eq!((answer.name.as_deref(), answer.version.as_deref()), (Some("Decryption"), Some("1")));
    assert_eq!(answer.verifying_contract, permit.verifying_contract);
    assert_eq!(answer.salt, None);
    let input = input_domain(&cluster.gateway);
    assert_eq!(input.name.as_deref(), Some("InputVerification"));
    assert_eq!(input.verifying_contract, Some(cluster.gateway.input_verification));
}

#[test]
fn attestations_of_ciphertexts_are_salted_with_the_host() {
    let host = &cluster(4).chains[0];
    let domain = ciphertext_domain(host);
    assert_eq!(domain.salt, Some(host.host_id()));
    assert_eq!(domain.verifying_contract, Some(host.contracts.acl));
    assert_eq!(domain.chain_id, Some(U256::from(host.chain_id)));
}

#[test]
fn attestations_of_headers_bind_the_host_and_every_field() {
    let cluster = cluster(4);
    let (host, mut other) = (&cluster.chains[0], cluster.chains[0].clone());
    let domain = header_domain(host);
    assert_eq!((domain.name.as_deref(), domain.salt), (Some("tKMS Header"), Some(host.host_id())));
    assert_eq!(domain.verifying_contract, Some(host.contracts.acl));
    let attestation = || HeaderAttestation {
        attesterSetId: B256::repeat_byte(1),
        number: 2,
        blockHash: B256::repeat_byte(3),
        stateRoot: B256::repeat_byte(4),
        timestamp: 5,
        finality: 1,
        depth: 0,
    };
    let original = header_digest(&attestation(), host);
    let changed = |change: fn(&mut HeaderAttestation)| {
        let mut attestation = attestation();
        change(&mut attestation);
        header_digest(&attestation, host)
    };
    assert_ne!(original, changed(|a| a.attesterSetId = B256::ZERO));
    assert_ne!(original, changed(|a| a.number = 3));
    assert_ne!(original, changed(|a| a.blockHash = B256::ZERO));
    assert_ne!(original, changed(|a| a.stateRoot = B256::ZERO));
    assert_ne!(original, changed(|a| a.timestamp = 6));
    assert_ne!(original, changed(|a| a.finality = 2));
    assert_ne!(original, changed(|a| a.depth = 1));
    // A fork or a restarted devnet has the same id and addresses, and another checkpoint.
    other.checkpoint_hash = B256::repeat_byte(9);
    assert_ne!(original, header_digest(&attestation(), &other));
}

fn request(delegator: Option<Address>) -> UserRequest {
    let handle = Handle::new(B256::ZERO, 0, 31337, FheType::Uint8);
    UserRequest {
        pairs: vec![HandlePair { handle, contract: Address::repeat_byte(1) }],
        user: Address::repeat_byte(2),
        delegator,
        contracts: vec![Address::repeat_byte(1)],
        start: 1_800_000_000,
        days: 10,
        public_key: vec![3; 869].into(),
        extra_data: vec![0].into(),
        signature: Bytes::new(),
    }
}

#[test]
fn a_permit_binds_what_it_names_and_no_handle() {
    let domain = permit_domain(&cluster(4).gateway, 31337);
    let original = permit_digest(&request(None), &domain);
    assert_ne!(original, permit_digest(&request(Some(Address::repeat_byte(4))), &domain));
    assert_ne!(original, permit_digest(&request(None), &permit_domain(&cluster(4).gateway, 54321)));
    let changed = |change: fn(&mut UserRequest)| {
        let mut request = request(None);
        change(&mut request);
        permit_digest(&request, &domain)
    };
    assert_ne!(original, changed(|r| r.start += 1));
    assert_ne!(original, changed(|r| r.days += 1));
    assert_ne!(original, changed(|r| r.contracts.push(Address::ZERO)));
    assert_ne!(original, changed(|r| r.public_key = vec![4; 869].into()));
    assert_ne!(original, changed(|r| r.extra_data = Bytes::new()));
    // The holder of a permit may ask for any handle its signer may see
    assert_eq!(original, changed(|r| r.pairs.clear()));
    assert_eq!(original, changed(|r| r.user = Address::ZERO));
}

#[test]
fn answers_are_the_structs_the_contracts_check() {
    let gateway = cluster(4).gateway;
    let (handles, words) = ([B256::repeat_byte(1), B256::repeat_byte(2)], [B256::repeat_byte(3), B256::repeat_byte(4)]);
    let message = PublicDecryptVerification {
        ctHandles: handles.to_vec(),
        decryptedResult: words.concat().into(),
        extraData: vec![5].into(),
    };
    let digest = public_answer_digest(&handles, &words, &[5], &gateway);
    assert_eq!(digest, message.eip712_signing_hash(&decryption_domain(&gateway)));
    let key = Bytes::from(vec![6; 869]);
    let answer = user_answer_digest(&key, &handles, b"payload", &[], &gateway);
    assert_ne!(answer, user_answer_digest(&key, &handles, b"payload", &[0], &gateway));
    let link = user_link(&key, &handles, Address::repeat_byte(7), &gateway);
    assert_ne!(link, user_link(&key, &handles[..1], Address::repeat_byte(7), &gateway));
    assert_ne!(link, user_link(&key, &handles, Address::repeat_byte(8), &gateway));
}

// Key 1 signs keccak256("tkms"): the signer is the address of the curve's generator.
const DIGEST: B256 = b256!("0x8916f63ace00b3bc6595c063f8fc0de7d4b86d020030b70dd7bb43432937c188");
const SIGNATURE: [u8; 65] = hex!(
    "62c81f68e85758f71c0b01e6bab15efa43a92877b2e03202eced4f54e89b23ff50cf377552057d362ce8d3c1154ad6fc7fab153e0c555ff7ede9bf77b7c6f1791b"
);

fn signer() -> Option<Address> {
    Some(alloy_primitives::address!("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"))
}

#[test]
fn a_signature_is_recovered_to_its_signer() {
    assert_eq!(recover(DIGEST, &SIGNATURE), signer());
}

#[test]
fn other_forms_of_a_signature_are_refused() {
    assert_eq!(recover(DIGEST, &SIGNATURE[..64]), None);
    assert_eq!(recover(DIGEST, &[SIGNATURE.as_slice(), &[0]].concat()), None);
    for v in [0, 1, 26, 29, 35] {
        let mut wrong = SIGNATURE;
        wrong[64] = v;
        assert_eq!(recover(DIGEST, &wrong), None, "v = {v}");
    }
    assert_eq!(recover(DIGEST, &[0; 65]), None);
    // The same signature with n − s and the other v verifies too, and is refused
    let order = U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let s = U256::from_be_slice(&SIGNATURE[32..64]);
    let mut high = SIGNATURE;
    high[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
    high[64] = 27 + 28 - SIGNATURE[64];
    assert_eq!(recover(DIGEST, &high), None);
}

#[test]
fn a_signature_over_something_else_is_another_s() {
    assert_ne!(recover(B256::ZERO, &SIGNATURE), signer());
}
