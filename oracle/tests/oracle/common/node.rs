//! A node's request API over real gRPC.

use super::evidence::{Verdict, judge};
use super::{address_of, node_key, rng};
use alloy_primitives::B256;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tkms_oracle::record::Ask;
use tkms_types::transcript::user_request_id;
use tkms_types::typed_data::{public_answer_digest, user_answer_digest, user_link};
use tkms_types::{Cluster, ExtraData, PartyId, PublicRequest, RequestId, SessionId, UserRequest};
use tkms_wire::answer::{Blame, PublicAnswer, UserAnswer, envelope_digest};
use tkms_wire::evidence::Evidence;
use tkms_wire::kms::kms_server::{Kms, KmsServer};
use tkms_wire::kms::{
    InfoReply, InfoRequest, Pending, PublicDecryptRequest, Refusal, RefusalClass, Reply, State, StatusRequest,
    UserDecryptRequest, reply,
};
use tkms_wire::request::Call;
use tkms_wire::seal::{Item, Recipient, Sender, seal};
use tkms_wire::signature::sign;
use tkms_wire::user_payload::{Body, UserKey};
use tokio::sync::oneshot;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What a node does when asked.
#[derive(Clone, Debug)]
pub enum Act {
    Honest,
    /// Honest, and says that a peer lied.
    Blames(u8),
    /// Signs this word for every handle.
    Signs(u64),
    /// The right plaintext with a signature by another key.
    BadSignature,
    /// The right answer under another party number.
    Poses(u8),
    /// A share whose link is another user's.
    OtherLink,
    /// Another session, as after a refresh or with other ciphertext bytes.
    OtherSession,
    /// A share nobody can open, signed all the same.
    Unreadable,
    Waits(State),
    Refuses(RefusalClass, &'static str),
    /// Never replies.
    Silent,
    /// Replies with nothing in it.
    Empty,
}

#[derive(Clone)]
pub struct FakeNode {
    pub party: u8,
    pub port: u16,
    pub calls: Arc<AtomicUsize>,
    /// Blocks of the evidence it was asked with, in order.
    pub anchors: Arc<Mutex<Vec<u64>>>,
    /// Bytes of the last evidence.
    pub evidence_bytes: Arc<AtomicUsize>,
    /// Paths in it.
    pub paths: Arc<AtomicUsize>,
    bad: Arc<Mutex<Vec<String>>>,
    executor_known: Arc<AtomicBool>,
    act: Arc<Mutex<Act>>,
    cluster: Arc<Mutex<Option<Arc<Cluster>>>>,
    stop: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

/// A byte of a payload within what is sealed.
const SEALED: usize = 300;
/// The plaintext of everything.
pub const WORD: u64 = 42;

impl FakeNode {
    /// Not listening yet.
    pub fn new(party: u8, port: u16) -> Self {
        Self {
            party,
            port,
            calls: Arc::default(),
            anchors: Arc::default(),
            evidence_bytes: Arc::default(),
            paths: Arc::default(),
            bad: Arc::default(),
            executor_known: Arc::default(),
            act: Arc::new(Mutex::new(Act::Honest)),
            cluster: Arc::default(),
            stop: Arc::default(),
        }
    }

    pub fn join(&self, cluster: Arc<Cluster>) {
        *self.cluster.lock().unwrap() = Some(cluster);
    }

    pub fn act(&self, act: Act) {
        *self.act.lock().unwrap() = act;
    }

