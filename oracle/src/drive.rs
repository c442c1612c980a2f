//! Asks all nodes at once and stops at the quorum (faults.md rows 1 to 4): never slower than the fastest 2t + 1,
//! never done before they agree, never given up while they may still answer.

use crate::node::{NodeLink, Question};
use crate::tally::Tally;
use std::sync::Arc;
use std::time::Duration;
use tkms_types::PartyId;
use tkms_wire::kms::Reply;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a node is asked to hold the call while it works.
pub const LONG_POLL: Duration = Duration::from_millis(2_000);
/// Pause before a node is asked again that could not answer yet, at first: finality comes by the second.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the pause stays so short.
const EAGER: Duration = Duration::from_secs(10);
/// Longest pause, of a request that waits for long.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);
/// How long after the quorum the others are listened to: their shares serve users, their lies are named.
pub const STRAGGLERS: Duration = Duration::from_secs(20);

/// What one call gave, and where to say whether the node has spoken its last word.
struct Report {
    party: PartyId,
    reply: Result<Reply, String>,
    settled: oneshot::Sender<bool>,
}

/// One round of questions. Dropping it ends all calls.
pub struct Round {
    replies: mpsc::Receiver<Report>,
    question: watch::Sender<Question>,
    tasks: JoinSet<()>,
    /// The count so far.
    pub tally: Tally,
}

impl Round {
    /// Asks every node.
    #[must_use]
    pub fn start(nodes: &[Arc<NodeLink>], question: Question, tally: Tally) -> Self {
        let (sender, replies) = mpsc::channel(nodes.len().max(1));
        let question = watch::Sender::new(question);
        let mut tasks = JoinSet::new();
        for node in nodes {
            tasks.spawn(ask_on(node.clone(), question.subscribe(), sender.clone()));
        }
        Self { replies, question, tasks, tally }
    }

    /// From now on asks with other evidence. Nodes that have said their last word are not asked again.
    pub fn renew(&self, question: Question) {
        self.question.send_replace(question);
    }

    /// Takes one reply. False: every node has said its last word. May be dropped while it waits.
    pub async fn step(&mut self) -> bool {
        let Some(Report { party, reply, settled }) = self.replies.recv().await else { return false };
        let last = match reply {
            Ok(reply) => self.tally.receive(party, reply),
            Err(why) => {
                self.tally.unreachable(party, &why);
                false
            }
        };
        if settled.send(last).is_err() {
            tracing::trace!(%party, "its task has ended already");
        }
        true
    }

    /// After the quorum: listens to the others for a while. True if the count changed and more may come.
    pub async fn straggler(&mut self, until: Instant) -> bool {
        matches!(timeout_at(until, self.step()).await, Ok(true))
    }

    /// Ends all calls.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Asks one node until it has said its last word.
async fn ask_on(node: Arc<NodeLink>, mut question: watch::Receiver<Question>, replies: mpsc::Sender<Report>) {
    let (start, mut pause) = (Instant::now(), PAUSE);
    loop {
        let asked = question.borrow_and_update().clone();
        let reply = node.ask(asked).await.map_err(|error| error.to_string());
        let (settled, last) = oneshot::channel();
        if replies.send(Report { party: node.party(), reply, settled }).await.is_err() {
            return;
        }
        if last.await.unwrap_or(true) {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            renewed = question.changed() => if renewed.is_err() { return },
        }
        if start.elapsed() > EAGER {
            pause = (pause * 3 / 2).min(PAUSE_LIMIT);
        }
    }
}
