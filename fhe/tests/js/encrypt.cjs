// The client's side of an encrypted input, with the tfhe that the official client ships.
// usage: node encrypt.cjs <directory with public_key and crs> <metadata in hex>; writes <directory>/list
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const tfhe = require("node-tfhe");

const LIMIT = 1n << 28n;
const [directory, metadata] = process.argv.slice(2);

try {
  const publicKey = tfhe.TfheCompactPublicKey.safe_deserialize(readFileSync(join(directory, "public_key")), LIMIT);
  const crs = tfhe.CompactPkeCrs.safe_deserialize(readFileSync(join(directory, "crs")), LIMIT);
  const builder = tfhe.CompactCiphertextList.builder(publicKey);
  builder.push_boolean(true);
  builder.push_u8(200);
  builder.push_u64(0x0123456789abcdefn);
  builder.push_u160(BigInt("0x" + "5a".repeat(20)));
  builder.push_u256((1n << 256n) - 7n);
  const start = Date.now();
  const list = builder.build_with_proof_packed(crs, Buffer.from(metadata, "hex"), tfhe.ZkComputeLoad.Verify);
  const bytes = list.safe_serialize(LIMIT);
  console.log(`old client: proven in ${Date.now() - start} ms, ${bytes.length} bytes`);
  writeFileSync(join(directory, "list"), bytes);
} catch (error) {
  console.error(String(error));
  process.exit(1);
}
