// An agency's client that knows nothing but docs/wire.md. It is steered by lines of JSON on its standard input and says
// on its standard output what happened, also as lines of JSON. What it needs stands in the environment (SARABAN_*).
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { Broker } from "./amqp.mjs";
import { fingerprint, hex, jws, openJws, requestToken, seal, verified } from "./seal.mjs";
import { escaped } from "./xml.mjs";

const env = (name) => process.env[`SARABAN_${name}`];
const agency = env("AGENCY"), folder = env("FOLDER"), depot = env("DEPOT");
const resendAfter = Number(env("RESEND_AFTER") ?? 5) * 1000;
const key = crypto.createPrivateKey(fs.readFileSync(env("KEY")));
const certificate = new crypto.X509Certificate(fs.readFileSync(env("CERTIFICATE")));
const bus = new crypto.X509Certificate(fs.readFileSync(env("BUS_CERTIFICATE")));
const stateFile = path.join(folder, "state.json");
const state = fs.existsSync(stateFile)
  ? JSON.parse(fs.readFileSync(stateFile))
  : { contiguous: 0, beyond: [], version: 0, records: {}, outbox: {}, letters: {}, held: [] };
const say = (event, more = {}) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

let news = []; // said once it is on the disk
const tell = (event, more = {}) => news.push([event, more]);

// Time in Thailand, as documents have it.
const thai = (at = new Date()) => `${new Date(at.getTime() + 7 * 3600e3).toISOString().slice(0, 19)}+07:00`;
const tag = (name, text, attributes = "") => `<${name}${attributes}>${escaped(text)}</${name}>`;

function save() { // whole or not at all, and on the disk before anything is acknowledged
  const next = `${stateFile}.next`, file = fs.openSync(next, "w", 0o600);
  fs.writeSync(file, JSON.stringify(state));
  fs.fsyncSync(file);
  fs.closeSync(file);
  fs.renameSync(next, stateFile);
}

// -- the directory --

function certificatesOf(code) {
  if (code === "bus") return [{ certificate: bus }];
  const line = state.records[`agency/${code}`];
  const record = line ? JSON.parse(line.slice(line.indexOf(" ") + 1)) : { certificates: [] };
  return record.certificates.filter((one) => one.pem)
    .map((one) => ({ certificate: new crypto.X509Certificate(one.pem), revokedAt: one.revoked_at }));
}

function canonicalJson(value) { // sorted keys, no blanks
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`).join(",")}}`;
}

const contentOf = (records) => Object.keys(records).sort().map((name) => `${records[name]}\n`).join("");

async function takeDirectory(token) {
  const statement = JSON.parse(openJws(token.toString(), "saraban-json+jws", [bus]));
  if (statement.version <= state.version) return;
  const records = { ...state.records };
  for (const [name, value] of Object.entries(statement.changes ?? {})) {
    if (value === null) delete records[name];
    else records[name] = `${name} ${canonicalJson(value)}`;
  }
  if (hex(contentOf(records)) === statement.digest) state.records = records;
  else state.records = await wholeDirectory(statement.digest);
  state.version = statement.version;
  tell("directory", { version: state.version });
}

async function wholeDirectory(digest) {
  const response = await asked("GET", `/directories/${digest}`);
  const content = Buffer.from(await response.arrayBuffer());
  if (hex(content) !== digest) throw new Error("the depot gave another directory");
  return Object.fromEntries(content.toString().split("\n").slice(0, -1).map((line) => [line.slice(0, line.indexOf(" ")), line]));
}

// -- the depot --

