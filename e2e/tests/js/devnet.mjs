// The official JavaScript client, unmodified, on a running devnet: what the scripts beside share.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Days of a permit. */
const DAYS = 1;
/** Seconds by which a permit starts in the past, for nodes whose clock is behind. */
const MARGIN = 60;

/** An instance of the client for one version of the relayer's API, and the chain; people and contracts through it. */
export async function open(deploymentFile, root, version = "2") {
  const require = createRequire(`${root}/package.json`);
  const { createInstance } = require("@zama-fhe/relayer-sdk/node");
  const ethers = require("ethers");
  const { getAddress, JsonRpcProvider } = ethers;
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
    // The client leaves the URL as it is: its end and the version of the routes have to agree
    relayerUrl: deployment.relayerUrl.replace(/v2$/, `v${version}`),
    relayerRouteVersion: Number(version),
  });
  const provider = new JsonRpcProvider(deployment.hostRpcUrl, deployment.chainId, { staticNetwork: true });
  provider.pollingInterval = 250;
  return new Network({ deployment, instance, provider, ethers, root });
}

export class Network {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Counts its transactions itself: a busy Anvil may show a receipt before it counts the transaction. */
  wallet(account) {
    const { privateKey } = this.deployment.accounts[Number(account)];
    const wallet = new this.ethers.Wallet(privateKey, this.provider);
    return Object.assign(new this.ethers.NonceManager(wallet), { address: wallet.address });
  }

  /** A probe of the owner's: makes encrypted values and has them decrypted in every way. */
  async probe(owner) {
    const { acl, decryptionOracle } = this.deployment.contracts;
    const file = `${this.root}/solidity/out/DecryptionProbe.sol/DecryptionProbe.json`;
    const { abi, bytecode } = JSON.parse(readFileSync(file));
    const deployed = await new this.ethers.ContractFactory(abi, bytecode.object, owner).deploy(decryptionOracle, acl);
    await deployed.waitForDeployment();
    return new this.ethers.Contract(await deployed.getAddress(), abi, owner);
  }

  /** Who may read what for whom, as `owner` changes it. */
  acl(owner) {
    const abi = [
      "function delegateForUserDecryption(address delegate, address contractAddress, uint64 expirationDate)",
      "function revokeDelegationForUserDecryption(address delegate, address contractAddress)",
    ];
    return new this.ethers.Contract(this.deployment.contracts.acl, abi, owner);
  }

  /** A value of the reader's own. */
  async read(reader, handle, contract) {
    return (await this.readAll(reader, [handle], contract))[handle];
  }

  /** Several, in one request: their values by handle. */
  async readAll(reader, handles, contract) {
    const { instance } = this;
    const { publicKey, privateKey } = instance.generateKeypair();
    const start = Math.floor(Date.now() / 1000) - MARGIN;
    const permit = instance.createEIP712(publicKey, [contract], start, DAYS);
    const { UserDecryptRequestVerification } = permit.types;
    const signature = await reader.signTypedData(permit.domain, { UserDecryptRequestVerification }, permit.message);
    const pairs = handles.map((handle) => ({ handle, contractAddress: contract }));
    const rest = [signature.slice(2), [contract], reader.address, start, DAYS];
    return instance.userDecrypt(pairs, privateKey, publicKey, ...rest);
  }

  /** A value of the owner's, read by somebody the owner delegated to. */
  async readFor(owner, delegate, handle, contract) {
    const { instance } = this;
    const { publicKey, privateKey } = instance.generateKeypair();
    const start = Math.floor(Date.now() / 1000) - MARGIN;
    const permit = instance.createDelegatedUserDecryptEIP712(publicKey, [contract], owner.address, start, DAYS);
    const { DelegatedUserDecryptRequestVerification } = permit.types;
    const types = { DelegatedUserDecryptRequestVerification };
    const signature = await delegate.signTypedData(permit.domain, types, permit.message);
    const pairs = [{ handle, contractAddress: contract }];
    const rest = [signature.slice(2), [contract], owner.address, delegate.address, start, DAYS];
    return (await instance.delegatedUserDecrypt(pairs, privateKey, publicKey, ...rest))[handle];
  }
}

/** Waits for a transaction. */
export const mined = async (sent) => (await sent).wait();

/** The last line of a script: what it found. */
export function report(found) {
  process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit(0));
}
