"""Tables of which some bytes are others, as many as are wanted."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

TOKENS = [
    *(b'"', b"'", b",", b";", b"\t", b"|", b" ", b"\n", b"\r\n", b"\r", b"\x00", b"\xff", b""),
    *(b"nan", b"inf", b"-inf", b"1e999", b"1e308", b"-", b"=1+1", b"NA", b"null", b"1,2", b"#"),
    *(b"1.2.3", b"0x10", b"$1,200", b"5%", b"1_000", b"1 000", b"True", b"2020-01-01", b"1/2"),
    *(b"9" * 400, b"a" * 300, b"\x1b[31m", b"\xef\xbb\xbf", b"\xe2\x88\x92", b"\xe2\x80\xae"),
]
"""What is put into texts: marks, words and numbers that mean something, and bytes that do not."""


def _numbers():
    rng = np.random.default_rng(1)
    return rng.normal(size=(40, 3)) + 6.0 * (np.arange(40) % 2)[:, None]


def originals():
    """Return well-formed tables, each by what it is."""
    values = _numbers()
    lines = [",".join(f"{value:.4f}" for value in row) for row in values]
    words = [f"row {i};{row[0]:.3f};{row[1]:.3f}".replace(".", ",") for i, row in enumerate(values)]
    table = pa.table(
        {
            "x": values[:, 0],
            "y": values[:, 1].astype(np.float32),
            "n": pa.array(range(40), pa.int32()),
            "d": pa.array([f"{v:.2f}" for v in values[:, 2]]).cast(pa.decimal128(9, 2)),
            "word": pa.array([f"w{i % 3}" for i in range(40)]).dictionary_encode(),
            "some": pa.array([None if i % 5 == 0 else float(i) for i in range(40)]),
        }
    )
    found = {
        "csv": "\n".join(["x,y,z", *lines]).encode(),
        "semicolons": "\n".join(["name;x;y", *words]).encode(),
        "blanks": "\n".join("  ".join(f"{v:9.4f}" for v in row) for row in values).encode(),
        "quoted": "\r\n".join(
            ['"x","y"', *(f'"{row[0]:.3f}","{row[1]:.3f}"' for row in values)]
        ).encode(),
    }
    for name, compression in (("parquet", "NONE"), ("parquet, packed", "zstd")):
        sink = io.BytesIO()
        pq.write_table(table, sink, compression=compression, row_group_size=16)
        found[name] = sink.getvalue()
    sink = io.BytesIO()
    feather.write_feather(table, sink, compression="uncompressed")
    found["arrow"] = sink.getvalue()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found["arrow stream"] = sink.getvalue()
    return found


def mutated(content, rng, *, is_text):
    """Return a table's bytes with one to four changes."""
    for _ in range(rng.integers(1, 5)):
        if not content:
            return content
        at, how = int(rng.integers(len(content))), int(rng.integers(8))
        end = at + int(rng.integers(1, 40))
        if how == 0:
            content = content[:at]
        elif how == 1:
            content = content[:at] + content[end:]
        elif how == 2:
            content = content[:end] + content[at:end] + content[end:]
        elif how == 3:
            other = int(rng.integers(len(content)))
            content = content[:at] + content[other : other + end - at] + content[end:]
        elif how == 4 and not is_text:
            content = (
                content[:at] + bytes([content[at] ^ (1 << rng.integers(8))]) + content[at + 1 :]
            )
        elif how == 5 and not is_text:
            content = (
                content[:at] + bytes(rng.integers(256, size=4, dtype=np.uint8)) + content[at + 4 :]
            )
        else:
            token = TOKENS[rng.integers(len(TOKENS))]
            content = content[:at] + token + content[at + int(rng.integers(3)) :]
    return content
