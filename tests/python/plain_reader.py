"""A reader of index files in plain Python, written from docs/format.md alone: struct and numpy, nothing of ours.

It shows that the specification is enough, and that a file outlives the library. It reads, and answers exactly; it
checks no hashes. Where compact codes guide a walk it passes them over: the vectors themselves are there, too. Of sparse
vectors it reads nothing, but the token vectors beside them. Stored documents need the package zstandard.
"""

from __future__ import annotations

import bisect
import itertools
import struct
import sys
from typing import Any

import numpy as np

HEADER = struct.Struct("<8sHHIQQQQQQ16s")  # what stands before the reserved bytes of page 0
DUPLICATES = 1  # the incompatible feature that is known
MAGIC = b"\x89CASSA\r\n"
KINDS, METRICS = ("flat", "graph"), ("dot_product", "euclidean", "cosine", "manhattan")
ENCODINGS = {0: np.dtype("<f4"), 1: np.dtype("<f2")}  # others are not read
# Metrics whose smallest score is the best; the others are products.
DISTANCES = {
    "euclidean": lambda rows, query: ((rows - query) ** 2).sum(1),
    "manhattan": lambda rows, query: np.abs(rows - query).sum(1),
}
GRAPH_TYPES, TIERS = ("standard", "permuted", "compressed", "paged"), ("hot", "cold")
TOKENS_F16, TOKENS_TWO_LEVEL, TOKENS_TWO_LEVEL_NORMS = 11, 12, 13  # encodings
ID_TYPES = ("int64", "text")
FIELD_TYPES = ("int64", "float64", "bool", "timestamp", "text", "tags")
UNITS = ("s", "ms", "us", "ns")
UNUSED = 0xFFFFFFFF  # in a list of neighbours


