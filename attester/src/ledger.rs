//! What was signed: one hash for each block number, for ever, on disk before the signature leaves.
//!
//! A signer that forgets could be brought to sign a second history, and two quorums of it are two chains in the eyes of every
//! node. So nothing is ever removed but the texts of old attestations, and a contradiction stops this process for good.

use alloy_primitives::{Address, B256, Bytes};
use merkle_acl::trust::Finality;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use std::path::Path;

/// Version of the tables. A newer database is refused.
const SCHEMA: u64 = 1;
/// Attestations that can still be asked for: far more than any anchor's age.
const KEPT: u64 = 4096;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Number → hash, time. Never removed from.
const SIGNED: TableDefinition<'_, u64, (&[u8; 32], u64)> = TableDefinition::new("signed");
/// Number → state root, class, depth, header, signature; the newest [`KEPT`].
const TEXTS: TableDefinition<'_, u64, Text<'_>> = TableDefinition::new("texts");
type Text<'a> = (&'a [u8; 32], u8, u32, &'a [u8], &'a [u8]);

/// A header this attester vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// State root.
    pub state_root: B256,
    /// Unix seconds.
    pub time: u64,
    /// The strongest class signed for it.
    pub finality: Finality,
    /// The header as consensus encodes it.
    pub header: Bytes,
    /// r ‖ s ‖ v over the digest of all of it.
    pub signature: Bytes,
}

/// A header that may be signed, if it fits to all that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent: B256,
    /// Unix seconds.
    pub time: u64,
}

/// The database failed, or it is somebody else's.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database.
    #[error("ledger: {0}")]
    Database(#[from] redb::Error),
    /// Written by a newer program.
    #[error("the ledger has schema {0}, this program knows {SCHEMA}: use a newer program")]
    Schema(u64),
    /// Of another key or another chain.
    #[error("the ledger in the data directory belongs to another {0}: each key and chain needs a directory of its own")]
    Foreign(&'static str),
    /// A second hash for one number was about to be signed.
    #[error("block {0} was signed with another hash")]
    SecondHash(u64),
    /// Rows that no version of this program wrote.
    #[error("the ledger is damaged at block {0}: restore it or make a new key, never go on without it")]
    Damaged(u64),
}

/// The chain contradicts what was signed. Nothing more is signed until an operator has looked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Another hash at a number.
    #[error("block {number} was signed with hash {signed} and the node now calls {found} final")]
    TwoHashes {
        /// The number.
        number: u64,
        /// Signed.
        signed: B256,
        /// What the node says.
        found: B256,
    },
    /// A child of a block that was signed names another parent: the chain changed between two looks.
    #[error("block {number} was signed with hash {signed} and the node's next block builds on {found}")]
    OtherParent {
        /// The parent's number.
        number: u64,
        /// Its hash, signed.
        signed: B256,
        /// What the child names.
        found: B256,
    },
    /// A later block with an earlier time, or the other way round.
    #[error("block {number} has time {time}, block {other} was signed with {other_time}")]
    TimeRunsBack {
        /// The number.
        number: u64,
        /// Its time.
        time: u64,
        /// A neighbour that was signed.
        other: u64,
        /// The neighbour's time.
        other_time: u64,
    },
}