async function asked(method, where, body) {
  for (let attempt = 1; ; attempt++) {
    const token = requestToken(agency, method, where, key, certificate); // one for each request
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(depot + where, { method, headers, body }).catch((error) => ({ status: 503, error }));
    if (response.status < 300) return response;
    if (attempt === 6 || ![408, 409, 429, 500, 503, 507].includes(response.status)) {
      throw new Error(`${method} ${where}: ${response.status} ${response.headers?.get("Saraban-Code")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 500 * 2 ** attempt));
  }
}

// -- what is said --

async function submit(type, id, octets) {
  state.outbox[id] = { type, octets: octets.toString("base64") };
  save();
  await resend(id);
}

// The same octets again, until an answer is there.
async function resend(id) {
  const one = state.outbox[id];
  if (!one || !broker) return;
  const body = Buffer.from(one.octets, "base64");
  const contentType = one.type === "report" ? "application/jose" : "application/xml";
  await broker.publish(`submit.${agency}`, one.type, id, contentType, body).catch((error) => say("problem", { why: error.message }));
  setTimeout(() => resend(id), resendAfter).unref();
}

async function sendLetter({ to, subject, file, id = crypto.randomUUID(), number = "" }) {
  const data = fs.readFileSync(file), digest = hex(data), now = thai();
  await asked("PUT", `/files/${digest}`, data);
  const receivers = [].concat(to).map((code) => `<ReceiverParty><DepartmentOrganization>${tag("ID", code)}</DepartmentOrganization>` +
    `${tag("RoleCode", "to")}</ReceiverParty>`).join("");
  const text = `<Letter xmlns="urn:saraban-bus:letter:1.0" version="1.0">${tag("LetterID", id)}${number && tag("ID", number)}` +
    `${tag("CorrespondenceDate", now.slice(0, 10))}${tag("SendDate", now)}${tag("KindCode", "external")}${tag("SecretCode", "001")}` +
    `${tag("SpeedCode", "001")}${tag("AcknowledgementCode", "registration")}<SenderParty><DepartmentOrganization>` +
    `${tag("ID", agency)}</DepartmentOrganization>${tag("Name", "หน่วยงานตัวอย่าง")}</SenderParty>${receivers}${tag("Subject", subject)}` +
    `<MainFile mimeCode="application/pdf">${tag("Name", path.basename(file))}${tag("Size", String(data.length))}` +
    `${tag("Digest", digest, ' algorithm="SHA-256"')}</MainFile></Letter>`;
  await submit("letter", id, seal(text, key, certificate, now));
  say("sent", { letter: id });
}

async function sayOf(letter, event, more = "", digest = state.letters[letter].digest) {
  const now = thai(), id = crypto.randomUUID();
  const text = `<Notice xmlns="urn:saraban-bus:notice:1.0" version="1.0">${tag("NoticeID", id)}${tag("EventCode", event)}` +
    `${tag("Author", agency)}${tag("LetterID", letter)}${tag("LetterDigest", digest)}` +
    `${tag("AcceptDepartment", agency)}${tag("EventTime", now)}${more}</Notice>`;
  await submit("notice", id, seal(text, key, certificate, now));
}

const register = ({ letter, number }) => sayOf(letter, "registered", `<Registration>${tag("AcceptID", number)}` +
  `${tag("RegisteredAt", thai())}${tag("RegisterYear", String(new Date().getFullYear() + 543))}</Registration>`);

async function reconcile() {
  const missing = [];
  let before = state.contiguous;
  for (const number of state.beyond) {
    if (number > before + 1) missing.push([before + 1, number - 1]);
    before = number;
  }
  const report = { type: "reconciliation/1.1", id: crypto.randomUUID(), agency, at: thai(), contiguous: state.contiguous,
    highest: state.beyond.at(-1) ?? state.contiguous, missing, unplaced: [], directory: state.version };
  await submit("report", report.id, Buffer.from(jws(canonicalJson(report), "saraban-json+jws", key, certificate)));
}

// -- what arrives: one after the other, and acknowledged once it is on the disk --

const seen = (number) => number <= state.contiguous || state.beyond.includes(number);

function note(number) {
  state.beyond = [...state.beyond, number].sort((a, b) => a - b);
  while (state.beyond[0] === state.contiguous + 1) { state.contiguous++; state.beyond.shift(); }
}

const settle = (octetsDigest) => {
  const id = Object.keys(state.outbox).find((one) => hex(Buffer.from(state.outbox[one].octets, "base64")) === octetsDigest);
  if (id) delete state.outbox[id];
  return id;
};

async function take(message) {
  const { headers, body, type } = message, number = headers.consignment;
  if (seen(number)) return; // redelivered, or consigned again
  switch (type) {
    case "directory":
      await takeDirectory(body);
      break;
    case "letter": {
      let found;
      try {
        found = verified(body, certificatesOf(headers.sender), headers["verified-as-of"]);
        if (found.digest !== headers.digest) throw new Error("another letter than announced");
      } catch (error) {
        if (error.waits) throw error;
        fs.writeFileSync(path.join(folder, `${number}.unusable`), body); // it will never be right: kept, and its sender told
        note(number);
        save();
        await sayOf(headers.about, "handover-failed", "", headers.digest);
        tell("problem", { why: error.message, type });
        return;
      }
      const { root, digest } = found;
      const id = root.find("LetterID").text;
      if (!state.letters[id]) {
        for (const file of [root.find("MainFile"), ...root.all("AttachmentFile")]) {
          const name = file.find("Digest").text;
          const data = Buffer.from(await (await asked("GET", `/files/${name}`)).arrayBuffer());
          if (hex(data) !== name) throw new Error("another file than announced");
          fs.writeFileSync(path.join(folder, name), data);
        }
        fs.writeFileSync(path.join(folder, `${id}.xml`), body);
        state.letters[id] = { digest };
        note(number);
        save(); // before the receipt says so
        await sayOf(id, "delivered");
        tell("received", { letter: id, subject: root.find("Subject")?.text, sender: headers.sender });
        return;
      }
      break;
    }
    case "notice": {
      const { root } = verified(body, certificatesOf(headers.sender), headers["verified-as-of"]);
      tell("notice", { letter: root.find("LetterID").text, code: root.find("EventCode").text, author: headers.sender });
      break;
    }
    case "verdict": {
      const { root } = verified(body, certificatesOf("bus"), new Date());
      const code = root.find("EventCode").text;
      const id = headers["raw-sha256"] && settle(headers["raw-sha256"]);
      tell("verdict", { code, of: id ?? headers.about, reason: root.find("ReasonCode")?.text });
      break;
    }
    case "entry":
      tell("entry", { of: settle(headers["raw-sha256"]) ?? headers.about, ...JSON.parse(body) });
      break;
    default: // recipients, copy, and what is not known yet: kept
      fs.writeFileSync(path.join(folder, `${number}.${type.replace(/\W/g, "")}`), body);
  }
  note(number);
}

let waiting = Promise.resolve();
let held = [];

function arrived(message) {
  waiting = waiting.then(async () => {
    try {
      await take(message);
      save();
      broker.ack(message.tag);
      news.forEach(([event, more]) => say(event, more));
      news = [];
      if (message.type === "directory") { const again = held; held = []; again.forEach(arrived); }
    } catch (error) {
      news = [];
      held.push(message); // perhaps a newer directory is on its way: neither lost nor acknowledged
      say("problem", { why: error.message, type: message.type });
    }
  });
}

// -- from start to end --

let broker = null;

async function connect() {
  try {
    held = [];
    broker = new Broker(env("AMQP"), { ca: env("CA"), onMessage: arrived, onClose: again });
    await broker.open();
    await broker.consume(`inbox.${agency}`);
    for (const id of Object.keys(state.outbox)) await resend(id);
    await reconcile();
    say("ready", { fingerprint: fingerprint(certificate) });
  } catch (error) {
    say("problem", { why: error.message });
    broker?.close();
    again();
  }
}

const again = () => setTimeout(connect, 500 + Math.random() * 1500);

// What is missing or held is asked about; one report at a time.
setInterval(() => {
  const open = Object.values(state.outbox).some((one) => one.type === "report");
  if (!open && (state.beyond.length || held.length)) reconcile().catch((error) => say("problem", { why: error.message }));
}, 1000).unref();

const orders = { send: sendLetter, register, reconcile };
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  Promise.resolve(orders[order.do](order)).catch((error) => say("problem", { why: error.message }));
}).on("close", () => process.exit(0));
connect();
