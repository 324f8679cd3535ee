"""Content credentials: signed claims of C2PA inside files, which other programs read.

Specification 2.2, https://spec.c2pa.org, through c2pa-python (extra `c2pa`), offline: no time stamp
is asked for, no revocation, no remote manifest. A claim says that a trained algorithm made the item
(IPTC's trainedAlgorithmicMedia), with which program and when, and holds the hash of the file; what
an edit began with is its ingredient, with the claims that it had. The key and its chain lie in the
user's settings: a chain of one's own proves that the file is as it was signed, not who signed it,
unless its root is known to the reader.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Literal

from castalia import atomic, bounded, user_dirs
from castalia.errors import DataError, MissingExtra, RunError, StorageError
from castalia.sentences import say, series

MADE_BY_ALGORITHM = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # IPTC NewsCodes
)
# what the library reads, of what people have; it takes endings as the names of formats
READ = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".wav", ".mp3", ".flac"}
    | {".mp4", ".mov", ".avi", ".pdf"}
)
# and of that, what Castalia writes
SIGNED = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".wav", ".mp4"})
# how files begin: at a place, with these bytes
BEGINNINGS = (
    (0, b"\x89PNG", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (8, b"WEBP", ".webp"),
    (8, b"WAVE", ".wav"),
    (0, b"GIF8", ".gif"),
    (4, b"ftyp", ".mp4"),
    (0, b"%PDF", ".pdf"),
)
YEARS = 5
State = Literal["trusted", "valid", "broken"]


@dataclass(frozen=True)
class Claim:
    """What is in a file. state: "trusted": by a root of this installation; "valid": the file is as
    it was signed, by somebody; "broken": it is not, and `problems` say why in C2PA's codes.
    """

    state: State
    signer: str
    source: str
    ingredients: int
    problems: tuple[str, ...] = ()


def folder() -> Path:
    """Where chain and key are."""
    return user_dirs.settings() / "credentials"


def chain() -> Path:
    """Certificates in PEM: the signer's, then those above it."""
    return folder() / "chain.pem"


def private() -> Path:
    return folder() / "key.pem"


# Keys ---------------------------------------------------------------------------------------------


def make(name: str) -> Path:
    """A key, its certificate, and a root of one's own that issued it; returns the chain's file.
    Raises RunError where there are keys, MissingExtra.
    """
    _expect_no_keys()
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise MissingExtra("cryptography", "c2pa") from error
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def named(common: str) -> Any:
        attributes = ((NameOID.ORGANIZATION_NAME, name), (NameOID.COMMON_NAME, common))
        return x509.Name([x509.NameAttribute(oid, text[:64]) for oid, text in attributes])

    def issued(subject: Any, key: Any, usage: str, top: bool) -> Any:
        usages = dict.fromkeys(_USAGES, False) | {usage: True}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(named(f"{name[:59]} root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365 * YEARS))
            .add_extension(x509.BasicConstraints(top, 0 if top else None), True)
            .add_extension(x509.KeyUsage(**usages), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False
            )
        )
        if not top:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, False)
        return builder.sign(root_key, hashes.SHA256())

    root = issued(named(f"{name[:59]} root"), root_key, "key_cert_sign", True)
    leaf = issued(named(name), leaf_key, "digital_signature", False)
    pem = serialization.Encoding.PEM
    secret = leaf_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _keep(leaf.public_bytes(pem) + root.public_bytes(pem), secret)
    return chain()


_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def take(certificates: Path, key: Path) -> Path:
    """The user's own chain and key, copied to the settings. Raises RunError where there are keys,
    DataError for some that do not sign.
    """
    _expect_no_keys()
    pair = [bounded.read_bytes(path, "settings_bytes") for path in (certificates, key)]
    _signer(*pair, where=certificates)
    _keep(*pair)
    return chain()


def _expect_no_keys() -> None:
    if private().exists():
        raise RunError(
            say("there are keys already"),
            where=folder(),
            fix=say("move that folder away first; keep it while files of it are in use"),
        )


def _keep(certificates: bytes, secret: bytes) -> None:
    try:
        folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            say("the keys cannot be written: {0}", error.strerror or error), where=folder()
        ) from error
    atomic.write(chain(), certificates)
    with atomic.place(private()) as temporary:
        temporary.touch(0o600)
        temporary.write_bytes(secret)


# Signing ------------------------------------------------------------------------------------------


