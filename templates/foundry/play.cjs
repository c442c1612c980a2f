// Deploys the Tally on a devnet and plays one round of it with the official client.
const { readFileSync } = require("node:fs");
const { ContractFactory, JsonRpcProvider, NonceManager, Wallet } = require("ethers");
const { deployment, fhevm, userDecrypt } = require("./devnet.cjs");

async function main() {
  const devnet = deployment();
  const provider = new JsonRpcProvider(devnet.hostRpcUrl);
  const [owner, alice] = devnet.accounts.map(({ privateKey }) => new Wallet(privateKey, provider));
  const instance = await fhevm(devnet);

  const { abi, bytecode } = JSON.parse(readFileSync("out/Tally.sol/Tally.json", "utf8"));
  const tally = await new ContractFactory(abi, bytecode.object, new NonceManager(owner)).deploy();
  const address = await tally.getAddress();
  await tally.waitForDeployment();
  console.log(`Tally at ${address}`);

  for (const value of [30n, 12n]) {
    const input = await instance.createEncryptedInput(address, alice.address).add64(value).encrypt();
    await (await tally.connect(alice).add(input.handles[0], input.inputProof)).wait();
  }
  const share = await tally.shareOf(alice.address);
  const read = await userDecrypt(instance, alice, address, [share]);
  console.log(`Alice reads her share: ${read[share]}`);

  await (await tally.close()).wait();
  const total = await tally.totalHandle();
  const revealed = await instance.publicDecrypt([total]);
  await (await tally.settle(revealed.clearValues[total], revealed.decryptionProof)).wait();
  console.log(`The total, proven on chain: ${await tally.result()}`);
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
