// The dApp on a running devnet, through the official client.
const assert = require("node:assert/strict");
const { ethers } = require("hardhat");
const { deployment, fhevm, userDecrypt } = require("../devnet.cjs");

describe("Tally", () => {
  let instance, tally, address, alice;

  before(async () => {
    instance = await fhevm(deployment());
    [, alice] = await ethers.getSigners();
    tally = await ethers.deployContract("Tally");
    await tally.waitForDeployment();
    address = await tally.getAddress();
  });

  it("adds what Alice encrypts, and she alone reads it", async () => {
    const input = await instance.createEncryptedInput(address, alice.address).add64(42n).encrypt();
    await (await tally.connect(alice).add(input.handles[0], input.inputProof)).wait();
    const share = await tally.shareOf(alice.address);
    const read = await userDecrypt(instance, alice, address, [share]);
    assert.equal(read[share], 42n);
  });

  it("settles on the total the committee signed", async () => {
    await (await tally.close()).wait();
    const total = await tally.totalHandle();
    const revealed = await instance.publicDecrypt([total]);
    await (await tally.settle(revealed.clearValues[total], revealed.decryptionProof)).wait();
    assert.equal(await tally.result(), 42n);
  });
});
