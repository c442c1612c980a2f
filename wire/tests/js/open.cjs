// Opens sealed payloads with the official client's wasm, as its SDK calls it: a case as JSON on stdin,
// {"values":[{"type":5,"bytes":"…"}]} (big-endian) or {"error":"…"} on stdout.
'use strict';
const fs = require('node:fs');
const tkms = require('node-tkms');

const bytes = (hex) => new Uint8Array(Buffer.from(hex, 'hex'));

function open(input) {
  const servers = input.signers.map((address, index) => tkms.new_server_id_addr(index + 1, address));
  const client = tkms.new_client(servers, input.user, 'default');
  const chainId = new Uint8Array(32);
  new DataView(chainId.buffer).setUint32(28, input.chainId, false);
  const domain = { name: 'Decryption', version: '1', chain_id: chainId, verifying_contract: input.verifyingContract, salt: null };
  const request = {
    signature: input.permit,
    client_address: input.user,
    enc_key: input.publicKey,
    ciphertext_handles: input.handles,
    eip712_verifying_contract: input.verifyingContract,
  };
  const publicKey = tkms.u8vec_to_ml_kem_pke_pk(bytes(input.publicKey));
  const privateKey = tkms.u8vec_to_ml_kem_pke_sk(bytes(input.privateKey));
  const opened = tkms.process_user_decryption_resp_from_js(client, request, domain, input.answers, publicKey, privateKey, true);
  return opened.map((value) => ({ type: value.fhe_type, bytes: Buffer.from(value.bytes).toString('hex') }));
}

let outcome;
try {
  outcome = { values: open(JSON.parse(fs.readFileSync(0, 'utf8'))) };
} catch (error) {
  outcome = { error: String(error && error.message ? error.message : error) };
}
process.stdout.write(JSON.stringify(outcome) + '\n');
