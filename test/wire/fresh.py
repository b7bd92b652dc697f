"""Fresh statements of every type, signed and sealed by the second implementation with keys of its own."""

import json
import os

import check
from nacl import bindings


def dump(members):
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


class Holder:
    """Whoever signs and opens: an id, a signing key and a box key."""

    def __init__(self):
        self.id = check.id_text(os.urandom(16))
        self.sign_public, self.sign_secret = bindings.crypto_sign_keypair()
        self.box_public, self.box_secret = bindings.crypto_box_keypair()

    def kid(self):
        return check.kid("ed25519", self.sign_public)

    def signature(self, kind, body):
        return bindings.crypto_sign(check.pae(kind, body), self.sign_secret)[:64]

    def say(self, kind, to, members):
        parties = {"iss": self.id, "kid": self.kid().hex(), "aud": to.id, "akid": check.kid("x25519", to.box_public).hex()}
        body = dump({**parties, **members})
        return body, check.seal(self.signature(kind, body), kind, body, to.box_public)

    def publish(self, kind, members):
        body = dump({"kid": self.kid().hex(), **members})
        return {"type": kind, "body": check.b64(body), "sig": check.b64(self.signature(kind, body))}


def moment(mono):
    return {"wall": 1783760700000 + mono, "source": "ntp", "uncertainty": None, "boot": "0123456789abcdef" * 2, "mono": mono}


def chained(gateway, server):
    """An epoch of four statements, each with the head that follows it."""
    epoch = os.urandom(8)
    head = check.head_zero(gateway.id, epoch, gateway.kid(), server.id)
    yield {"type": "zero", "epoch": epoch.hex(), "head": head.hex()}
    reading = {
        "device": "cuff-1", "station": "room-12", "driver": {"id": "omron-hbp9030", "revision": 1, "hash": "ab" * 32},
        "link": {"kind": "serial", "check": "none"}, "raw": "5a" * 4096,
        "values": {"systolic": {"n": 120, "s": 0, "u": "mm[Hg]"}, "body-temperature": {"n": -5, "s": 6, "u": "Cel"}},
        "deviceTime": "2026-07-11T09:05:30", "deviceId": "\"\\ ~", "attribution": {"band": "band 1", "scannedMono": 7},
        "notes": ["unguarded-frame"],
    }  # fmt: skip
    drafts = [
        ("epoch-open", {"before": {"epoch": "00" * 8, "seq": 2**53 - 1, "head": "0f" * 32}, "why": "repair", "software": "1.0 \u00e9\u2028\U0001f600\x7f\x1f\"/"}),
        ("reading", reading),
        ("event", {"event": "clock-anchored", "detail": {"boot": "ab" * 16, "mono": 0, "wall": 1783760700000}}),
        ("result", {"intent": "cd" * 16, "outcome": "done", "detail": {"rows": 3, "ok": True, "text": "a\nb"}}),
    ]  # fmt: skip
    for seq, (kind, members) in enumerate(drafts, 1):
        place = {"epoch": epoch.hex(), "seq": seq, "prev": head.hex(), "time": moment(seq)}
        body, envelope = gateway.say(kind, server, {**place, **members})
        head = check.h(b"VG1 chain" + head + check.h(envelope))
        yield {"type": kind, "way": "up", "body": body.decode(), "envelope": envelope.hex(), "head": head.hex()}


def session(gateway, server):
    """A handshake and a receipt."""
    versions = {"binding": 1, "serverEntry": 2, "devices": 0, "revocations": 0}
    place = {"epoch": "ef" * 8, "seq": 9, "head": "12" * 32}
    hello = {
        "nonce": "34" * 16, "boot": "ab" * 16, "epochs": [place], "token": 0, "software": "1.0", "drivers": "56" * 32,
        "clock": moment(1), "versions": versions,
    }  # fmt: skip
    welcome = {
        "nonce": "34" * 16, "serverNonce": "78" * 16, "epochs": [{**place, "holes": [[1, 2], [3, 3]]}], "status": "hold",
        "token": 4, "time": 1783760700000, "minVersion": "", "versions": versions,
    }  # fmt: skip
    receipt = {**place, "holes": [], "time": 1783760700001}
    first, sealed = gateway.say("hello", server, hello)
    yield {"type": "hello", "way": "up", "body": first.decode(), "envelope": sealed.hex()}
    second, sealed = server.say("welcome", gateway, welcome)
    yield {"type": "welcome", "way": "down", "body": second.decode(), "envelope": sealed.hex()}
    seen = check.h(b"VG1 ready" + check.h(check.pae("hello", first)) + check.h(check.pae("welcome", second))).hex()
    body, sealed = gateway.say("ready", server, {"serverNonce": "78" * 16, "token": 4, "seen": seen})
    yield {"type": "ready", "way": "up", "body": body.decode(), "envelope": sealed.hex(), "seen": seen}
    body, sealed = server.say("receipt", gateway, receipt)
    yield {"type": "receipt", "way": "down", "body": body.decode(), "envelope": sealed.hex()}


def public(root, gateway, server):
    """One of each registry statement, all signed by one root."""
    b64 = check.b64
    keys = {"sign": b64(gateway.sign_public), "box": b64(gateway.box_public), "tls": "9a" * 32}
    ours = {"box": b64(server.box_public), "receipt": b64(server.sign_public), "command": b64(root.sign_public)}
    yield root.publish("binding", {"gateway": gateway.id, "server": server.id, "version": 1, "site": "elm", "keys": keys, "since": 0})
    yield root.publish("server-entry", {
        "server": server.id, "version": 2, "keys": ours, "brokers": ["mqtts://broker.example:8883", "mqtts://[::1]:8883"],
        "ca": ["-----BEGIN CERTIFICATE-----\n"], "pins": ["bc" * 32], "from": 0, "until": 253402300799999,
    })  # fmt: skip
    yield root.publish("operator", {"operator": "anne", "key": b64(gateway.sign_public), "since": 1})
    listed = [{"device": "cuff-1", "driver": "omron-hbp9030", "station": "room-12", "proposal": "de" * 32}]
    yield root.publish("device-list", {"gateway": gateway.id, "version": 1, "before": None, "devices": listed})


def make():
    """Everything, with the secrets that the reader needs."""
    gateway, server, root = Holder(), Holder(), Holder()
    return {
        "gateway": {"id": gateway.id, "sign": gateway.sign_public.hex(), "box": gateway.box_secret.hex()},
        "server": {"id": server.id, "sign": server.sign_public.hex(), "box": server.box_secret.hex()},
        "root": root.sign_public.hex(),
        "sealed": [*chained(gateway, server), *session(gateway, server)],
        "public": [*public(root, gateway, server)],
    }