/// The ledger.
pub struct Ledger {
    database: Database,
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for LedgerError {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
from_redb!(redb::DatabaseError, redb::TransactionError, redb::TableError, redb::StorageError, redb::CommitError);

impl Ledger {
    /// Opens or makes the ledger of this host and signer.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(path: &Path, host: B256, signer: Address) -> Result<Self, LedgerError> {
        let database = Database::create(path)?;
        let tx = database.begin_write()?;
        {
            let mut meta = tx.open_table(META)?;
            let rows: [(&'static str, &[u8]); 3] =
                [("schema", &SCHEMA.to_be_bytes()), ("host", host.as_slice()), ("signer", signer.as_slice())];
            for (name, ours) in rows {
                let found = meta.get(name)?.map(|value| value.value().to_vec());
                match found {
                    None => drop(meta.insert(name, ours)?),
                    Some(found) if found == ours => {}
                    Some(found) if name == "schema" => {
                        return Err(LedgerError::Schema(found.try_into().map_or(u64::MAX, u64::from_be_bytes)));
                    }
                    Some(_) => return Err(LedgerError::Foreign(name)),
                }
            }
            tx.open_table(SIGNED)?;
            tx.open_table(TEXTS)?;
        }
        tx.commit()?;
        Ok(Self { database })
    }

    /// Whether a header with this number, hash, parent and time may be signed beside all that was.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub fn check(&self, header: &Candidate) -> Result<Result<(), Contradiction>, LedgerError> {
        let Candidate { number, hash, parent, time } = *header;
        let signed = self.database.begin_read()?.open_table(SIGNED)?;
        if let Some(row) = signed.get(number)? {
            let known = B256::from(*row.value().0);
            let same = known == hash;
            return Ok(if same {
                Ok(())
            } else {
                Err(Contradiction::TwoHashes { number, signed: known, found: hash })
            });
        }
        let below = signed.range(..number)?.next_back().transpose()?;
        if let Some((other, value)) = &below {
            let known = B256::from(*value.value().0);
            if other.value() + 1 == number && known != parent {
                return Ok(Err(Contradiction::OtherParent { number: other.value(), signed: known, found: parent }));
            }
        }
        let above = signed.range(number..)?.next().transpose()?;
        // Equal times stand: chains with more than one block a second, and Anvil's bulk mining, have them.
        for (row, fits) in [(below, u64::le as fn(&u64, &u64) -> bool), (above, u64::ge)] {
            let Some((other, value)) = row else { continue };
            let other_time = value.value().1;
            if !fits(&other_time, &time) {
                return Ok(Err(Contradiction::TimeRunsBack { number, time, other: other.value(), other_time }));
            }
        }
        Ok(Ok(()))
    }

    /// Writes what is about to leave; durable when this returns. A weaker class never replaces a stronger one.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was written, and the signature must not leave.
    pub fn record(&self, vouched: &Vouched) -> Result<(), LedgerError> {
        let tx = self.database.begin_write()?;
        {
            let mut signed = tx.open_table(SIGNED)?;
            let other = signed.get(vouched.number)?.is_some_and(|row| *row.value().0 != vouched.hash.0);
            if other {
                // `check` comes first and names it; this is the last door.
                return Err(LedgerError::SecondHash(vouched.number));
            }
            signed.insert(vouched.number, (&vouched.hash.0, vouched.time))?;
            let mut texts = tx.open_table(TEXTS)?;
            let (class, depth) = vouched.finality.signed();
            let row: Text<'_> =
                (&vouched.state_root.0, class, depth, vouched.header.as_ref(), vouched.signature.as_ref());
            let before = texts.get(vouched.number)?.map(|row| (row.value().1, row.value().2));
            let known = before.and_then(|(class, depth)| Finality::from_signed(class, depth));
            if known.is_none_or(|known| vouched.finality.satisfies(known)) {
                texts.insert(vouched.number, row)?;
            }
            while texts.len()? > KEPT {
                texts.pop_first()?;
            }
        }
        Ok(tx.commit()?)
    }

    /// The attestation of one block, if it was signed lately.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn vouched(&self, number: u64) -> Result<Option<Vouched>, LedgerError> {
        let tx = self.database.begin_read()?;
        let (signed, texts) = (tx.open_table(SIGNED)?, tx.open_table(TEXTS)?);
        let (Some(row), Some(text)) = (signed.get(number)?, texts.get(number)?) else { return Ok(None) };
        let (hash, time) = row.value();
        let (state_root, class, depth, header, signature) = text.value();
        let finality = Finality::from_signed(class, depth).ok_or(LedgerError::Damaged(number))?;
        Ok(Some(Vouched {
            number,
            hash: B256::from(*hash),
            state_root: B256::from(*state_root),
            time,
            finality,
            header: Bytes::copy_from_slice(header),
            signature: Bytes::copy_from_slice(signature),
        }))
    }

    /// The highest block whose signed class meets `need`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn newest(&self, need: Finality) -> Result<Option<u64>, LedgerError> {
        let texts = self.database.begin_read()?.open_table(TEXTS)?;
        for row in texts.iter()?.rev() {
            let (number, text) = row?;
            let (_, class, depth, ..) = text.value();
            if Finality::from_signed(class, depth).is_some_and(|signed| signed.satisfies(need)) {
                return Ok(Some(number.value()));
            }
        }
        Ok(None)
    }

    /// The highest block ever signed, with its hash.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn highest(&self) -> Result<Option<(u64, B256)>, LedgerError> {
        let signed = self.database.begin_read()?.open_table(SIGNED)?;
        let last = signed.last()?;
        Ok(last.map(|(number, row)| (number.value(), B256::from(*row.value().0))))
    }

    /// Why nothing more is signed, if so.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn halted(&self) -> Result<Option<String>, LedgerError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get("halted")?.map(|reason| String::from_utf8_lossy(reason.value()).into_owned()))
    }

    /// Stops signing, on disk, until an operator makes a new key: what was signed cannot be taken back.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn halt(&self, reason: &str) -> Result<(), LedgerError> {
        let tx = self.database.begin_write()?;
        tx.open_table(META)?.insert("halted", reason.as_bytes())?;
        Ok(tx.commit()?)
    }
}
