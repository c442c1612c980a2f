//! Which item is bound to which session by our vote, in memory; [`super::Stock`] writes every vote to disk before anybody
//! hears it (step 4 of `docs/protocol/exact-decrypt.md`).
//!
//! Every batch has lanes of equal length, one for each party that was not left out of it: ranges of a lane are proposed by
//! its party alone, so that a bad proposer burns only its own.

use super::Trust;
use std::collections::BTreeMap;
use std::ops::Range as Span;
use tkms_mpc::exact::{AllocationError, Ledger, Range};
use tkms_mpc::preprocessing::BatchId;
use tkms_types::{Committee, ContextId, EpochId, PartyId, SessionId};

/// A vote that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// So many items of our own lane.
    Own {
        /// Blocks of the session.
        items: u32,
    },
    /// A range that another party proposed.
    Of {
        /// Who.
        proposer: PartyId,
        /// Number of the batch.
        batch: u64,
        /// First item.
        from: u32,
        /// One past the last.
        to: u32,
    },
}

/// A vote that is not cast.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The store is old, or might be.
    #[error("{0}")]
    Distrusted(Trust),
    /// No such batch is in stock here.
    #[error("batch {0} is not in stock here")]
    NoBatch(u64),
    /// Our lanes are used up.
    #[error("no {0} items are left to propose")]
    Empty(u32),
    /// Items of somebody else's lane.
    #[error("items {from} to {to} of batch {batch} are not {proposer}'s to propose")]
    Lane {
        /// Who proposed them.
        proposer: PartyId,
        /// Of which batch.
        batch: u64,
        /// First item.
        from: u32,
        /// One past the last.
        to: u32,
    },
    /// Bound otherwise.
    #[error(transparent)]
    Bound(#[from] AllocationError),
}

pub(super) struct Books {
    me: PartyId,
    committee: Committee,
    names: (ContextId, EpochId),
    batches: BTreeMap<u64, Book>,
}

struct Book {
    items: u32,
    /// Whose lanes there are, ascending.
    lanes: Vec<PartyId>,
    ledger: Ledger,
}

impl Book {
    /// Empty for who was left out.
    fn lane(&self, party: PartyId) -> Span<u32> {
        let Some(index) = self.lanes.iter().position(|other| *other == party) else { return 0..0 };
        let edge = |index: usize| (u64::from(self.items) * index as u64 / self.lanes.len() as u64) as u32;
        edge(index)..edge(index + 1)
    }
}

impl Books {
    pub const fn new(me: PartyId, committee: Committee, names: (ContextId, EpochId)) -> Self {
        Self { me, committee, names, batches: BTreeMap::new() }
    }

    pub fn id(&self, number: u64) -> BatchId {
        BatchId { context: self.names.0, epoch: self.names.1, number }
    }

    /// A batch came into stock.
    pub fn open(&mut self, number: u64, items: u32, left_out: &[PartyId]) {
        let ledger = Ledger::new(self.id(number), items);
        let lanes = self.committee.parties().filter(|party| !left_out.contains(party)).collect();
        self.batches.entry(number).or_insert(Book { items, lanes, ledger });
    }

    /// A batch is gone: nothing of it is voted for any more.
    pub fn close(&mut self, number: u64) {
        self.batches.remove(&number);
    }

    pub fn close_all(&mut self) {
        self.batches.clear();
    }

    /// Number of the newest batch in stock.
    pub fn newest(&self) -> Option<u64> {
        self.batches.keys().next_back().copied()
    }

    /// Items that can be proposed before the first lane is empty, times the number of lanes: of those parties that share
    /// the newest batch.
    pub fn free(&self) -> u64 {
        let left = |party: &PartyId| -> u64 {
            let of = |book: &Book| {
                let lane = book.lane(*party);
                u64::from(lane.end - book.ledger.end_in(lane))
            };
            self.batches.values().map(of).sum()
        };
        let sharing = self.batches.values().next_back().map(|book| book.lanes.as_slice()).unwrap_or_default();
        sharing.iter().map(left).min().unwrap_or_default() * sharing.len() as u64
    }

    /// The first range of a party's lanes that is long enough.
    fn offer(&self, party: PartyId, items: u32) -> Option<Range> {
        self.batches.iter().find_map(|(number, book)| {
            let lane = book.lane(party);
            let from = book.ledger.end_in(lane.clone());
            let to = from.checked_add(items)?;
            (items > 0 && to <= lane.end).then(|| Range { batch: self.id(*number), from, to })
        })
    }

    /// Whether we could propose so many items.
    pub fn has(&self, items: u32) -> bool {
        self.offer(self.me, items).is_some()
    }

    /// Whether some party could.
    pub fn serves(&self, items: u32) -> bool {
        self.committee.parties().any(|party| self.offer(party, items).is_some())
    }

    fn of(&self, session: &SessionId) -> Option<Range> {
        self.batches.values().find_map(|book| book.ledger.of(session))
    }

    /// A vote as it stands on disk.
    pub fn restore(&mut self, range: &Range, session: SessionId) -> Result<(), AllocationError> {
        match self.batches.get_mut(&range.batch.number) {
            Some(book) => book.ledger.bind(range, session),
            None => Ok(()),
        }
    }

