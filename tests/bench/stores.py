"""Who holds a value: read from the nodes' stores themselves, without asking any node.

A row of a value has the key 'v', DHT key (32 bytes), author (32 bytes): see docs/PROTOCOL.md.
"""
import hashlib
import sqlite3


def dht_key(text):
    """The DHT key of a text, in hex."""
    return hashlib.blake2b(b"weft-key-1" + text.encode(), digest_size=32).hexdigest()


def database_of(home):
    for path in sorted(home.iterdir()):
        if path.is_file():
            with open(path, "rb") as file:
                if file.read(15) == b"SQLite format 3":
                    return path
    raise RuntimeError(f"no SQLite database in {home}")


def held_keys(home):
    """DHT keys (hex) of all values in the store of one home."""
    store = sqlite3.connect(f"file:{database_of(home)}?mode=ro", uri=True, timeout=10)
    try:
        tables = [name for (name,) in store.execute("select name from sqlite_master where type='table'")]
        keys = set()
        for table in tables:
            columns = [row[1] for row in store.execute(f'pragma table_info("{table}")')]
            for (key,) in store.execute(f'select "{columns[0]}" from "{table}"'):
                if isinstance(key, bytes) and key[:1] == b"v" and len(key) >= 33:
                    keys.add(key[1:33].hex())
        return keys
    finally:
        store.close()


def holders(nodes):
    """{DHT key in hex: set of nodes that hold a copy}."""
    found = {}
    for node in nodes:
        for key in held_keys(node.home):
            found.setdefault(key, set()).add(node)
    return found
