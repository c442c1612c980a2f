// Writes vectors/eip712.json and vectors/acl-slots.json, with ethers doing the hashing, so that neither the contracts nor the
// Rust crates are the judge of themselves. Run from the project's root: npm run vectors
import { AbiCoder, TypedDataEncoder, concat, keccak256, toBeHex, toUtf8Bytes, zeroPadValue } from 'ethers';
import { writeFileSync } from 'node:fs';

const hash = (text) => keccak256(toUtf8Bytes(text));
const address = (name) => '0x' + hash('address ' + name).slice(-40);
const bytes = (name, length) => {
  let hex = '';
  for (let i = 0; hex.length < 2 * length; i++) hex += hash(`${name} ${i}`).slice(2);
  return '0x' + hex.slice(0, 2 * length);
};
const CHAIN = 31337;
const GATEWAY = 54321;
const handle = (name, kind) => hash('handle ' + name).slice(0, 44) + 'ff' + toBeHex(CHAIN, 8).slice(2) + toBeHex(kind, 1).slice(2) + '00';

const decryption = address('gateway Decryption');
const inputVerification = address('gateway InputVerification');
const acl = '0x50157cffd6bbfa2dece204a89ec419c23ef5755d';
const verifier = '0x901f8942346f7ab3a01f6d7613119bca447bb030';
const hostId = hash('host id');

const answers = { name: 'Decryption', version: '1', chainId: GATEWAY, verifyingContract: decryption };
const permits = { ...answers, chainId: CHAIN };
const inputs = { name: 'InputVerification', version: '1', chainId: GATEWAY, verifyingContract: inputVerification };
const headers = { name: 'tKMS Header', version: '1', chainId: CHAIN, verifyingContract: acl, salt: hostId };
const ciphertexts = { ...headers, name: 'tKMS Ciphertext' };
const governance = { name: 'tKMS Governance', version: '1', chainId: CHAIN, verifyingContract: verifier };

const fields = (text) => text.split(',').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }));
const STRUCTS = {
  PublicDecryptVerification: fields('bytes32[] ctHandles,bytes decryptedResult,bytes extraData'),
  UserDecryptRequestVerification: fields(
    'bytes publicKey,address[] contractAddresses,uint256 startTimestamp,uint256 durationDays,bytes extraData'),
  DelegatedUserDecryptRequestVerification: fields(
    'bytes publicKey,address[] contractAddresses,address delegatorAddress,uint256 startTimestamp,uint256 durationDays,bytes extraData'),
  UserDecryptResponseVerification: fields('bytes publicKey,bytes32[] ctHandles,bytes userDecryptedShare,bytes extraData'),
  UserDecryptionLinker: fields('bytes publicKey,bytes32[] handles,address userAddress'),
  CiphertextVerification: fields(
    'bytes32[] ctHandles,address userAddress,address contractAddress,uint256 contractChainId,bytes extraData'),
  HeaderAttestation: fields(
    'bytes32 attesterSetId,uint64 number,bytes32 blockHash,bytes32 stateRoot,uint64 timestamp,uint8 finality,uint32 depth'),
  CiphertextAttestation: fields(
    'bytes32 coprocessorSetId,bytes32 handle,uint256 keyId,uint8 format,bytes32 profile,bytes32 digest,uint64 size'),
  ContextChange: fields(
    'uint256 contextId,bytes32 clusterHash,address[] signers,uint256 threshold,uint64 activation,uint64 previousExpires'),
};

const contextId = (7n << 248n) | 1n;
const versionOne = concat(['0x01', toBeHex(contextId, 32)]);
const words = (...values) => concat(values.map((value) => toBeHex(value, 32)));
const two = [handle('a', 5), handle('b', 0)];
const publicKey = bytes('public key', 869);
const contracts = [address('token'), address('vault')];
const decimal = (value) => BigInt(value).toString();
const MAX = { 8: 255n, 32: 2n ** 32n - 1n, 64: 2n ** 64n - 1n, 256: 2n ** 256n - 1n };

