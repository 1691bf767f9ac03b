"""Certificates made on the fly, and the listeners of a broker that asks for a login."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.kafka.planted import PASSWORD, PLANTED


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of one certificate authority, a broker, and clients."""

    ca: Path
    broker: Path
    """Key and chain in one file, as Kafka's PEM key stores want it."""
    client: Path
    client_key: Path
    stranger: Path
    """A client certificate of an authority that the broker does not trust."""
    stranger_key: Path
    other_ca: Path
    """That authority: a client trusting only it refuses the broker."""


@dataclass(frozen=True, slots=True)
class Security:
    """What a secured broker has: users with passwords (PLAIN and SCRAM alike), and permissions or none.

    With `acls`, the user `admin` and the open listener (the harness itself) may do everything; anybody else,
    the holder of a certificate too, needs a grant.
    """

    users: Mapping[str, str] = field(default_factory=lambda: {"ews": PASSWORD, "admin": f"{PLANTED}-admin"})
    acls: bool = False
    oauth: bool = False
    """Whether anybody may log in with a token that nobody has signed, as whom its claim `sub` names, until its `exp`."""


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    return key, made


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _leaf(
    name: str, authority_key: ec.EllipticCurvePrivateKey, authority: x509.Certificate
) -> tuple[bytes, bytes]:
    """PEM of the certificate and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), authority.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


def make_certificates(folder: Path) -> Certificates:
    """Writes a fresh set into `folder`, valid for 127.0.0.1 and localhost for two days."""
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    key, authority = _authority("ews tests")
    other_key, other = _authority("somebody else")
    ca_pem = authority.public_bytes(serialization.Encoding.PEM)
    broker, broker_key = _leaf("broker", key, authority)
    client, client_key = _leaf("ews", key, authority)
    stranger, stranger_key = _leaf("ews", other_key, other)
    return Certificates(
        ca=write("ca.pem", ca_pem),
        broker=write("broker.pem", broker_key + broker + ca_pem),
        client=write("client.pem", client),
        client_key=write("client.key", client_key),
        stranger=write("stranger.pem", stranger),
        stranger_key=write("stranger.key", stranger_key),
        other_ca=write("other-ca.pem", other.public_bytes(serialization.Encoding.PEM)),
    )


def unsecured_token(user: str, expires: float, **claims: object) -> str:
    """A token as `Security.oauth` takes it: an unsecured JWS (RFC 7515) for `user`, good until `expires` (s since 1970)."""
    payload = {"sub": user, "iat": min(time.time(), expires - 1), "exp": expires, **claims}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, payload))
    return ".".join(part.decode() for part in parts) + "."


def listener_settings(security: Security, certificates: Certificates) -> dict[str, str]:
    """Broker settings of the listeners LOGIN (SASL over TLS) and MTLS (client certificates)."""
    users = " ".join(f'user_{name}="{password}"' for name, password in security.users.items())
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", *(["OAUTHBEARER"] if security.oauth else [])]
    settings = {
        "listener.name.login.sasl.enabled.mechanisms": ",".join(mechanisms),
        "listener.name.login.plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        ),
        "listener.name.login.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.login.scram-sha-512.sasl.jaas.config": scram,
        "listener.name.mtls.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]*).*$/$1/,DEFAULT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
    }
    if security.oauth:
        # The broker logs in to itself too, with a token that it makes.
        bearer = "org.apache.kafka.common.security.oauthbearer"
        settings |= {
            "listener.name.login.oauthbearer.sasl.jaas.config": (
                f'{bearer}.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            ),
            "listener.name.login.oauthbearer.sasl.server.callback.handler.class": (
                f"{bearer}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
            ),
        }
    if security.acls:
        settings |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:admin",
        }
    return settings
