//! Answers: plaintext words signed for contracts, shares sealed and signed for a user.

use crate::policy::Admitted;
use crate::refusal::Refusal;
use crate::session::Opened;
use alloy_primitives::{B256, Bytes};
use k256::ecdsa::SigningKey;
use std::collections::BTreeMap;
use std::sync::Arc;
use tkms_mpc::ring::Gr128;
use tkms_types::typed_data::{public_answer_digest, user_answer_digest, user_link};
use tkms_types::{Committee, FheType, GatewayDomain, Handle, PartyId, Plaintext, SessionId, UserRequest};
use tkms_wire::answer::{PublicAnswer, UserAnswer, envelope_digest};
use tkms_wire::seal::{Item, Recipient, Sender, seal};
use tkms_wire::signature::{SIGNATURE_BYTES, sign};
use tkms_wire::user_payload::{Body, UserKey};
use zeroize::Zeroizing;

type SessionOf = BTreeMap<Handle, SessionId>;

/// Signs and seals in the node's name. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Responder {
    pub(crate) party: PartyId,
    pub(crate) committee: Committee,
    pub(crate) gateway: GatewayDomain,
    pub(crate) key: Arc<SigningKey>,
}

impl Responder {
    /// Whether the committee has one member, which then holds the whole key.
    pub(crate) const fn alone(&self) -> bool {
        self.committee.size() == 1
    }

    /// Words in the order of the handles, under the EIP-712 signature that contracts check.
    pub(crate) fn public(
        &self,
        admitted: &Admitted,
        opened: &BTreeMap<Handle, Arc<Opened>>,
    ) -> Result<PublicAnswer, Refusal> {
        let word = |(handle, kind): &(Handle, FheType)| Ok(plaintext(*handle, *kind, opened)?.abi_word());
        let words: Vec<B256> = admitted.handles.iter().map(word).collect::<Result<_, Refusal>>()?;
        let handles: Vec<B256> = admitted.handles.iter().map(|(handle, _)| handle.0).collect();
        let extra_data = admitted.extra.normalised();
        let digest = public_answer_digest(&handles, &words, &extra_data, &self.gateway);
        let blamed = opened.values().flat_map(|opened| opened.blamed.iter().cloned());
        Ok(PublicAnswer {
            party: self.party,
            words,
            extra_data: extra_data.into(),
            signature: self.sign(digest)?,
            blamed: blamed.take(tkms_wire::answer::BLAMES).collect(),
        })
    }

    /// This node's shares, sealed to the user.
    pub(crate) async fn user(
        &self,
        admitted: &Admitted,
        request: &UserRequest,
        shares: BTreeMap<Handle, Zeroizing<Vec<Gr128>>>,
        sessions: &SessionOf,
    ) -> Result<UserAnswer, Refusal> {
        let body = |handle: Handle, _| {
            let share = shares.get(&handle).ok_or(Refusal::Internal("a share is missing"))?;
            Ok(Body::Threshold(share.iter().map(|element| *element.coefficients()).collect()))
        };
        self.seal(admitted, request, sessions, body).await
    }

    /// The plaintext of a committee of one, sealed to the user.
    pub(crate) async fn user_alone(
        &self,
        admitted: &Admitted,
        request: &UserRequest,
        opened: &BTreeMap<Handle, Arc<Opened>>,
        sessions: &SessionOf,
    ) -> Result<UserAnswer, Refusal> {
        let body = |handle, kind| Ok(Body::Central(plaintext(handle, kind, opened)?.le_bytes()));
        self.seal(admitted, request, sessions, body).await
    }

    async fn seal(
        &self,
        admitted: &Admitted,
        request: &UserRequest,
        sessions: &SessionOf,
        body: impl Fn(Handle, FheType) -> Result<Body, Refusal>,
    ) -> Result<UserAnswer, Refusal> {
        let item =
            |(handle, kind): &(Handle, FheType)| Ok(Item { handle: *handle, kind: *kind, body: body(*handle, *kind)? });
        let items = admitted.handles.iter().map(item).collect::<Result<Vec<_>, Refusal>>()?;
        let in_order = admitted.handles.iter().map(|(handle, _)| sessions.get(handle).copied());
        let sessions: Option<Vec<SessionId>> = in_order.collect();
        let sessions = sessions.ok_or(Refusal::Internal("a session is missing"))?;
        let (this, admitted, request) = (self.clone(), admitted.clone(), request.clone());
        // ML-KEM, AES and a signature for each value: not on a thread that serves others
        let work = move || this.seal_now(&admitted, &request, sessions, &items);
        tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Internal("a worker ended early"))?
    }

    fn seal_now(
        &self,
        admitted: &Admitted,
        request: &UserRequest,
        sessions: Vec<SessionId>,
        items: &[Item],
    ) -> Result<UserAnswer, Refusal> {
        let handles: Vec<B256> = admitted.handles.iter().map(|(handle, _)| handle.0).collect();
        let key =
            UserKey::parse(&request.public_key).map_err(|error| Refusal::PublicKeyMalformed(error.to_string()))?;
        let link = user_link(&request.public_key, &handles, request.user, &self.gateway);
        let sender = Sender { key: &self.key, party: self.party, committee: self.committee };
        let recipient = Recipient { key: &key, user: request.user, link };
        let payload = seal(&sender, &recipient, items, &mut rand::rng()).map_err(|error| {
            tracing::error!(%error, "an answer cannot be sealed");
            Refusal::Internal("the answer cannot be sealed")
        })?;
        let payload = payload.encode();
        let extra_data = admitted.extra.normalised();
        let public_key: &Bytes = &request.public_key;
        let digest = user_answer_digest(public_key, &handles, &payload, &extra_data, &self.gateway);
        let envelope = envelope_digest(admitted.id, &sessions, &payload);
        Ok(UserAnswer {
            party: self.party,
            payload: payload.into(),
            extra_data: extra_data.into(),
            signature: self.sign(digest)?,
            sessions,
            envelope_signature: self.sign(envelope)?,
        })
    }

    fn sign(&self, digest: B256) -> Result<[u8; SIGNATURE_BYTES], Refusal> {
        sign(&self.key, digest).map_err(|_| Refusal::Internal("the signing key refused"))
    }
}

fn plaintext(handle: Handle, kind: FheType, opened: &BTreeMap<Handle, Arc<Opened>>) -> Result<Plaintext, Refusal> {
    let opened = opened.get(&handle).ok_or(Refusal::Internal("an opened value is missing"))?;
    Plaintext::from_digits(kind, &opened.digits).map_err(|_| Refusal::Internal("an opened value has another type"))
}
