"""Vector search in one file: self-describing, checksummed, searched in place.

Build an index once, copy the file anywhere, and open it in a time that does not depend on its size, without
parameters::

    import numpy as np
    import cassata

    vectors = np.random.default_rng(0).standard_normal((10_000, 64), dtype=np.float32)
    index = cassata.build(vectors, "vectors.cassata", metric="euclidean")
    scores, ids = index.search(vectors[7], k=5)              # one query: shape (5,)
    scores, ids = index.search(vectors[:100], k=5)           # several: shape (100, 5), all processors

    with cassata.open("vectors.cassata") as same:            # any index file, in any process
        print(same, same.info["provenance"])

The classes are named and called as kANNolo's: ``import cassata as kannolo`` runs code written for it, and
``python -m cassata.as_kannolo script.py`` a script as it is.
"""

from cassata._core import FormatError, __version__, simd_target
from cassata.cleaning import clean
from cassata.fusion import fuse
from cassata.index import Index, RecallWarning, build, open
from cassata.inputs import SparseRows
from cassata.kannolo import CLASSES as _CLASSES
from cassata.packing import pack, unpack
from cassata.recommendation import Recommendation, recommend
from cassata.renamed import install_as
from cassata.two_level import train_two_level

DenseFlatIndex = _CLASSES["DenseFlatIndex"]
DensePlainHNSW = _CLASSES["DensePlainHNSW"]
DensePQHNSW = _CLASSES["DensePQHNSW"]
DenseRerankHNSW = _CLASSES["DenseRerankHNSW"]
DenseMultivecRerankIndex = _CLASSES["DenseMultivecRerankIndex"]
SparseFlatIndex = _CLASSES["SparseFlatIndex"]
SparsePostingsIndex = _CLASSES["SparsePostingsIndex"]
SparsePlainHNSW = _CLASSES["SparsePlainHNSW"]
SparseFixedU8HNSW = _CLASSES["SparseFixedU8HNSW"]
SparseFixedU16HNSW = _CLASSES["SparseFixedU16HNSW"]
SparseDotVByteHNSW = SparseDotPacking8HNSW = _CLASSES["SparseDotVByteHNSW"]
SparseRerankHNSW = _CLASSES["SparseRerankHNSW"]
SparseMultivecRerankIndex = _CLASSES["SparseMultivecRerankIndex"]
SparseMultivecTwoLevelsPQRerankIndex = _CLASSES["SparseMultivecTwoLevelsPQRerankIndex"]

__all__ = [
    "DenseFlatIndex",
    "DenseMultivecRerankIndex",
    "DensePQHNSW",
    "DensePlainHNSW",
    "DenseRerankHNSW",
    "FormatError",
    "Index",
    "RecallWarning",
    "Recommendation",
    "SparseDotPacking8HNSW",
    "SparseDotVByteHNSW",
    "SparseFixedU8HNSW",
    "SparseFixedU16HNSW",
    "SparseFlatIndex",
    "SparseMultivecRerankIndex",
    "SparseMultivecTwoLevelsPQRerankIndex",
    "SparsePlainHNSW",
    "SparsePostingsIndex",
    "SparseRerankHNSW",
    "SparseRows",
    "__version__",
    "build",
    "clean",
    "fuse",
    "install_as",
    "open",
    "pack",
    "recommend",
    "simd_target",
    "train_two_level",
    "unpack",
]
