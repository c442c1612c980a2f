//! The request API: gRPC without client certificate. The evidence in a request is the permission; calls are bounded
//! in rate, size, number and time instead.

use crate::engine::{Engine, Progress, Source, Ticket, note};
use crate::health::Health;
use crate::limiter::RateLimiter;
use crate::limits::{LABEL_BYTES, LONGEST_WAIT};
use crate::refusal::Refusal;
use crate::request::{Manner, Request as Asked};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_types::{RequestId, RequestKind};
use tkms_wire::kms::kms_server::Kms;
use tkms_wire::kms::{self, Reply, reply};
use tkms_wire::request::StatusCall;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

/// Serves `tkms.kms.v1.Kms`.
pub(crate) struct Api {
    pub(crate) engine: Engine,
    pub(crate) health: Arc<Health>,
    pub(crate) rate: RateLimiter<IpAddr>,
    /// Calls held open at once; a further one gets its `pending` at once.
    pub(crate) waiting: Semaphore,
}

impl Api {
    fn allow<T>(&self, request: &Request<T>) -> Result<Source, Refusal> {
        let address = request.remote_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        if self.rate.allow(&address, Instant::now()) {
            Ok(Source::Caller(address))
        } else {
            Err(Refusal::RateLimited(address.to_string()))
        }
    }

    /// Checks 2 to 17 for what passed check 1.
    async fn submit(
        &self,
        kind: RequestKind,
        read: Result<(Asked, Manner, Source), Refusal>,
    ) -> (Result<Ticket, Refusal>, Duration) {
        match read {
            Ok((asked, manner, source)) => (self.engine.submit(asked, source).await, manner.wait),
            Err(refusal) => {
                note(kind, &refusal);
                (Err(refusal), Duration::ZERO)
            }
        }
    }

    async fn answer(&self, ticket: Result<Ticket, Refusal>, wait: Duration, label: String) -> Reply {
        let mut ticket = match ticket {
            Ok(ticket) => ticket,
            Err(refusal) => return refused(&refusal, Bytes::new(), label),
        };
        if let Ok(_held) = self.waiting.try_acquire() {
            let ended = ticket.progress.wait_for(Progress::is_final);
            // Both a timeout and an ended task leave the last word in the channel
            drop(tokio::time::timeout(wait.min(LONGEST_WAIT), ended).await);
        }
        let request_id = Bytes::copy_from_slice(ticket.id.0.as_slice());
        let progress = ticket.progress.borrow().clone();
        let outcome = match progress {
            Progress::Refused(refusal) => return refused(&refusal, request_id, label),
            Progress::Pending(state, detail) => reply::Outcome::Pending(kms::Pending { state: state.into(), detail }),
            Progress::Done(outcome) => reply::Outcome::clone(&outcome),
        };
        Reply { request_id, label, outcome: Some(outcome) }
    }
}

fn refused(refusal: &Refusal, request_id: Bytes, label: String) -> Reply {
    let outcome = reply::Outcome::Refusal(kms::Refusal {
        code: refusal.code().to_owned(),
        class: refusal.class().into(),
        message: refusal.to_string(),
    });
    Reply { request_id, label, outcome: Some(outcome) }
}

/// A label as far as it may be echoed: one that is too long is refused anyway.
fn echo(label: &str) -> String {
    if label.len() > LABEL_BYTES { String::new() } else { label.to_owned() }
}

#[tonic::async_trait]
impl Kms for Api {
    async fn public_decrypt(&self, request: Request<kms::PublicDecryptRequest>) -> Result<Response<Reply>, Status> {
        let allowed = self.allow(&request);
        let message = request.into_inner();
        let label = echo(&message.label);
        let read = allowed.and_then(|source| Asked::public(message).map(|(asked, manner)| (asked, manner, source)));
        let (ticket, wait) = self.submit(RequestKind::Public, read).await;
        Ok(Response::new(self.answer(ticket, wait, label).await))
    }

    async fn user_decrypt(&self, request: Request<kms::UserDecryptRequest>) -> Result<Response<Reply>, Status> {
        let allowed = self.allow(&request);
        let message = request.into_inner();
        let label = echo(&message.label);
        let read = allowed.and_then(|source| Asked::user(message).map(|(asked, manner)| (asked, manner, source)));
        let (ticket, wait) = self.submit(RequestKind::User, read).await;
        Ok(Response::new(self.answer(ticket, wait, label).await))
    }

    async fn status(&self, request: Request<kms::StatusRequest>) -> Result<Response<Reply>, Status> {
        let allowed = self.allow(&request);
        let read = allowed.and_then(|_| {
            StatusCall::try_from(request.into_inner()).map_err(|error| Refusal::Malformed(error.to_string()))
        });
        let (ticket, wait) = match read {
            Ok(call) => (self.engine.status(RequestId(call.request_id.0)), call.wait),
            Err(refusal) => (Err(refusal), Duration::ZERO),
        };
        Ok(Response::new(self.answer(ticket, wait, String::new()).await))
    }

    async fn info(&self, request: Request<kms::InfoRequest>) -> Result<Response<kms::InfoReply>, Status> {
        self.allow(&request).map_err(|refusal| Status::resource_exhausted(refusal.to_string()))?;
        Ok(Response::new(self.health.info()))
    }
}
