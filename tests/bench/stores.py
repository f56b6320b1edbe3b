"""Who holds a value: read from the nodes' stores themselves, without asking any node (node/store_tables.h)."""
import hashlib
import sqlite3


def dht_key(text):
    """The DHT key of a text, in hex."""
    return hashlib.blake2b(b"weft-key-1" + text.encode(), digest_size=32).hexdigest()


def database_of(home):
    return home / "weft.db"


def held_keys(home):
    """DHT keys (hex) of all values in the store of one home."""
    store = sqlite3.connect(f"file:{database_of(home)}?mode=ro", uri=True, timeout=10)
    try:
        return {key.hex() for (key,) in store.execute("select key from held")}
    finally:
        store.close()


def holders(nodes):
    """{DHT key in hex: set of nodes that hold a copy}."""
    found = {}
    for node in nodes:
        for key in held_keys(node.home):
            found.setdefault(key, set()).add(node)
    return found


def rows(node):
    """How many values its store holds."""
    store = sqlite3.connect(f"file:{database_of(node.home)}?mode=ro", uri=True, timeout=10)
    try:
        return store.execute("select count(*) from held").fetchone()[0]
    finally:
        store.close()
