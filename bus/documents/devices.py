"""Seal keys that never leave their device: PKCS#11 (OASIS PKCS #11 2.40), named by a URI (RFC 7512).

`pkcs11:token=saraban;object=bus?module-path=/usr/lib/softhsm/libsofthsm2.so`: a token's label, the label of the private
key in it, and the library that speaks to the device. The PIN is no part of the URI: it is the seal's passphrase.

What a key signs is hashed here, and only the signature is made in the device. A device that does not answer is away for
now (`Transient`): the session is opened anew for the next signature.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from bus.errors import Misconfigured, Problem, Transient
from bus.methods import SealKey, SealPublicKey, method_for

_EXAMPLE: Final = "pkcs11:token=saraban;object=bus?module-path=/usr/lib/softhsm/libsofthsm2.so"
_TRIED: Final = b"saraban-bus: the key of a device is tried"
_KEPT: Final = "The key is in a device, which does not give it away"
try:
    import pkcs11
    from pkcs11 import Mechanism, ObjectClass
except ImportError:  # an extra: few have such a device
    _INSTALLED = False
else:
    _INSTALLED = True


class Device:
    """One private key in a token: its session, opened when it is first used, and again after it broke."""

    def __init__(self, module: Path, token: str, label: str, pin: str | None) -> None:
        self._module = module
        self._token = token
        self._label = label
        self._pin = pin
        self._key: Any = None
        self._turn = threading.Lock()
        """A session does one thing at a time (PKCS #11 2.40, section 6.7.6)."""

    def sign(self, octets: bytes, mechanism: Callable[[], object]) -> bytes:
        """Return what the device makes of these octets. Raises Transient when it does not answer."""
        with self._turn:
            try:
                if self._key is None:
                    self._key = self._open()
                signature: bytes = self._key.sign(octets, mechanism=mechanism())
            except pkcs11.PKCS11Error as error:
                self._key = None
                raise Transient(
                    f"the device of the seal's key does not answer ({type(error).__name__})"
                ) from error
        return signature

    def require(self) -> None:
        """Raise Misconfigured unless the key is there, and opens with this PIN."""
        try:
            with self._turn:
                self._key = self._open()
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
            wrong = f"the key cannot be used ({type(error).__name__})"
            fix = "Compare token, object and module-path with what the device's own tool lists, and the PIN"
            raise Misconfigured(Problem("settings", "seal.device", wrong, fix)) from error

    def _open(self) -> Any:
        token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
        try:
            session = token.open(user_pin=self._pin)
        except (
            pkcs11.UserAlreadyLoggedIn
        ):  # a login is the process's and the token's, and outlives its session
            session = token.open()
        return session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._label)


class _Kept:
    """What no key in a device does, whatever kind it is."""

    def private_numbers(self) -> NoReturn:
        raise TypeError(_KEPT)

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> NoReturn:
        raise TypeError(_KEPT)


class EllipticKey(_Kept, ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in a device, for ECDSA and nothing else."""

    def __init__(self, device: Device, public: ec.EllipticCurvePublicKey) -> None:
        self._device = device
        self._public = public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the signature in DER, as cryptography's own keys do."""
        digest = _hashed(data, signature_algorithm.algorithm)
        raw = self._device.sign(digest, lambda: Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the certificate's key."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Refuse: it is a key for signatures."""
        raise TypeError(_KEPT)

    def __copy__(self) -> EllipticKey:
        return self

    def __deepcopy__(self, memo: object) -> EllipticKey:
        return self


class RsaKey(_Kept, rsa.RSAPrivateKey):
    """An RSA key in a device, for PKCS #1 v1.5 signatures and nothing else."""

    def __init__(self, device: Device, public: rsa.RSAPublicKey) -> None:
        self._device = device
        self._public = public

    def sign(self, data: Any, padding: object, algorithm: Any) -> bytes:
        """Return the signature; `padding` is PKCS #1 v1.5, as all of ours."""
        mechanisms = {
            "sha256": lambda: Mechanism.SHA256_RSA_PKCS,
            "sha384": lambda: Mechanism.SHA384_RSA_PKCS,
            "sha512": lambda: Mechanism.SHA512_RSA_PKCS,
        }
        return self._device.sign(bytes(data), mechanisms[algorithm.name])

    def public_key(self) -> rsa.RSAPublicKey:
        """Return the certificate's key."""
        return self._public

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def decrypt(self, ciphertext: bytes, padding: object) -> NoReturn:
        """Refuse: it is a key for signatures."""
        raise TypeError(_KEPT)

    def __copy__(self) -> RsaKey:
        return self

    def __deepcopy__(self, memo: object) -> RsaKey:
        return self


def key_in_device(uri: str, public: SealPublicKey, pin: str | None) -> SealKey:
    """Return the key that a URI names, whose public half is that of the certificate.

    A signature is made and verified at once, so that a key which is another one is found here and not by everybody
    who gets a letter. Raises Misconfigured.
    """
    if not _INSTALLED:
        fix = "Install the extra: saraban-bus[pkcs11]"
        raise Misconfigured(Problem("settings", "seal.device", "python-pkcs11 is not installed", fix))
    device = Device(*_named(uri), pin)
    device.require()
    key: SealKey = (
        RsaKey(device, public) if isinstance(public, rsa.RSAPublicKey) else EllipticKey(device, public)
    )
    try:
        method_for(key).verify(public, method_for(key).sign(key, _TRIED), _TRIED)
    except InvalidSignature as error:
        wrong = "the key in the device is not that of the certificate"
        raise Misconfigured(
            Problem("settings", "seal.device", wrong, "Name the pair made together")
        ) from error
    return key


def _named(uri: str) -> tuple[Path, str, str]:
    """Take module, token and object out of a URI (RFC 7512, section 2.3). Raises Misconfigured."""
    scheme, _, rest = uri.partition(":")
    path, _, query = rest.partition("?")
    stated = {name: unquote(value) for name, _, value in (one.partition("=") for one in path.split(";"))}
    asked = dict(parse_qsl(query))
    if scheme != "pkcs11" or {*stated} - {"type"} != {"token", "object"} or {*asked} != {"module-path"}:
        raise Misconfigured(
            Problem("settings", "seal.device", "is no URI of a key that is known here", f"Write {_EXAMPLE}")
        )
    return Path(asked["module-path"]), stated["token"], stated["object"]


def _hashed(data: Any, algorithm: HashAlgorithm | object) -> bytes:
    if not isinstance(algorithm, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        raise TypeError("a seal signs with SHA-256, SHA-384 or SHA-512")
    return hashlib.new(algorithm.name, data).digest()
