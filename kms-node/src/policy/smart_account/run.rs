//! One static call, as a contract on the chain would make it to the account.

use super::Claim;
use super::block::Rules;
use super::state::{ProvenState, Unproven};
use crate::refusal::Refusal;
use alloy_primitives::{Address, TxKind};
use revm::context::result::{EVMError, ExecutionResult, HaltReason, Output};
use revm::context::{Context, TxEnv};
use revm::handler::{EvmTr, Handler, MainnetContext, MainnetEvm, MainnetHandler};
use revm::interpreter::GasTracker;
use revm::interpreter::interpreter_action::{FrameInit, FrameInput};
use revm::{MainBuilder, MainContext};
use tkms_types::limits::SMART_ACCOUNT_GAS;
use tkms_wire::account_witness::ACCEPTS;

type Evm = MainnetEvm<MainnetContext<ProvenState>>;
type Failure = EVMError<Unproven>;
type Mainnet = MainnetHandler<Evm, Failure, <Evm as EvmTr>::Frame>;

/// Ethereum's execution of a call, but the outermost frame may not write either.
struct StaticCall;

impl Handler for StaticCall {
    type Evm = Evm;
    type Error = Failure;
    type HaltReason = HaltReason;

    fn first_frame_input(&mut self, evm: &mut Evm, gas: &mut GasTracker) -> Result<Option<FrameInit>, Failure> {
        let mut first = Mainnet::default().first_frame_input(evm, gas)?;
        if let Some(FrameInit { frame_input: FrameInput::Call(call), .. }) = &mut first {
            call.is_static = true;
        }
        Ok(first)
    }
}

/// Whether the account returns exactly the word that says yes.
pub(super) fn accepts(claim: &Claim, state: ProvenState, rules: Rules, chain_id: u64) -> Result<(), Refusal> {
    let call = TxEnv {
        caller: Address::ZERO,
        kind: TxKind::Call(claim.account),
        data: claim.call(),
        gas_limit: SMART_ACCOUNT_GAS,
        // Free calls exist off the chain only, and some wallets are laxer there
        gas_price: rules.block.basefee.max(1).into(),
        chain_id: Some(chain_id),
        ..TxEnv::default()
    };
    let mut evm = Context::mainnet()
        .with_db(state)
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = chain_id;
            cfg.set_spec_and_mainnet_gas_params(rules.spec);
        })
        .with_block(rules.block)
        .with_tx(call)
        .build_mainnet();
    // No sender pays and no transaction is formed: the call alone, with the addresses warm that are so in any transaction
    let outcome = StaticCall.load_accounts(&mut evm).and_then(|()| StaticCall.run_system_call(&mut evm));
    let rejected = |why: String| Refusal::SmartAccountRejected { account: claim.account, why };
    match outcome {
        Ok(ExecutionResult::Success { output: Output::Call(word), .. }) if word.as_ref() == ACCEPTS.as_slice() => {
            Ok(())
        }
        Ok(ExecutionResult::Success { output, .. }) if output.data().len() == ACCEPTS.len() => {
            Err(rejected("it returned another word than ERC-1271's".to_owned()))
        }
        Ok(ExecutionResult::Success { output, .. }) => {
            Err(rejected(format!("it returned {} bytes, expected 32", output.data().len())))
        }
        Ok(ExecutionResult::Revert { .. }) => Err(rejected("it reverted".to_owned())),
        Ok(ExecutionResult::Halt { reason, .. }) => Err(rejected(format!("it stopped: {reason:?}"))),
        Err(EVMError::Database(what)) => {
            Err(Refusal::SmartAccountUnproven { account: claim.account, what: what.to_string() })
        }
        Err(error) => {
            tracing::error!(account = %claim.account, %error, "the EVM failed by itself");
            Err(Refusal::Internal("the EVM failed by itself"))
        }
    }
}
