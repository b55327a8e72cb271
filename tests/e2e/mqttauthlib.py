"""MQTT doors that ask who somebody is: tokens (HS256), roles, and what a reload takes away."""

import signal
import time

import mqttlib
from identitylib import SecretKey, b64, packed
from mqttlib import AUTH, CONNACK, connect, packet, properties

SECRET = "a secret of thirty-two bytes and more"
WRONG, DENIED = 0x86, 0x87  # bad user name or password; not authorized
QUOTA = 0x97


def token(sub="alice", publish=(), subscribe=(), roles=(), ttl=600, secret=SECRET, alg="HS256",
          **claims):
    """A JWT without issuer and audience; a claim that is None is left out."""
    body = {"sub": sub, "exp": int(time.time()) + ttl,
            "sluice": {"publish": list(publish), "subscribe": list(subscribe),
                       "roles": list(roles)}, **claims}
    text = packed({"alg": alg, "typ": "JWT"}) + "." \
        + packed({k: v for k, v in body.items() if v is not None})
    signature = SecretKey(secret.encode()).sign(alg, text.encode())
    return f"{text}.{b64(signature) if alg != 'none' else ''}"


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
    """text: its configuration; revoked: the file that it names."""

    def __init__(self, sluice, text, revoked):
        super().__init__(sluice)
        self.text, self.revoked = text, revoked

    def revoke(self, *ids):
        self.revoked.write_text("".join(f"{i}\n" for i in ids))
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
