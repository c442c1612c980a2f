//! Proofs of several keys of one trie as one byte string: each node once, from the root down and from the left, without what follows
//! from the keys and from the nodes below.
//!
//! This is compression and nothing else: what [`unpack`] gives is as untrusted as the bytes were, and is checked proof by proof. A set
//! of proofs has one packed form, and no other bytes unpack (`docs/protocol/acl.md` has the format).

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};

use crate::proof::MAX_FACTS;

/// Most keys of one trie: every fact's slot, every peak, the first word.
pub const MAX_KEYS: usize = 2 * MAX_FACTS;
/// Most nodes of one trie.
pub const MAX_NODES: usize = 16 * 1024;
/// Nibbles of a key.
const PATH: usize = 64;
/// A child shorter than its hash stands inside its parent.
const HASH_BYTES: usize = 32;

/// The whole trie is empty.
const EMPTY: u8 = 0;
/// The leaf of the first key that comes here: its value.
const LEAF: u8 = 1;
/// Another leaf: the rest of its path, its value.
const OTHER_LEAF: u8 = 2;
/// Length and nibbles of the common path, the child.
const EXTENSION: u8 = 3;
/// Which children there are, and the children; those on no key's way by their hashes.
const BRANCH: u8 = 4;
/// The same where one on no key's way is so short that it stands inside: each such child with its length, 0 for a hash.
const BRANCH_INLINE: u8 = 5;

/// Why proofs cannot be packed, or bytes are no packed proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// More keys or nodes than are read.
    #[error("too many keys or nodes")]
    TooMany,
    /// Two proofs of one key.
    #[error("key {0} is there twice")]
    RepeatedKey(B256),
    /// Not a complete proof, or not of the trie that the others are of.
    #[error("the proof of key {0} does not fit the trie")]
    Misfit(B256),
    /// The bytes end before the trie does.
    #[error("the packed trie is cut short")]
    CutShort,
    /// Bytes behind the trie.
    #[error("{0} unused bytes behind the packed trie")]
    UnusedBytes(usize),
    /// There is no such node, or it has another form.
    #[error("no packed node, {0} bytes before the end")]
    Form(usize),
}

/// Packs complete proofs, each with its (hashed) key, nodes root first.
///
/// # Errors
/// [`PackError`] unless all are proofs of one trie, and of different keys.
pub fn pack(proofs: &[(B256, &[Bytes])]) -> Result<Vec<u8>, PackError> {
    let keys = sorted(proofs.iter().map(|(key, _)| *key))?;
    let keys: Vec<&Key> = keys.iter().collect();
    let mut writer = Writer { proofs: proofs.iter().map(|(_, nodes)| *nodes).collect(), nodes: 0, out: Vec::new() };
    // An empty trie may be shown by nothing at all
    if proofs.iter().any(|(_, nodes)| !nodes.is_empty()) {
        writer.hashed(&keys, 0, 0, None)?;
    }
    Ok(writer.out)
}

/// The proofs of these (hashed) keys, in their order. Nodes are shared, not copied.
///
/// # Errors
/// [`PackError`].
pub fn unpack(bytes: &[u8], keys: &[B256]) -> Result<Vec<Vec<Bytes>>, PackError> {
    let sorted = sorted(keys.iter().copied())?;
    let sorted: Vec<&Key> = sorted.iter().collect();
    let mut reader = Reader { rest: bytes, nodes: 0, proofs: vec![Vec::new(); keys.len()] };
    if !bytes.is_empty() && !keys.is_empty() {
        let root = reader.node(&sorted, 0)?;
        reader.show(&sorted, root.into());
    }
    if !reader.rest.is_empty() {
        return Err(PackError::UnusedBytes(reader.rest.len()));
    }
    // A node is complete when those below it are
    reader.proofs.iter_mut().for_each(|proof| proof.reverse());
    Ok(reader.proofs)
}

/// A key, and its place among those given.
struct Key {
    path: Vec<u8>,
    key: B256,
    place: usize,
}

impl Key {
    fn rest(&self, depth: usize) -> &[u8] {
        self.path.get(depth..).unwrap_or_default()
    }
}

fn sorted(keys: impl Iterator<Item = B256>) -> Result<Vec<Key>, PackError> {
    let whole = |(place, key)| Key { path: Nibbles::unpack(key).to_vec(), key, place };
    let mut keys: Vec<Key> = keys.enumerate().map(whole).collect();
    if keys.len() > MAX_KEYS {
        return Err(PackError::TooMany);
    }
    keys.sort_unstable_by_key(|key| key.key);
    match keys.iter().zip(keys.iter().skip(1)).find(|(one, next)| one.key == next.key) {
        Some((twice, _)) => Err(PackError::RepeatedKey(twice.key)),
        None => Ok(keys),
    }
}

/// Those of the keys that go on with `path`.
fn along<'k>(keys: &[&'k Key], depth: usize, path: &[u8]) -> Vec<&'k Key> {
    keys.iter().copied().filter(|key| key.rest(depth).starts_with(path)).collect()
}

