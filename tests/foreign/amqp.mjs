// AMQP 0-9-1, as much as docs/wire.md asks for: publish with confirms, consume, acknowledge. Plain Node.js.
import net from "node:net";
import tls from "node:tls";
import { readFileSync } from "node:fs";

const END = 0xce;
const shortstr = (text) => { const data = Buffer.from(text); return Buffer.concat([Buffer.from([data.length]), data]); };
const u16 = (n) => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
const longstr = (data) => { const b = Buffer.from(data); return Buffer.concat([u32(b.length), b]); };

class Reader {
  constructor(data) { this.data = data; this.at = 0; }
  take(n) { const part = this.data.subarray(this.at, this.at + n); this.at += n; return part; }
  u8() { return this.take(1)[0]; }
  u16() { return this.take(2).readUInt16BE(); }
  u32() { return this.take(4).readUInt32BE(); }
  u64() { return Number(this.take(8).readBigUInt64BE()); }
  short() { return this.take(this.u8()).toString(); }
  table() {
    const end = this.u32() + this.at, found = {};
    while (this.at < end) { const name = this.short(); found[name] = this.value(); }
    return found;
  }
  value() {
    const type = String.fromCharCode(this.u8());
    switch (type) {
      case "S": return this.take(this.u32()).toString();
      case "t": return this.u8() !== 0;
      case "b": return this.take(1).readInt8();
      case "B": return this.u8();
      case "s": return this.take(2).readInt16BE();
      case "u": return this.u16();
      case "I": return this.take(4).readInt32BE();
      case "i": return this.u32();
      case "l": return Number(this.take(8).readBigInt64BE());
      case "T": return this.u64();
      case "f": return this.take(4).readFloatBE();
      case "d": return this.take(8).readDoubleBE();
      case "F": return this.table();
      case "A": { const end = this.u32() + this.at, all = []; while (this.at < end) all.push(this.value()); return all; }
      case "V": return null;
      default: throw new Error(`field of type ${type}`);
    }
  }
}

export class Broker {
  // `url`: amqp(s)://user:password@host:port/vhost; `onMessage({type, headers, body, tag})`.
  constructor(url, { ca, onMessage, onClose }) {
    this.url = new URL(url);
    this.ca = ca;
    this.onMessage = onMessage;
    this.onClose = onClose;
    this.waiting = new Map();
    this.published = 0;
    this.unconfirmed = new Map();
    this.buffer = Buffer.alloc(0);
  }

  async open() {
    const secure = this.url.protocol === "amqps:";
    const port = Number(this.url.port || (secure ? 5671 : 5672)), host = this.url.hostname;
    const ca = this.ca ? readFileSync(this.ca) : undefined;
    this.socket = secure ? tls.connect({ host, port, ca, servername: net.isIP(host) ? "" : host }) : net.connect({ host, port });
    this.socket.on("data", (data) => this.received(data));
    this.socket.on("error", (error) => { this.failure = error; });
    this.socket.on("close", () => this.lost());
    const start = this.wait("10.10");
    this.socket.on(secure ? "secureConnect" : "connect", () => this.socket.write(Buffer.from("AMQP\0\0\x09\x01", "latin1")));
    await start;
    this.user = decodeURIComponent(this.url.username);
    const login = `\0${this.user}\0${decodeURIComponent(this.url.password)}`;
    const tune = await this.call(0, 10, 11, "10.30", u32(0), shortstr("PLAIN"), longstr(login), shortstr("en_US"));
    this.frameMax = Math.min(tune.u16() && tune.u32(), 131072) || 131072;
    this.send(0, 10, 31, u16(2), u32(this.frameMax), u16(30));
    this.beat = setInterval(() => this.frame(8, 0, Buffer.alloc(0)), 15000);
    const vhost = decodeURIComponent(this.url.pathname.slice(1));
    await this.call(0, 10, 40, "10.41", shortstr(vhost), shortstr(""), Buffer.from([0]));
    await this.call(1, 20, 10, "20.11", shortstr(""));
    await this.call(1, 85, 10, "85.11", Buffer.from([0]));
  }

  async consume(queue, prefetch = 50) {
    await this.call(1, 60, 10, "60.11", u32(0), u16(prefetch), Buffer.from([0]));
    await this.call(1, 60, 20, "60.21", u16(0), shortstr(queue), shortstr(""), Buffer.from([0]), u32(0));
  }

  ack(tag) { this.send(1, 60, 80, u64(tag), Buffer.from([0])); }

