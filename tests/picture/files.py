"""Pictures as bytes, of kinds that Pillow reads and does not write."""

import struct
import zlib


def png(width, height, bits, kind, rows, transparent=b"", chunks=()):
    """``kind``: 0 grey, 2 RGB, 3 palette, 4 grey and alpha; ``rows``: the samples; ``transparent``: the tRNS chunk."""
    step = len(rows) // height
    raw = b"".join(b"\0" + rows[i * step : (i + 1) * step] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, *([(b"tRNS", transparent)] if transparent else [])]
    parts += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def tiff(values, code, *, bits, sample_format=1, photometric=1, order="<"):
    """One row of grey samples, packed by ``struct`` under ``code``; bytes are taken as they are."""
    packed = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{code}", *values)
    width = len(packed) * 8 // bits
    tags = {
        256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: 1, 279: len(packed),
        339: sample_format,
    }  # fmt: skip
    tags[273] = 8 + 2 + 12 * len(tags) + 4  # where the samples begin
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return start + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + packed