struct Writer<'a> {
    proofs: Vec<&'a [Bytes]>,
    nodes: usize,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Node number `at` of the proofs of all `keys`, which is reached by the first `depth` nibbles.
    fn hashed(&mut self, keys: &[&Key], depth: usize, at: usize, hash: Option<B256>) -> Result<(), PackError> {
        let mut common: Option<&'a Bytes> = None;
        for key in keys {
            let node = self.proofs.get(key.place).and_then(|proof| proof.get(at)).ok_or(PackError::Misfit(key.key))?;
            if common.is_some_and(|other| other != node) {
                return Err(PackError::Misfit(key.key));
            }
            common = Some(node);
        }
        let (Some(node), Some(first)) = (common, keys.first()) else { return Ok(()) };
        if hash.is_some_and(|hash| keccak256(node) != hash) {
            return Err(PackError::Misfit(first.key));
        }
        self.node(keys, depth, at, node)
    }

    fn node(&mut self, keys: &[&Key], depth: usize, at: usize, mut bytes: &[u8]) -> Result<(), PackError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let misfit = PackError::Misfit(first.key);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(PackError::TooMany);
        }
        let node = TrieNode::decode(&mut bytes).map_err(|_| misfit)?;
        if !bytes.is_empty() {
            return Err(misfit);
        }
        match node {
            TrieNode::EmptyRoot => {
                self.out.push(EMPTY);
                self.end(keys, at)
            }
            TrieNode::Leaf(leaf) => {
                let path = leaf.key.to_vec();
                if path == first.rest(depth) {
                    self.out.push(LEAF);
                } else if path.len() == PATH - depth {
                    self.out.push(OTHER_LEAF);
                    self.path(&path);
                } else {
                    return Err(misfit);
                }
                self.out.push(u8::try_from(leaf.value.len()).map_err(|_| misfit)?);
                self.out.extend(leaf.value);
                self.end(keys, at)
            }
            TrieNode::Extension(extension) => {
                let path = extension.key.to_vec();
                self.out.extend([EXTENSION, u8::try_from(path.len()).map_err(|_| misfit)?]);
                self.path(&path);
                let (below, aside): (Vec<&Key>, Vec<&Key>) =
                    keys.iter().partition(|key| key.rest(depth).starts_with(&path));
                self.end(&aside, at)?;
                if below.is_empty() {
                    self.closed(&extension.child, true);
                    return Ok(());
                }
                self.child(&below, depth + path.len(), at, &extension.child)
            }
            TrieNode::Branch(branch) => self.branch(keys, (depth, at), branch.state_mask.get(), &branch.stack),
        }
    }

    fn branch(
        &mut self,
        keys: &[&Key],
        (depth, at): (usize, usize),
        mask: u16,
        stack: &[RlpNode],
    ) -> Result<(), PackError> {
        let children = || (0..16u8).filter(|nibble| mask >> nibble & 1 == 1).zip(stack);
        let inline = children().any(|(nibble, child)| !child.is_hash() && along(keys, depth, &[nibble]).is_empty());
        self.out.push(if inline { BRANCH_INLINE } else { BRANCH });
        self.out.extend(mask.to_be_bytes());
        let nowhere = |key: &&&Key| key.rest(depth).first().is_none_or(|nibble| mask >> nibble & 1 == 0);
        let absent: Vec<&Key> = keys.iter().filter(nowhere).copied().collect();
        self.end(&absent, at)?;
        for (nibble, child) in children() {
            let below = along(keys, depth, &[nibble]);
            if below.is_empty() {
                self.closed(child, inline);
            } else {
                self.child(&below, depth + 1, at, child)?;
            }
        }
        Ok(())
    }

    fn child(&mut self, keys: &[&Key], depth: usize, at: usize, child: &RlpNode) -> Result<(), PackError> {
        match child.as_hash() {
            Some(hash) => self.hashed(keys, depth, at + 1, Some(hash)),
            None => self.node(keys, depth, at, child.as_slice()),
        }
    }

    /// A child that no key leads to.
    fn closed(&mut self, child: &RlpNode, with_length: bool) {
        let length = if child.is_hash() { 0 } else { child.len() };
        if with_length {
            // Shorter than a hash, or it would be one
            self.out.push(u8::try_from(length).unwrap_or(u8::MAX));
        }
        match child.as_hash() {
            Some(hash) => self.out.extend(hash.0),
            None => self.out.extend(child.as_slice()),
        }
    }

    /// Nibbles, two in a byte; of an odd number the first has a byte of its own.
    fn path(&mut self, path: &[u8]) {
        self.out.extend(path.rchunks(2).rev().map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)));
    }

    /// The proofs of these keys end with the node number `at`.
    fn end(&self, keys: &[&Key], at: usize) -> Result<(), PackError> {
        let whole = |key: &&&Key| self.proofs.get(key.place).is_some_and(|proof| proof.len() == at + 1);
        match keys.iter().find(|key| !whole(key)) {
            Some(key) => Err(PackError::Misfit(key.key)),
            None => Ok(()),
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    nodes: usize,
    proofs: Vec<Vec<Bytes>>,
}

impl<'a> Reader<'a> {
    /// The RLP of one node, which is reached by the first `depth` nibbles of all `keys`.
    fn node(&mut self, keys: &[&Key], depth: usize) -> Result<Vec<u8>, PackError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(PackError::TooMany);
        }
        let own = keys.first().map(|key| key.rest(depth)).unwrap_or_default();
        match self.byte()? {
            EMPTY if depth == 0 => Ok(vec![EMPTY_STRING_CODE]),
            LEAF => {
                let length = self.byte()?;
                Ok(leaf(own, self.take(length.into())?))
            }
            OTHER_LEAF => {
                let path = self.path(PATH - depth)?;
                if path == own {
                    return Err(self.form());
                }
                let length = self.byte()?;
                Ok(leaf(&path, self.take(length.into())?))
            }
            EXTENSION => {
                let length = usize::from(self.byte()?);
                if length == 0 || depth + length >= PATH {
                    return Err(self.form());
                }
                let path = self.path(length)?;
                let below = along(keys, depth, &path);
                let mut items = Vec::new();
                compact(&path, false).as_slice().encode(&mut items);
                if below.is_empty() {
                    self.closed(true, &mut items)?;
                } else {
                    self.child(&below, depth + length, &mut items)?;
                }
                Ok(list(&items))
            }
            kind @ (BRANCH | BRANCH_INLINE) if depth < PATH => self.branch(keys, depth, kind == BRANCH_INLINE),
            _ => Err(self.form()),
        }
    }

    fn branch(&mut self, keys: &[&Key], depth: usize, inline: bool) -> Result<Vec<u8>, PackError> {
        let mask = u16::from_be_bytes([self.byte()?, self.byte()?]);
        let (mut items, mut short) = (Vec::new(), false);
        for nibble in 0..16u8 {
            if mask >> nibble & 1 == 0 {
                items.push(EMPTY_STRING_CODE);
                continue;
            }
            let below = along(keys, depth, &[nibble]);
            if below.is_empty() {
                short |= self.closed(inline, &mut items)?;
            } else {
                self.child(&below, depth + 1, &mut items)?;
            }
        }
        if short != inline {
            return Err(self.form());
        }
        items.push(EMPTY_STRING_CODE);
        Ok(list(&items))
    }

    fn child(&mut self, keys: &[&Key], depth: usize, items: &mut Vec<u8>) -> Result<(), PackError> {
        let rlp = self.node(keys, depth)?;
        if rlp.len() < HASH_BYTES {
            items.extend(rlp);
        } else {
            keccak256(&rlp).encode(items);
            self.show(keys, rlp.into());
        }
        Ok(())
    }

    /// A child that no key leads to. Whether it stands inside its parent.
    fn closed(&mut self, with_length: bool, items: &mut Vec<u8>) -> Result<bool, PackError> {
        let length = if with_length { usize::from(self.byte()?) } else { 0 };
        if length == 0 {
            B256::from_slice(self.take(HASH_BYTES)?).encode(items);
            return Ok(false);
        }
        let node = self.take(length)?;
        let mut rest = node;
        let whole = Header::decode_bytes(&mut rest, true).is_ok() && rest.is_empty();
        if length >= HASH_BYTES || !whole {
            return Err(self.form());
        }
        items.extend_from_slice(node);
        Ok(true)
    }

    fn show(&mut self, keys: &[&Key], node: Bytes) {
        for key in keys {
            if let Some(proof) = self.proofs.get_mut(key.place) {
                proof.push(node.clone());
            }
        }
    }

    fn path(&mut self, length: usize) -> Result<Vec<u8>, PackError> {
        let bytes = self.take(length.div_ceil(2))?;
        let nibbles: Vec<u8> = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).collect();
        match nibbles.split_at_checked(length % 2) {
            Some(([] | [0], path)) => Ok(path.to_vec()),
            _ => Err(self.form()),
        }
    }

    fn byte(&mut self) -> Result<u8, PackError> {
        self.take(1)?.first().copied().ok_or(PackError::CutShort)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PackError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(PackError::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    const fn form(&self) -> PackError {
        PackError::Form(self.rest.len())
    }
}

fn leaf(path: &[u8], value: &[u8]) -> Vec<u8> {
    let mut items = Vec::new();
    compact(path, true).as_slice().encode(&mut items);
    value.encode(&mut items);
    list(&items)
}

/// The path of a leaf or an extension as the trie writes it: whose it is and whether it is odd, then two nibbles in a byte.
fn compact(path: &[u8], leaf: bool) -> Vec<u8> {
    let kind = if leaf { 2 } else { 0 };
    let (odd, pairs) = path.split_at_checked(path.len() % 2).unwrap_or_default();
    let first = odd.first().map_or(kind << 4, |nibble| (kind + 1) << 4 | nibble);
    let pairs = pairs.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble));
    std::iter::once(first).chain(pairs).collect()
}

fn list(items: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(items.len() + 4);
    Header { list: true, payload_length: items.len() }.encode(&mut out);
    out.extend_from_slice(items);
    out
}
