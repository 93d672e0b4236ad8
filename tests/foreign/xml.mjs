// A reader of XML without DTD, comments and instructions, and Canonical XML (inclusive 1.0/1.1, exclusive).
const XML = "http://www.w3.org/XML/1998/namespace";
const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decoded(text) {
  return text.replace(/&(#x[0-9a-fA-F]+|#[0-9]+|[a-z]+);|&/g, (whole, name) => {
    if (!name) throw new Error("a bare ampersand");
    if (name[0] === "#") return String.fromCodePoint(name[1] === "x" ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
    if (!(name in ENTITIES)) throw new Error(`entity ${name}`);
    return ENTITIES[name];
  });
}

export class Element {
  constructor(name, parent) {
    this.name = name;
    [this.prefix, this.local] = name.includes(":") ? name.split(":") : ["", name];
    this.parent = parent;
    this.attributes = [];
    this.declared = {};
    this.children = [];
  }

  get scope() { return { ...(this.parent?.scope ?? {}), ...this.declared }; }
  get namespace() { return this.prefix === "xml" ? XML : this.scope[this.prefix] ?? ""; }
  get elements() { return this.children.filter((child) => child instanceof Element); }
  get text() { return this.children.map((child) => (child instanceof Element ? child.text : child)).join(""); }
  get(name) { return this.attributes.find((one) => one.name === name)?.value; }

  // The first element below that path of local names, or undefined.
  find(path) {
    return path.split("/").reduce((at, local) => at?.elements.find((one) => one.local === local), this);
  }
  all(local) { return this.elements.filter((one) => one.local === local); }
}

export function parse(octets) {
  let text = new TextDecoder("utf-8", { fatal: true }).decode(octets).replace(/\r\n?/g, "\n");
  text = text.replace(/^<\?xml\s[^>]*\?>/, "").trim();
  if (/<!--|<\?|<!DOCTYPE/i.test(text)) throw new Error("comment, instruction or DTD");
  const token = /<!\[CDATA\[([\s\S]*?)\]\]>|<\/([^\s>]+)\s*>|<([^\s/>]+)((?:\s+[^\s=]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/gy;
  let root, at;
  while (token.lastIndex < text.length) {
    const found = token.exec(text);
    if (!found) throw new Error("not well-formed");
    const [, cdata, closing, opening, attributes, empty, chars] = found;
    if (opening) {
      const element = new Element(opening, at);
      for (const [, name, one, other] of attributes.matchAll(/([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
        const value = decoded((one ?? other).replace(/[\t\n]/g, " "));
        if (name === "xmlns") element.declared[""] = value;
        else if (name.startsWith("xmlns:")) element.declared[name.slice(6)] = value;
        else element.attributes.push({ name, value });
      }
      if (at) at.children.push(element);
      else if (root) throw new Error("two roots");
      root ??= element;
      if (!empty) at = element;
    } else if (closing) {
      if (at?.name !== closing) throw new Error("crossed tags");
      at = at.parent;
    } else {
      if (!at) throw new Error("text outside of the root");
      at.children.push(cdata ?? decoded(chars));
    }
  }
  if (at || !root) throw new Error("cut off");
  return root;
}

const inText = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\r/g, "&#xD;");
const inAttribute = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;")
  .replace(/\t/g, "&#x9;").replace(/\n/g, "&#xA;").replace(/\r/g, "&#xD;");
export const escaped = inText;
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// The canonical form of an element with the namespaces around it, as text; `without` is left out.
export function canonical(element, { exclusive = false, without = null, rendered = {} } = {}) {
  const scope = element.scope;
  const prefixOf = (name) => (name.includes(":") ? name.split(":")[0] : null);
  const used = new Set([element.prefix, ...element.attributes.map((one) => prefixOf(one.name)).filter(Boolean)]);
  const written = { ...rendered };
  const namespaces = Object.keys({ "": "", ...scope })
    .filter((prefix) => prefix !== "xml" && (!exclusive || used.has(prefix)))
    .filter((prefix) => (scope[prefix] ?? "") !== (rendered[prefix] ?? "")).sort(order)
    .map((prefix) => {
      written[prefix] = scope[prefix] ?? "";
      return ` xmlns${prefix && ":"}${prefix}="${inAttribute(written[prefix])}"`;
    });
  const key = (name) => { const prefix = prefixOf(name); return prefix ? (prefix === "xml" ? XML : scope[prefix]) : ""; };
  const attributes = [...element.attributes]
    .sort((a, b) => order(key(a.name), key(b.name)) || order(a.name.split(":").pop(), b.name.split(":").pop()))
    .map((one) => ` ${one.name}="${inAttribute(one.value)}"`);
  const inside = element.children.filter((child) => child !== without).map((child) =>
    child instanceof Element ? canonical(child, { exclusive, without, rendered: written }) : inText(child));
  return `<${element.name}${namespaces.join("")}${attributes.join("")}>${inside.join("")}</${element.name}>`;
}
