// What the page does with chain, relayer and client library. No part of it knows the page.
import { Contract, ContractFactory, JsonRpcProvider, Wallet, getAddress } from "./lib/ethers.min.js";
import { createInstance, initSDK } from "./relayer-sdk-js.js";

/** How often the chain is looked at, in milliseconds: blocks come every second. */
const POLL = 250;
/** How long a callback may take, in milliseconds. */
const CALLBACK_TIME = 120_000;
/** How often a user decryption is tried: each time the relayer offers shares of other nodes. */
const TRIES = 5;
/** Days of a permit. */
const DAYS = 1;
/** Seconds by which a permit starts in the past, for nodes whose clock is behind. */
const MARGIN = 60;
/** Seconds for which somebody else may read a balance. */
const DELEGATION = 3600;
const ACL = ["function delegateForUserDecryption(address delegate, address contractAddress, uint64 expirationDate)"];

async function json(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}

/** Reads what there is to know about the devnet, and loads the client library. */
export async function load() {
  const [deployment, artifact] = await Promise.all([json("deployment.json"), json("contract.json")]);
  const provider = new JsonRpcProvider(deployment.hostRpcUrl, deployment.chainId, { staticNetwork: true });
  provider.pollingInterval = POLL;
  const { contracts } = deployment;
  await initSDK();
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
  return { deployment, artifact, provider, instance };
}

/** A person at one token. */
export class Session {
  /** Connects; deploys a token if `known` is not one. */
  static async open(devnet, key, known) {
    const wallet = new Wallet(key, devnet.provider);
    const there = known && (await devnet.provider.getCode(known)) !== "0x";
    const { abi, bytecode } = devnet.artifact;
    const address = there ? known : await deploy(abi, bytecode.object, wallet, devnet.deployment);
    const token = new Contract(address, abi, wallet);
    return new Session(devnet, wallet, token, address, (await token.minter()) === wallet.address);
  }

  constructor(devnet, wallet, token, address, mayMint) {
    Object.assign(this, { devnet, wallet, token, address, mayMint });
    this.me = wallet.address;
  }

  /** Encrypts an amount for the token and proves it well-formed; the coprocessor has signed what comes back. */
  async encrypt(amount) {
    const input = this.devnet.instance.createEncryptedInput(this.address, this.me);
    const { handles, inputProof } = await input.add64(BigInt(amount)).encrypt();
    return [handles[0], inputProof];
  }

  async mint([handle, proof]) {
    await (await this.token.mintEncrypted(this.me, handle, proof)).wait();
  }

  async transfer(to, [handle, proof]) {
    await (await this.token.transfer(to, handle, proof)).wait();
  }

  /** Lets somebody else read the own balances of this token, the present and the coming ones, for a while. */
  async delegate(to) {
    const acl = new Contract(getAddress(this.devnet.deployment.contracts.acl), ACL, this.wallet);
    const end = Math.floor(Date.now() / 1000) + DELEGATION;
    await (await acl.delegateForUserDecryption(to, this.address, end)).wait();
  }

  /** Reads the balance of `owner`: the own one, or one whose owner delegated. `retry` hears of tries that failed. */
  async balance(owner, retry) {
    const handle = await this.token.balanceOf(owner);
    if (BigInt(handle) === 0n) return 0n;
    for (let left = TRIES - 1; ; left -= 1) {
      try {
        return await (owner === this.me ? this.decrypt(handle) : this.decryptFor(owner, handle));
      } catch (error) {
        // A refusal stays one, whichever shares are asked for
        if (left === 0 || error.relayerApiError) throw error;
        retry(error);
      }
    }
  }

  async decrypt(handle) {
    const { instance } = this.devnet;
    const { publicKey, privateKey } = instance.generateKeypair();
    const [contracts, start] = [[this.address], permitStart()];
    const { domain, types, message } = instance.createEIP712(publicKey, contracts, start, DAYS);
    const { UserDecryptRequestVerification } = types;
    const signature = await this.wallet.signTypedData(domain, { UserDecryptRequestVerification }, message);
    const pairs = [{ handle, contractAddress: this.address }];
    const permit = [signature.slice(2), contracts, this.me, start, DAYS];
    const values = await instance.userDecrypt(pairs, privateKey, publicKey, ...permit);
    return values[handle];
  }

  async decryptFor(owner, handle) {
    const { instance } = this.devnet;
    const { publicKey, privateKey } = instance.generateKeypair();
    const [contracts, start] = [[this.address], permitStart()];
    const typed = instance.createDelegatedUserDecryptEIP712(publicKey, contracts, owner, start, DAYS);
    const { DelegatedUserDecryptRequestVerification } = typed.types;
    const types = { DelegatedUserDecryptRequestVerification };
    const signature = await this.wallet.signTypedData(typed.domain, types, typed.message);
    const pairs = [{ handle, contractAddress: this.address }];
    const permit = [signature.slice(2), contracts, owner, this.me, start, DAYS];
    const values = await instance.delegatedUserDecrypt(pairs, privateKey, publicKey, ...permit);
    return values[handle];
  }

  /** Has the total supply revealed; gives what the committee signed and what the contract then believes. */
  async publish() {
    const before = await this.token.pendingRequest();
    if (before === 0n) await (await this.token.requestTotalSupplyDecryption()).wait();
    const handle = await this.token.totalSupply();
    const { clearValues } = await this.devnet.instance.publicDecrypt([handle]);
    const end = Date.now() + CALLBACK_TIME;
    while ((await this.token.pendingRequest()) !== 0n) {
      if (Date.now() > end) throw new Error("the oracle has not called back");
      await new Promise((wake) => setTimeout(wake, POLL));
    }
    return { signed: clearValues[handle], onChain: await this.token.revealedSupply() };
  }
}

function permitStart() {
  return Math.floor(Date.now() / 1000) - MARGIN;
}

async function deploy(abi, code, wallet, deployment) {
  const factory = new ContractFactory(abi, code, wallet);
  const token = await factory.deploy(getAddress(deployment.contracts.decryptionOracle));
  await token.waitForDeployment();
  return token.getAddress();
}
