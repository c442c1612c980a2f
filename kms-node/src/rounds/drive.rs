//! One run from its first frame to its output: frames in, frames out, and the end of rounds by the clock.

use super::Hub;
use super::seal::CommitteeSeal;
use crate::transport::{RoundFrame, Transport};
use bytes::Bytes;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};
use tkms_mpc::codec::{Terms, Wire};
use tkms_mpc::exhibit::Shown;
use tkms_mpc::fault::StepId;
use tkms_mpc::machine::{Outgoing, To};
use tkms_mpc::rounds::{Rounds, Say, Turn};
use tkms_mpc::run::{Run, RunStep};
use tkms_types::{Committee, PartyId, SessionId};

/// Why a run has no output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

/// The largest block of memory from which glibc learns, a little less for what it puts around it.
const LARGEST_LESSON: usize = 31 << 20;
static MEMORY_KEPT: Once = Once::new();

/// A batch is tens of megabytes, freed and wanted again at once. glibc gives such blocks back to the system, whose clean
/// pages then cost a third of all processor time, until a larger one was freed: from then on it takes blocks up to that
/// size from its own memory, and keeps twice as much of that. A block nobody touches costs nothing.
fn keep_freed_memory() {
    MEMORY_KEPT.call_once(|| drop(black_box(Vec::<u8>::with_capacity(LARGEST_LESSON))));
}

/// Drives runs, one after the other, on the thread that calls.
pub struct Driver {
    /// Mailboxes and peers.
    pub hub: Arc<Hub>,
    /// The way to the peers.
    pub transport: Arc<dyn Transport>,
    /// Signs public messages.
    pub seal: CommitteeSeal,
    /// Round r ends, at the latest, r of these after the start.
    pub round_time: Duration,
    /// Bytes of frames sent to all peers together.
    pub sent: AtomicU64,
}

/// A protocol whose rounds do not wait for parties that were absent when the run began. They are heard if they speak.
struct Present<P> {
    inner: P,
    absent: Vec<PartyId>,
}

impl<P: Rounds> Rounds for Present<P> {
    type Msg = P::Msg;
    type Output = P::Output;

    fn terms(&self) -> Terms {
        self.inner.terms()
    }

    fn committee(&self) -> Committee {
        self.inner.committee()
    }

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn waits_for(&self, party: PartyId) -> bool {
        self.inner.waits_for(party) && !self.absent.contains(&party)
    }

    fn step_id(&self) -> StepId {
        self.inner.step_id()
    }

    fn close(&mut self, heard: Vec<Option<P::Msg>>) -> Turn<P::Msg, P::Output> {
        self.inner.close(heard)
    }
}

impl Driver {
    /// Runs a protocol to its output, which it always has: after its last round at the latest.
    ///
    /// # Errors
    /// [`Ended::Stopped`].
    pub fn run<P: Rounds>(
        &self,
        session: SessionId,
        (protocol, first): (P, Say<P::Msg>),
        absent: Vec<PartyId>,
    ) -> Result<P::Output, Ended>
    where
        P::Msg: Wire,
    {
        keep_freed_memory();
        let started = Instant::now();
        let (mut run, step) = Run::start(Present { inner: protocol, absent }, first, self.seal.clone());
        let mut output = self.take(session, step);
        let (mut round, mut deadline) = (0, started);
        while output.is_none() {
            if run.round() != round {
                round = run.round();
                // From one start for all rounds: `tkms_mpc::rounds` says why. What came while we computed is read
                deadline = (started + self.round_time * round).max(Instant::now());
            }
            let step = match self.hub.next_frame(deadline) {
                Some((from, frame)) => run.receive(from, &frame),
                None if self.hub.is_stopped() => {
                    self.hub.close();
                    return Err(Ended::Stopped);
                }
                None => {
                    tracing::debug!(%session, round = run.round(), silent = ?run.awaited(), "round over");
                    run.round_over()
                }
            };
            output = self.take(session, step);
            for evidence in run.take_evidence() {
                tracing::warn!(culprit = %evidence.culprit, %session, round = evidence.round, "signed evidence");
                self.hub.show(Shown::Statements(evidence));
            }
        }
        self.hub.close();
        self.hub.show(Shown::Words(run.signed_values().to_vec()));
        output.ok_or(Ended::Stopped)
    }

    fn take<O>(&self, session: SessionId, step: RunStep<O>) -> Option<O> {
        for fault in &step.faults {
            self.hub.blame(session, fault);
        }
        for Outgoing { to, msg } in step.send {
            let bytes = Bytes::from(msg);
            match to {
                To::One(party) => self.send(party, session, bytes),
                To::All => {
                    let peers = self.hub.committee().parties().filter(|party| *party != self.hub.me());
                    peers.for_each(|party| self.send(party, session, bytes.clone()));
                }
            }
        }
        step.output
    }

    fn send(&self, to: PartyId, session: SessionId, bytes: Bytes) {
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if let Err(error) = self.transport.speak(to, RoundFrame { session, bytes }) {
            // For the peer this is our silence in a round
            tracing::debug!(%session, %error, "frame not sent");
        }
    }
}
