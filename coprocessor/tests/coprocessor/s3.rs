//! The object store on a bucket: a local S3 server from npm. It checks who asks but not version 4 signatures, which are
//! the client library's.

use crate::insecure::{add, handle, trivial, wait_for, worker};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tkms_coprocessor::Config;
use tkms_coprocessor::config::{S3, S3Credentials};
use tkms_coprocessor::execute::Worker;
use tkms_coprocessor::objects::{Object, ObjectError, Objects};
use tkms_coprocessor::store::{Action, HandleState};
use url::Url;

const BUCKET: &str = "ciphertexts";
const KEY_ID: &str = "S3RVER";
const SECRET: &str = "a secret that no message repeats";
const STARTING: Duration = Duration::from_secs(30);

/// The server; it ends with the test.
struct Server {
    process: Child,
    port: u16,
    directory: TempDir,
}

impl Server {
    fn start() -> Self {
        Self::start_at(free_port(), tempfile::tempdir().unwrap())
    }

    fn start_at(port: u16, directory: TempDir) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let program = root.join("node_modules/s3rver/bin/s3rver.js");
        assert!(program.exists(), "s3rver is not installed: run `make setup`");
        let mut process = Command::new("node")
            .arg(program)
            .args(["--silent", "--address", "127.0.0.1", "--port", &port.to_string()])
            .args(["--configure-bucket", BUCKET, "--directory"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("Node.js is not installed");
        let deadline = Instant::now() + STARTING;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { process, port, directory }
    }

    /// The file a stored object is in.
    fn file(&self, prefix: &str, object: Object) -> PathBuf {
        let name = format!("{:x}._S3rver_object", object.digest);
        self.directory.path().join(BUCKET).join(prefix).join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn access(port: u16, directory: &Path, key_id: &str) -> S3 {
    let file = directory.join("s3.secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    S3 {
        endpoint: Some(Url::parse(&format!("http://127.0.0.1:{port}")).unwrap()),
        region: "us-east-1".into(),
        credentials: Some(S3Credentials { access_key_id: key_id.into(), secret_key_file: file }),
    }
}

fn bucket(path: &str) -> Url {
    Url::parse(&format!("s3://{BUCKET}{path}")).unwrap()
}

fn open(port: u16, path: &str, directory: &Path, key_id: &str) -> Objects {
    Objects::open(Some(&bucket(path)), Some(&access(port, directory, key_id)), directory).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_a_bucket_are_read_back_and_checked() {
    let (server, directory) = (Server::start(), tempfile::tempdir().unwrap());
    for prefix in ["", "deployment/1"] {
        let objects = open(server.port, &format!("/{prefix}"), directory.path(), KEY_ID);
        let bytes: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
        let object = objects.put(bytes.clone()).await.unwrap();
        assert_eq!(objects.put(bytes.clone()).await.unwrap(), object);
        assert_eq!(objects.get(object).await.unwrap(), bytes);
        assert_eq!(objects.stream(object.digest).await.unwrap().0, object.size);
        let shorter = Object { size: object.size - 1, ..object };
        assert!(matches!(objects.get(shorter).await, Err(ObjectError::Corrupt { .. })));
        let file = server.file(prefix, object);
        std::fs::write(&file, vec![0; bytes.len()]).unwrap();
        assert!(matches!(objects.get(object).await, Err(ObjectError::Corrupt { .. })));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(objects.get(object).await, Err(ObjectError::Missing(digest)) if digest == object.digest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_key_or_another_bucket_is_an_error_of_the_store() {
    let (server, directory) = (Server::start(), tempfile::tempdir().unwrap());
    let stranger = open(server.port, "/", directory.path(), "SOMEBODY");
    let refused = stranger.put(vec![1]).await.unwrap_err();
    assert!(matches!(refused, ObjectError::Store(_)), "{refused}");
    assert!(!refused.to_string().contains(SECRET), "{refused}");
    let url = Url::parse("s3://elsewhere/").unwrap();
    let s3 = access(server.port, directory.path(), KEY_ID);
    let elsewhere = Objects::open(Some(&url), Some(&s3), directory.path()).unwrap();
    assert!(elsewhere.put(vec![1]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_computed_while_the_bucket_is_away_is_made_up_for() {
    let directory = tempfile::tempdir().unwrap();
    let (local, _) = worker(directory.path());
    let port = free_port();
    let worker = Worker { objects: open(port, "/", directory.path(), KEY_ID), ..local };
    let (store, objects) = (worker.store.clone(), worker.objects.clone());
    store.apply(&[trivial(1, 1000), trivial(2, 234), add(3, 1, 2)].map(Action::Announce), b"").unwrap();
    store.apply(&[Action::Decrypt(handle(3))], b"").unwrap();
    let running = tokio::spawn(worker.run());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(store.state(handle(3)).unwrap(), HandleState::Computing { missing: 2 });
    let _server = Server::start_at(port, tempfile::tempdir().unwrap());
    let ready = wait_for(&store, handle(3), |state| matches!(state, HandleState::Ready(_))).await;
    running.abort();
    let HandleState::Ready(material) = ready else { unreachable!() };
    assert_eq!(objects.get(material.object).await.unwrap().len() as u64, material.object.size);
}

#[test]
fn a_bucket_without_access_and_access_without_a_bucket_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let s3 = access(1, directory.path(), KEY_ID);
    let open = |url: Option<&str>, s3: Option<&S3>| {
        let url = url.map(|url| Url::parse(url).unwrap());
        Objects::open(url.as_ref(), s3, directory.path()).map(|_| ()).unwrap_err()
    };
    for (url, s3) in [(Some("s3://bucket/"), None), (Some("file:///tmp/objects"), Some(&s3)), (None, Some(&s3))] {
        assert!(matches!(open(url, s3), ObjectError::S3Section(_)), "{url:?}");
    }
    let missing = S3Credentials { access_key_id: KEY_ID.into(), secret_key_file: directory.path().join("none") };
    let unreadable = S3 { credentials: Some(missing), ..s3.clone() };
    assert!(matches!(open(Some("s3://bucket/"), Some(&unreadable)), ObjectError::Secret { .. }));
    std::fs::write(directory.path().join("s3.secret"), "x".repeat(2000)).unwrap();
    let long = open(Some("s3://bucket/"), Some(&s3));
    assert!(matches!(long, ObjectError::Secret { .. }) && !long.to_string().contains("xxx"), "{long}");
}

#[test]
fn the_section_s3_of_the_configuration_is_read() {
    let text = format!(
        "{}\nstore_url = \"s3://ciphertexts/1\"\n[s3]\nregion = \"eu-west-3\"\nendpoint = \"http://127.0.0.1:9000\"\n\
         [s3.credentials]\naccess_key_id = \"id\"\nsecret_key_file = \"s3.secret\"\n",
        crate::startup::MINIMAL
    );
    let config = Config::parse(&text).unwrap();
    let s3 = config.s3.unwrap();
    assert_eq!((s3.region.as_str(), s3.endpoint.unwrap().port()), ("eu-west-3", Some(9000)));
    assert_eq!(s3.credentials.unwrap().access_key_id, "id");
    for wrong in [
        text.replace("region", "regions"),
        text.replace("region = \"eu-west-3\"", ""),
        text.replace("access_key_id = \"id\"", ""),
        text.replace("secret_key_file", "secret_key"),
    ] {
        assert!(Config::parse(&wrong).is_err(), "{wrong}");
    }
}