    pub async fn start(&self) {
        let listener = loop {
            match tokio::net::TcpListener::bind(("127.0.0.1", self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        };
        let (stop, stopped) = oneshot::channel();
        *self.stop.lock().unwrap() = Some(stop);
        let node = self.clone();
        tokio::spawn(async move {
            let serve =
                Server::builder().add_service(KmsServer::new(node)).serve_with_incoming(TcpIncoming::from(listener));
            tokio::select! {
                ended = serve => ended.unwrap(),
                _ = stopped => {}
            }
        });
    }

    /// Dies: open calls break off.
    pub fn kill(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    /// What was wrong with evidence it was sent.
    pub fn bad_evidence(&self) -> Vec<String> {
        self.bad.lock().unwrap().clone()
    }

    /// Judges the evidence as a node does; a refusal if it does not do.
    fn refuses(&self, evidence: Option<&Evidence>, ask: &Ask) -> Option<Refusal> {
        let refusal = |class: RefusalClass, code: &str, message: String| {
            Some(Refusal { code: code.into(), class: class.into(), message })
        };
        let Some(evidence) = evidence else {
            self.bad.lock().unwrap().push("asked without evidence".into());
            return refusal(RefusalClass::Permanent, "EvidenceMissing", String::new());
        };
        let size = prost::Message::encoded_len(&tkms_wire::kms::Evidence::from(evidence));
        self.evidence_bytes.store(size, Ordering::Relaxed);
        self.paths.store(evidence.places.iter().filter(|place| **place > 0).count(), Ordering::Relaxed);
        match judge(evidence, ask, &self.cluster().chains[0]) {
            Verdict::Bad(reason) => {
                self.bad.lock().unwrap().push(reason.clone());
                return refusal(RefusalClass::Permanent, "Malformed", reason);
            }
            Verdict::Denied(reason) => return refusal(RefusalClass::Permanent, "AccountDenied", reason),
            Verdict::Holds(number) => self.anchors.lock().unwrap().push(number),
        }
        if !evidence.executor && !self.executor_known.load(Ordering::Relaxed) {
            return refusal(RefusalClass::Retry, "ExecutorUnproven", "once per cluster file".into());
        }
        self.executor_known.store(true, Ordering::Relaxed);
        None
    }

    fn cluster(&self) -> Arc<Cluster> {
        self.cluster.lock().unwrap().clone().unwrap()
    }

    async fn reply(
        &self,
        refused: Option<Refusal>,
        honest: impl FnOnce(&Act) -> reply::Outcome,
    ) -> Result<Response<Reply>, Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let act = self.act.lock().unwrap().clone();
        let outcome = match act {
            Act::Waits(state) => {
                Some(reply::Outcome::Pending(Pending { state: state.into(), detail: "not yet".into() }))
            }
            Act::Refuses(class, code) => Some(reply::Outcome::Refusal(Refusal {
                code: code.into(),
                class: class.into(),
                message: format!("{code} here"),
            })),
            Act::Silent => {
                std::future::pending::<()>().await;
                None
            }
            Act::Empty => None,
            act => Some(refused.map_or_else(|| honest(&act), reply::Outcome::Refusal)),
        };
        Ok(Response::new(Reply { request_id: Default::default(), label: String::new(), outcome }))
    }

    fn public_answer(&self, request: &PublicRequest, act: &Act) -> PublicAnswer {
        let cluster = self.cluster();
        let value = if let Act::Signs(other) = act { *other } else { WORD };
        let words = vec![B256::left_padding_from(&value.to_be_bytes()); request.handles.len()];
        let handles: Vec<B256> = request.handles.iter().map(|handle| handle.0).collect();
        let extra_data = ExtraData::parse(&request.extra_data).unwrap().normalised();
        let signer = if matches!(act, Act::BadSignature) { 77 } else { self.party };
        let digest = public_answer_digest(&handles, &words, &extra_data, &cluster.gateway);
        let blamed = match act {
            Act::Blames(party) => {
                let party = PartyId::new(*party).unwrap();
                vec![Blame { party, step: "open".into(), session: SessionId(B256::repeat_byte(5)) }]
            }
            _ => Vec::new(),
        };
        PublicAnswer {
            party: PartyId::new(if let Act::Poses(party) = act { *party } else { self.party }).unwrap(),
            words,
            extra_data: extra_data.into(),
            signature: sign(&node_key(signer), digest).unwrap(),
            blamed,
        }
    }

    fn user_answer(&self, request: &UserRequest, act: &Act) -> UserAnswer {
        let cluster = self.cluster();
        let handles: Vec<B256> = request.pairs.iter().map(|pair| pair.handle.0).collect();
        let user = if matches!(act, Act::OtherLink) { address_of(&node_key(1)) } else { request.user };
        let key = node_key(self.party);
        let user_key = UserKey::parse(&request.public_key).unwrap();
        let link = user_link(&request.public_key, &handles, user, &cluster.gateway);
        let party = PartyId::new(self.party).unwrap();
        let sender = Sender { key: &key, party, committee: cluster.size().unwrap() };
        let item = |pair: &tkms_types::HandlePair| {
            let kind = pair.handle.check().unwrap();
            Item {
                handle: pair.handle,
                kind,
                body: Body::Threshold(vec![[self.party.into(); 4]; Body::elements(kind)]),
            }
        };
        let items: Vec<Item> = request.pairs.iter().map(item).collect();
        let recipient = Recipient { key: &user_key, user: request.user, link };
        let mut payload = seal(&sender, &recipient, &items, &mut rng()).unwrap().encode();
        if matches!(act, Act::Unreadable) {
            payload[SEALED] ^= 1;
        }
        let payload: bytes::Bytes = payload.into();
        let extra_data = ExtraData::parse(&request.extra_data).unwrap().normalised();
        let session = SessionId(B256::repeat_byte(if matches!(act, Act::OtherSession) { 8 } else { 7 }));
        let sessions = vec![session; handles.len()];
        let digest = user_answer_digest(&request.public_key, &handles, &payload, &extra_data, &cluster.gateway);
        let id = self.user_id(request);
        let signer = if matches!(act, Act::BadSignature) { node_key(77) } else { key.clone() };
        UserAnswer {
            party: PartyId::new(if let Act::Poses(party) = act { *party } else { self.party }).unwrap(),
            extra_data: extra_data.into(),
            signature: sign(&signer, digest).unwrap(),
            envelope_signature: sign(&key, envelope_digest(id, &sessions, &payload)).unwrap(),
            sessions,
            payload,
        }
    }

    fn user_id(&self, request: &UserRequest) -> RequestId {
        let cluster = self.cluster();
        user_request_id(cluster.chains[0].host_id(), cluster.context, request)
    }
}

#[tonic::async_trait]
impl Kms for FakeNode {
    async fn public_decrypt(&self, request: Request<PublicDecryptRequest>) -> Result<Response<Reply>, Status> {
        let call = Call::<PublicRequest>::try_from(request.into_inner());
        let call = call.map_err(|error| Status::invalid_argument(error.to_string()))?;
        assert!(!call.materials.is_empty(), "asked without evidence");
        let refused = self.refuses(call.evidence.as_ref(), &Ask::Public(call.request.clone()));
        self.reply(refused, |act| reply::Outcome::PublicAnswer((&self.public_answer(&call.request, act)).into())).await
    }

    async fn user_decrypt(&self, request: Request<UserDecryptRequest>) -> Result<Response<Reply>, Status> {
        let call = Call::<UserRequest>::try_from(request.into_inner());
        let call = call.map_err(|error| Status::invalid_argument(error.to_string()))?;
        assert!(!call.materials.is_empty(), "asked without evidence");
        let refused = self.refuses(call.evidence.as_ref(), &Ask::User(call.request.clone()));
        self.reply(refused, |act| reply::Outcome::UserAnswer((&self.user_answer(&call.request, act)).into())).await
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoReply>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }
}
