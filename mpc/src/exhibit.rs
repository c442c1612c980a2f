//! Evidence to hand over: with it, and the committee's keys, anyone can check who departed from a protocol. What is
//! signed, and why it convicts: [`crate::statement`], [`crate::vss::convicted`], [`crate::preprocessing::convicted`].
//!
//! It names its run, and session and terms follow from the name: nobody can show what was said in one run as if it had
//! been said in another. Bytes: version, n, kind of run, kind of proof, then the fields in their order; integers
//! little-endian; what comes last reaches to the end.

use crate::codec::{Malformed, Reader, Terms};
use crate::preprocessing::{self, Batch, BatchId, Bits, Recipe, Standing, Triples};
use crate::prss_setup;
use crate::ring::{Gr16, Gr64, Gr128, Ring};
use crate::statement::{Proof, Seal, SignedEvidence, SignedWords, Statement};
use tkms_types::transcript::setup_session;
use tkms_types::{Committee, ContextId, EpochId, Id, PartyId};

/// First byte of an exhibit.
const VERSION: u8 = 1;
/// Bytes of the longest exhibit: words of no honest party can fill a frame.
pub const MAX_EXHIBIT: usize = 16 << 20;

const SETUP: u8 = 0;
const BATCH: u8 = 1;
const EQUIVOCATION: u8 = 0;
const BROKEN_RULE: u8 = 1;
const WORDS: u8 = 2;

/// Everything a third party needs beside the committee's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// Who took part.
    pub committee: Committee,
    /// In what.
    pub run: RunName,
    /// What parties signed in it.
    pub shown: Shown,
}

/// A run by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunName {
    /// A setup of PRSS keys.
    Setup {
        /// The context.
        context: ContextId,
        /// The epoch.
        epoch: EpochId,
        /// Counts the attempts of an epoch.
        attempt: u64,
    },
    /// A batch, as everyone knew it before it began.
    Batch {
        /// Its name.
        id: BatchId,
        /// [`Recipe::KIND`].
        kind: u8,
        /// [`Ring::BITS`].
        bits: u32,
        /// Its items.
        items: u32,
        /// What the committee held against its members.
        standing: Standing,
    },
}

/// What parties signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// One party's statements.
    Statements(SignedEvidence),
    /// Values of broadcasts: of a setup with a bad dealing, or of the check of a rejected batch.
    Words(Vec<SignedWords>),
}

impl RunName {
    /// The name of a batch.
    #[must_use]
    pub fn batch<R: Ring, C: Recipe<R>>(id: BatchId, recipe: &C, standing: Standing) -> Self {
        Self::Batch { id, kind: C::KIND, bits: R::BITS, items: recipe.items() as u32, standing }
    }
}

impl Exhibit {
    /// The parties it convicts in the eyes of one who knows the committee and its keys; nobody, if it proves nothing.
    #[must_use]
    pub fn convicted(&self, committee: Committee, seal: &impl Seal) -> Vec<PartyId> {
        const RANDOM_BITS: u8 = <Bits as Recipe<Gr16>>::KIND;
        const PRODUCTS: u8 = <Triples as Recipe<Gr64>>::KIND;
        if committee != self.committee {
            return Vec::new();
        }
        match &self.run {
            RunName::Setup { context, epoch, attempt } => {
                let terms = prss_setup::terms(setup_session(*context, *epoch, *attempt), committee);
                self.judged(&terms, seal, |words| prss_setup::convicted(&terms, words, seal))
            }
            RunName::Batch { kind, bits, items, .. } => {
                let count = *items as usize;
                match (*kind, *bits) {
                    (RANDOM_BITS, 16) => self.of_batch::<Gr16, _>(&Bits { count }, seal),
                    (RANDOM_BITS, 64) => self.of_batch::<Gr64, _>(&Bits { count }, seal),
                    (RANDOM_BITS, 128) => self.of_batch::<Gr128, _>(&Bits { count }, seal),
                    (PRODUCTS, 16) => self.of_batch::<Gr16, _>(&Triples { count }, seal),
                    (PRODUCTS, 64) => self.of_batch::<Gr64, _>(&Triples { count }, seal),
                    (PRODUCTS, 128) => self.of_batch::<Gr128, _>(&Triples { count }, seal),
                    _ => Vec::new(),
                }
            }
        }
    }

