//! One file for each group of subcommands. They print; everything below them is silent.
#![allow(clippy::print_stdout, reason = "the command line is where the product speaks")]

pub mod ask;
pub mod bench;
mod dapp;
pub mod demo;
pub mod deploy;
pub mod devnet;
pub mod doctor;
pub mod halt;
pub mod keygen;
pub mod service;
pub mod status;

use crate::cli::{Cli, Command, Keygen};
use anyhow::Result;

/// Runs what the command line says.
///
/// # Errors
/// What went wrong, for a person to read.
pub async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Devnet(args) => devnet::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Bench(args) => bench::run(&args).await,
        Command::Sweep(args) => bench::sweep::run(&args),
        Command::Deploy(args) => deploy::run(&args).await,
        Command::Keygen(Keygen::Node(args)) => keygen::node(&args),
        Command::Keygen(Keygen::Dealer(args)) => keygen::dealer(&args),
        Command::Keygen(Keygen::Import(args)) => keygen::import(&args),
        Command::Node(args) => service::node(&args).await,
        Command::Oracle(args) => service::oracle(&args).await,
        Command::Attester(args) => service::attester(&args).await,
        Command::Coprocessor(args) => service::coprocessor(&args).await,
        Command::Encrypt(args) => ask::encrypt(&args).await,
        Command::PublicDecrypt(args) => ask::public_decrypt(&args).await,
        Command::UserDecrypt(args) => ask::user_decrypt(&args).await,
        Command::Doctor(args) => doctor::run(&args).await,
        Command::Halt(args) => halt::run(&args).await,
        Command::Status(args) => status::run(&args).await,
    }
}
