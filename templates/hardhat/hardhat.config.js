require("@nomicfoundation/hardhat-ethers");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const { deployment } = require("./devnet.cjs");

// The compiler is the npm package `solc`, so that nothing is fetched from elsewhere.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => ({
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
  version: solcVersion,
  longVersion: require("solc").version(),
}));

const networks = {};
if (process.env.TKMS_DEPLOYMENT) {
  const { hostRpcUrl, chainId, accounts } = deployment();
  networks.devnet = { url: hostRpcUrl, chainId, accounts: accounts.map(({ privateKey }) => privateKey) };
}

module.exports = {
  solidity: { version: "0.8.37", settings: { evmVersion: "cancun", optimizer: { enabled: true, runs: 10_000 } } },
  networks,
  // Proving an input takes some fifteen seconds, and a decryption waits for finality.
  mocha: { timeout: 600_000 },
};
