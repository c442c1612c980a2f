//! `input-proof`.

use super::App;
use super::caller::Caller;
use super::reply::{self, Failed, accepted, no_job, queued, read, succeeded};
use crate::inputs::InputOutcome;
use alloy_primitives::B256;
use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use std::sync::Arc;
use tkms_types::limits::INPUT_BYTES;
use tkms_wire::coprocessor::InputRequest;
use tkms_wire::relayer::{ApiError, Hex, INPUT_BODY_BYTES, InputProofRequest, InputProofResult};

/// Bytes of `extraData` that coprocessors sign unread.
const EXTRA_DATA_BYTES: usize = 128;
/// What coprocessors call a proof that does not hold.
const INVALID_PROOF: &str = "invalid_proof";

pub(super) async fn post(app: Extension<Arc<App>>, caller: Caller, body: Body) -> Result<Response, Failed> {
    Ok(accepted(accept(&app, &caller, body).await?))
}

pub(super) async fn accept(app: &App, caller: &Caller, body: Body) -> Result<B256, Failed> {
    app.charge_caller(caller)?;
    let body: InputProofRequest = read(body, INPUT_BODY_BYTES).await?;
    Ok(app.inputs.accept(check(app, body)?).await?)
}

fn check(app: &App, body: InputProofRequest) -> Result<InputRequest, ApiError> {
    let ciphertext = body.ciphertext_with_input_verification.0;
    if ciphertext.is_empty() || ciphertext.len() > INPUT_BYTES {
        let issue = format!("{} bytes, expected 1 to {INPUT_BYTES}", ciphertext.len());
        return Err(ApiError::invalid("ciphertextWithInputVerification", issue));
    }
    if body.extra_data.0.len() > EXTRA_DATA_BYTES {
        let issue = format!("{} bytes, at most {EXTRA_DATA_BYTES} are signed", body.extra_data.0.len());
        return Err(ApiError::invalid("extraData", issue));
    }
    let chain_id = body.contract_chain_id.0;
    if !app.desk.hosts.contains_key(&chain_id) {
        return Err(ApiError::invalid("contractChainId", format!("chain {chain_id} is not served here")));
    }
    Ok(InputRequest {
        contract_address: body.contract_address,
        user_address: body.user_address,
        contract_chain_id: chain_id,
        ciphertext: Hex(ciphertext),
        extra_data: body.extra_data,
    })
}

pub(super) async fn job(app: Extension<Arc<App>>, Path(job): Path<String>) -> Result<Response, Failed> {
    let id = reply::job_id(&job)?;
    Ok(outcome(&app, id).await?.map_or_else(|| queued(id), |result| succeeded(id, result)))
}

/// How an input ended, if it has.
pub(super) async fn outcome(app: &App, id: B256) -> Result<Option<InputProofResult>, Failed> {
    let job = app.inputs.job(id).await?.ok_or_else(no_job)?;
    let extra_data = Hex(job.extra_data);
    match job.outcome {
        None => Ok(None),
        Some(InputOutcome::Verified { handles, signatures }) => {
            let signatures = signatures.into_iter().map(Hex).collect();
            Ok(Some(InputProofResult { accepted: true, handles, signatures, extra_data }))
        }
        Some(InputOutcome::Refused(failure)) if failure.code == INVALID_PROOF => {
            let (handles, signatures) = Default::default();
            Ok(Some(InputProofResult { accepted: false, handles, signatures, extra_data }))
        }
        Some(InputOutcome::Refused(failure)) => {
            Err(Failed::job(id, ApiError::invalid("ciphertextWithInputVerification", failure.to_string())))
        }
    }
}
