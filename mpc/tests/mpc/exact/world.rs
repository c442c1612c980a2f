//! A dealt key, ciphertexts under it over 2⁶⁴, and the plain reference: switching by exact division, rounding with the
//! whole key.

use super::network::Started;
use rand::Rng;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use tkms_mpc::exact::{Certificate, ExactError, ExactKey, FromStock, Items, MessageShares, Range, Switched, Width};
use tkms_mpc::phase::KeyShare;
use tkms_mpc::preprocessing::{BatchId, Bits, MaskItem, Piece, Recipe};
use tkms_mpc::prss::PrssKeys;
use tkms_mpc::ring::Gr16;
use tkms_mpc::shamir::{Received, decode, decode_complete};
use tkms_types::{Committee, ContextId, EpochId, Id, KeyId, PartyId, SessionId};

pub const SIZES: [usize; 3] = [4, 7, 13];
pub const DIMENSION: usize = 64;
/// Six blocks: an element and a half.
pub const MESSAGES: [u8; 6] = [3, 0, 15, 8, 0, 1];
/// Masks of a batch.
pub const STOCK: usize = 64;

pub fn session(number: u64) -> SessionId {
    SessionId(KeyId::numbered(number).bytes())
}

pub fn party(number: usize) -> PartyId {
    PartyId::new(number as u8).unwrap()
}

/// A binary key in the clear.
pub struct PlainKey(pub Vec<u128>);

impl PlainKey {
    pub fn random(dimension: usize, rng: &mut ChaCha20Rng) -> Self {
        Self((0..dimension).map(|_| u128::from(rng.random::<bool>())).collect())
    }

    /// A packed block over 2⁶⁴ with this error on its phase.
    pub fn encrypt(&self, message: u8, error: i64, rng: &mut ChaCha20Rng) -> Vec<u64> {
        let mut sample: Vec<u64> = self.0.iter().map(|_| rng.random()).collect();
        let product = sample.iter().zip(&self.0).fold(0u64, |sum, (a, s)| sum.wrapping_add(a.wrapping_mul(*s as u64)));
        sample.push(product.wrapping_add(u64::from(message) << 59).wrapping_add_signed(error));
        sample
    }

    /// x of a switched sample, modulo 2^L.
    pub fn phase(&self, words: &[u16], width: Width) -> u32 {
        let (body, mask) = words.split_last().unwrap();
        let product: i64 = mask.iter().zip(&self.0).map(|(a, s)| i64::from(*a) * *s as i64).sum();
        (i64::from(*body) - product).rem_euclid(1 << width.log_modulus()) as u32
    }
}

/// ⌊value / unit⌉, halves up, in integers.
fn rounded(value: i128, unit: i128) -> i128 {
    (2 * value + unit).div_euclid(2 * unit)
}

/// Step 2 by its definition.
pub fn switch(sample: &[u64], width: Width) -> Vec<u16> {
    let unit = 1i128 << (64 - width.log_modulus());
    let modulus = 1i128 << width.log_modulus();
    let (body, mask) = sample.split_last().unwrap();
    let kept: Vec<i128> = mask.iter().map(|a| rounded(i128::from(*a), unit)).collect();
    let cut_off: i128 = mask.iter().zip(&kept).map(|(a, kept)| i128::from(*a) - unit * kept).sum();
    let quarter = 1i128 << (width.mask_bits() - 2);
    let body = rounded(i128::from(*body) - cut_off.div_euclid(2), unit) + quarter;
    kept.into_iter().chain([body]).map(|word| word.rem_euclid(modulus) as u16).collect()
}

/// A committee with everything dealt, and switched samples of one ciphertext.
pub struct World {
    pub committee: Committee,
    pub plain: PlainKey,
    pub keys: Vec<ExactKey>,
    pub prss: Vec<PrssKeys>,
    pub words: Vec<u16>,
    pub rng: ChaCha20Rng,
}

impl World {
    /// With [`MESSAGES`] and noise as on production ciphertexts.
    pub fn new(n: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
        let committee = Committee::new(n).unwrap();
        let plain = PlainKey::random(DIMENSION, &mut rng);
        let keys = KeyShare::deal(&plain.0, committee, &mut rng).unwrap();
        let keys = keys.iter().map(|share| ExactKey::new(share, Width::PRODUCTION)).collect();
        let prss = PrssKeys::deal(committee, &mut rng).unwrap();
        let mut world = Self { committee, plain, keys, prss, words: Vec::new(), rng };
        world.encrypt(&MESSAGES, |rng| rng.random_range(-(1 << 53)..1 << 53));
        world
    }

