"""Letters signed in the forms that other toolkits write; xmlsec1 makes the digests and the signature.

.NET and Java declare the signature's namespace as the default one, DSS canonicalises exclusively and names the issuer,
older toolkits know Canonical XML 1.0 only; most refer to neither KeyInfo nor the format of the document.
"""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bus.documents.xml import build, to_bytes
from bus.errors import RefusalCode
from tests.assets import factory

_DS = "http://www.w3.org/2000/09/xmldsig#"
_XADES = "http://uri.etsi.org/01903/v1.3.2#"
C14N_10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"


@dataclass(frozen=True, slots=True)
class Form:
    """What toolkits differ in; the values here are ours."""

    ds: str = "ds:"
    """The prefix of the signature's elements, with its colon; empty for the default namespace."""
    xades: str = "xades:"
    info: str = C14N_11
    """How SignedInfo is canonicalised."""
    whole: str | None = C14N_11
    """How the document is; None for no transform but the enveloped one."""
    parts: str | None = None
    """How the signed properties and KeyInfo are; None for no transform."""
    key: bool = True
    """Whether KeyInfo is referred to."""
    format: bool = True
    """Whether the properties describe the document."""
    issuer: bool = False
    order: tuple[int, int, int] = (0, 1, 2)
    more: str = ""
    """A further signed property."""
    pretty: str = ""
    """What stands between elements."""


ACCEPTED = {
    "our own": Form(),
    "other prefixes": Form(ds="dsig:", xades="etsi:"),
    "default namespace for the signature": Form(ds=""),
    "default namespace for the properties": Form(xades=""),
    "default namespace for both": Form(ds="", xades=""),
    "Canonical XML 1.0 for SignedInfo": Form(info=C14N_10),
    "Canonical XML 1.0 for the document": Form(whole=C14N_10),
    "Canonical XML 1.0 for all": Form(info=C14N_10, whole=C14N_10, parts=C14N_10),
    "no canonicalisation named": Form(whole=None),
    "exclusive canonicalisation of SignedInfo and the properties": Form(info=EXCLUSIVE, parts=EXCLUSIVE),
    "exclusive canonicalisation in the default namespace": Form(
        ds="", xades="", info=EXCLUSIVE, parts=EXCLUSIVE
    ),
    "no reference to KeyInfo": Form(key=False),
    "no DataObjectFormat": Form(format=False),
    "IssuerSerialV2": Form(issuer=True),
    "the document referred to last": Form(order=(2, 1, 0)),
    "the properties referred to first": Form(order=(1, 0, 2)),
    "indented": Form(pretty="\n  "),
    "as .NET writes it": Form(ds="", xades="", info=C14N_10, whole=C14N_10, key=False, format=False),
    "as Java writes it": Form(ds="", info=C14N_10, whole=None, parts=C14N_10, order=(1, 0, 2), pretty="\n"),
}

REFUSED = {
    # The digest of this reference is the identity of a document: by two canonical forms it would have two.
    "exclusive canonicalisation of the document": (Form(whole=EXCLUSIVE), RefusalCode.SIGNATURE_PROFILE),
    # Claims that nobody here checks must not stand where a court would read them as accepted.
    "a role that is claimed": (
        Form(
            more="<{x}SignerRoleV2><{x}ClaimedRoles><{x}ClaimedRole>a</{x}ClaimedRole></{x}ClaimedRoles></{x}SignerRoleV2>"
        ),
        RefusalCode.SIGNATURE_PROFILE,
    ),
    "a policy that is implied": (
        Form(
            more="<{x}SignaturePolicyIdentifier><{x}SignaturePolicyImplied/></{x}SignaturePolicyIdentifier>"
        ),
        RefusalCode.SIGNATURE_PROFILE,
    ),
}


def signed_by_xmlsec1(form: Form, folder: Path) -> bytes:
    """The letter with every field whose id is 1, signed in a form."""
    program = shutil.which("xmlsec1")
    assert program, "the tests need the xmlsec1 command"
    key = factory.seal().private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    unsigned = to_bytes(build(factory.full_letter(letter_id=UUID(int=1)))).decode()
    end = unsigned.rindex("</")
    (folder / "template.xml").write_text(unsigned[:end] + template(form) + unsigned[end:], encoding="utf-8")
    command = [program, "--sign", "--enabled-reference-uris", "empty,same-doc"]
    command += ["--id-attr:Id", f"{_XADES}:SignedProperties", "--privkey-pem", str(folder / "key.pem")]
    command += ["--output", str(folder / "signed.xml"), str(folder / "template.xml")]
    subprocess.run(command, capture_output=True, check=True)
    return (folder / "signed.xml").read_bytes()


