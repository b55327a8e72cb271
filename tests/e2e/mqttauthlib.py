"""MQTT doors that ask who somebody is: tokens (HS256), users, roles, and what a reload takes away.

Tokens are made here with hmac alone, passwords hashed by libcrypt: neither by what is tested.
"""

import base64
import hashlib
import hmac
import json
import signal
import time
import warnings

import mqttlib
from mqttlib import AUTH, CONNACK, connect, packet, properties

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

SECRET = "a secret of thirty-two bytes and more"
PASSWORD = "correct horse"
WRONG, DENIED = 0x86, 0x87  # bad user name or password; not authorized
QUOTA = 0x97


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(sub="alice", publish=(), subscribe=(), roles=(), ttl=600, secret=SECRET, alg="HS256",
          **claims):
    """A JWT; a claim that is None is left out."""
    body = {"sub": sub, "exp": int(time.time()) + ttl,
            "sluice": {"publish": list(publish), "subscribe": list(subscribe),
                       "roles": list(roles)}, **claims}
    body = {k: v for k, v in body.items() if v is not None}
    text = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode()) + "." \
        + b64(json.dumps(body).encode())
    mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{b64(mac) if alg != 'none' else ''}"


def hashed(password):
    return crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000))


def auth(data=None, reason=0x19, method="jwt", **props):
    """AUTH; method and data None: left out."""
    if data is not None:
        props["auth_data"] = data
    if method is not None:
        props["auth_method"] = method
    return packet(AUTH, 0, bytes([reason]) + properties(props))


ROLES = """
[role "own"]
publish = own/%u/#
subscribe = own/%u/#, shared/#

[role "device"]
publish = devices/%c/#
subscribe = devices/%c/#

[role "boss"]
publish = #
subscribe = #
"""


class AuthDoor(mqttlib.Door):
    """Files beside its configuration; reload() makes the gateways read them."""

    def file(self, name):
        return self.sluice.folder / name

    def users(self, **roles):
        """alice="own": with PASSWORD; hashes stay, so that only what is given changes."""
        self.hashes = getattr(self, "hashes", {})
        for name in roles:
            self.hashes.setdefault(name, hashed(PASSWORD))
        self.file("users").write_text("".join(
            f"{n}:{self.hashes[n]}:{r}\n" for n, r in roles.items()))
        self.file("users").chmod(0o600)

    def revoke(self, *ids):
        self.file("revoked").write_text("".join(f"{i}\n" for i in ids))
        self.reload()

    def configure(self, text):
        self.sluice.config.write_text(text)
        self.reload()

    def reload(self):
        """SIGHUP: what it took away has ended within a second, which closed() waits for."""
        for name, p in self.sluice.processes.items():
            if name.startswith("mqtt") or name == "broker":
                p.signal(signal.SIGHUP)

    def refused(self, client="c", version=mqttlib.V5, over="tcp", gateway="mqtt", **kw):
        """The CONNACK's reason or return code; it is closed after that."""
        c = self.open(gateway, version, over)
        c.send(connect(self.name(client), version, **kw))
        p = c.take(CONNACK)
        assert p.reason != 0, p
        assert c.closed() is None
        return p.reason

    def by_token(self, client=None, version=mqttlib.V5, jwt=None, clean=True, **kw):
        """Connected with a token in the password's place; kw: the token's."""
        more = {"session_expiry": 600} if not clean and version == mqttlib.V5 else {}
        return self.connect(client, version, user="x", password=jwt or token(**kw), clean=clean,
                            **more)

    def by_auth(self, client=None, jwt=None, clean=True, **kw):
        """The same by the method jwt."""
        more = {} if clean else {"session_expiry": 600}
        return self.connect(client, auth_method="jwt", auth_data=jwt or token(**kw), clean=clean,
                            **more)
