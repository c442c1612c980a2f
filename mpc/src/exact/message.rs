//! Steps 7 and 8: the shared message of a session, opened to all or given to one user.

use super::bounds::TOP_BITS;
use super::key::pack;
use super::rounding::elements;
use crate::decrypt::MAX_BLOCKS;
use crate::fault::{Abort, Misuse, Owner, StepId};
use crate::machine::{Machine, Outgoing, Step, To};
use crate::opening::Opening;
use crate::ring::{Gr16, Gr128};
use std::fmt;
use tkms_types::PartyId;
use zeroize::Zeroizing;

/// Bits of a message that all may see: without the padding bit.
const MESSAGE_BITS: u32 = 4;
/// Where the message stands in a user's share.
const USER_DELTA_LOG: u32 = 123;
/// First byte of stored shares.
const STORED_VERSION: u8 = 1;
/// Bytes before the elements: version, n, party, u32 blocks.
const STORED_HEADER: usize = 7;

/// A party's shares of the messages of one session, modulo 2⁵: what a session ends with, kept for as long as its
/// ciphertext may be asked again. Zeroed on drop, redacted in `Debug`.
#[derive(PartialEq, Eq)]
pub struct MessageShares {
    owner: Owner,
    shares: Zeroizing<Vec<Gr16>>,
}

impl MessageShares {
    pub(super) const fn new(owner: Owner, shares: Zeroizing<Vec<Gr16>>) -> Self {
        Self { owner, shares }
    }

    /// Whose.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Blocks of the session.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.shares.len()
    }

    /// Step 8: shares of 2¹²³·m over GR(2¹²⁸, 4), one element per four blocks, as the official payload has them. The
    /// factor leaves nothing of a share but its lowest five bits; a user combines them to 2¹²³·m without any noise.
    #[must_use]
    pub fn user_share(&self) -> Zeroizing<Vec<Gr128>> {
        let packed = Zeroizing::new(pack(&self.shares, TOP_BITS));
        let lift = |c: u16| u128::from(c >> (u16::BITS - TOP_BITS)) << USER_DELTA_LOG;
        Zeroizing::new(packed.iter().map(|element| Gr128::new(element.coefficients().map(lift))).collect())
    }

    /// The shares as bytes for the node's store: version, n, party, u32 blocks, then four bytes a block.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(STORED_HEADER + 4 * self.shares.len()));
        bytes.extend([STORED_VERSION, u8::from(self.owner.committee), self.owner.party.number()]);
        bytes.extend((self.shares.len() as u32).to_le_bytes());
        for share in self.shares.iter() {
            bytes.extend(share.coefficients().map(|c| c as u8));
        }
        bytes
    }

    /// Reads what [`Self::to_secret_bytes`] writes.
    ///
    /// # Errors
    /// [`Misuse::Stored`] for anything else.
    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Misuse> {
        let refused = |why| Misuse::Stored { what: "message shares", why };
        let [version, n, party, a, b, c, d, rest @ ..] = bytes else { return Err(refused("header is cut short")) };
        if *version != STORED_VERSION {
            return Err(refused("unknown version"));
        }
        let committee = tkms_types::Committee::try_from(*n).map_err(|_| refused("no such committee"))?;
        let party = committee.party(*party).map_err(|_| refused("not a member"))?;
        let blocks = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let (chunks, odd) = rest.as_chunks::<4>();
        if blocks == 0 || blocks > MAX_BLOCKS || chunks.len() != blocks || !odd.is_empty() {
            return Err(refused("wrong number of shares"));
        }
        if rest.iter().any(|c| *c >> TOP_BITS != 0) {
            return Err(refused("a share has more than five bits"));
        }
        let shares = chunks.iter().map(|chunk| Gr16::new(chunk.map(u16::from)));
        Ok(Self { owner: Owner { party, committee }, shares: Zeroizing::new(shares.collect()) })
    }
}

impl fmt::Debug for MessageShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageShares({}, {} blocks, redacted)", self.owner, self.shares.len())
    }
}

/// Step 7: a party's shares of the messages modulo 2⁴, four blocks to an element, as multiples of 2¹². Unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed(pub Vec<Gr16>);

/// The opening of a session's messages to all, of a public decryption. It goes on after its output.
pub struct Reveal {
    owner: Owner,
    blocks: usize,
    opening: Opening<Gr16>,
}

type RevealStep = Step<Revealed, Vec<u8>>;

impl Reveal {
    /// Starts with the party's own shares: the step sends them to all. With n = 1 it is also the end.
    #[must_use]
    pub fn start(own: &MessageShares) -> (Self, RevealStep) {
        let mut machine = Self::new(own.owner, own.blocks());
        let msg = Revealed(pack(&own.shares, MESSAGE_BITS));
        let mut step = machine.receive(own.owner.party, msg.clone());
        step.send = vec![Outgoing { to: To::All, msg }];
        (machine, step)
    }

    /// A party that has no shares of its own, for its items are lost, learns the messages from 2t + 1 others.
    ///
    /// # Errors
    /// [`Misuse::Blocks`] for no block, or more than a session may hold.
    pub fn listen(owner: Owner, blocks: usize) -> Result<Self, Misuse> {
        if blocks == 0 || blocks > MAX_BLOCKS {
            return Err(Misuse::Blocks { blocks, max: MAX_BLOCKS });
        }
        Ok(Self::new(owner, blocks))
    }

    fn new(owner: Owner, blocks: usize) -> Self {
        Self { owner, blocks, opening: Opening::new(owner.committee, StepId::ExactReveal, elements(blocks)) }
    }

    /// Whether the output has been given.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.opening.is_done()
    }
}

impl Machine for Reveal {
    type Msg = Revealed;
    /// The four-bit message of every block, lowest block first.
    type Output = Vec<u8>;

    fn receive(&mut self, from: PartyId, msg: Revealed) -> RevealStep {
        let heard = self.opening.receive(from, msg.0);
        let digits = |elements: Vec<Gr16>| {
            let words = elements.into_iter().flat_map(|element| *element.coefficients());
            words.take(self.blocks).map(|word| (word >> (u16::BITS - MESSAGE_BITS)) as u8).collect()
        };
        Step { send: Vec::new(), faults: heard.faults, output: heard.values.map(digits) }
    }

    fn round_over(&mut self) -> RevealStep {
        Step::nothing()
    }

    fn give_up(self) -> Abort {
        self.opening.give_up()
    }
}

impl fmt::Debug for Reveal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reveal({}, {} heard, done: {})", self.owner, self.opening.count(), self.is_done())
    }
}
