//! The programs a devnet runs: started with their output in a log file, waited for, stopped.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long a program may take to stop by itself before it is killed.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How often a program that is starting is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(100);

/// Sets the worker threads of a program that is started.
const WORKERS: &str = "TOKIO_WORKER_THREADS";
/// Programs that have something to do at the same time.
const AT_ONCE: usize = 4;

/// A running program.
pub struct Process {
    /// What people call it, e.g. `node 2`.
    pub name: String,
    child: Child,
    log: PathBuf,
}

/// A program that could not be started, or died, or did not become ready.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The operating system refused.
    #[error("{name} could not be started: {source}")]
    Start {
        /// The program.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended while it was expected to run.
    #[error("{name} ended ({status}); its last words in {log}:\n{tail}")]
    Ended {
        /// The program.
        name: String,
        /// Exit status.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// It runs but does not answer.
    #[error("{name} was not ready after {seconds} s; see {log}:\n{tail}")]
    NotReady {
        /// The program.
        name: String,
        /// How long it was given.
        seconds: u64,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
}

impl Process {
    /// Starts a program with its output appended to `log`. It is killed when the handle is dropped.
    ///
    /// # Errors
    /// [`ProcessError::Start`].
    pub fn start(name: &str, program: &Path, args: &[&str], log: &Path) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Start { name: name.into(), source };
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let errors: File = file.try_clone().map_err(failed)?;
        // They share the machine: with a worker for each core in each of them they wake each other more than they work
        let workers = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(AT_ONCE);
        let child = Command::new(program)
            .args(args)
            .env(WORKERS, workers.to_string())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self { name: name.into(), child, log: log.into() })
    }

    /// Its process id; 0 once it has ended and was waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits until `url` answers 200, at most `limit`.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] or [`ProcessError::NotReady`], with the end of the log.
    pub async fn ready(&mut self, url: &str, limit: Duration) -> Result<(), ProcessError> {
        let client = reqwest::Client::new();
        let start = Instant::now();
        while start.elapsed() < limit {
            self.check()?;
            let answer = client.get(url).timeout(Duration::from_secs(2)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(READY_POLL).await;
        }
        let (name, log, tail) = (self.name.clone(), self.log.clone(), self.tail());
        Err(ProcessError::NotReady { name, seconds: limit.as_secs(), log, tail })
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// [`ProcessError::Ended`] if it does not.
    pub fn check(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status.to_string())),
            Err(error) => Err(self.ended(error.to_string())),
        }
    }

    /// Kills it at once, as a crash would.
    pub async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::debug!(process = self.name, %error, "was gone already");
        }
    }

    /// Asks it to stop, and kills it if it has not after five seconds.
    pub async fn stop(&mut self) {
        let asked = match self.child.id() {
            Some(pid) => Command::new("kill").arg(pid.to_string()).status().await.is_ok_and(|status| status.success()),
            None => false,
        };
        if !asked || tokio::time::timeout(STOP_TIME, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    fn ended(&self, status: String) -> ProcessError {
        ProcessError::Ended { name: self.name.clone(), status, log: self.log.clone(), tail: self.tail() }
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
