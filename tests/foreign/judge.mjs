// Judges the signed samples of xsd/examples: one JSON line for each document, what this client says of it.
import crypto from "node:crypto";
import { readFileSync } from "node:fs";
import { openJws, verified } from "./seal.mjs";

const folder = process.argv[2];
const index = JSON.parse(readFileSync(`${folder}/index.json`));
for (const one of index.vectors) {
  const certificate = new crypto.X509Certificate(readFileSync(`${folder}/${one.certificate}`));
  const raw = readFileSync(`${folder}/${one.file}`);
  let said;
  try {
    if (one.file.endsWith(".xml")) said = verified(raw, [{ certificate }], index.at).digest;
    else said = openJws(raw.toString(), one.kind === "token" ? "saraban-request+jwt" : "saraban-json+jws", [certificate]).toString("hex");
  } catch (error) {
    said = null;
  }
  console.log(JSON.stringify({ name: one.name, said }));
}
