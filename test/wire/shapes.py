"""What docs/WIRE.md says of bodies: compact JSON (3.3), the members of every type, and public keys (2.3)."""

import base64
import json
import re

P = 2**255 - 19
BIG = 2**53 - 1
YEAR_9999 = 253402300799999
# WIRE 2.3, besides 0, 1 and p - 1.
SMALL = {
    "ed25519": (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ),
    "x25519": (
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ),
}
# docs/DRIVERS.md: kinds and their units.
UNITS = {
    "body-weight": "kg", "body-height": "cm", "bmi": "kg/m2", "body-fat": "%", "systolic": "mm[Hg]",
    "diastolic": "mm[Hg]", "mean-arterial-pressure": "mm[Hg]", "pulse-rate": "/min", "spo2": "%",
    "perfusion-index": "%", "body-temperature": "Cel", "blood-glucose": "mg/dL",
}  # fmt: skip


class Refused(Exception):
    """What a receiver refuses, with the outcome that a vector expects."""

    def __init__(self, outcome):
        super().__init__(outcome)
        self.outcome = outcome


def need(ok, outcome="malformed"):
    if not ok:
        raise Refused(outcome)


def public_key(use, key, outcome="key-invalid"):
    """WIRE 2.3."""
    need(len(key) == 32, outcome)
    y = int.from_bytes(key, "little")
    if use == "ed25519":
        y &= 2**255 - 1
    need(y < P, outcome)
    need(y not in (0, 1, P - 1) and y not in [int.from_bytes(bytes.fromhex(s), "little") for s in SMALL[use]], outcome)


def once(pairs):
    """An object whose member names are unique, not all digits, and not __proto__."""
    need(len({name for name, _ in pairs}) == len(pairs))
    need(not any(re.fullmatch("[0-9]+|__proto__", name) for name, _ in pairs))
    return dict(pairs)


def refuse(_):
    raise Refused("malformed")


def depth(value):
    if isinstance(value, dict):
        return 1 + max([0, *map(depth, value.values())])
    return 1 + max([0, *map(depth, value)]) if isinstance(value, list) else 0


def whole(text):
    need(len(text) <= 17 and abs(int(text)) <= BIG)
    return int(text)


