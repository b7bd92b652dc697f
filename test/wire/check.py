"""A second implementation of docs/WIRE.md, written from that page alone, in Python with PyNaCl.

check.py vectors FOLDER WORDS   reads every vector and compares what it says with what it finds
check.py make                   prints fresh statements, sealed with keys of its own, as one JSON object
"""

import base64
import hashlib
import json
import pathlib
import sys

from nacl import bindings, exceptions
from shapes import Refused, bodies, compact, need, public_key

SEALED_UP = {"epoch-open", "reading", "event", "result", "hello", "ready"}
SEALED_DOWN = {"welcome", "receipt", "update", "command"}
CHAINED = {"epoch-open", "reading", "event", "result"}


def h(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    """WIRE 1.2: one value has one spelling."""
    need(isinstance(text, str) and "=" not in text, "malformed")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Refused("malformed") from None
    need(b64(data) == text, "malformed")
    return data


def id_text(data):
    return base64.b32encode(data).rstrip(b"=").decode().lower()


def id_bytes(text):
    return base64.b32decode(text.upper() + "======")


def kid(use, key):
    """WIRE 2.2."""
    return h(b"VG1 kid " + use.encode() + b" " + key)[:8]


def pae(kind, body):
    """WIRE 3.2."""
    kind = kind.encode()
    return b"VG1 %d %s %d %s" % (len(kind), kind, len(body), body)


def six_words(salt, data, words):
    """WIRE 2.5."""
    digest = hashlib.scrypt(data, salt=salt, n=2**15, r=8, p=1, dklen=32, maxmem=2**26)
    bits = int.from_bytes(digest, "big") >> (256 - 66)
    return " ".join(words[bits >> shift & 2047] for shift in (55, 44, 33, 22, 11, 0))


def verify(key, kind, body, signature):
    try:
        bindings.crypto_sign_open(signature + pae(kind, body), key)
    except exceptions.BadSignatureError:
        raise Refused("bad-signature") from None


def open_envelope(envelope, secret):
    """WIRE 4: signature, type and body of an envelope."""
    need(126 <= len(envelope) <= 16384, "malformed")
    need(envelope[:4] == b"VG\x01\x00", "malformed")
    mine = bindings.crypto_scalarmult_base(secret)
    need(envelope[4:12] == kid("x25519", mine), "wrong-audience")
    ephemeral = envelope[12:44]
    public_key("x25519", ephemeral, "unopened")
    nonce = h(b"VG1 nonce" + envelope[:44] + mine)[:24]
    try:
        plain = bindings.crypto_box_open(envelope[44:], nonce, ephemeral, secret)
    except (exceptions.CryptoError, RuntimeError):
        raise Refused("unopened") from None
    length = plain[64]
    need(1 <= length <= 32 and len(plain) > 65 + length, "malformed")
    kind = plain[65 : 65 + length]
    need(all(c in b"abcdefghijklmnopqrstuvwxyz-" for c in kind), "malformed")
    return plain[:64], kind.decode(), plain[65 + length :]


def seal(signature, kind, body, receiver):
    """WIRE 4.2 with an ephemeral key of its own."""
    public, secret = bindings.crypto_box_keypair()
    head = b"VG\x01\x00" + kid("x25519", receiver) + public
    nonce = h(b"VG1 nonce" + head + receiver)[:24]
    plain = signature + bytes([len(kind)]) + kind.encode() + body
    return head + bindings.crypto_box(plain, nonce, receiver, secret)


def head_zero(gateway, epoch, key_id, server):
    """WIRE 5.1."""
    return h(b"VG1 epoch" + id_bytes(gateway) + epoch + key_id + id_bytes(server))


def read_sealed(v, data, _words):
    """WIRE 12, the checks of one envelope in their order."""
    signature, kind, body = open_envelope(data, bytes.fromhex(v["box-secret"]))
    need(kind in (SEALED_UP if v["way"] == "up" else SEALED_DOWN), "wrong-type")
    members = compact(body)
    bodies["parties"](members)
    if v["way"] == "up":
        need(members["iss"] == v["signer"], "topic-mismatch")
    need(members["aud"] == v["receiver"], "wrong-audience")
    need(members["akid"] == data[4:12].hex(), "wrong-audience")
    need(members["iss"] == v["signer"], "unknown-key")
    key = bytes.fromhex(v["signer-key"])
    need(members["kid"] == kid("ed25519", key).hex(), "unknown-key")
    verify(key, kind, body, signature)
    bodies[kind](members)
    found = {"type": kind, "envelope-hash": h(data).hex(), "body": body.decode()}
    if kind in CHAINED:
        if members["seq"] == 1:
            first = head_zero(members["iss"], bytes.fromhex(members["epoch"]), kid("ed25519", key), members["aud"])
            need(members["prev"] == first.hex(), "malformed")
        found["prev"] = members["prev"]
        found["head"] = h(b"VG1 chain" + bytes.fromhex(members["prev"]) + h(data)).hex()
    if kind == "ready" and "hello" in v:
        seen = h(b"VG1 ready" + h(pae("hello", v["hello"].encode())) + h(pae("welcome", v["welcome"].encode())))
        found["seen"] = seen.hex()
        need(members["seen"] == found["seen"], "malformed")
    return found


def take_public(value, kind):
    """WIRE 3.7: body and signature of a public statement, before anything is believed."""
    need(isinstance(value, dict) and set(value) == {"type", "body", "sig"}, "malformed")
    need(all(isinstance(one, str) for one in value.values()) and len(value["body"]) <= 65536, "malformed")
    body, signature = unb64(value["body"]), unb64(value["sig"])
    need(len(signature) == 64, "malformed")
    need(value["type"] == kind, "wrong-type")
    return body, signature


def json_text(data, limit):
    need(len(data) <= limit, "malformed")
    try:
        return json.loads(data.decode())
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Refused("malformed") from None


def believe(value, kind, key):
    """A public statement that this key has signed (WIRE 9.6)."""
    body, signature = take_public(value, kind)
    verify(key, kind, body, signature)
    members = compact(body)
    bodies[kind](members)
    need(members["kid"] == kid("ed25519", key).hex(), "unknown-key")
    return body, members


def read_public(v, data, words):
    value = json_text(data, 131072)
    if v["type"] != "request":
        body, _ = believe(value, v["type"], bytes.fromhex(v["signer-key"]))
        return {"type": v["type"], "body": body.decode(), "pae-hash": h(pae(v["type"], body)).hex()}
    need(len(data) <= 32768, "malformed")
    body, _ = take_public(value, "request")
    members = compact(body)
    bodies["request"](members)
    believe(value, "request", unb64(members["keys"]["sign"]))
    said = six_words(id_bytes(members["gateway"]), pae("request", body), words)
    return {"type": "request", "body": body.decode(), "words": said}


def read_bundle(v, data, words):
    """WIRE 10.2, all of it but what only the box and an X.509 library know."""
    value = json_text(data, 131072)
    names = {"bundle", "gateway", "root", "successor", "operators", "binding", "serverEntry", "certificate"}
    need(isinstance(value, dict) and set(value) == names and value["bundle"] == 1, "malformed")
    need(isinstance(value["operators"], list) and len(value["operators"]) <= 16, "malformed")
    bodies["pem"](value["certificate"])
    root = unb64(value["root"])
    public_key("ed25519", root, "malformed")
    if value["successor"] is not None:
        public_key("ed25519", unb64(value["successor"]), "malformed")
    _, binding = believe(value["binding"], "binding", root)
    _, entry = believe(value["serverEntry"], "server-entry", root)
    for operator in value["operators"]:
        believe(operator, "operator", root)
    need(binding["gateway"] == value["gateway"] and binding["server"] == entry["server"], "malformed")
    return {"words": six_words(b"VG1 root", root, words), "server": entry["server"]}


def read_keyfile(v, data, _words):
    """WIRE 11."""
    value = json_text(data, 131072)
    need(set(value) == {"keyfile", "lock", "nonce", "sealed"} and value["keyfile"] == 1, "malformed")
    lock = value["lock"]
    if lock["kind"] == "secret":
        need(set(lock) == {"kind"}, "malformed")
        key = h(b"VG1 keyfile" + bytes.fromhex(v["secret"]))
    else:
        need(lock == {"kind": "scrypt", "n": 32768, "r": 8, "p": 1, "salt": lock.get("salt")}, "malformed")
        salt, phrase = unb64(lock["salt"]), v["passphrase"].encode()
        key = hashlib.scrypt(phrase, salt=salt, n=32768, r=8, p=1, dklen=32, maxmem=2**26)
    try:
        plain = bindings.crypto_secretbox_open(unb64(value["sealed"]), unb64(value["nonce"]), key)
    except exceptions.CryptoError:
        raise Refused("unopened") from None
    compact(plain)
    return {"plain": plain.decode()}


def read_key(v, data, _words):
    public_key(v["use"], data)
    return {"kid": kid(v["use"], data).hex()}


READERS = {"sealed": read_sealed, "public": read_public, "bundle": read_bundle, "keyfile": read_keyfile, "key": read_key}

# What an opened vector states beside its keys (WIRE 13.3).
DERIVED = {"type", "body", "prev", "head", "envelope-hash", "seen", "words", "kid", "plain", "pae-hash"}


def read_vectors(folder, words_file):
    words = pathlib.Path(words_file).read_text().split()
    wrong = 0
    files = sorted(pathlib.Path(folder).glob("*.txt"))
    for file in files:
        top, _, bottom = file.read_text().partition("\n\n")
        v = dict(line.split(": ", 1) for line in top.split("\n"))
        try:
            found = READERS[v["kind"]](v, bytes.fromhex("".join(bottom.split())), words)
            found["expect"] = "opened"
        except Refused as refusal:
            found = {"expect": refusal.outcome}
        told = DERIVED & v.keys() if found["expect"] == "opened" else set()
        for name in {"expect", *told}:
            if v[name] != found.get(name):
                wrong += 1
                print(f"{file.name}: {name}: {v[name]} but found {found.get(name)}")
    print(f"{len(files)} vectors, {wrong} differences")
    return 0 if wrong == 0 and files else 1


if __name__ == "__main__":
    if sys.argv[1] == "vectors":
        sys.exit(read_vectors(sys.argv[2], sys.argv[3]))
    from fresh import make

    print(json.dumps(make()))
