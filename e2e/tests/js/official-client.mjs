// The official JavaScript client, unmodified, against a running devnet: an encrypted input, a public and a user decryption.
// Arguments: deployment.json, the root of the checkout, an account, a value. Prints what it read as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [deploymentFile, root, account, value] = process.argv.slice(2);
const require = createRequire(`${root}/package.json`);
const { createInstance } = require("@zama-fhe/relayer-sdk/node");
const { Contract, ContractFactory, JsonRpcProvider, Wallet, getAddress } = require("ethers");

const deployment = JSON.parse(readFileSync(deploymentFile));
const { contracts } = deployment;
const instance = await createInstance({
  aclContractAddress: getAddress(contracts.acl),
  kmsContractAddress: getAddress(contracts.kmsVerifier),
  inputVerifierContractAddress: getAddress(contracts.inputVerifier),
  verifyingContractAddressDecryption: getAddress(contracts.decryptionVerifyingContract),
  verifyingContractAddressInputVerification: getAddress(contracts.inputVerifyingContract),
  chainId: deployment.chainId,
  gatewayChainId: deployment.gatewayChainId,
  network: deployment.hostRpcUrl,
  relayerUrl: deployment.relayerUrl,
});

const provider = new JsonRpcProvider(deployment.hostRpcUrl);
const user = new Wallet(deployment.accounts[Number(account)].privateKey, provider);
const artifact = JSON.parse(readFileSync(`${root}/solidity/out/DecryptionProbe.sol/DecryptionProbe.json`));
const factory = new ContractFactory(artifact.abi, artifact.bytecode.object, user);
const deployed = await factory.deploy(contracts.decryptionOracle, contracts.acl);
const contract = await deployed.getAddress();
const probe = new Contract(contract, artifact.abi, user);

const input = await instance.createEncryptedInput(contract, user.address).add64(BigInt(value)).encrypt();
await (await probe.makeUint64From(input.handles[0], input.inputProof)).wait();
await (await probe.allowUser(0, user.address)).wait();
await (await probe.publish([0])).wait();
const handle = await probe.made(0);

const published = await instance.publicDecrypt([handle]);
const accepted = await probe.isValid([0], published.abiEncodedClearValues, published.decryptionProof);

const { publicKey, privateKey } = instance.generateKeypair();
const start = Math.floor(Date.now() / 1000) - 60;
const days = 1;
const permit = instance.createEIP712(publicKey, [contract], start, days);
const { UserDecryptRequestVerification } = permit.types;
const signature = await user.signTypedData(permit.domain, { UserDecryptRequestVerification }, permit.message);
const own = await instance.userDecrypt(
  [{ handle, contractAddress: contract }],
  privateKey,
  publicKey,
  signature.slice(2),
  [contract],
  user.address,
  start,
  days,
);
const read = { public: String(published.clearValues[handle]), accepted, own: String(own[handle]) };
process.stdout.write(`${JSON.stringify(read)}\n`);
process.exit(0);
