//! Compiles dApps from source with foundry-compilers, as their authors would with Forge.

use crate::root;
use alloy_primitives::Bytes;
use foundry_compilers::artifacts::{BytecodeHash, EvmVersion, Settings, SettingsMetadata, remappings::Remapping};
use foundry_compilers::solc::{Solc, SolcCompiler, SolcSettings};
use foundry_compilers::{ConfigurableArtifacts, ProjectBuilder, ProjectCompileOutput, ProjectPathsConfig};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The compiler: the one named in `FOUNDRY_SOLC`, else the npm stand-in (same version, same bytes).
fn compiler() -> SolcCompiler {
    let path = std::env::var_os("FOUNDRY_SOLC").map_or_else(|| root().join("tools/solc"), PathBuf::from);
    SolcCompiler::Specific(Solc::new(path).expect("the compiler answers; run `make setup` first"))
}

/// The settings of `foundry.toml`.
fn settings() -> SolcSettings {
    let mut settings = Settings::default();
    settings.optimizer.enabled = Some(true);
    settings.optimizer.runs = Some(10_000);
    settings.evm_version = Some(EvmVersion::Osaka);
    settings.metadata = Some(SettingsMetadata::new(BytecodeHash::None, false));
    SolcSettings { settings, ..Default::default() }
}

/// A directory, or of it one file with what it imports.
fn compile(sources: &str, file: Option<&str>) -> ProjectCompileOutput<SolcCompiler> {
    let root = root();
    let remapping = |name: &str, path: &str| Remapping {
        context: None,
        name: name.into(),
        path: root.join(path).display().to_string(),
    };
    let paths = ProjectPathsConfig::builder()
        .root(&root)
        .sources(root.join(sources))
        .artifacts(root.join("target/e2e/artifacts"))
        .cache(root.join("target/e2e/solidity-cache.json"))
        .lib(root.join("node_modules"))
        .remappings([
            remapping("@fhevm/solidity/", "node_modules/@fhevm/solidity/"),
            remapping("@openzeppelin/contracts/", "node_modules/@openzeppelin/contracts/"),
            remapping("@openzeppelin/confidential-contracts/", "node_modules/@openzeppelin/confidential-contracts/"),
            remapping("encrypted-types/", "node_modules/encrypted-types/"),
        ])
        .build()
        .expect("paths of the checkout");
    let project = ProjectBuilder::<SolcCompiler, ConfigurableArtifacts>::new(ConfigurableArtifacts::default())
        .paths(paths)
        .settings(settings())
        .ephemeral()
        .no_artifacts()
        .build(compiler())
        .expect("project");
    let output = match file {
        None => project.compile(),
        Some(file) => project.compile_file(root.join(sources).join(file)),
    };
    let output = output.expect("the compiler runs");
    assert!(!output.has_compiler_errors(), "{output}");
    output
}

fn creation_code_in(output: &ProjectCompileOutput<SolcCompiler>, contract: &str) -> Bytes {
    let artifact = output.find_first(contract).unwrap_or_else(|| panic!("no contract {contract}"));
    let code = artifact.bytecode.as_ref().and_then(|bytecode| bytecode.object.as_bytes());
    code.unwrap_or_else(|| panic!("{contract} has no creation code")).clone()
}

/// Creation code of an example dApp, compiled from source.
#[must_use]
pub fn creation_code(contract: &str) -> Bytes {
    static EXAMPLES: OnceLock<ProjectCompileOutput<SolcCompiler>> = OnceLock::new();
    creation_code_in(EXAMPLES.get_or_init(|| compile("solidity/examples", None)), contract)
}

/// Creation code of one of the smallest contracts that make OpenZeppelin's abstract ones deployable.
#[must_use]
pub fn creation_code_of_openzeppelin(contract: &str) -> Bytes {
    static CONTRACTS: OnceLock<ProjectCompileOutput<SolcCompiler>> = OnceLock::new();
    let compiled = CONTRACTS.get_or_init(|| compile("solidity/test/openzeppelin", Some("Wrapped.sol")));
    creation_code_in(compiled, contract)
}

/// Creation code of a smart account, compiled from source.
#[must_use]
pub fn creation_code_of_wallet(contract: &str) -> Bytes {
    static WALLETS: OnceLock<ProjectCompileOutput<SolcCompiler>> = OnceLock::new();
    creation_code_in(WALLETS.get_or_init(|| compile("solidity/test/wallets", None)), contract)
}

fn ours() -> &'static ProjectCompileOutput<SolcCompiler> {
    static CONTRACTS: OnceLock<ProjectCompileOutput<SolcCompiler>> = OnceLock::new();
    CONTRACTS.get_or_init(|| compile("solidity/src", None))
}

/// Creation code of one of our contracts, compiled from source.
#[must_use]
pub fn creation_code_of_ours(contract: &str) -> Bytes {
    creation_code_in(ours(), contract)
}

/// Runtime code of one of our contracts, compiled from source, immutables zero.
#[must_use]
pub fn runtime_code(contract: &str) -> (Bytes, Vec<std::ops::Range<usize>>) {
    let artifact = ours().find_first(contract).unwrap_or_else(|| panic!("no contract {contract}"));
    let deployed = artifact.deployed_bytecode.as_ref().unwrap_or_else(|| panic!("{contract} has no runtime code"));
    let code = deployed.bytecode.as_ref().and_then(|code| code.object.as_bytes()).expect("linked code").clone();
    let immutables = deployed.immutable_references.values().flatten();
    let holes = immutables.map(|hole| hole.start as usize..(hole.start + hole.length) as usize).collect();
    (code, holes)
}