def template(form: Form) -> str:
    """The signature of a form without its digests and its value."""
    parts = (_signed_info(form), f"<{form.ds}SignatureValue/>", _key_info(form), _object(form))
    declared = f'xmlns{":" if form.ds else ""}{form.ds.rstrip(":")}="{_DS}"'
    written = form.pretty.join(parts)
    return f'<{form.ds}Signature {declared} Id="sig">{form.pretty}{written}{form.pretty}</{form.ds}Signature>'


def _signed_info(form: Form) -> str:
    p = form.ds
    references = (
        _reference(
            form, 'URI=""' + (' Id="doc"' if form.format else ""), [f"{_DS}enveloped-signature", form.whole]
        ),
        _reference(form, 'URI="#props" Type="http://uri.etsi.org/01903#SignedProperties"', [form.parts]),
        _reference(form, 'URI="#key"', [form.parts]),
    )
    chosen = [references[n] for n in form.order if form.key or n != 2]
    methods = f'<{p}CanonicalizationMethod Algorithm="{form.info}"/>'
    methods += f'<{p}SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/>'
    return f"<{p}SignedInfo>{form.pretty}{methods}{form.pretty.join(chosen)}{form.pretty}</{p}SignedInfo>"


def _reference(form: Form, attributes: str, transforms: list[str | None]) -> str:
    p = form.ds
    named = "".join(f'<{p}Transform Algorithm="{one}"/>' for one in transforms if one)
    listed = f"<{p}Transforms>{named}</{p}Transforms>" if named else ""
    digest = f'<{p}DigestMethod Algorithm="{_SHA256}"/><{p}DigestValue/>'
    return f"<{p}Reference {attributes}>{listed}{digest}</{p}Reference>"


def _key_info(form: Form) -> str:
    p, certificate = form.ds, b64encode(_der()).decode()
    data = f"<{p}X509Data><{p}X509Certificate>{certificate}</{p}X509Certificate></{p}X509Data>"
    return f'<{p}KeyInfo Id="key">{form.pretty}{data}</{p}KeyInfo>'


def _object(form: Form) -> str:
    p, x = form.ds, form.xades
    own = "" if p else f' xmlns="{_DS}"'
    digest = f'<{p}DigestMethod{own} Algorithm="{_SHA256}"/>'
    digest += f"<{p}DigestValue{own}>{b64encode(sha256(_der()).digest()).decode()}</{p}DigestValue>"
    issuer = f"<{x}IssuerSerialV2>MIIB</{x}IssuerSerialV2>" if form.issuer else ""
    certificate = f"<{x}Cert><{x}CertDigest>{digest}</{x}CertDigest>{issuer}</{x}Cert>"
    certificate = f"<{x}SigningCertificateV2>{certificate}</{x}SigningCertificateV2>"
    signature = f"<{x}SigningTime>2026-11-26T10:00:00+07:00</{x}SigningTime>{form.pretty}{certificate}"
    signature += form.more.format(x=x)
    described = f'<{x}DataObjectFormat ObjectReference="#doc"><{x}MimeType>text/xml</{x}MimeType></{x}DataObjectFormat>'
    described = (
        f"<{x}SignedDataObjectProperties>{described}</{x}SignedDataObjectProperties>" if form.format else ""
    )
    properties = f"<{x}SignedSignatureProperties>{signature}</{x}SignedSignatureProperties>{described}"
    declared = f'xmlns{":" if x else ""}{x.rstrip(":")}="{_XADES}"'
    qualifying = f'<{x}SignedProperties Id="props">{form.pretty}{properties}</{x}SignedProperties>'
    qualifying = f'<{x}QualifyingProperties {declared} Target="#sig">{qualifying}</{x}QualifyingProperties>'
    return f"<{p}Object>{qualifying}</{p}Object>"


def _der() -> bytes:
    return factory.seal().certificate.public_bytes(Encoding.DER)