def compact(body):
    """WIRE 3.3: the one object that these bytes are the compact form of."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=once, parse_int=whole, parse_float=refuse, parse_constant=refuse)
        need(isinstance(value, dict) and depth(value) <= 8)
        again = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    need(again == body)
    return value


def shape(**members):
    """Exactly these members; a name that ends in _ may be missing."""

    def check(value):
        need(isinstance(value, dict))
        for name, one in members.items():
            plain = name.rstrip("_")
            if plain in value:
                one(value[plain])
            else:
                need(name.endswith("_"))
        need(set(value) <= {name.rstrip("_") for name in members})

    return check


def integer(low=0, high=BIG):
    return lambda v: need(type(v) is int and low <= v <= high)


def text(pattern):
    return lambda v: need(isinstance(v, str) and re.fullmatch(pattern, v, re.ASCII) is not None)


def at_most(characters):
    """Any text; limits count code points (WIRE 1.5)."""
    return lambda v: need(isinstance(v, str) and len(v) <= characters)


def hexes(count):
    return text(f"[0-9a-f]{{{2 * count}}}")


def one_of(*words):
    return lambda v: need(isinstance(v, str) and v in words)


def or_null(one):
    return lambda v: v is None or one(v)


def array(one, most, least=0):
    def check(value):
        need(isinstance(value, list) and least <= len(value) <= most)
        for item in value:
            one(item)

    return check


def distinct(one, most, by=lambda item: item):
    def check(value):
        array(one, most)(value)
        need(len({by(item) for item in value}) == len(value))

    return check


def key(use):
    def check(value):
        need(isinstance(value, str))
        try:
            data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise Refused("malformed") from None
        need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == value)
        public_key(use, data, "malformed")

    return check


def boolean(value):
    need(isinstance(value, bool))


def values(value):
    need(isinstance(value, dict) and 1 <= len(value) <= 16)
    for kind, one in value.items():
        need(kind in UNITS)
        shape(n=integer(-999999999, 999999999), s=integer(0, 6), u=one_of(UNITS[kind]))(one)


def holes(value):
    array(lambda hole: array(integer(1), 2, 2)(hole), 32)(value)
    ends = [0, *(end for hole in value for end in hole)]
    need(all(low <= high for low, high in value) and all(a < b for a, b in zip(ends[::2], ends[1::2])))


def lost(value):
    shape(
        epoch=hexes(8), **{"from": integer(1)}, to=integer(1), before=hexes(32), after=hexes(32),
        why=one_of("missing", "altered"),
    )(value)  # fmt: skip
    need(value["from"] <= value["to"])


def result_detail(value):
    need(isinstance(value, dict) and len(value) <= 16)
    for member, one in value.items():
        name(member)
        need(isinstance(one, bool) or (type(one) is int and one >= 0) or isinstance(one, str))
        if isinstance(one, str):
            free(one)


ident = text("[a-z2-7]{25}[aeimquy4]")
name = text("[a-z0-9][a-z0-9._-]{0,63}")
# an id is a name, too: one pattern holds both
subject = name
public_form = shape(type=text("[a-z-]{1,32}"), body=at_most(65536), sig=text("[^\n]{86}"))
band = text("(?! )[ -~]{1,64}(?<! )")
free = at_most(128)


def said(characters):
    return lambda v: need(isinstance(v, str) and 0 < len(v) <= characters)


pem = at_most(8192)
NOTES = ("unattributed", "unguarded-frame", "time-unsynced", "implausible", "claimed-late", "experimental-driver", "stored")
broker = text(r"(?=.{1,255}\Z)mqtts://([a-z0-9.-]+|\[[0-9a-f:]+\]):\d{1,5}")
wall = integer(0, YEAR_9999)
time = shape(
    wall=wall, source=one_of("ntp", "rtc", "saved", "none"), uncertainty=or_null(integer()), boot=hexes(16),
    mono=integer(),
)  # fmt: skip
place = shape(epoch=hexes(8), seq=integer(), head=hexes(32))
answer = shape(epoch=hexes(8), seq=integer(), head=hexes(32), holes=holes)


def each_epoch_once(one):
    """WIRE 7.1."""

    def check(value):
        array(one, 64)(value)
        need(len({item["epoch"] for item in value}) == len(value))

    return check


versions = shape(binding=integer(), serverEntry=integer(), devices=integer(), revocations=integer())


def capture_part(value):
    shape(intent=hexes(16), part=integer(1, 256), parts=integer(1, 256), raw=text("([0-9a-f]{2}){1,4096}"))(value)
    need(value["part"] <= value["parts"])


def abandoned(value):
    """WIRE 9.14."""
    shape(intent=hexes(16), what=one_of("server", "key"), id=text("[0-9a-z]{16,26}"), rows=or_null(integer()),
        first=or_null(wall), last=or_null(wall))(value)
    (ident if value["what"] == "server" else hexes(8))(value["id"])


EVENTS = {
    "provision-test": shape(nonce=hexes(16)),
    "device-proposed": shape(device=name, driver=name, station=name, link=one_of("serial", "ble", "tcp"), options=hexes(32),
        port_=hexes(8), bonded_=boolean),
    "keys-proposed": shape(request=public_form),
    "device-removed": shape(device=name),
    "frame-kept": shape(device=name, driver=name, char=name, raw=text("([0-9a-f]{2}){1,4096}"), fault=name),
    "capture-part": capture_part,
    "reading-claimed": shape(epoch=hexes(8), seq=integer(1), band=band, scannedMono=integer()),
    "lost": lost,
    "abandoned": abandoned,
    "server-unpinned": shape(fingerprint=hexes(32), since=wall, count=integer(1)),
    "intake-near-full": shape(used=integer(), quota=integer()),
    "intake-refused": shape(used=integer(), quota=integer()),
    "clock-anchored": shape(boot=hexes(16), mono=integer(), wall=wall),
    "command-refused": shape(why=name, intent=or_null(hexes(16)), count=integer(1)),
}  # fmt: skip

PARTIES = {"iss": ident, "kid": hexes(8), "aud": ident, "akid": hexes(8)}
CHAIN = {**PARTIES, "epoch": hexes(8), "seq": integer(1), "prev": hexes(32), "time": time}


def parties(value):
    """WIRE 3.6: the members that every sealed body has, whatever else it has."""
    need(isinstance(value, dict) and PARTIES.keys() <= value.keys())
    for member, one in PARTIES.items():
        one(value[member])


def event(value):
    shape(**CHAIN, event=one_of(*EVENTS), detail=lambda _: None)(value)
    EVENTS[value["event"]](value["detail"])


def revocation(value):
    """WIRE 9.7."""
    shape(
        kid=hexes(8), server=ident, number=integer(1), before=or_null(hexes(32)), what=one_of("gateway", "operator"),
        id=subject, key=hexes(8), tls=or_null(hexes(32)), since=wall, why=free,
    )(value)  # fmt: skip
    need((value["what"] == "gateway") == (value["tls"] is not None))
    need((value["number"] == 1) == (value["before"] is None))


def reading(**members):
    """WIRE 6.3: what is attributed is not noted to be unattributed."""

    def check(value):
        shape(**members)(value)
        need("attribution" not in value or "unattributed" not in value["notes"])
        need("deviceTime" in value or "deviceClock" not in value)

    return check


bodies = {
    "parties": parties,
    "pem": pem,
    "epoch-open": shape(**CHAIN, before=or_null(place), why=one_of("start", "first", "repair", "rotated"), software=free),
    "reading": reading(
        **CHAIN, device=name, station=name, driver=shape(id=name, revision=integer(1), hash=hexes(32)),
        link=shape(kind=one_of("serial", "ble", "tcp"), check=name, bonded_=boolean, encrypted_=boolean, char_=name, port_=hexes(8)),
        raw=text("([0-9a-f]{2}){1,4096}"), values=values,
        deviceTime_=text(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?"), deviceClock_=one_of("checked", "unchecked"), deviceId_=band,
        attribution_=shape(band=band, scannedMono=integer()),
        notes=distinct(one_of(*NOTES), 16),
    ),
    "event": event,
    "result": shape(**CHAIN, intent=hexes(16), outcome=one_of("done", "failed", "interrupted"), detail=result_detail),
    "hello": shape(
        **PARTIES, nonce=hexes(16), boot=hexes(16), epochs=each_epoch_once(place), token=integer(), software=free,
        drivers=hexes(32), clock=time, versions=versions,
    ),
    "welcome": shape(
        **PARTIES, nonce=hexes(16), serverNonce=hexes(16), epochs=each_epoch_once(answer), status=one_of("ok", "hold"),
        token=integer(1), time=wall, minVersion=free, versions=versions,
    ),
    "ready": shape(**PARTIES, serverNonce=hexes(16), token=integer(1), seen=hexes(32)),
    "update": shape(**PARTIES, nonce=hexes(16), statements=array(public_form, 8), certificate_=pem),
    "command": shape(
        **PARTIES, nonce=hexes(16), intent=hexes(16), verb=name, args=result_detail, order=or_null(public_form),
    ),
    "receipt": shape(**PARTIES, epoch=hexes(8), seq=integer(1), head=hexes(32), holes=holes, time=wall),
    "binding": shape(
        kid=hexes(8), gateway=ident, server=ident, version=integer(1), site=name,
        keys=shape(sign=key("ed25519"), box=key("x25519"), tls=hexes(32)), since=wall,
    ),
    "server-entry": shape(
        kid=hexes(8), server=ident, version=integer(1),
        keys=shape(box=key("x25519"), receipt=key("ed25519"), command=key("ed25519")),
        brokers=array(broker, 8, 1), ca=array(pem, 4, 1), pins=array(hexes(32), 8, 1),
        **{"from": wall}, until=wall,
    ),
    "operator": shape(kid=hexes(8), operator=name, key=key("ed25519"), since=wall),
    "device-list": shape(
        kid=hexes(8), gateway=ident, version=integer(1), before=or_null(hexes(32)),
        devices=distinct(
            shape(device=name, driver=name, station=name, proposal=hexes(32)), 256, lambda one: one["device"]
        ),
    ),
    "revocation": revocation,
    "order": shape(
        kid=hexes(8), operator=name, gateway=ident, intent=hexes(16), verb=name, args=result_detail, made=wall, until=wall,
    ),
    "review": shape(
        kid=hexes(8), operator=name, server=ident, flag=integer(1), version=integer(1), raised=hexes(32),
        act=one_of("reviewed", "released"), by=said(64), words=said(500), token=integer(), at=wall,
    ),
    "request": shape(
        gateway=ident, kid=hexes(8), keys=shape(sign=key("ed25519"), box=key("x25519")), csr=pem,
        hardware=free, software=free, made=wall,
    ),
}  # fmt: skip
