#!/usr/bin/env python3
"""Verifies what zOS wrote: a log, a proof, a bundle, or a folder of statements.

    verify.py log DIR [VKEY]          gateway/audit of a home, or a copy of it
    verify.py proof FILE VKEY         what `zos audit prove SEQ --json` printed
    verify.py bundle FILE [VKEY]      what `zos audit export --bundle FILE` wrote
    verify.py statements DIR [--without-objects]    attest/ of a home, or a copy of it

Of statements, all that the log beside them (../gateway/audit) names have to be there, and every file that they cover,
unless --without-objects says that a copy lacks those.

It shares no code with zOS: Python 3.11's standard library and `cryptography` alone, so that nobody has to
take our word for it. VKEY is the verifier key, as text or as a file such as `log.vkey`; without one the key
that lies beside is taken, which proves that nothing changed since that key signed, and not whose it is. A key
that was replaced will do: each key vouches for the next one (`log.keys`), and the way is followed.

Exit codes: 0 intact, 1 not what was signed for, 2 not readable or used wrongly.
"""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

STATEMENT = "application/vnd.in-toto+json"
SUCCESSOR = "application/vnd.zos.successor+json"
PREDICATE = "https://zos.dev/attestation/governing-state/v1"


class Tampered(Exception):
    """Something is not what was signed for."""


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(text):
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise Tampered("this is no base64") from error


# --- The tree of RFC 6962 -----------------------------------------------------------------------------------


def leaf_hash(line):
    return sha256(b"\0" + line)


def node_hash(left, right):
    return sha256(b"\1" + left + right)


def root_of(leaves):
    """The root over leaf hashes: pairs level by level, an odd one goes up as it is."""
    if not leaves:
        return sha256(b"")
    level = list(leaves)
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) & ~1 :]
    return level[0]


def root_from_proof(index, size, leaf, hashes):
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        raise Tampered("the index lies outside of the tree")
    node, last, root = index, size - 1, leaf
    for sibling in hashes:
        if last == 0:
            raise Tampered("the proof is too long")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise Tampered("the proof is too short")
    return root


# --- Signed notes (C2SP signed-note, tlog-checkpoint) -------------------------------------------------------


def read_vkey(text):
    name, key_id, key = text.strip().split("+", 2)
    raw = b64(key)
    if len(raw) != 33 or raw[0] != 1 or sha256(f"{name}\n".encode() + raw)[:4].hex() != key_id:
        raise Tampered("the verifier key is none")
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:])


def follow(lines, named):
    """The keys that these lines lead to, each with the first record that it signs for."""
    keys, newest = [], None
    for line in lines:
        if not re.fullmatch(r"[0-9]+ [^ +]+\+[^ +]+\+[^ ]+ [^ +]+\+[^ +]+\+[^ ]+ [^ ]+", line):
            raise Tampered("log.keys has a line that names no keys")
        seq, old, new, signature = line.split(" ")
        if line != f"{int(seq)} {old} {new} {base64.b64encode(b64(signature)).decode()}":
            raise Tampered("a key of the log is named in another way than ours")
        if read_vkey(old)[0] != read_vkey(new)[0] or (keys and (keys[-1][1] != old or keys[-1][0] >= int(seq))):
            raise Tampered("the keys of the log do not follow from one another")
        try:
            read_vkey(old)[2].verify(b64(signature), f"zos/log-key/1\n{seq}\n{old}\n{new}\n".encode())
        except InvalidSignature as error:
            raise Tampered("a key of the log is not signed by the one before") from error
        keys = keys or [(-1, old)]
        keys.append((int(seq), new))
        newest = (old, new)
    if newest and named not in newest:
        raise Tampered("log.vkey does not name the newest key")
    return keys or [(-1, named)]


def keys_from(keys, vkey):
    """The keys from the one that is known on."""
    for index, (_, key) in enumerate(keys):
        if key == vkey:
            return [(-1, vkey)] + keys[index + 1 :]
    return [(-1, vkey)]


