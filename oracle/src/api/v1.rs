//! Version 1 of the API: the same requests and jobs, answered in one exchange. Who is still waiting at its end is told to
//! send the request again, which finds the job where it stands.

use super::caller::Caller;
use super::decrypt::{self, Outcome};
use super::reply::{Failed, no_job};
use super::{App, input, keyurl};
use axum::body::Body;
use axum::{Extension, Json};
use std::sync::Arc;
use std::time::Duration;
use tkms_types::RequestId;
use tkms_wire::relayer::{ApiError, Label, UserShare, V1InputProof, V1KeyUrls, V1PublicDecrypt, V1Reply};
use tokio::time::{Instant, sleep};

/// Longest wait for an outcome.
const WAIT: Duration = Duration::from_secs(120);
/// Between two looks at a job: at first, and after a while.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_LIMIT: Duration = Duration::from_secs(1);

type Shared = Extension<Arc<App>>;
type Answered<T> = Result<Json<V1Reply<T>>, Failed>;

/// The time a caller waits.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { deadline: Instant::now() + WAIT, pause: PAUSE }
    }

    /// Until the next look, or the error that ends the exchange.
    async fn rest(&mut self) -> Result<(), Failed> {
        if Instant::now() >= self.deadline {
            let message = "the request is accepted and not done yet: send it again to go on waiting";
            return Err(ApiError::new(Label::ResponseTimedOut, message).into());
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 3 / 2).min(PAUSE_LIMIT);
        Ok(())
    }
}

fn done<T>(response: T) -> Answered<T> {
    Ok(Json(V1Reply { response }))
}

pub(super) async fn key_url(app: Shared) -> Json<V1Reply<V1KeyUrls>> {
    Json(keyurl::key_urls(&app).into())
}

pub(super) async fn input_proof(app: Shared, caller: Caller, body: Body) -> Answered<V1InputProof> {
    let id = input::accept(&app, &caller, body).await?;
    let mut patience = Patience::new();
    loop {
        match input::outcome(&app, id).await? {
            Some(result) if result.accepted => return done(result.into()),
            Some(_) => {
                let issue = "the proof does not hold: encrypt again for this contract, user and chain";
                return Err(Failed::job(id, ApiError::invalid("ciphertextWithInputVerification", issue)));
            }
            None => patience.rest().await?,
        }
    }
}

pub(super) async fn public_decrypt(app: Shared, caller: Caller, body: Body) -> Answered<[V1PublicDecrypt; 1]> {
    let id = decrypt::accept_public(&app, &caller, body).await?;
    let mut patience = Patience::new();
    loop {
        match decrypt::outcome(&app, id, |_| true).await? {
            Some(Outcome::Public(result)) => return done([result.into()]),
            Some(Outcome::User(_)) => return Err(no_job()),
            None => patience.rest().await?,
        }
    }
}

pub(super) async fn user_decrypt(app: Shared, caller: Caller, body: Body) -> Answered<Vec<UserShare>> {
    let id = decrypt::accept_user(&app, &caller, body).await?;
    shares(&app, id).await
}

/// The official client knows delegation in version 2 only; others that keep to version 1 need not do without.
pub(super) async fn delegated_user_decrypt(app: Shared, caller: Caller, body: Body) -> Answered<Vec<UserShare>> {
    let id = decrypt::accept_delegated(&app, &caller, body).await?;
    shares(&app, id).await
}

async fn shares(app: &App, id: RequestId) -> Answered<Vec<UserShare>> {
    let mut patience = Patience::new();
    loop {
        match decrypt::outcome(app, id, |_| true).await? {
            Some(Outcome::User(result)) => return done(result.result),
            Some(Outcome::Public(_)) => return Err(no_job()),
            None => patience.rest().await?,
        }
    }
}