const CASES = [
  ['PublicDecryptVerification', answers, { ctHandles: two, decryptedResult: words(42n, 1n), extraData: '0x' }],
  ['PublicDecryptVerification', answers, { ctHandles: [two[0]], decryptedResult: words(MAX[64]), extraData: versionOne }],
  ['PublicDecryptVerification', answers, { ctHandles: [], decryptedResult: '0x', extraData: '0x' }],
  ['UserDecryptRequestVerification', permits,
    { publicKey, contractAddresses: contracts, startTimestamp: decimal(1800000000), durationDays: '10', extraData: '0x00' }],
  ['UserDecryptRequestVerification', permits,
    { publicKey: '0x', contractAddresses: [], startTimestamp: decimal(MAX[256]), durationDays: '0', extraData: '0x' }],
  ['DelegatedUserDecryptRequestVerification', permits,
    { publicKey, contractAddresses: contracts, delegatorAddress: address('alice'), startTimestamp: decimal(1800000000), durationDays: '365',
      extraData: '0x00' }],
  ['UserDecryptResponseVerification', answers,
    { publicKey, ctHandles: two, userDecryptedShare: bytes('payload', 1234), extraData: '0x' }],
  ['UserDecryptResponseVerification', answers,
    { publicKey, ctHandles: [two[1]], userDecryptedShare: bytes('payload', 31), extraData: versionOne }],
  ['UserDecryptionLinker', answers, { publicKey, handles: two, userAddress: address('alice') }],
  ['CiphertextVerification', inputs,
    { ctHandles: two, userAddress: address('alice'), contractAddress: contracts[0], contractChainId: decimal(CHAIN), extraData: '0x00' }],
  ['HeaderAttestation', headers,
    { attesterSetId: hash('set'), number: '4242', blockHash: hash('block'), stateRoot: hash('state'), timestamp: '1800000000', finality: '1',
      depth: '0' }],
  ['HeaderAttestation', headers,
    { attesterSetId: hash('set'), number: decimal(MAX[64]), blockHash: hash('block'), stateRoot: hash('state'), timestamp: decimal(MAX[64]),
      finality: '3', depth: decimal(MAX[32]) }],
  ['CiphertextAttestation', ciphertexts,
    { coprocessorSetId: hash('set'), handle: two[0], keyId: decimal((4n << 248n) | 1n), format: '1', profile: hash('profile'),
      digest: hash('digest'), size: '1048576' }],
  ['CiphertextAttestation', ciphertexts,
    { coprocessorSetId: hash('set'), handle: two[1], keyId: decimal(MAX[256]), format: decimal(MAX[8]), profile: hash('profile'),
      digest: hash('digest'), size: decimal(MAX[64]) }],
  ['ContextChange', governance,
    { contextId: decimal(contextId + 1n), clusterHash: hash('cluster'), signers: [address('n1'), address('n2'), address('n3'), address('n4')],
      threshold: '3', activation: '1800000000', previousExpires: '1800604800' }],
];

const eip712 = CASES.map(([struct, domain, message]) => {
  const types = { [struct]: STRUCTS[struct] };
  const encoder = TypedDataEncoder.from(types);
  return {
    struct,
    type: encoder.encodeType(struct),
    typeHash: hash(encoder.encodeType(struct)),
    domain,
    message,
    domainSeparator: TypedDataEncoder.hashDomain(domain),
    structHash: encoder.hash(message),
    digest: TypedDataEncoder.hash(domain, types, message),
  };
});

// Storage of the ACL: mappings in a namespace, keccak256(key, slot) per level.
const word = (value) => zeroPadValue(value, 32);
const at = (base, ...keys) => keys.reduce((slot, key) => keccak256(concat([word(key), slot])), base);
const namespace = (name) => {
  const inner = BigInt(hash(name)) - 1n;
  return toBeHex(BigInt(keccak256(AbiCoder.defaultAbiCoder().encode(['uint256'], [inner]))) & ~0xffn, 32);
};
const FACTS = namespace('fhevm.storage.ACL');
const RANGE = namespace('tkms.storage.AclRange');
const plus = (slot, n) => toBeHex(BigInt(slot) + BigInt(n), 32);
const value = (number) => toBeHex(number, 32);

const alice = address('alice');
const bob = address('bob');
const wildcard = '0x' + 'ff'.repeat(20);
const delegation = (delegate, contract, expiry, block, counter) => ({
  fact: 'delegation', delegator: alice, delegate, contract, expirationDate: decimal(expiry), lastBlock: decimal(block), counter: decimal(counter),
  slot: at(plus(FACTS, 2), alice, delegate, contract),
  value: value(BigInt(expiry) | (BigInt(block) << 64n) | (BigInt(counter) << 128n)),
});
const slots = [
  { fact: 'persistent', handle: two[0], account: alice, slot: at(FACTS, two[0], alice), value: value(1) },
  { fact: 'persistent', handle: two[1], account: bob, slot: at(FACTS, two[1], bob), value: value(1) },
  { fact: 'persistent', handle: two[0], account: '0x' + '00'.repeat(20), slot: at(FACTS, two[0], '0x' + '00'.repeat(20)), value: value(1) },
  { fact: 'public', handle: two[0], slot: at(plus(FACTS, 1), two[0]), value: value(1) },
  delegation(bob, contracts[0], 1900000000n, 1001n, 1n),
  delegation(bob, wildcard, MAX[64], 1001n, 1n),
  { fact: 'denied', account: bob, slot: at(plus(FACTS, 3), bob), value: value(1) },
  { fact: 'invalidatedBefore', account: alice, timestamp: '1799999999', slot: at(plus(FACTS, 4), alice), value: value(1799999999n) },
  { fact: 'range', count: '0', paused: true, slot: RANGE, value: value(1n << 64n) },
  { fact: 'peak', level: '0', slot: plus(RANGE, 1), value: value(0) },
  { fact: 'peak', level: '40', slot: plus(RANGE, 41), value: value(0) },
];

const write = (file, content) => writeFileSync(file, JSON.stringify(content, null, 2) + '\n');
write('vectors/eip712.json', { vectors: eip712 });
write('vectors/acl-slots.json', { namespaces: { acl: FACTS, aclRange: RANGE }, slots });
