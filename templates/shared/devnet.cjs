// A running devnet, as its deployment.json describes it: TKMS_DEPLOYMENT names the file.
const { readFileSync } = require("node:fs");
const { getAddress } = require("ethers");

function deployment() {
  const file = process.env.TKMS_DEPLOYMENT;
  if (!file) throw new Error("TKMS_DEPLOYMENT is not set: name the devnet/deployment.json that `make devnet` wrote");
  return JSON.parse(readFileSync(file, "utf8"));
}

// The official client, told where things are.
async function fhevm({ contracts, chainId, gatewayChainId, hostRpcUrl, relayerUrl }) {
  const { createInstance } = require("@zama-fhe/relayer-sdk/node");
  return createInstance({
    aclContractAddress: getAddress(contracts.acl),
    kmsContractAddress: getAddress(contracts.kmsVerifier),
    inputVerifierContractAddress: getAddress(contracts.inputVerifier),
    verifyingContractAddressDecryption: getAddress(contracts.decryptionVerifyingContract),
    verifyingContractAddressInputVerification: getAddress(contracts.inputVerifyingContract),
    chainId,
    gatewayChainId,
    network: hostRpcUrl,
    relayerUrl,
  });
}

// What `user` (an ethers signer) reads through `contract`: one value for each handle.
async function userDecrypt(instance, user, contract, handles) {
  const { publicKey, privateKey } = instance.generateKeypair();
  // The chain's clock may lag behind ours.
  const start = Math.floor(Date.now() / 1000) - 60;
  const days = 1;
  const permit = instance.createEIP712(publicKey, [contract], start, days);
  const { UserDecryptRequestVerification } = permit.types;
  const signature = await user.signTypedData(permit.domain, { UserDecryptRequestVerification }, permit.message);
  const pairs = handles.map((handle) => ({ handle, contractAddress: contract }));
  const address = await user.getAddress();
  return instance.userDecrypt(pairs, privateKey, publicKey, signature.slice(2), [contract], address, start, days);
}

module.exports = { deployment, fhevm, userDecrypt };