    pub fn t(&self) -> usize {
        self.committee.threshold().faults()
    }

    pub fn encrypt(&mut self, messages: &[u8], mut error: impl FnMut(&mut ChaCha20Rng) -> i64) {
        self.words.clear();
        for message in messages {
            let error = error(&mut self.rng);
            let sample = self.plain.encrypt(*message, error, &mut self.rng);
            self.words.extend(switch(&sample, Width::PRODUCTION));
        }
    }

    pub fn samples(&self) -> Switched<'_> {
        Switched::new(Width::PRODUCTION, DIMENSION, &self.words).unwrap()
    }

    pub fn batch(number: u64) -> BatchId {
        BatchId { context: ContextId::numbered(1), epoch: EpochId::numbered(1), number }
    }

    /// Every party's masks of one batch, with bits as an honest batch makes them.
    pub fn stock(&self, number: u64) -> Vec<Piece<MaskItem>> {
        let recipe = Bits { count: STOCK * Width::PRODUCTION.mask_bits() };
        let prepared = self.prss.iter().map(|prss| recipe.prepare(&mut prss.batch(&session(number)).draws::<Gr16>()));
        let (kept, messages): (Vec<_>, Vec<_>) = prepared.unzip();
        let parties: Vec<_> = self.committee.parties().collect();
        let received: Vec<_> =
            parties.iter().zip(&messages).map(|(party, shares)| Received { party: *party, shares }).collect();
        let opened = decode_complete(&received, &parties, 2 * self.t()).unwrap();
        let piece = |kept| {
            let bits = recipe.finish(kept, &opened).unwrap();
            Piece::masks(Self::batch(number), &bits, Width::PRODUCTION.mask_bits()).unwrap()
        };
        kept.into_iter().map(piece).collect()
    }

    /// A range certified by all for a session.
    pub fn certificate(&self, number: u64, from: u32, to: u32, session: SessionId) -> Certificate {
        let range = Range { batch: Self::batch(number), from, to };
        Certificate::new(self.committee, range, session, &self.committee.parties().collect::<Vec<_>>()).unwrap()
    }

    /// Items for the ciphertext of this world, from a batch of their own.
    pub fn items(&self, number: u64, id: SessionId) -> Vec<Items> {
        let certificate = self.certificate(number, 0, self.samples().blocks() as u32, id);
        let take = |(key, mut piece)| Self::take(key, &mut piece, &certificate).unwrap();
        self.keys.iter().zip(self.stock(number)).map(take).collect()
    }

    /// A party's items of a certified range.
    pub fn take(key: &ExactKey, piece: &mut Piece<MaskItem>, certificate: &Certificate) -> Result<Items, ExactError> {
        let range = certificate.range();
        let taken = piece.take(range.from as usize, range.to as usize)?;
        let pairs: Vec<_> = taken.iter().map(|item| [item.mask, item.top]).collect();
        Items::new(key.owner(), Width::PRODUCTION, certificate, &pairs)
    }

    /// Every party's machine with its first step.
    pub fn start(&self, number: u64) -> Vec<Started<FromStock>> {
        let items = self.items(number, session(number));
        let parties = self.keys.iter().zip(&self.prss).zip(items);
        parties.map(|((key, prss), items)| FromStock::start(key, &self.samples(), items, prss).unwrap()).collect()
    }

    /// The five bits behind shares of messages, which all have to lie on polynomials of degree t.
    pub fn opened(&self, shares: &[MessageShares]) -> Vec<u16> {
        let lists: Vec<_> = shares.iter().map(|shares| (shares.owner().party, shares.user_share())).collect();
        let received: Vec<_> = lists.iter().map(|(party, shares)| Received { party: *party, shares }).collect();
        let values = decode(&received, self.t(), 0).unwrap().values;
        let words: Vec<_> = values.iter().flat_map(|value| *value.coefficients()).collect();
        assert!(words.iter().all(|word| word << 5 == 0), "multiples of 2^123, without noise");
        words.iter().take(shares[0].blocks()).map(|word| (word >> 123) as u16).collect()
    }
}
