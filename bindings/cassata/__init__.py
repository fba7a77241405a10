"""Vector search in one file: self-describing, checksummed, searched where it lies.

Build an index once, copy the file anywhere, open it in a time that does not depend on its size, with nothing to remember::

    import numpy as np
    import cassata

    vectors = np.random.default_rng(0).standard_normal((10_000, 64), dtype=np.float32)
    index = cassata.DensePlainHNSW.build_from_array(vectors, metric="euclidean", path="vectors.cassata")
    distances, ids = index.search(vectors[7], k=5)              # one query
    distances, ids = index.batch_search(vectors[:100], k=5)     # shape (100, 5), all processors

    with cassata.open("vectors.cassata") as same:               # any index file, in any process
        print(same, same.info["provenance"])

The classes are named and called as kANNolo's: ``import cassata as kannolo`` runs code written for it, and
``python -m cassata.as_kannolo script.py`` a script as it is.
"""

from cassata._core import FormatError, __version__, simd_target
from cassata.cleaning import clean
from cassata.compact import SparseDotPacking8HNSW, SparseDotVByteHNSW, SparseFixedU8HNSW, SparseFixedU16HNSW
from cassata.dense import DenseFlatIndex, DensePlainHNSW
from cassata.dense_rerank import DenseRerankHNSW
from cassata.index import RecallWarning, open
from cassata.multivector import DenseMultivecRerankIndex, SparseMultivecRerankIndex, SparseMultivecTwoLevelsPQRerankIndex
from cassata.postings import SparseFlatIndex, SparsePostingsIndex
from cassata.product import DensePQHNSW
from cassata.recommendation import Recommendation, recommend
from cassata.renamed import install_as
from cassata.rerank import SparseRerankHNSW
from cassata.sparse import SparsePlainHNSW
from cassata.two_level import train_two_level

__all__ = [
    "DenseFlatIndex",
    "DenseMultivecRerankIndex",
    "DensePQHNSW",
    "DensePlainHNSW",
    "DenseRerankHNSW",
    "FormatError",
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
    "__version__",
    "clean",
    "install_as",
    "open",
    "recommend",
    "simd_target",
    "train_two_level",
]