def open_note(note, keys):
    """The size and the root, and the key among these that signed, which must be the one for that size."""
    failed = None
    for seq, key in reversed(keys):
        try:
            size, root = open_checkpoint(note, key)
        except Tampered as error:
            failed = error
            continue
        if key != next(key for seq, key in reversed(keys) if seq < size):
            raise Tampered("the checkpoint is signed by a key that did not sign for that size")
        return size, root, key
    raise failed


def told_key(record):
    """The new key that a record tells of."""
    return record["kind"] == "key" and (record["detail"] or "").startswith("the log: key ")


def check_told(record, line):
    """Whether a record tells of the replacement of this line."""
    _, old, new, signature = line.split(" ")
    told = f"the log: key {new} follows {old.split('+')[1]}, which signed {signature}"
    return record["kind"] == "key" and record["detail"] == told


def open_checkpoint(note, vkey):
    """The size and the root that this key signed for."""
    name, key_id, key = read_vkey(vkey)
    text, separator, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) != 3 or lines[0] != name or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
        raise Tampered("the checkpoint is none of this log")
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ", 2)
        raw = b64(signature)
        if signer == name and raw[:4] == key_id:
            try:
                key.verify(raw[4:], f"{text}\n".encode())
            except InvalidSignature as error:
                raise Tampered("the signature of the checkpoint is wrong") from error
            return int(lines[1]), b64(lines[2])
    raise Tampered("the checkpoint is not signed by this key")


# --- A log --------------------------------------------------------------------------------------------------


def tile_path(folder, level, index, width):
    groups = [f"{index % 1000:03}"]
    index //= 1000
    while index:
        groups.insert(0, f"x{index % 1000:03}")
        index //= 1000
    path = folder.joinpath("tile", str(level), *groups)
    return path if width == 256 else path.with_name(path.name + ".p") / str(width)


