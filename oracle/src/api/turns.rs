//! Which set of shares a user gets, when asked again under a new key.
//!
//! The official client gives up on one share that it cannot open (fhevm-compat §3.7), and front ends make a new key for
//! every try: to the desk that is another request, which would again be served the set with the bad share in it.

use crate::record::Ask;
use alloy_primitives::{Address, B256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tkms_types::transcript::Transcript;
use tkms_types::{RequestId, UserRequest};

/// Names a user's interest in a list of values, whatever the key. Nothing is signed over it.
const TAG: &str = "tkms/oracle/turn/v1";
/// Interests remembered; the oldest is forgotten first. A forgotten one begins at the first set again.
const INTERESTS: usize = 4_096;
/// Who comes back later than this is not trying again, and gets all shares: those correct a wrong share, a quorum does not.
const AGAIN: Duration = Duration::from_secs(120);
/// Requests remembered of one interest. Older ones are not looked at any more.
const REQUESTS: usize = 64;

/// How often each user was answered about the same values.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    served: BTreeMap<B256, Served>,
    oldest: VecDeque<B256>,
}

/// Requests of one interest, in the order in which they were first answered.
#[derive(Debug)]
struct Served {
    last: Instant,
    forgotten: u32,
    requests: VecDeque<RequestId>,
}

impl Turns {
    /// How many other requests for the same values by the same user were answered shortly before this one.
    pub(super) fn of(&self, ask: &Ask, id: RequestId, now: Instant) -> u32 {
        let Ask::User(request) = ask else { return 0 };
        let interest = interest(request);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.served.contains_key(&interest) {
            if known.served.len() >= INTERESTS
                && let Some(oldest) = known.oldest.pop_front()
            {
                known.served.remove(&oldest);
            }
            known.oldest.push_back(interest);
        }
        let begin = || Served { last: now, forgotten: 0, requests: VecDeque::new() };
        let served = known.served.entry(interest).or_insert_with(begin);
        if now.saturating_duration_since(served.last) > AGAIN {
            *served = begin();
        }
        served.last = now;
        served.turn(id)
    }
}

impl Served {
    fn turn(&mut self, id: RequestId) -> u32 {
        let position = self.requests.iter().position(|known| *known == id).unwrap_or_else(|| {
            if self.requests.len() >= REQUESTS {
                self.requests.pop_front();
                self.forgotten = self.forgotten.saturating_add(1);
            }
            self.requests.push_back(id);
            self.requests.len() - 1
        });
        // At most `REQUESTS`
        self.forgotten.saturating_add(u32::try_from(position).unwrap_or(u32::MAX))
    }
}

fn interest(request: &UserRequest) -> B256 {
    Transcript::new(TAG)
        .address(request.user)
        .address(request.delegator.unwrap_or(Address::ZERO))
        .list(&request.pairs, |transcript, pair| transcript.word(pair.handle.0))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;
    use tkms_types::{FheType, Handle, HandlePair};

    fn ask(user: u8, handle: u8) -> Ask {
        let handle = Handle::new(B256::repeat_byte(handle), 0xff, 1, FheType::Bool);
        Ask::User(UserRequest {
            pairs: vec![HandlePair { handle, contract: Address::ZERO }],
            user: Address::repeat_byte(user),
            delegator: None,
            contracts: Vec::new(),
            start: 0,
            days: 1,
            public_key: Bytes::new(),
            extra_data: Bytes::new(),
            signature: Bytes::new(),
        })
    }

    fn id(number: u64) -> RequestId {
        RequestId(B256::left_padding_from(&number.to_be_bytes()))
    }

    #[test]
    fn a_new_key_for_the_same_values_is_the_next_turn() {
        let (turns, now) = (Turns::default(), Instant::now());
        for round in 0..3 {
            assert_eq!(turns.of(&ask(1, 1), id(7), now), 0, "round {round}");
            assert_eq!(turns.of(&ask(1, 1), id(8), now), 1, "round {round}");
        }
        assert_eq!(turns.of(&ask(1, 1), id(9), now + AGAIN), 2);
    }

    #[test]
    fn who_comes_back_later_begins_anew() {
        let (turns, now) = (Turns::default(), Instant::now());
        turns.of(&ask(1, 1), id(7), now);
        assert_eq!(turns.of(&ask(1, 1), id(8), now + AGAIN + Duration::from_secs(1)), 0);
    }

    #[test]
    fn other_users_and_other_values_begin_anew() {
        let (turns, now) = (Turns::default(), Instant::now());
        assert_eq!(turns.of(&ask(1, 1), id(1), now), 0);
        assert_eq!(turns.of(&ask(2, 1), id(2), now), 0);
        assert_eq!(turns.of(&ask(1, 2), id(3), now), 0);
    }

    #[test]
    fn memory_is_bounded_and_turns_go_on() {
        let (turns, now) = (Turns::default(), Instant::now());
        for number in 0..1_000 {
            assert_eq!(u64::from(turns.of(&ask(1, 1), id(number), now)), number);
        }
        for user in 0..=255u8 {
            for handle in 0..32 {
                turns.of(&ask(user, handle), id(5), now);
            }
        }
        let known = turns.0.lock().unwrap();
        assert_eq!((known.served.len(), known.oldest.len()), (INTERESTS, INTERESTS));
        assert!(known.served.values().all(|served| served.requests.len() <= REQUESTS));
    }
}
