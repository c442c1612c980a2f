//! Parties that depart from the protocol, each by its name.

use crate::decrypt::PartialDecryption;
use crate::ring::Gr128;
use rand::Rng;
use rand_chacha::ChaCha20Rng;

/// What a cheating party sends to one peer instead of its message: messages with the ticks it holds them back.
pub trait Cheat {
    /// Called once per peer.
    fn instead_of(&mut self, honest: &PartialDecryption, rng: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)>;
}

/// Sends the same wrong share to everybody: one bit of one coefficient of the last element is off.
pub struct BadShare {
    /// Ticks to hold it back.
    pub delay: u64,
}

impl Cheat for BadShare {
    fn instead_of(&mut self, honest: &PartialDecryption, _: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        let mut msg = honest.clone();
        if let Some(last) = msg.shares.last_mut() {
            *last += Gr128::new([0, 0, 0, 1 << 100]);
        }
        vec![(self.delay, msg)]
    }
}

/// Sends nothing.
pub struct Silent;

impl Cheat for Silent {
    fn instead_of(&mut self, _: &PartialDecryption, _: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        Vec::new()
    }
}

/// Sends one share too many.
pub struct WrongLength;

impl Cheat for WrongLength {
    fn instead_of(&mut self, honest: &PartialDecryption, _: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        let mut msg = honest.clone();
        msg.shares.push(Gr128::ONE);
        vec![(0, msg)]
    }
}

/// Sends other random shares to every peer.
pub struct Equivocate;

impl Cheat for Equivocate {
    fn instead_of(&mut self, honest: &PartialDecryption, rng: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        let shares = honest
            .shares
            .iter()
            .map(|_| {
                let mut bytes = [0; Gr128::BYTES];
                rng.fill(&mut bytes);
                Gr128::from_le_bytes(&bytes)
            })
            .collect();
        vec![(0, PartialDecryption { shares })]
    }
}

/// Sends its message of another session, twice.
pub struct Replay {
    /// That message.
    pub old: PartialDecryption,
}

impl Cheat for Replay {
    fn instead_of(&mut self, _: &PartialDecryption, _: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        vec![(0, self.old.clone()), (0, self.old.clone())]
    }
}

/// Sends its message and, much later, a different one.
pub struct ChangeOfMind;

impl Cheat for ChangeOfMind {
    fn instead_of(&mut self, honest: &PartialDecryption, rng: &mut ChaCha20Rng) -> Vec<(u64, PartialDecryption)> {
        let mut sent = vec![(0, honest.clone())];
        sent.extend(BadShare { delay: 1000 }.instead_of(honest, rng));
        sent
    }
}
