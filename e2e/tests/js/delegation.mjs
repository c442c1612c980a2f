// What the official client says to a delegate whose right is missing, was revoked, or has expired.
// Arguments: deployment.json, the root of the checkout, two accounts, a value.
import { mined, open, report } from "./devnet.mjs";

/** In place of a contract: all of them. */
const EVERY_CONTRACT = `0x${"ff".repeat(20)}`;
/** A delegation that ends while we look, in seconds: long enough to become final and be used once. */
const SHORT = 30;
/** How long a change on chain may take until nodes act on it, in milliseconds. */
const SETTLING = 60_000;

const [deploymentFile, root, account, friendAccount, value] = process.argv.slice(2);
const network = await open(deploymentFile, root);
const [owner, friend] = [network.wallet(account), network.wallet(friendAccount)];
const probe = await network.probe(owner);
const acl = network.acl(owner);
const contract = probe.target;
await mined(probe.makeUint64(BigInt(value)));
await mined(probe.allowUser(0, owner.address));
const handle = await probe.made(0);

/** The value, or the relayer's word about why not. */
async function attempt() {
  try {
    return { value: String(await network.readFor(owner, friend, handle, contract)) };
  } catch (error) {
    const refused = error.relayerApiError ?? error.cause?.relayerApiError;
    if (!refused) throw error;
    return { label: refused.label, message: refused.message };
  }
}

/** Nodes look at final blocks: tries until the right is gone there too. */
async function refusal() {
  const end = Date.now() + SETTLING;
  for (;;) {
    const found = await attempt();
    if (found.label || Date.now() > end) return found;
    await new Promise((wake) => setTimeout(wake, 1_000));
  }
}

const chainTime = async () => Math.max((await network.provider.getBlock("latest")).timestamp, Math.floor(Date.now() / 1000));

const found = { before: await attempt() };
await mined(acl.delegateForUserDecryption(friend.address, EVERY_CONTRACT, (await chainTime()) + 86_400));
found.delegated = await attempt();
await mined(acl.revokeDelegationForUserDecryption(friend.address, EVERY_CONTRACT));
found.revoked = await refusal();
await mined(acl.delegateForUserDecryption(friend.address, contract, (await chainTime()) + SHORT));
found.again = await attempt();
found.expired = await refusal();
report(found);