  // Resolves when the broker has confirmed; rejects on return, nack and loss.
  publish(exchange, type, id, contentType, body) {
    const number = ++this.published;
    const result = new Promise((resolve, reject) => this.unconfirmed.set(number, { resolve, reject, id }));
    this.send(1, 60, 40, u16(0), shortstr(exchange), shortstr(""), Buffer.from([1])); // mandatory
    const flags = 0x8000 | 0x1000 | 0x0080 | 0x0020 | 0x0010; // content-type, delivery-mode, message-id, type, user-id
    const properties = [shortstr(contentType), Buffer.from([2]), shortstr(id), shortstr(type), shortstr(this.user)];
    this.frame(2, 1, Buffer.concat([u16(60), u16(0), u64(body.length), u16(flags), ...properties]));
    for (let at = 0; at < body.length; at += this.frameMax - 8) this.frame(3, 1, body.subarray(at, at + this.frameMax - 8));
    return result;
  }

  close() { this.closed = true; clearInterval(this.beat); this.socket?.end(); }

  // -- frames --

  frame(kind, channel, payload) {
    this.socket.write(Buffer.concat([Buffer.from([kind]), u16(channel), u32(payload.length), payload, Buffer.from([END])]));
  }

  send(channel, klass, method, ...parts) { this.frame(1, channel, Buffer.concat([u16(klass), u16(method), ...parts])); }

  wait(name) { return new Promise((resolve, reject) => this.waiting.set(name, { resolve, reject })); }

  call(channel, klass, method, answer, ...parts) {
    const answered = this.wait(answer);
    this.send(channel, klass, method, ...parts);
    return answered;
  }

  received(data) {
    this.buffer = Buffer.concat([this.buffer, data]);
    while (this.buffer.length >= 8) {
      const size = this.buffer.readUInt32BE(3);
      if (this.buffer.length < size + 8) return;
      const kind = this.buffer[0], payload = this.buffer.subarray(7, 7 + size);
      if (this.buffer[7 + size] !== END) throw new Error("a frame without an end");
      this.buffer = this.buffer.subarray(8 + size);
      if (kind === 1) this.method(new Reader(payload));
      else if (kind === 2) this.header(new Reader(payload));
      else if (kind === 3) this.content(payload);
    }
  }

  method(reader) {
    const name = `${reader.u16()}.${reader.u16()}`;
    if (name === "60.60") { // deliver
      reader.short();
      this.incoming = { tag: reader.u64(), redelivered: reader.u8() !== 0, parts: [] };
    } else if (name === "60.50") { // return
      this.incoming = { returned: true, parts: [] };
    } else if (name === "60.80" || name === "60.120") { // confirm: ack or nack
      const upTo = reader.u64(), multiple = (reader.u8() & 1) !== 0;
      for (const [number, one] of [...this.unconfirmed]) {
        if (number !== upTo && !(multiple && number < upTo)) continue;
        this.unconfirmed.delete(number);
        if (name === "60.80" && !one.returned) one.resolve(); else one.reject(new Error("not taken"));
      }
    } else if (name === "10.50" || name === "20.40") { // the broker closes
      this.failure = new Error(`${reader.u16()} ${reader.short()}`);
      this.socket.end();
    }
    this.waiting.get(name)?.resolve(reader);
    this.waiting.delete(name);
  }

  header(reader) {
    reader.take(4);
    const one = this.incoming;
    one.size = reader.u64();
    const flags = reader.u16();
    const names = ["contentType", "contentEncoding", "headers", "deliveryMode", "priority", "correlationId", "replyTo",
      "expiration", "messageId", "timestamp", "type", "userId", "appId"];
    names.forEach((name, place) => {
      if (!(flags & (0x8000 >> place))) return;
      if (name === "headers") one.headers = reader.table();
      else if (name === "deliveryMode" || name === "priority") one[name] = reader.u8();
      else if (name === "timestamp") one[name] = reader.u64();
      else one[name] = reader.short();
    });
    if (one.size === 0) this.complete();
  }

  content(payload) {
    this.incoming.parts.push(Buffer.from(payload));
    if (this.incoming.parts.reduce((sum, part) => sum + part.length, 0) >= this.incoming.size) this.complete();
  }

  complete() {
    const one = this.incoming;
    this.incoming = null;
    if (one.returned) { for (const sent of this.unconfirmed.values()) if (sent.id === one.messageId) sent.returned = true; return; }
    this.onMessage({ ...one, headers: one.headers ?? {}, body: Buffer.concat(one.parts) });
  }

  lost() {
    clearInterval(this.beat);
    const error = this.failure ?? new Error("the connection is lost");
    for (const one of [...this.waiting.values(), ...this.unconfirmed.values()]) one.reject(error);
    this.waiting.clear();
    this.unconfirmed.clear();
    if (!this.closed) this.onClose?.(error);
  }
}
