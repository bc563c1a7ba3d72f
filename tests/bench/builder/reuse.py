# reuse.py OLD NEW: prints how many blocks of 4 KiB the image NEW has, and how many of them are somewhere in the image OLD.
import hashlib
import json
import sys


def blocks(path):
    with open(path, "rb") as file:
        while block := file.read(4096):
            yield hashlib.blake2b(block, digest_size=16).digest()


old = set(blocks(sys.argv[1]))
new = list(blocks(sys.argv[2]))
print(json.dumps({"blocks": len(new), "found": sum(block in old for block in new)}))
