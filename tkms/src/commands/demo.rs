//! `tkms demo`: a confidential token, from encrypted mint to a node's death, with a timeline. Every value is checked.

use crate::cli::{DevnetArgs, TargetArgs};
use crate::commands::ask;
use crate::commands::dapp::{POLL, Person};
use crate::devnet::Devnet;
use alloy::providers::DynProvider;
use alloy::sol_types::SolValue as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use anyhow::{Context as _, Result, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tkms_client::{Client, PublicKeys};
use tkms_types::{FheType, Handle, HandlePair, PartyId, Plaintext};

/// How long a callback may take.
const CALLBACK_TIME: Duration = Duration::from_secs(60);

alloy::sol! {
    #[sol(rpc)]
    contract ConfidentialToken {
        function mintEncrypted(address to, bytes32 amount, bytes calldata inputProof) external;
        function mint(address to, uint64 amount) external;
        function transfer(address to, bytes32 amount, bytes calldata inputProof) external;
        function requestTotalSupplyDecryption() external returns (uint256 requestId);
        function balanceOf(address owner) external view returns (bytes32);
        function revealedSupply() external view returns (uint64);
        function pendingRequest() external view returns (uint256);
    }
}

/// Runs it on a devnet of its own.
///
/// # Errors
/// If anything fails or any value is not what it must be.
pub async fn run(args: &DevnetArgs) -> Result<()> {
    println!("A confidential token on a devnet of its own. First the devnet:\n");
    let mut devnet = super::devnet::start(args).await?;
    println!("\nThe token:\n");
    let outcome = tell(&mut devnet, args).await;
    devnet.stop().await?;
    outcome?;
    println!("\nEvery value was what it had to be.");
    Ok(())
}

async fn tell(devnet: &mut Devnet, args: &DevnetArgs) -> Result<()> {
    let mut stage = Stage::set(devnet, args).await?;
    let (alice, bob) = (stage.alice.address, stage.bob.address);
    let input = stage.encrypt(1000, alice).await?;
    stage.say("Alice encrypts 1000 and proves it; the coprocessor verified the proof and signed the handle");
    stage.alice.send(stage.token.mintEncrypted(alice, input.0, input.1).into_transaction_request()).await?;
    stage.say("mined: minted to Alice, amount on chain only as a ciphertext");

    let input = stage.encrypt(300, alice).await?;
    stage.alice.send(stage.token.transfer(bob, input.0, input.1).into_transaction_request()).await?;
    stage.say("mined: Alice sends Bob 300, encrypted; whether she had enough nobody learns");

    stage.expect(
        "Alice reads her balance (user decryption, shares of 2t + 1 nodes)",
        stage.balance(&stage.alice).await?,
        700,
    )?;
    stage.expect("Bob reads his balance", stage.balance(&stage.bob).await?, 300)?;
    stage.nobody_reads_anothers_balance().await?;

    let supply = stage.total_supply().await?;
    stage.expect("the total supply comes back by callback, signatures checked on chain", supply, 1000)?;

    let victim = PartyId::new(2)?;
    if devnet.deployment.nodes.len() > 1 {
        devnet.kill_node(victim).await;
        stage.say("node 2 is killed");
    }
    stage.alice.send(stage.token.mint(bob, 500).into_transaction_request()).await?;
    stage.say("mined: 500 more, minted in the open");
    let supply = stage.total_supply().await?;
    stage.expect("the total supply again, with one node dead", supply, 1500)
}

/// The devnet with the token deployed and two people.
struct Stage {
    start: Instant,
    client: Client,
    keys: Arc<PublicKeys>,
    token: ConfidentialToken::ConfidentialTokenInstance<DynProvider>,
    alice: Person,
    bob: Person,
}

impl Stage {
    async fn set(devnet: &Devnet, args: &DevnetArgs) -> Result<Self> {
        let start = Instant::now();
        let deployment = &devnet.deployment;
        let target = TargetArgs { cluster: deployment.cluster.clone(), relayer: deployment.relayer_url.clone() };
        let client = ask::client(&target)?;
        let (alice, bob) = (Person::new(deployment, 0)?, Person::new(deployment, 1)?);
        let oracle = (deployment.contracts.decryption_oracle,).abi_encode_params();
        let token = alice.deploy(&args.root, "ConfidentialToken", &oracle).await?;
        let token = ConfidentialToken::new(token, alice.provider.clone());
        let keys = Arc::new(client.keys().await?);
        let stage = Self { start, client, keys, token, alice, bob };
        stage.say(&format!("token deployed at {}, written against @fhevm/solidity", stage.token.address()));
        Ok(stage)
    }

    fn say(&self, what: &str) {
        println!("{:6.1} s  {what}", self.start.elapsed().as_secs_f32());
    }

    fn expect(&self, what: &str, found: u64, expected: u64) -> Result<()> {
        self.say(&format!("{what}: {found}"));
        ensure!(found == expected, "{what}: {found}, but it must be {expected}");
        Ok(())
    }

    async fn encrypt(&self, amount: u64, user: Address) -> Result<(B256, Bytes)> {
        let value = Plaintext::new(FheType::Uint64, U256::from(amount))?;
        let input = self.client.encrypt(&self.keys, &[value], *self.token.address(), user).await?;
        let handle = input.handles.first().context("no handle")?;
        Ok((handle.0, input.proof))
    }

    async fn balance(&self, person: &Person) -> Result<u64> {
        self.balance_of(person.address, person).await
    }

    /// `reader` reads the balance of `owner`.
    async fn balance_of(&self, owner: Address, reader: &Person) -> Result<u64> {
        let contract = *self.token.address();
        let handle = Handle(self.token.balanceOf(owner).call().await?);
        let permit = ask::permit(&self.client, &reader.wallet, vec![contract], None)?;
        let found = self.client.user_decrypt(&permit, &[HandlePair { handle, contract }]).await?;
        let value = found.values.first().context("no value")?;
        Ok(u64::try_from(value.value())?)
    }

    async fn nobody_reads_anothers_balance(&self) -> Result<()> {
        match self.balance_of(self.alice.address, &self.bob).await {
            Ok(_) => bail!("Bob could read Alice's balance"),
            Err(error) => self.say(&format!("Bob asks for Alice's balance and is refused: {error}")),
        }
        Ok(())
    }

    async fn total_supply(&mut self) -> Result<u64> {
        let asked = Instant::now();
        self.alice.send(self.token.requestTotalSupplyDecryption().into_transaction_request()).await?;
        self.say("mined: the token asks for its total supply in the clear");
        while self.token.pendingRequest().call().await? != U256::ZERO {
            ensure!(asked.elapsed() < CALLBACK_TIME, "no callback in {CALLBACK_TIME:?}");
            tokio::time::sleep(POLL).await;
        }
        Ok(self.token.revealedSupply().call().await?)
    }
}
