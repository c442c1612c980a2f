//! `public-decrypt`, `user-decrypt`, `delegated-user-decrypt`.

use super::caller::Caller;
use super::reply::{self, Failed, accepted, ask_error, no_job, queued, read, succeeded};
use super::{App, labels, permit};
use crate::clock::unix_now;
use crate::record::{Answer, Ask, Record, State, UserItem};
use crate::subset::served;
use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tkms_types::{PublicRequest, RequestId, SessionId, UserRequest};
use tkms_wire::relayer::{
    ApiError, DECRYPT_BODY_BYTES, DelegatedUserDecryptRequest, Hex, Label, PlainHex, PublicDecryptRequest,
    PublicDecryptResult, UserDecryptRequest, UserDecryptResult, UserShare,
};

type Shared = Extension<Arc<App>>;

/// How a request ended.
pub(super) enum Outcome {
    Public(PublicDecryptResult),
    User(UserDecryptResult),
}

pub(super) async fn post_public(app: Shared, caller: Caller, body: Body) -> Result<Response, Failed> {
    Ok(accepted(accept_public(&app, &caller, body).await?.0))
}

pub(super) async fn post_user(app: Shared, caller: Caller, body: Body) -> Result<Response, Failed> {
    Ok(accepted(accept_user(&app, &caller, body).await?.0))
}

pub(super) async fn post_delegated(app: Shared, caller: Caller, body: Body) -> Result<Response, Failed> {
    Ok(accepted(accept_delegated(&app, &caller, body).await?.0))
}

pub(super) async fn accept_public(app: &App, caller: &Caller, body: Body) -> Result<RequestId, Failed> {
    app.charge_caller(caller)?;
    let request = PublicRequest::try_from(read::<PublicDecryptRequest>(body, DECRYPT_BODY_BYTES).await?)?;
    permit::handles(&request.handles)?;
    Ok(app.desk.accept(Ask::Public(request)).await?)
}

pub(super) async fn accept_user(app: &App, caller: &Caller, body: Body) -> Result<RequestId, Failed> {
    app.charge_caller(caller)?;
    let body: UserDecryptRequest = read(body, DECRYPT_BODY_BYTES).await?;
    accept(app, body.try_into()?).await
}

pub(super) async fn accept_delegated(app: &App, caller: &Caller, body: Body) -> Result<RequestId, Failed> {
    app.charge_caller(caller)?;
    let body: DelegatedUserDecryptRequest = read(body, DECRYPT_BODY_BYTES).await?;
    accept(app, body.try_into()?).await
}

async fn accept(app: &App, request: UserRequest) -> Result<RequestId, Failed> {
    let user = request.user;
    let ask = Ask::User(request);
    let chain = ask.host(&app.cluster).map_err(|error| ask_error(&error))?;
    if let Ask::User(request) = &ask {
        permit::check(request, chain, unix_now())?;
    }
    permit::signature(&ask, app, chain).await?;
    // Only now: a forged request must not use up its victim's quota.
    app.charge_user(user)?;
    Ok(app.desk.accept(ask).await?)
}

pub(super) async fn public_job(app: Shared, Path(job): Path<String>) -> Result<Response, Failed> {
    look(&app, &job, |ask| matches!(ask, Ask::Public(_))).await
}

pub(super) async fn user_job(app: Shared, Path(job): Path<String>) -> Result<Response, Failed> {
    look(&app, &job, |ask| matches!(ask, Ask::User(request) if request.delegator.is_none())).await
}

pub(super) async fn delegated_job(app: Shared, Path(job): Path<String>) -> Result<Response, Failed> {
    look(&app, &job, |ask| matches!(ask, Ask::User(request) if request.delegator.is_some())).await
}

async fn look(app: &App, job: &str, ours: impl Fn(&Ask) -> bool) -> Result<Response, Failed> {
    let id = RequestId(reply::job_id(job)?);
    Ok(match outcome(app, id, ours).await? {
        None => queued(id.0),
        Some(Outcome::Public(result)) => succeeded(id.0, result),
        Some(Outcome::User(result)) => succeeded(id.0, result),
    })
}

/// How a request ended, if it has. A refusal is an error.
pub(super) async fn outcome(app: &App, id: RequestId, ours: impl Fn(&Ask) -> bool) -> Result<Option<Outcome>, Failed> {
    let record = app.desk.on_disk(move |store| store.request(id)).await.map_err(crate::desk::DeskError::from)?;
    let record = record.filter(|record| ours(&record.ask)).ok_or_else(no_job)?;
    match &record.state {
        State::Refused(refused) => Err(Failed::job(id.0, labels::refusal(refused))),
        State::Done => answer(app, id, &record).map(Some),
        State::WaitingFinality | State::WaitingCiphertext | State::Running => Ok(None),
    }
}

fn answer(app: &App, id: RequestId, record: &Record) -> Result<Outcome, Failed> {
    match &record.answer {
        Some(Answer::Public(answer)) => Ok(Outcome::Public(PublicDecryptResult {
            signatures: answer.signatures.iter().map(|(_, bytes)| PlainHex(bytes.clone())).collect(),
            decrypted_value: PlainHex(answer.words.clone()),
            extra_data: Hex(answer.extra_data.clone()),
        })),
        Some(Answer::User(items)) => {
            let extra_data = record.ask.signed_extra_data().map_err(|error| ask_error(&error))?;
            let turn = record.asked_again.saturating_add(app.turns.of(&record.ask, id, Instant::now()));
            let chosen = served(items, app.cluster.thresholds.quorum, turn);
            let result = chosen.into_iter().map(|item| share(item, &extra_data)).collect();
            Ok(Outcome::User(UserDecryptResult { result }))
        }
        // A done record always has its answer; if the disk says otherwise, say so.
        None => {
            let message = "the answer is missing on disk: tell the operator";
            Err(Failed::job(id.0, ApiError::new(Label::InternalServerError, message)))
        }
    }
}

fn share(item: &UserItem, extra_data: &[u8]) -> UserShare {
    UserShare {
        payload: PlainHex(item.payload.clone()),
        signature: PlainHex(item.signature.clone()),
        party: Some(item.party.number()),
        extra_data: Some(Hex(extra_data.to_vec().into())),
        sessions: item.sessions.iter().map(|session| SessionId(*session)).collect(),
        envelope_signature: Some(PlainHex(item.envelope_signature.clone())),
    }
}