    /// Votes: the range, and whether it is a vote that was not cast before. A session has one range for ever, of whatever
    /// batch.
    pub fn bind(&mut self, session: SessionId, claim: Claim) -> Result<(Range, bool), BindError> {
        let known = self.of(&session);
        let range = match claim {
            Claim::Own { items } => match known.or_else(|| self.offer(self.me, items)) {
                Some(range) if range.items() == items as usize => range,
                _ => return Err(BindError::Empty(items)),
            },
            Claim::Of { proposer, batch, from, to } => {
                let book = self.batches.get(&batch).ok_or(BindError::NoBatch(batch))?;
                let lane = book.lane(proposer);
                if from < lane.start || to > lane.end {
                    return Err(BindError::Lane { proposer, batch, from, to });
                }
                Range { batch: self.id(batch), from, to }
            }
        };
        match known {
            Some(known) if known == range => return Ok((range, false)),
            Some(known) => return Err(AllocationError::Session { from: known.from }.into()),
            None => {}
        }
        let number = range.batch.number;
        self.batches.get_mut(&number).ok_or(BindError::NoBatch(number))?.ledger.bind(&range, session)?;
        Ok((range, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tkms_types::Id as _;

    fn session(number: u8) -> SessionId {
        SessionId([number; 32].into())
    }

    fn party(number: u8) -> PartyId {
        PartyId::new(number).unwrap()
    }

    fn books(me: u8) -> Books {
        let names = (ContextId::numbered(1), EpochId::numbered(1));
        let mut books = Books::new(party(me), Committee::new(4).unwrap(), names);
        books.open(3, 102, &[]);
        books
    }

    fn of(proposer: u8, from: u32, to: u32) -> Claim {
        Claim::Of { proposer: party(proposer), batch: 3, from, to }
    }

    #[test]
    fn own_ranges_follow_each_other_in_the_own_lane_until_it_is_used_up() {
        let mut books = books(2);
        assert_eq!(books.free(), 4 * 25, "lanes of 25, 26, 25 and 26");
        let (first, fresh) = books.bind(session(1), Claim::Own { items: 16 }).unwrap();
        assert!(fresh && (first.from, first.to) == (25, 41));
        assert_eq!(books.bind(session(1), Claim::Own { items: 16 }).unwrap(), (first, false), "the same again");
        assert_eq!(books.free(), 4 * 10);
        assert!(!books.has(16) && books.has(10));
        assert_eq!(books.bind(session(2), Claim::Own { items: 16 }), Err(BindError::Empty(16)));
        let (second, _) = books.bind(session(2), Claim::Own { items: 10 }).unwrap();
        assert_eq!((second.from, second.to), (41, 51));
        assert_eq!(books.bind(session(3), Claim::Own { items: 0 }), Err(BindError::Empty(0)));
    }

    #[test]
    fn a_proposer_is_voted_for_in_its_own_lane_only_and_for_one_session_an_item() {
        let mut books = books(1);
        for (proposer, from, to) in [(2, 0, 5), (2, 24, 30), (2, 50, 52), (1, 20, 26)] {
            let refused = books.bind(session(1), of(proposer, from, to));
            assert!(matches!(refused, Err(BindError::Lane { .. })), "{refused:?}");
        }
        books.bind(session(1), of(2, 30, 40)).unwrap();
        assert!(!books.bind(session(1), of(2, 30, 40)).unwrap().1);
        let twice = books.bind(session(2), of(2, 39, 45));
        assert_eq!(twice, Err(BindError::Bound(AllocationError::Bound { item: 39 })));
        let second = books.bind(session(1), of(2, 40, 50));
        assert_eq!(second, Err(BindError::Bound(AllocationError::Session { from: 30 })));
        let unknown = Claim::Of { proposer: party(2), batch: 4, from: 30, to: 40 };
        assert_eq!(books.bind(session(9), unknown), Err(BindError::NoBatch(4)));
        for (from, to) in [(45, 45), (46, 45)] {
            assert!(books.bind(session(4), of(2, from, to)).is_err());
        }
    }

    #[test]
    fn who_was_left_out_of_a_batch_has_no_lane_in_it_and_the_others_have_all_of_it() {
        let mut books = books(1);
        books.open(4, 102, &[party(2)]);
        let of_four = |proposer, from, to| Claim::Of { proposer: party(proposer), batch: 4, from, to };
        assert!(matches!(books.bind(session(1), of_four(2, 0, 4)), Err(BindError::Lane { .. })));
        books.bind(session(1), of_four(3, 34, 68)).unwrap();
        assert_eq!(books.free(), 3 * 25, "of the third, in the older batch");
        books.open(5, 102, &[]);
        assert_eq!(books.free(), 4 * 50, "the second counts again");
    }

    #[test]
    fn a_session_has_one_range_of_whatever_batch_and_a_batch_that_is_gone_gets_no_vote() {
        let mut books = books(1);
        books.open(4, 102, &[]);
        books.bind(session(1), of(2, 30, 40)).unwrap();
        let elsewhere = Claim::Of { proposer: party(2), batch: 4, from: 30, to: 40 };
        assert!(matches!(books.bind(session(1), elsewhere), Err(BindError::Bound(AllocationError::Session { .. }))));
        books.close(3);
        assert_eq!(books.bind(session(2), of(2, 40, 45)), Err(BindError::NoBatch(3)));
    }
}
