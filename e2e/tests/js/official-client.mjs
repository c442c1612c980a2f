// All the official client can do: an encrypted input, a public, a user and, in version 2, a delegated user decryption.
// Arguments: deployment.json, the root of the checkout, two accounts, a value, the version of the relayer's API.
import { mined, open, report } from "./devnet.mjs";

const [deploymentFile, root, account, friendAccount, value, version] = process.argv.slice(2);
const network = await open(deploymentFile, root, version);
const { instance } = network;
const [user, friend] = [network.wallet(account), network.wallet(friendAccount)];
const probe = await network.probe(user);
const contract = probe.target;

const input = await instance.createEncryptedInput(contract, user.address).add64(BigInt(value)).encrypt();
await mined(probe.makeUint64From(input.handles[0], input.inputProof));
await mined(probe.allowUser(0, user.address));
await mined(probe.publish([0]));
const handle = await probe.made(0);

const published = await instance.publicDecrypt([handle]);
const { abiEncodedClearValues: words, decryptionProof: proof } = published;
// Reverts unless the committee signed it
const { status } = await mined(probe.check([0], words, proof));
const forged = words.slice(0, -1) + (words.endsWith("0") ? "1" : "0");
const forgedAccepted = await probe.check.staticCall([0], forged, proof).then(
  () => true,
  () => false,
);

const own = await network.read(user, handle, contract);
const found = { public: String(published.clearValues[handle]), accepted: status === 1, forgedAccepted, own: String(own) };
if (version === "2") {
  // Values of several types in one request, not in the order they were made
  const address = friend.address;
  await mined(probe.makeBool(true));
  await mined(probe.makeAddress(address));
  const order = [2, 0, 1];
  for (const index of [1, 2]) await mined(probe.allowUser(index, user.address));
  await mined(probe.publish([1, 2]));
  const handles = await Promise.all(order.map((index) => probe.made(index)));
  const read = await network.readAll(user, handles, contract);
  const opened = await instance.publicDecrypt(handles);
  await mined(probe.check(order, opened.abiEncodedClearValues, opened.decryptionProof));
  const typed = (values) => handles.map((handle) => values[handle]);
  const same = (values) => values[0] === address && values[1] === BigInt(value) && values[2] === true;
  found.mixed = same(typed(read)) && same(typed(opened.clearValues));
  const tomorrow = Math.floor(Date.now() / 1000) + 86_400;
  await mined(network.acl(user).delegateForUserDecryption(friend.address, contract, tomorrow));
  found.delegated = String(await network.readFor(user, friend, handle, contract));
}
report(found);
