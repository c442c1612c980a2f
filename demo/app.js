// The page: forms in, lines of the log out.
import { Session, load } from "./token.js";

const $ = (id) => document.getElementById(id);
const started = performance.now();
let devnet;
let session;

function say(text, kind = "") {
  const line = document.createElement("li");
  line.className = kind;
  line.textContent = `${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`;
  $("log").append(line);
}

/** A value in the clear, or without one what everybody sees. */
function show(id, value) {
  $(id).value = value === undefined ? "encrypted" : String(value);
  $(id).classList.toggle("open", value !== undefined);
}

function askedAgain(error) {
  say(`not readable (${error.message}): asking for other shares`);
}

/** Runs the work of a form with all buttons locked, and says how it ended. */
function onSubmit(id, work) {
  $(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    lock(true);
    try {
      await work(event.target.elements);
    } catch (error) {
      console.error(error);
      // The client adds lines for its developers: those are in the console
      const [reason] = (error.shortMessage ?? error.message).split("\n");
      say(`${id} failed: ${reason}`, "error");
    }
    lock(false);
  });
}

function lock(locked) {
  for (const button of document.querySelectorAll("button")) {
    const needs = button.form.id;
    const ready = needs === "connect" ? devnet : needs === "mint" ? session?.mayMint : session;
    button.disabled = locked || !ready;
  }
}

function short(address) {
  return `${address.slice(0, 8)}…${address.slice(-4)}`;
}

/** One devnet has one token; the next one has other addresses in its domains. */
function tokenKey() {
  return `token-${devnet.deployment.contracts.decryptionVerifyingContract}`;
}

function showAccounts() {
  // The last account pays for the oracle's transactions
  for (const [index, { address }] of devnet.deployment.accounts.slice(0, -1).entries()) {
    const name = `${index}: ${short(address)}`;
    $("account").append(new Option(name, String(index)));
    for (const people of [$("to"), $("friend")]) people.append(new Option(name, address, index === 1, index === 1));
    $("owner").append(new Option(name, address));
  }
  const choose = () => {
    $("key").value = devnet.deployment.accounts[Number($("account").value)].privateKey;
  };
  $("account").addEventListener("change", choose);
  choose();
}

onSubmit("connect", async () => {
  session = await Session.open(devnet, $("key").value.trim(), localStorage.getItem(tokenKey()));
  const isNew = localStorage.getItem(tokenKey()) !== session.address;
  localStorage.setItem(tokenKey(), session.address);
  $("me").textContent = `${session.me}${session.mayMint ? ", who may mint" : ""}`;
  $("token").textContent = session.address;
  show("balance");
  show("balance-of");
  say(`connected as ${short(session.me)}${isNew ? "; the token is deployed, written against @fhevm/solidity" : ""}`);
});

onSubmit("mint", async ({ amount }) => {
  say("encrypting and proving");
  const input = await session.encrypt(amount.value);
  say("the coprocessor verified the proof and signed the handle");
  await session.mint(input);
  show("balance");
  say("mined: minted, the amount on chain is a ciphertext");
});

onSubmit("transfer", async ({ amount, to }) => {
  say("encrypting and proving");
  const input = await session.encrypt(amount.value);
  await session.transfer(to.value, input);
  show("balance");
  say("mined: sent, if there was enough; nobody learns whether");
});

onSubmit("reveal", async () => {
  say("permit signed, asking the committee");
  show("balance", await session.balance(session.me, askedAgain));
  say("balance put together from the nodes' shares, here in the page");
});

onSubmit("delegate", async ({ friend }) => {
  await session.delegate(friend.value);
  say(`mined: for an hour ${short(friend.value)} may read my balance of this token, and nobody needs my key`);
});

onSubmit("reveal-of", async ({ owner }) => {
  say("permit signed with my own key, asking the committee for somebody else's balance");
  show("balance-of", await session.balance(owner.value, askedAgain));
  say("the owner's delegation stands on chain: balance put together here in the page");
});

onSubmit("publish", async () => {
  say("the token asks for its total supply in the clear");
  const { signed, onChain } = await session.publish();
  if (signed !== onChain) throw new Error(`the committee signed ${signed}, the contract holds ${onChain}`);
  show("supply", onChain);
  say("signed by a quorum, verified on chain, called back");
});

lock(true);
say("loading the client and its keys");
try {
  devnet = await load();
  showAccounts();
  say(`ready: ${devnet.deployment.nodes.length} nodes, chain ${devnet.deployment.chainId}`);
} catch (error) {
  console.error(error);
  say(`the devnet does not answer: ${error.message}`, "error");
}
lock(false);
