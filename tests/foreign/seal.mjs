// Signatures as docs/wire.md states them: XAdES over letters and notices, compact JWS over the rest.
import crypto from "node:crypto";
import { canonical, parse } from "./xml.mjs";

export const DS = "http://www.w3.org/2000/09/xmldsig#", XADES = "http://uri.etsi.org/01903/v1.3.2#";
const C14N = "http://www.w3.org/2006/12/xml-c14n11", C14N10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#", ENVELOPED = `${DS}enveloped-signature`;
const SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256", MORE = "http://www.w3.org/2001/04/xmldsig-more#";
const PROPERTIES = "http://uri.etsi.org/01903#SignedProperties";
const METHODS = { "ecdsa-sha256": "sha256", "ecdsa-sha384": "sha384", "rsa-sha256": "sha256", "rsa-sha384": "sha384", "rsa-sha512": "sha512" };

export const hex = (data) => crypto.createHash("sha256").update(data).digest("hex");
const digest = (data) => crypto.createHash("sha256").update(data).digest("base64");
export const fingerprint = (certificate) => hex(certificate.raw);

function methodOf(key) {
  if (key.asymmetricKeyType === "rsa") return { name: "rsa-sha256", jose: "RS256", hash: "sha256" };
  return key.asymmetricKeyDetails.namedCurve === "secp384r1"
    ? { name: "ecdsa-sha384", jose: "ES384", hash: "sha384" } : { name: "ecdsa-sha256", jose: "ES256", hash: "sha256" };
}

// r and s side by side, as XML Signature and JOSE have them; RSA is PKCS #1 v1.5.
const signed = (hash, data, key) => crypto.sign(hash, Buffer.from(data), { key, dsaEncoding: "ieee-p1363" });
const verifies = (hash, data, key, value) => crypto.verify(hash, Buffer.from(data), { key, dsaEncoding: "ieee-p1363" }, value);

// `text` is an unsigned document in canonical form: <Letter xmlns="…" version="…">…</Letter>
export function seal(text, key, certificate, at) {
  const [, own] = /^<\w+ xmlns="([^"]+)"/.exec(text);
  const scope = ` xmlns="${own}" xmlns:ds="${DS}" xmlns:xades="${XADES}"`;
  const inScope = (part, name) => part.replace(`<${name}`, `<${name}${scope}`);
  const method = methodOf(key);
  const properties = `<xades:SignedProperties Id="properties"><xades:SignedSignatureProperties><xades:SigningTime>${at}` +
    `</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest><ds:DigestMethod Algorithm="${SHA256}">` +
    `</ds:DigestMethod><ds:DigestValue>${digest(certificate.raw)}</ds:DigestValue></xades:CertDigest></xades:Cert>` +
    `</xades:SigningCertificateV2></xades:SignedSignatureProperties></xades:SignedProperties>`;
  const reference = (attributes, transforms, data) => `<ds:Reference ${attributes}>${transforms}` +
    `<ds:DigestMethod Algorithm="${SHA256}"></ds:DigestMethod><ds:DigestValue>${digest(data)}</ds:DigestValue></ds:Reference>`;
  const transform = (algorithm) => `<ds:Transform Algorithm="${algorithm}"></ds:Transform>`;
  const info = `<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${C14N}"></ds:CanonicalizationMethod>` +
    `<ds:SignatureMethod Algorithm="${MORE}${method.name}"></ds:SignatureMethod>` +
    reference('URI=""', `<ds:Transforms>${transform(ENVELOPED)}${transform(C14N)}</ds:Transforms>`, text) +
    reference(`Type="${PROPERTIES}" URI="#properties"`, "", inScope(properties, "xades:SignedProperties")) + "</ds:SignedInfo>";
  const value = signed(method.hash, inScope(info, "ds:SignedInfo"), key).toString("base64");
  const signature = `<ds:Signature xmlns:ds="${DS}" xmlns:xades="${XADES}" Id="signature">${info}` +
    `<ds:SignatureValue>${value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` +
    `${certificate.raw.toString("base64")}</ds:X509Certificate></ds:X509Data></ds:KeyInfo><ds:Object>` +
    `<xades:QualifyingProperties Target="#signature">${properties}</xades:QualifyingProperties></ds:Object></ds:Signature>`;
  const end = text.lastIndexOf("</");
  return Buffer.from(text.slice(0, end) + signature + text.slice(end));
}