class Signer:
    """The installation's key, opened once."""

    def __init__(self) -> None:
        """Raises RunError where there is no key, MissingExtra."""
        if not private().exists():
            raise RunError(
                say("there is no key to sign with"),
                where=folder(),
                fix="castalia keys new --name NAME",
            )
        self.certificates = bounded.read_bytes(chain(), "settings_bytes", RunError)
        secret = bounded.read_bytes(private(), "settings_bytes", RunError)
        self._signer = _signer(self.certificates, secret, where=folder())
        self.name = _name_of(self.certificates)

    def sign(self, path: Path, generator: str, inputs: Sequence[Path | bytes] = ()) -> None:
        """Put a claim into a file that has none yet. generator: "castalia 0.1.0". inputs: files
        that it was made from, or their content, which become its ingredients with the claims that
        they carry.
        """
        c2pa = _library()
        name, _, version = generator.partition(" ")
        about = {
            "claim_generator_info": [{"name": name, "version": version}],
            "assertions": [
                {
                    "label": "c2pa.actions.v2",
                    "data": {
                        "actions": [
                            {"action": "c2pa.created", "digitalSourceType": MADE_BY_ALGORITHM}
                        ]
                    },
                }
            ],
        }
        builder = c2pa.Builder(json.dumps(about), _context())
        form = path.suffix.lower()[1:]
        for given in inputs:
            with _opened(given) as file:
                kind = _kind_of(file)
                if kind is not None:
                    title = given.name if isinstance(given, Path) else "input"
                    facts = {"title": title, "relationship": "inputTo"}
                    builder.add_ingredient(json.dumps(facts), kind, file)
        signed = path.with_name(f"{path.stem}.signed{path.suffix}")
        try:
            with bounded.open_regular(path) as source, open(signed, "w+b") as target:
                builder.sign(self._signer, form, source, target)
            signed.replace(path)
        finally:
            signed.unlink(missing_ok=True)


def _opened(given: Path | bytes) -> IO[bytes]:
    return bounded.open_regular(given) if isinstance(given, Path) else io.BytesIO(given)


def _kind_of(file: IO[bytes]) -> str | None:
    """The format of a file by how it begins; None where it can have no claim."""
    head = file.read(16)
    file.seek(0)
    found = (suffix for at, start, suffix in BEGINNINGS if head[at:].startswith(start))
    return next(found, "")[1:] or None


def _signer(certificates: bytes, secret: bytes, where: object) -> Any:
    """Of the library, for the kind of key that it is. Raises DataError for what does not sign."""
    c2pa = _library()
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    except ImportError as error:
        raise MissingExtra("cryptography", "c2pa") from error
    try:
        key = serialization.load_pem_private_key(secret, None)
        curves = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}
        kind = (
            curves[key.curve.name]
            if isinstance(key, ec.EllipticCurvePrivateKey)
            else b"ed25519"
            if isinstance(key, ed25519.Ed25519PrivateKey)
            else b"ps256"
        )
        facts = c2pa.C2paSignerInfo(
            alg=kind, sign_cert=certificates, private_key=secret, ta_url=None
        )
        return c2pa.Signer.from_info(facts)
    except (ValueError, TypeError, KeyError, c2pa.C2paError) as error:
        raise DataError(
            say("these keys do not sign: {0}", str(error)[:200]),
            where,
            say("a chain in PEM, the signer first, and its key in PEM without a password"),
        ) from error


def _name_of(certificates: bytes) -> str:
    """Whom the first certificate is for."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_pem_x509_certificates(certificates)[0].subject
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else subject.rfc4514_string()


def _context() -> Any:
    """No network, no thumbnails, and the installation's own root is known."""
    c2pa = _library()
    settings: dict[str, Any] = {
        "builder": {"thumbnail": {"enabled": False}},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    if chain().exists():
        text = bounded.read_text(chain(), "settings_bytes", RunError)
        settings["trust"] = {"user_anchors": text}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingExtra("c2pa-python", "c2pa") from error
    return c2pa


# Reading ------------------------------------------------------------------------------------------


def read(path: Path) -> Claim | None:
    """The claim in a file; None where it has none, or is of a kind that holds none. Raises
    MissingExtra.
    """
    form = path.suffix.lower()
    if form not in READ:
        return None
    c2pa = _library()
    try:
        with bounded.open_regular(path) as file:
            told = c2pa.Reader(form[1:], file, context=_context()).json()
    except c2pa.C2paError as error:
        if "ManifestNotFound" in str(error):
            return None
        return Claim("broken", "", "", 0, (str(error)[:200],))
    found: dict[str, Any] = bounded.parse_json(told)
    states: dict[str, State] = {"Trusted": "trusted", "Valid": "valid"}
    active = found["manifests"].get(found.get("active_manifest"), {})
    codes = tuple(
        one["code"]
        for one in found.get("validation_status", [])
        if one["code"] != "signingCredential.untrusted"
    )
    sources = [
        action.get("digitalSourceType", "")
        for assertion in active.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]
    signature = active.get("signature_info", {})
    return Claim(
        states.get(found.get("validation_state", ""), "broken"),
        str(signature.get("common_name") or signature.get("issuer") or ""),
        next(filter(None, sources), "").rpartition("/")[2],
        len(active.get("ingredients", [])),
        codes,
    )


def described(claim: Claim) -> str:
    """One sentence on a claim."""
    if claim.state == "broken":
        return say("its content credentials (C2PA) do not fit: {0}", series(claim.problems))
    if claim.state == "trusted":
        return say(
            "content credentials (C2PA): signed by {0}, a key of this installation", claim.signer
        )
    return say("content credentials (C2PA): signed by somebody who says to be {0}", claim.signer)
