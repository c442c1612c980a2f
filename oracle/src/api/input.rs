//! `input-proof`.

use super::App;
use super::reply::{self, Failed, accepted, failed, no_job, queued, read, succeeded};
use crate::inputs::InputOutcome;
use crate::server::Peer;
use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path};
use axum::response::Response;
use std::sync::Arc;
use tkms_types::limits::INPUT_BYTES;
use tkms_wire::coprocessor::InputRequest;
use tkms_wire::relayer::{ApiError, Hex, INPUT_BODY_BYTES, InputProofRequest, InputProofResult};

/// Bytes of `extraData` that coprocessors sign unread.
const EXTRA_DATA_BYTES: usize = 128;
/// What coprocessors call a proof that does not hold.
const INVALID_PROOF: &str = "invalid_proof";

pub(super) async fn post(app: Extension<Arc<App>>, peer: ConnectInfo<Peer>, body: Body) -> Result<Response, Failed> {
    app.charge_caller(peer.0)?;
    let body: InputProofRequest = read(body, INPUT_BODY_BYTES).await?;
    let request = check(&app, body)?;
    let id = app.inputs.accept(request).await?;
    Ok(accepted(id))
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
    let job = app.inputs.job(id).await?.ok_or_else(no_job)?;
    let extra_data = Hex(job.extra_data);
    let result = match job.outcome {
        None => return Ok(queued(id)),
        Some(InputOutcome::Verified { handles, signatures }) => InputProofResult {
            accepted: true,
            handles,
            signatures: signatures.into_iter().map(Hex).collect(),
            extra_data,
        },
        Some(InputOutcome::Refused(failure)) if failure.code == INVALID_PROOF => {
            InputProofResult { accepted: false, handles: Vec::new(), signatures: Vec::new(), extra_data }
        }
        Some(InputOutcome::Refused(failure)) => {
            let error = ApiError::invalid("ciphertextWithInputVerification", failure.to_string());
            return Ok(failed(Some(id.to_string()), error));
        }
    };
    Ok(succeeded(id, result))
}