// The root of a document that one of `pins` signed, as of a time, with its digest; throws otherwise.
export function verified(octets, pins, at) {
  const root = parse(octets), signature = root.elements.at(-1);
  const is = (element, local) => element?.local === local && element.namespace === DS;
  // `waits`: a directory that is on its way may know better.
  const require = (holds, wrong, waits = false) => { if (!holds) throw Object.assign(new Error(wrong), { waits }); };
  require(is(signature, "Signature") && root.elements.filter((one) => is(one, "Signature")).length === 1, "no one signature at its place");
  require(root.children.at(-1) === signature, "something behind the signature");
  const info = signature.find("SignedInfo"), key = signature.find("KeyInfo");
  const properties = signature.find("Object/QualifyingProperties/SignedProperties");
  const der = Buffer.from(key.text.replace(/[ \t\r\n]/g, ""), "base64");
  const pin = pins.find((one) => one.certificate.raw.equals(der));
  require(pin, "not signed with a pinned certificate", true);
  const time = new Date(at);
  require(time >= new Date(pin.certificate.validFrom) && time <= new Date(pin.certificate.validTo), "the certificate was not in force", true);
  require(!pin.revokedAt || time < new Date(pin.revokedAt), "the certificate was revoked", true);
  const named = properties.find("SignedSignatureProperties/SigningCertificateV2/Cert/CertDigest/DigestValue").text.trim();
  require(named === digest(der), "the properties name another certificate");
  const form = canonical(root, { without: signature });
  const covered = new Set();
  for (const reference of info.all("Reference")) {
    const uri = reference.get("URI");
    const transforms = (reference.find("Transforms")?.elements ?? []).map((one) => one.get("Algorithm"));
    require(reference.find("DigestMethod").get("Algorithm") === SHA256, "another digest");
    require(transforms.every((one) => [ENVELOPED, C14N, C14N10, EXCLUSIVE].includes(one)), "another transform");
    let data;
    if (uri === "") {
      require(transforms[0] === ENVELOPED && !transforms.includes(EXCLUSIVE), "the document in another form");
      data = form;
    } else {
      const part = [properties, key].find((one) => one.get("Id") && `#${one.get("Id")}` === uri);
      require(part, "a reference to something else");
      data = canonical(part, { exclusive: transforms.includes(EXCLUSIVE) });
    }
    require(reference.find("DigestValue").text.replace(/\s/g, "") === digest(data), "a digest is another");
    covered.add(uri);
  }
  require(covered.has("") && covered.has(`#${properties.get("Id")}`), "document or properties are not signed");
  const method = info.find("SignatureMethod").get("Algorithm").replace(MORE, "");
  const publicKey = pin.certificate.publicKey;
  require(method in METHODS && (publicKey.asymmetricKeyType === "rsa") === method.startsWith("rsa"), "another method");
  const exclusive = info.find("CanonicalizationMethod").get("Algorithm") === EXCLUSIVE;
  const value = Buffer.from(signature.find("SignatureValue").text.replace(/\s/g, ""), "base64");
  require(verifies(METHODS[method], canonical(info, { exclusive }), publicKey, value), "the signature does not verify");
  return { root, digest: hex(form) };
}

const url = (data) => Buffer.from(data).toString("base64url");

export function jws(payload, type, key, certificate) {
  const method = methodOf(key);
  const header = JSON.stringify({ alg: method.jose, typ: type, kid: fingerprint(certificate) });
  const signing = `${url(header)}.${url(payload)}`;
  return `${signing}.${url(signed(method.hash, signing, key))}`;
}

export function openJws(token, type, certificates) {
  const [header, payload, value] = token.split(".");
  const stated = JSON.parse(Buffer.from(header, "base64url"));
  const certificate = certificates.find((one) => fingerprint(one) === stated.kid);
  if (!certificate || stated.typ !== type) throw new Error("signed by another, or something else");
  const method = methodOf(certificate.publicKey);
  if (stated.alg !== method.jose) throw new Error("another algorithm");
  if (!verifies(method.hash, `${header}.${payload}`, certificate.publicKey, Buffer.from(value, "base64url"))) throw new Error("does not verify");
  return Buffer.from(payload, "base64url");
}

export function requestToken(agency, method, path, key, certificate) {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: agency, aud: "saraban-depot", htm: method, htu: path, iat, exp: iat + 60, jti: crypto.randomBytes(18).toString("base64url") };
  return jws(JSON.stringify(claims), "saraban-request+jwt", key, certificate);
}