def check_tiles(folder, leaves, size, settled):
    """Every tile of the tree of this size, built anew and compared with the one on the disk.

    A crash can leave a newer note whose tiles are not there yet: beyond `settled` one may be missing.
    """
    level, hashes = 0, leaves[:size]
    while hashes:
        for index in range(0, (len(hashes) + 255) // 256):
            tile = hashes[index * 256 : index * 256 + 256]
            path = tile_path(folder, level, index, len(tile))
            if not path.exists() and (index * 256 + len(tile)) << (8 * level) > settled:
                continue
            if not path.is_file() or path.read_bytes() != b"".join(tile):
                raise Tampered(f"{path.relative_to(folder)} is not the tile that the records give")
        full = len(hashes) // 256
        hashes = [root_of(hashes[index * 256 : index * 256 + 256]) for index in range(full)]
        level += 1


def verify_log(folder, vkey):
    notes = [folder / "checkpoint.new", folder / "checkpoint"]
    notes = [(path, path.read_text()) for path in notes if path.is_file()]
    beside = folder / "log.vkey"
    named = vkey.strip() if vkey and not beside.is_file() else beside.read_text().strip()
    words = (folder / "log.keys").read_text() if (folder / "log.keys").is_file() else ""
    if words and not words.endswith("\n"):
        raise Tampered("log.keys is cut")
    words = words.split("\n")[:-1]
    keys = follow(words, named)
    known = keys_from(keys, vkey.strip()) if vkey else keys
    heads, settled = [], 0
    for path, note in notes:
        try:
            heads.append(open_note(note, known))
            settled = heads[-1][0] if path.name == "checkpoint" else 0
        except (Tampered, ValueError):
            # Half a note that a crash left counts for nothing.
            if path.name == "checkpoint":
                raise
    if not heads:
        raise Tampered("the checkpoint is missing")
    size, root, signer = max(heads)
    if signer == keys[-1][1] and named != signer:
        raise Tampered("log.vkey names a key that signs no more")

    lines, torn = [], 0
    segments = [path for path in folder.iterdir() if re.fullmatch(r"\d{4}-\d\d-\d\d\.\d{3,}\.jsonl", path.name)]
    segments.sort(key=lambda path: (path.name[:10], int(path.name[11:-6])))
    for path in segments:
        if torn and path.stat().st_size:
            raise Tampered("a line is cut, and later segments follow")
        if not path.stat().st_size:
            continue
        *whole, rest = path.read_bytes().split(b"\n")
        lines += whole
        torn = len(rest)

    first, pruned_to = 0, 0
    for number, line in enumerate(lines):
        record = json.loads(line)
        first = record["seq"] if number == 0 else first
        if record["seq"] != first + number or record["v"] != 1:
            raise Tampered(f"record {record['seq']} stands where {first + number} belongs")
        told = re.match(r"records \d+ to (\d+) removed", record.get("detail") or "")
        if record["kind"] == "prune" and told:
            pruned_to = max(pruned_to, int(told[1]) + 1)
    for word in words:
        seq = int(word.split(" ")[0])
        begun = named != keys[-1][1] and seq >= first + len(lines) and seq >= size
        if seq >= first and not begun:
            if seq >= first + len(lines) or not check_told(json.loads(lines[seq - first]), word):
                raise Tampered(f"record {seq} does not tell of the key that log.keys has for it")
    told = {json.loads(line)["seq"] for line in lines if b'"kind":"key"' in line and told_key(json.loads(line))}
    if told - {int(word.split(" ")[0]) for word in words}:
        raise Tampered("a record tells of a key that log.keys does not have")
    if first > pruned_to:
        raise Tampered(f"the records before {first} are gone, and no record tells that they were pruned")

    leaves = []
    while len(leaves) < first:
        index = len(leaves) // 256
        width = min(256, size - index * 256)
        raw = tile_path(folder, 0, index, width).read_bytes()
        leaves += [raw[at : at + 32] for at in range(0, len(raw), 32)]
    leaves = leaves[:first] + [leaf_hash(line) for line in lines]
    if len(leaves) < size:
        raise Tampered(f"{size - len(leaves)} records that were signed for are missing")
    if root_of(leaves[:size]) != root:
        raise Tampered("the records are not the ones that were signed for")
    check_tiles(folder, leaves, size, settled)
    newer = tile_path(folder, 0, size // 256, 256)
    widths = newer.with_name(newer.name + ".p")
    beyond = [width for width in widths.iterdir() if width.name.isdigit()] if widths.is_dir() else []
    if newer.exists() or any(int(width.name) > size % 256 for width in beyond):
        raise Tampered("the tree reaches beyond the checkpoint: an older one was put back")
    return f"{len(lines)} records, {size} signed for, unsigned: {len(leaves) - size}, torn bytes: {torn}"


# --- Proofs and bundles -------------------------------------------------------------------------------------


def known_keys(proof, vkey):
    """The keys of a proof or a bundle, as who knows this one sees them."""
    words = proof.get("key_lines", [])
    if not words:
        return [(-1, vkey.strip())]
    return keys_from(follow(words, words[-1].split(" ")[2]), vkey.strip())


def verify_proof(proof, vkey):
    size, root, _ = open_note(proof["checkpoint"], known_keys(proof, vkey))
    line = proof["record"].encode()
    hashes = [b64(text) for text in proof["hashes"]]
    if proof["size"] != size or root_from_proof(proof["index"], size, leaf_hash(line), hashes) != root:
        raise Tampered(f"record {proof['index']} is not under this checkpoint")
    record = json.loads(line)
    if record["seq"] != proof["index"]:
        raise Tampered(f"record {record['seq']} stands at place {proof['index']}")
    return record


def verify_bundle(bundle, vkey):
    if bundle["format"] != "zos-evidence/1":
        raise Tampered("this bundle has another format")
    common = {key: bundle[key] for key in ("size", "checkpoint", "key_lines") if key in bundle}
    vkey = vkey or bundle["key"]
    open_note(bundle["checkpoint"], known_keys(bundle, vkey))
    records = [verify_proof({**proven, **common}, vkey) for proven in bundle["records"]]
    keys = {key_id: entry["public_key"] for key_id, entry in bundle["keys"].items()}
    states = {check_statement(envelope, keys, bundle["objects"].get) for envelope in bundle["statements"]}
    for record in records:
        if record["state_id"] is not None and record["state_id"] not in states:
            raise Tampered(f"the statement about state {record['state_id']} is missing")
    return f"{len(records)} records, {len(states)} statements"


# --- Statements (in-toto in DSSE) ---------------------------------------------------------------------------


def open_envelope(envelope, payload_type, keys):
    payload = b64(envelope["payload"])
    head = f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode()
    for signature in envelope["signatures"]:
        for key_id, public_key in keys.items():
            raw = b64(public_key)
            if sha256(raw).hex() != key_id:
                raise Tampered(f"key {key_id} is not the one of that name")
            try:
                Ed25519PublicKey.from_public_bytes(raw).verify(b64(signature["sig"]), head + payload)
            except InvalidSignature:
                continue
            if envelope["payloadType"] == payload_type:
                return json.loads(payload)
    raise Tampered("an envelope is not signed by a known key")


def canonical(value):
    """RFC 8785, for what stands in a state: strings, whole numbers, lists, maps."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        raise Tampered("a state holds no fractions")
    return json.dumps(value, ensure_ascii=False)


def check_statement(envelope, keys, object_of):
    statement = open_envelope(envelope, STATEMENT, keys)
    state_id = statement["subject"][0]["digest"]["sha256"]
    predicate = statement["predicate"]
    if (
        statement["_type"] != "https://in-toto.io/Statement/v1"
        or statement["predicateType"] != PREDICATE
        or sha256(canonical(predicate["state"]).encode()).hex() != state_id
    ):
        raise Tampered("the subject of a statement is not the state that it tells")
    for file in predicate["files"]:
        kept = object_of(file["sha256"])
        if kept is not None and sha256(b64(kept)).hex() != file["sha256"]:
            raise Tampered(f"{file['path']} is not the file that governed")
    return state_id


def named_by_log(folder):
    """The states that the records beside a folder of statements name."""
    lines = (line for path in sorted((folder.resolve().parent / "gateway/audit").glob("*.jsonl")) for line in path.open("rb"))
    # The last line of a log that is written may not be whole yet.
    states = (json.loads(line)["state_id"] for line in lines if line.endswith(b"\n"))
    return {state for state in states if state is not None}


def verify_statements(folder, with_objects):
    keys = {path.stem: path.read_text().strip() for path in (folder / "keys").glob("*.pub")}
    for path in (folder / "keys").glob("*.json"):
        word = open_envelope(json.loads(path.read_text()), SUCCESSOR, keys)
        if word["key"] != path.stem or word["public_key"] != keys.get(path.stem):
            raise Tampered(f"{path.name} vouches for another key")

    def object_of(digest):
        path = folder / "objects" / digest
        if with_objects and not path.is_file():
            raise Tampered(f"objects/{digest} is missing")
        return base64.b64encode(path.read_bytes()) if path.is_file() else None

    paths = sorted(folder.glob("*.json"))
    for path in paths:
        if check_statement(json.loads(path.read_text()), keys, object_of) != path.stem:
            raise Tampered(f"{path.name} is about another state")
    for state in sorted(named_by_log(folder) - {path.stem for path in paths}):
        raise Tampered(f"the statement about state {state} is missing")
    return f"{len(paths)} statements, {len(keys)} keys"


def main(arguments):
    try:
        what, path, *rest = arguments
        path = Path(path)
        vkey = rest[0] if rest else None
        if vkey and Path(vkey).is_file():
            vkey = Path(vkey).read_text()
        if what == "log":
            told = verify_log(path, vkey)
        elif what == "proof" and vkey:
            told = f"record {verify_proof(json.loads(path.read_text()), vkey)['seq']}"
        elif what == "bundle":
            told = verify_bundle(json.loads(path.read_text()), vkey)
        elif what == "statements":
            told = verify_statements(path, rest != ["--without-objects"])
        else:
            raise ValueError
    except Tampered as error:
        print(f"NOT what was signed for: {error}")
        return 1
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, IndexError, AttributeError) as error:
        print(f"NOT what was signed for: it has not the form of what zOS writes ({type(error).__name__})")
        return 1
    except OSError as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    except ValueError:
        print(__doc__, file=sys.stderr)
        return 2
    print(f"intact: {told}" + ("" if vkey else " (by the key that lies beside)"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
