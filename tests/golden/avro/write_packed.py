"""Writes packed.bz2 and packed.xz with Python's bz2 and lzma (libbzip2, liblzma): python write_packed.py <directory>"""
import bz2
import hashlib
import lzma
import sys


def contents():
    state, noise = 1, bytearray()
    for _ in range(6000):
        state = (state * 1103515245 + 12345) % 2**31
        noise.append(state >> 16 & 255)
    lines = "".join(f"{i} the quick brown fox {i * i % 977} jumps\n" for i in range(3000)).encode()
    return lines + b"a" * 70000 + bytes(noise) + lines[: 5000] + b"ab" * 300


data = contents()
with open(f"{sys.argv[1]}/packed.bz2", "wb") as out:
    out.write(bz2.compress(data[:100000], 1) + bz2.compress(data[100000:], 1))
with open(f"{sys.argv[1]}/packed.xz", "wb") as out:
    out.write(lzma.compress(data, preset=1))
print(len(data), hashlib.sha256(data).hexdigest())
