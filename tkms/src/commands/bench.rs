//! `tkms bench`.

use crate::cli::DevnetArgs;
use anyhow::Result;

/// Runs it.
///
/// # Errors
/// If anything fails.
pub async fn run(args: &DevnetArgs) -> Result<()> {
    super::devnet::start(args).await?.stop().await
}