    fn of_batch<R: Ring, C: Recipe<R>>(&self, recipe: &C, seal: &impl Seal) -> Vec<PartyId> {
        let RunName::Batch { id, standing, .. } = &self.run else { return Vec::new() };
        // checking costs what the batch cost, and no batch has more
        if recipe.items() == 0 || recipe.items() > preprocessing::MAX_ITEMS {
            return Vec::new();
        }
        let name = (id, recipe, standing);
        let terms = Batch::<R, C>::terms_of(name, self.committee);
        self.judged(&terms, seal, |words| preprocessing::convicted::<R, C>(name, self.committee, words, seal))
    }

    fn judged(
        &self,
        terms: &Terms,
        seal: &impl Seal,
        of_words: impl Fn(&[SignedWords]) -> Vec<PartyId>,
    ) -> Vec<PartyId> {
        match &self.shown {
            Shown::Statements(evidence) if evidence.verify(terms, seal) => vec![evidence.culprit],
            Shown::Statements(_) => Vec::new(),
            Shown::Words(words) => of_words(words),
        }
    }

    /// In words, for an operator.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match (&self.shown, &self.run) {
            (Shown::Statements(SignedEvidence { proof: Proof::Equivocation { .. }, .. }), _) => {
                "two statements in a round"
            }
            (Shown::Statements(_), _) => "a statement of no honest party",
            (Shown::Words(_), RunName::Setup { .. }) => "a bad dealing",
            (Shown::Words(_), RunName::Batch { .. }) => "another message than its keys make",
        }
    }

    /// The exhibit as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let run = match self.run {
            RunName::Setup { .. } => SETUP,
            RunName::Batch { .. } => BATCH,
        };
        let shown = match &self.shown {
            Shown::Statements(SignedEvidence { proof: Proof::Equivocation { .. }, .. }) => EQUIVOCATION,
            Shown::Statements(SignedEvidence { proof: Proof::BrokenRule { .. }, .. }) => BROKEN_RULE,
            Shown::Words(_) => WORDS,
        };
        let mut bytes = vec![VERSION, self.committee.into(), run, shown];
        self.run.write(&mut bytes);
        match &self.shown {
            Shown::Statements(evidence) => write_evidence(evidence, &mut bytes),
            Shown::Words(words) => words.iter().for_each(|words| write_words(words, &mut bytes)),
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] writes.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_EXHIBIT {
            return Err(Malformed::TooLong { limit: MAX_EXHIBIT, found: bytes.len() });
        }
        let mut reader = Reader(bytes);
        let [version, n, run, kind] = reader.array()?;
        if version != VERSION {
            return Err(Malformed::Tag(version));
        }
        let committee = Committee::try_from(n).map_err(|_| Malformed::Tag(n))?;
        let run = match run {
            SETUP => read_setup(&mut reader)?,
            BATCH => read_batch(&mut reader, committee)?,
            tag => return Err(Malformed::Tag(tag)),
        };
        let shown = match kind {
            EQUIVOCATION | BROKEN_RULE => Shown::Statements(read_evidence(&mut reader, committee, kind)?),
            WORDS => {
                let mut words = Vec::new();
                while !reader.0.is_empty() {
                    words.push(read_words(&mut reader, committee)?);
                }
                Shown::Words(words)
            }
            tag => return Err(Malformed::Tag(tag)),
        };
        Ok(Self { committee, run, shown })
    }
}

impl RunName {
    fn write(&self, bytes: &mut Vec<u8>) {
        let mut name = |context: &ContextId, epoch: &EpochId, number: u64| {
            bytes.extend(context.bytes());
            bytes.extend(epoch.bytes());
            bytes.extend(number.to_le_bytes());
        };
        match self {
            Self::Setup { context, epoch, attempt } => name(context, epoch, *attempt),
            Self::Batch { id, kind, bits, items, standing } => {
                name(&id.context, &id.epoch, id.number);
                bytes.extend([*kind, standing.careful.into(), standing.evicted.len() as u8]);
                bytes.extend(bits.to_le_bytes());
                bytes.extend(items.to_le_bytes());
                bytes.extend(standing.evicted.iter().map(|party| party.number()));
            }
        }
    }
}