class Table:
    """A FlatBuffers table at byte `at` of `data`. Fields are numbered from 0 in the order of the schema; an absent one
    is 0 or None."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.vtable = at - self._unpack("<i", at)

    def _unpack(self, form: str, at: int) -> int:
        return struct.unpack_from(form, self.data, at)[0]

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        offset = self._unpack("<H", self.vtable + slot) if slot < self._unpack("<H", self.vtable) else 0
        return self.at + offset if offset else None

    def _target(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + self._unpack("<I", place)

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else self._unpack("<" + form, place)

    def text(self, field: int) -> str:
        at = self._target(field)
        return "" if at is None else self.data[at + 4 : at + 4 + self._unpack("<I", at)].decode()

    def table(self, field: int) -> Table | None:
        at = self._target(field)
        return None if at is None else Table(self.data, at)

    def tables(self, field: int) -> list[Table]:
        at = self._target(field)
        places = [] if at is None else [at + 4 + 4 * i for i in range(self._unpack("<I", at))]
        return [Table(self.data, place + self._unpack("<I", place)) for place in places]

    def numbers(self, field: int, form: str) -> list[int]:
        at = self._target(field)
        return [] if at is None else list(struct.unpack_from(f"<{self._unpack('<I', at)}{form}", self.data, at + 4))


class PlainIndex:
    """An opened index file."""

    def __init__(self, path: str) -> None:
        self.file = np.memmap(path, np.uint8, "r")
        magic, self.major, self.minor, mark, length, offset, size, _, incompatible, _, self.uuid = HEADER.unpack_from(
            self.file
        )
        if (
            magic != MAGIC
            or mark != 0x01020304
            or self.major != 1
            or incompatible & ~DUPLICATES
            or length != len(self.file)
        ):
            raise ValueError(f"{path}: not an index file of version 1")
        self._read_manifest(self.file[offset : offset + size].tobytes())

    def _read_manifest(self, data: bytes) -> None:
        assert data[4:8] == b"CSSM"
        root = Table(data, struct.unpack_from("<I", data)[0])
        self.kind, self.metric = KINDS[root.number(0, "B")], METRICS[root.number(2, "B")]
        self.size, self.dim = root.number(3, "Q"), root.number(4, "I")
        rerank, entries = root.table(10), root.tables(5)
        codes = entries[1 if rerank is not None and rerank.number(2, "B") else 0]
        self.encoding, self.codes_section = ENCODINGS.get(codes.number(0, "B")), codes.text(1)
        self.tokens = self._tokens(entries[-1])
        self.graph = self._graph(root.table(6))
        ids = root.table(13)
        self.id_type = None if ids is None else ID_TYPES[ids.number(0, "B")]
        self.fields = {
            f.text(0): {
                "type": FIELD_TYPES[f.number(1, "B")],
                "unit": UNITS[f.number(2, "B")],
                "width": f.number(3, "B"),
                "nulls": bool(f.number(4, "B")),
                "section": f.text(5),
            }
            for f in root.tables(14)
        }
        self.sections = {
            s.text(0): (s.number(1, "Q"), s.number(2, "Q"), TIERS[s.number(3, "B")]) for s in root.tables(7)
        }
        self.stored = self._stored(root.table(15))
        hashes, provenance = root.table(8), root.table(9)
        assert hashes is not None  # required by the schema, as the other
        assert provenance is not None
        self.block_hashes = {
            "offset": hashes.number(0, "Q"),
            "count": hashes.number(1, "Q"),
            "xxh3": hashes.number(2, "Q"),
        }
        self.library_version = provenance.text(0)
        self.inputs = [
            {"name": i.text(0), "rows": i.number(1, "Q"), "bytes": i.number(2, "Q"), "xxh3": i.number(3, "Q")}
            for i in provenance.tables(1)
        ]
        self.parameters = {p.text(0): p.text(1) for p in provenance.tables(2)}

    @staticmethod
    def _tokens(codes: Table) -> dict[str, Any] | None:
        encoding = codes.number(0, "B")
        if encoding not in (TOKENS_F16, TOKENS_TWO_LEVEL, TOKENS_TWO_LEVEL_NORMS):
            return None
        return {
            "encoding": encoding,
            "section": codes.text(1),
            "m_pq": codes.number(2, "I"),
            "token_dim": codes.number(5, "I"),
        }

    @staticmethod
    def _stored(table: Table | None) -> dict[str, Any] | None:
        if table is None:
            return None
        return {
            "text": bool(table.number(0, "B")),
            "bytes": table.number(1, "Q"),
            "largest": table.number(2, "Q"),
            "block_bytes": table.number(3, "I"),
        }

    @staticmethod
    def _graph(table: Table | None) -> dict[str, Any] | None:
        if table is None:
            return None
        return {
            "graph_type": GRAPH_TYPES[table.number(0, "B")],
            "m": table.number(1, "I"),
            "ef_construction": table.number(2, "I"),
            "level_sizes": table.numbers(3, "Q"),
            "duplicates": table.number(6, "Q"),
            "near_copies": table.number(7, "Q"),
        }

    def section(self, name: str, dtype: Any) -> np.ndarray:
        offset, length, _ = self.sections[name]
        return self.file[offset : offset + length].view(dtype)

    def duplicates(self) -> list[tuple[int, bool, int]]:
        """(Id of the representative, whether it is a near copy, row) of each duplicate."""
        numbers = self.section("graph.duplicates", "<u4").tolist()
        representatives, rows = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
        return [(id_, row < 2**31, row % 2**31) for id_, row in zip(representatives, rows)]

    def rows(self) -> np.ndarray:
        """The vectors in the file's order."""
        return self.section(self.codes_section, self.encoding).reshape(self.size, self.dim)

    def ids(self) -> np.ndarray:
        """For each row the id that the caller knows."""
        return self.section("ids", "<u4") if "ids" in self.sections else np.arange(self.size, dtype="<u4")

    def texts(self, name: str) -> list[str]:
        """The texts of sections `<name>.offsets` and `<name>.text`."""
        offsets = self.section(name + ".offsets", "<u8").tolist()
        text = self.section(name + ".text", np.uint8).tobytes()
        return [text[begin:end].decode() for begin, end in itertools.pairwise(offsets)]

    def external_ids(self) -> list[Any] | None:
        """What callers know the vectors by, in the order of their numbers; None: by these numbers."""
        if self.id_type is None:
            return None
        if self.id_type == "text":
            return self.texts("external_ids")
        return self.section("external_ids.values", "<i8").tolist()

    def number_of(self, external_id: Any) -> int:
        """The number of the vector with this id, by binary search."""
        ids, order = self.external_ids(), self.section("external_ids.order", "<u4")
        assert ids is not None
        key = str.encode if self.id_type == "text" else int
        place = bisect.bisect_left([key(ids[number]) for number in order], key(external_id))
        return int(order[place])

    def bits(self, name: str) -> list[bool]:
        return np.unpackbits(self.section(name, np.uint8), bitorder="little")[: self.size].astype(bool).tolist()

    def field(self, name: str) -> list[Any]:
        """The values of a field, in the order of the vectors' numbers; None for those without one."""
        field = self.fields[name]
        kind, section = field["type"], field["section"]
        if kind == "bool":
            values: list[Any] = self.bits(section + ".values")
        elif kind in ("text", "tags"):
            words = self.texts(section + ".dictionary")
            codes = self.section(section + ".values", f"<u{field['width']}").tolist()
            if kind == "text":
                values = [words[code] if words else None for code in codes]
            else:
                ends = self.section(section + ".offsets", "<u8").tolist()
                values = [[words[code] for code in codes[begin:end]] for begin, end in itertools.pairwise(ends)]
        else:
            values = self.section(section + ".values", "<f8" if kind == "float64" else "<i8").tolist()
        present = self.bits(section + ".present") if field["nulls"] else [True] * self.size
        return [value if there else None for value, there in zip(values, present)]

    def neighbors(self, name: str, count: int) -> np.ndarray:
        """`count` ids, of 2 or 4 bytes; unused places are UNUSED."""
        _, length, _ = self.sections[name]
        if length == 4 * count:
            return self.section(name, "<u4")
        narrow = self.section(name, "<u2").astype("<u4")
        return np.where(narrow == 0xFFFF, UNUSED, narrow)

    def ground_neighbors(self, row: int) -> np.ndarray:
        assert self.graph is not None
        if self.graph["graph_type"] == "compressed":
            return self.coded_neighbors(row)
        if self.graph["graph_type"] == "paged":
            return self.page_neighbors(row)
        places = self.neighbors("graph.edges", self.size * 2 * self.graph["m"]).reshape(self.size, -1)[row]
        return places[places != UNUSED]

    def coded_neighbors(self, row: int) -> np.ndarray:
        places, edges = self.section("graph.places", np.uint8), self.section("graph.edges", np.uint8)
        narrow = len(places) == -(-self.size // 56) * 64
        record, place = divmod(row, 56 if narrow else 28)
        head = places[64 * record : 64 * record + 64]
        lengths = head[8:] if narrow else head[8:].view("<u2")
        begin = int(head[:8].view("<u8")[0]) + int(lengths[:place].sum())
        bits = int.from_bytes(edges[begin : begin + int(lengths[place])].tobytes(), "little")
        widths = [*edges[:7].tolist(), 0]  # 7 is the row itself, a difference of 0
        firsts = [1 + sum(1 << width for width in widths[:kind]) for kind in range(7)] + [0]
        numbers, own, front, back = [0], None, 0, 8 * int(lengths[place])
        while back - front >= 3:
            kind = bits >> front & 7
            if front + 3 + widths[kind] > back or (kind == 7 and own is not None):
                break
            front, back = front + 3, back - widths[kind]
            if kind == 7:
                own = numbers[-1]
            else:
                numbers.append(numbers[-1] + firsts[kind] + (bits >> back & (1 << widths[kind]) - 1))
        assert own is not None
        return np.array([row - own + number for number in numbers if number != own])

    def page_neighbors(self, row: int) -> np.ndarray:
        """Rows of the same page, and those that are linked."""
        firsts = self.section("graph.page_rows", "<u4")
        number = int(np.searchsorted(firsts, row, "right")) - 1
        begin, end = int(firsts[number]), int(firsts[number + 1])
        page = self.section("graph.pages", np.uint8).reshape(len(firsts) - 1, -1)[number]
        links, ends = int(page[:2].view("<u2")[0]), [0, *page[2 : 2 + 2 * (end - begin)].view("<u2").tolist()]
        slots = page[2 * (1 + end - begin) :][: 2 * ends[-1]].view("<u2")[ends[row - begin] : ends[row - begin + 1]]
        head = -(-2 * (1 + end - begin + ends[-1]) // 4) * 4
        mates = np.array([mate for mate in range(begin, end) if mate != row], np.uint32)
        return np.concatenate([mates, page[head : head + 4 * links].view("<u4")[slots]])

    def upper_neighbors(self, level: int, position: int) -> np.ndarray:
        """Rows that are next to the node at `position` of level 1, 2, ...; position 0 is the entry point on every
        level."""
        assert self.graph is not None
        m, sizes = self.graph["m"], self.graph["level_sizes"]
        places = self.neighbors("graph.upper_edges", sum(sizes) * m).reshape(-1, m)[sum(sizes[: level - 1]) + position]
        return self.section("graph.upper_nodes", "<u4")[places[places != UNUSED]]

    def search(self, query: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k best (scores, ids), exactly: best first, ties by lower id."""
        rows, query = self.rows().astype(np.float64), np.asarray(query, np.float64)
        if self.metric == "cosine":
            query = query / (np.linalg.norm(query) or 1)
        scores = DISTANCES[self.metric](rows, query) if self.metric in DISTANCES else rows @ query
        best = np.lexsort((self.ids(), scores if self.metric in DISTANCES else -scores))[:k]
        return scores[best], self.ids()[best]

    def document(self, document: int) -> np.ndarray:
        """The tokens of a document, (T, token_dim)."""
        assert self.tokens is not None
        name, dim, m_pq = self.tokens["section"], self.tokens["token_dim"], self.tokens["m_pq"]
        _, length, _ = self.sections[name + ".offsets"]
        offsets = self.section(name + ".offsets", "<u4" if length == 4 * (self.size + 1) else "<u8")
        held = self.section(name, np.uint8)[int(offsets[document]) : int(offsets[document + 1])]
        if self.tokens["encoding"] == TOKENS_F16:
            return held.view("<f2").reshape(-1, dim)
        model = self.section(name + ".model", "<f4")
        pieces, centroids = model[: 256 * dim].reshape(m_pq, dim // m_pq, 256), model[256 * dim :].reshape(-1, dim)
        number = np.dtype("<u2" if len(centroids) <= 65536 else "<u4")
        norm_bytes = 2 if self.tokens["encoding"] == TOKENS_TWO_LEVEL_NORMS else 0
        count = len(held) // (number.itemsize + norm_bytes + m_pq)
        numbers = held[: count * number.itemsize].view(number)
        norms = held[count * number.itemsize :][: count * norm_bytes].view("<f2")
        residuals = pieces[
            np.arange(m_pq), :, held[count * (number.itemsize + norm_bytes) :].reshape(count, m_pq)
        ].reshape(count, dim)
        return centroids[numbers] + (residuals * norms[:, None].astype(np.float32) if norm_bytes else residuals)

    def stored_document(self, row: int) -> str | bytes:
        """The text, or the bytes, that the file holds for an id."""
        import zstandard

        assert self.stored is not None
        width, lengths = (14, "<u4") if self.stored["largest"] > 65535 else (28, "<u2")
        record = self.section("documents.places", np.uint8).reshape(-1, 64)[row // width]
        before = record[8:].view(lengths)[: row % width + 1].astype(np.uint64)
        begin = int(record[:8].view("<u8")[0]) + int(before[:-1].sum())
        end = begin + int(before[-1])
        held = self.section("documents.dictionary", np.uint8) if "documents.dictionary" in self.sections else b""
        reader = zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(bytes(held)) if len(held) else None)
        offsets, frames = self.section("documents.blocks.offsets", "<u8"), self.section("documents.blocks", np.uint8)
        size = self.stored["block_bytes"]
        blocks = range(begin // size, -(-end // size))
        parts = [reader.decompress(frames[int(offsets[i]) : int(offsets[i + 1])].tobytes(), size) for i in blocks]
        document = b"".join(parts)[begin - begin // size * size :][: end - begin]
        return document.decode() if self.stored["text"] else document

    def max_sim(self, query: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As search, by the tokens of all documents: `query` is (tokens, token_dim)."""
        query = np.asarray(query, np.float64)
        scores = np.full(self.size, -np.inf if len(query) else 0.0)
        for i in range(self.size):
            if len(tokens := self.document(i).astype(np.float64)):
                scores[i] = (query @ tokens.T).max(1).sum()
        best = np.argsort(-scores, kind="stable")[:k]
        return scores[best], best


if __name__ == "__main__":
    index = PlainIndex(sys.argv[1])
    print(
        f"{index.kind}, {index.metric}, {index.size} vectors of {index.dim} {index.encoding}, graph {index.graph}, "
        f"tokens {index.tokens}"
    )
    for section, (offset, length, tier) in index.sections.items():
        print(f"{section:20} {offset:12} {length:12}  {tier}")
