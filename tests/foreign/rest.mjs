// An office's program in Node.js, at the REST door, with nothing but what Node.js has itself.
// node rest.mjs <address> <key> <recipient>
import { createHash } from "node:crypto";

const [address, key, recipient] = process.argv.slice(2);

async function ask(method, path, { json, body, headers = {} } = {}) {
  const answer = await fetch(address + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(json ? { "content-type": "application/json" } : {}),
      ...headers,
    },
    body: json ? JSON.stringify(json) : body,
  });
  const isJson = answer.headers.get("content-type")?.includes("json");
  return { status: answer.status, value: isJson ? await answer.json() : Buffer.from(await answer.arrayBuffer()) };
}

async function must(method, path, options) {
  const { status, value } = await ask(method, path, options);
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(value)}`);
  return value;
}

const content = Buffer.from("%PDF-1.7 จาก Node.js %%EOF");
const letter = { date: "2026-11-22", to: [recipient], subject: "ทดสอบ", files: ["หนังสือ.pdf"], reference: "node-1" };
const begun = await must("POST", "/v1/letters", { json: letter, headers: { "idempotency-key": "node-1" } });
const digest = createHash("sha256").update(content).digest("base64");
await must("PUT", `/v1/letters/${begun.id}/files/${encodeURIComponent("หนังสือ.pdf")}`, {
  body: content,
  headers: { "content-digest": `sha-256=:${digest}:`, "content-type": "application/octet-stream" },
});
const sent = await must("POST", `/v1/letters/${begun.id}/submit`);

const received = [];
for (const item of (await must("GET", "/v1/inbox")).items) {
  const path = `/v1/inbox/${item.consignment}`;
  const { lease } = await must("POST", `${path}/lease`, { json: { seconds: 60 } });
  const said = await must("GET", path);
  const files = [];
  for (let place = 0; place < said.files.length; place += 1) {
    const bytes = await must("GET", `${path}/files/${place}`);
    const found = createHash("sha256").update(bytes).digest("hex");
    if (found !== said.files[place].sha256) throw new Error("another file");
    files.push(found);
  }
  await must("POST", `${path}/acknowledge`, { json: { lease, local_id: `node-${item.consignment}` } });
  await must("POST", "/v1/acts/register", { json: { letter_id: item.letter_id, number: "๑๒๓" } });
  received.push({ files });
}

const { status, value } = await ask("POST", "/v1/letters", {
  json: { subject: "ไม่ครบ" },
  headers: { "idempotency-key": "node-2" },
});
console.log(JSON.stringify({ sent: sent.state, received, refused: { status, code: value.code } }));