fn read_number(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    reader.array().map(u32::from_le_bytes)
}

fn read_party(reader: &mut Reader<'_>, committee: Committee) -> Result<PartyId, Malformed> {
    let number = reader.byte()?;
    committee.party(number).map_err(|_| Malformed::Tag(number))
}

fn read_names(reader: &mut Reader<'_>) -> Result<(ContextId, EpochId, u64), Malformed> {
    let (context, epoch) = (reader.array::<32>()?, reader.array::<32>()?);
    let context = ContextId::parse(context.into()).map_err(|_| Malformed::Tag(context[0]))?;
    let epoch = EpochId::parse(epoch.into()).map_err(|_| Malformed::Tag(epoch[0]))?;
    Ok((context, epoch, u64::from_le_bytes(reader.array()?)))
}

fn read_setup(reader: &mut Reader<'_>) -> Result<RunName, Malformed> {
    let (context, epoch, attempt) = read_names(reader)?;
    Ok(RunName::Setup { context, epoch, attempt })
}

fn read_batch(reader: &mut Reader<'_>, committee: Committee) -> Result<RunName, Malformed> {
    let (context, epoch, number) = read_names(reader)?;
    let [kind, careful @ 0..2, count] = reader.array()? else { return Err(Malformed::Mask) };
    let (bits, items) = (read_number(reader)?, read_number(reader)?);
    let evicted = (0..count).map(|_| read_party(reader, committee)).collect::<Result<Vec<_>, _>>()?;
    // one form: in ascending order, nobody twice
    if !evicted.is_sorted_by(|a, b| a < b) {
        return Err(Malformed::Mask);
    }
    let standing = Standing { evicted, careful: careful == 1 };
    Ok(RunName::Batch { id: BatchId { context, epoch, number }, kind, bits, items, standing })
}

fn write_evidence(evidence: &SignedEvidence, bytes: &mut Vec<u8>) {
    bytes.push(evidence.culprit.number());
    bytes.extend(evidence.round.to_le_bytes());
    match &evidence.proof {
        Proof::Equivocation { first, second } => {
            for statement in [first, second] {
                bytes.extend(statement.digest);
                bytes.extend(statement.signature);
            }
        }
        Proof::BrokenRule { said, signature } => {
            bytes.extend(signature);
            bytes.extend(said);
        }
    }
}

fn read_evidence(reader: &mut Reader<'_>, committee: Committee, kind: u8) -> Result<SignedEvidence, Malformed> {
    let (culprit, round) = (read_party(reader, committee)?, read_number(reader)?);
    if kind == BROKEN_RULE {
        let signature = reader.array()?;
        let proof = Proof::BrokenRule { said: reader.0.to_vec(), signature };
        return Ok(SignedEvidence { culprit, round, proof });
    }
    let mut statement = || Ok(Statement { digest: reader.array()?, signature: reader.array()? });
    let proof = Proof::Equivocation { first: statement()?, second: statement()? };
    reader.finish()?;
    Ok(SignedEvidence { culprit, round, proof })
}

fn write_words(words: &SignedWords, bytes: &mut Vec<u8>) {
    bytes.push(words.party.number());
    bytes.extend(words.round.to_le_bytes());
    bytes.extend(words.signature);
    bytes.extend((words.said.len() as u32).to_le_bytes());
    bytes.extend(&words.said);
}

fn read_words(reader: &mut Reader<'_>, committee: Committee) -> Result<SignedWords, Malformed> {
    let (party, round) = (read_party(reader, committee)?, read_number(reader)?);
    let signature = reader.array()?;
    let len = read_number(reader)? as usize;
    Ok(SignedWords { party, round, said: reader.take(len)?.to_vec(), signature })
}
