// Writes vectors/eip712.json, vectors/acl-slots.json and vectors/acl-range.json, with ethers doing the hashing, so that neither the contracts nor the
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
];

// The range of grants: tagged leaves and nodes; the peak that covers a leaf is the root of an aligned run of leaves.
const PERSISTENT = 1;
const PUBLIC = 2;
const NOBODY = '0x' + '00'.repeat(20);
const grant = (kind, ofHandle, subject) =>
  ({ kind: decimal(kind), handle: ofHandle, subject, leaf: keccak256(concat(['0x0001', toBeHex(kind, 1), ofHandle, subject])) });
const node = (left, right) => keccak256(concat(['0x01', left, right]));
const root = (leaves) => leaves.length === 1
  ? leaves[0]
  : node(root(leaves.slice(0, leaves.length / 2)), root(leaves.slice(leaves.length / 2)));
const siblings = (leaves, index) => {
  if (leaves.length === 1) return [];
  const half = leaves.length / 2;
  const [own, other] = index < half ? [leaves.slice(0, half), leaves.slice(half)] : [leaves.slice(half), leaves.slice(0, half)];
  return [...siblings(own, index % half), root(other)];
};
/// The longest aligned run of a power of two of leaves, the last of a row of falling sizes that starts at 0, with `index` in it.
const mountain = (leaves, index) => {
  let start = 0;
  for (let level = 40; level >= 0; level--) {
    const width = 2 ** level;
    if (leaves.length - start < width) continue;
    if (index < start + width) return { level, start, run: leaves.slice(start, start + width) };
    start += width;
  }
  throw new Error(`leaf ${index} of ${leaves.length}`);
};

// What the slots above have granted when the vectors are used in order, seen as leaves.
const granted = slots.flatMap((row) => row.fact === 'persistent' ? [grant(PERSISTENT, row.handle, row.account)]
  : row.fact === 'public' ? [grant(PUBLIC, row.handle, NOBODY)] : []).map((entry) => entry.leaf);
slots.push(
  { fact: 'range', count: decimal(granted.length), paused: true, slot: RANGE, value: value(1n << 64n | BigInt(granted.length)) },
  // Four grants: levels 0 and 1 are stale, level 2 is live.
  { fact: 'peak', level: '0', slot: plus(RANGE, 1), value: granted[2] },
  { fact: 'peak', level: '1', slot: plus(RANGE, 2), value: root(granted.slice(0, 2)) },
  { fact: 'peak', level: '2', slot: plus(RANGE, 3), value: root(granted) },
  { fact: 'peak', level: '40', slot: plus(RANGE, 41), value: value(0) },
);

const grants = [
  grant(PERSISTENT, '0x' + '11'.repeat(32), '0x' + '22'.repeat(20)),
  grant(PUBLIC, '0x' + '11'.repeat(32), NOBODY),
  grant(PERSISTENT, '0x' + '11'.repeat(32), NOBODY),
  ...[...Array(10).keys()].map((i) => i % 3 === 2 ? grant(PUBLIC, handle(`grant ${i}`, 5), NOBODY)
    : grant(PERSISTENT, handle(`grant ${i}`, 5), address(`grantee ${i}`))),
];
const proofOf = (index, count) => {
  const { level, start, run } = mountain(grants.slice(0, count).map((entry) => entry.leaf), index);
  const { kind, handle: ofHandle, subject } = grants[index];
  return { kind, handle: ofHandle, subject, index: decimal(index), count: decimal(count), level: decimal(level),
    peak: root(run), path: siblings(run, index - start) };
};
const proofs = [1, 2, 3, 7, 8, 13].flatMap((count) => [...Array(count).keys()].map((index) => proofOf(index, count)));
const spoilt = (claim, change) => {
  const base = proofOf(4, 13);
  return { claim, ...base, ...change(base) };
};
const alone = ({ kind, handle, subject, leaf }) => ({ kind, handle, subject, index: '0', count: '1', level: '0', peak: leaf, path: [] });
const leafAt = (index) => grants[index].leaf;
const refused = [
  spoilt('another kind', () => ({ kind: '2' })),
  // The next two stand in a range as leaves, which no ACL would have appended.
  spoilt('a kind that does not exist', ({ handle, subject }) => alone(grant(3, handle, subject))),
  spoilt('a public grant with a subject', ({ handle }) => alone(grant(PUBLIC, handle, address('grantee 0')))),
  spoilt('a grant to the zero address as a public one', () => ({ ...proofOf(2, 13), kind: '2' })),
  spoilt('another handle', () => ({ handle: handle('another', 5) })),
  spoilt('another subject', () => ({ subject: address('another') })),
  spoilt('another index', () => ({ index: '5' })),
  spoilt('an index in another mountain', () => ({ index: '9' })),
  spoilt('an index at the count', () => ({ index: '13' })),
  spoilt('an index far past the count', () => ({ index: decimal(MAX[64]) })),
  spoilt('an empty range', () => ({ count: '0' })),
  spoilt('a count of another shape', () => ({ count: '7' })),
  spoilt('the peak of another mountain', () => ({ peak: proofOf(8, 13).peak })),
  spoilt('a zero peak', () => ({ peak: value(0) })),
  spoilt('a path with a hash too many', ({ path }) => ({ path: [...path, leafAt(0)] })),
  spoilt('a path with a hash too few', ({ path }) => ({ path: path.slice(0, -1) })),
  spoilt('no path', () => ({ path: [] })),
  spoilt('two siblings swapped', ({ path }) => ({ path: [path[1], path[0], path[2]] })),
  spoilt('a sibling of another leaf', ({ path }) => ({ path: [leafAt(0), ...path.slice(1)] })),
  spoilt('a level above the bound', ({ path }) => ({ count: decimal(1n << 41n), path: [...path, ...Array(38).fill(value(1))] })),
];

const write = (file, content) => writeFileSync(file, JSON.stringify(content, null, 2) + '\n');
write('vectors/eip712.json', { vectors: eip712 });
write('vectors/acl-slots.json', { namespaces: { acl: FACTS, aclRange: RANGE }, slots });
write('vectors/acl-range.json', { nodes: [{ left: leafAt(0), right: leafAt(1), node: node(leafAt(0), leafAt(1)) }], grants, proofs, refused });
