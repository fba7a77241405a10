"""From counted words to sparse vectors: BM25.

Robertson and Zaragoza, Foundations and Trends in Information Retrieval 2009, section 3.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

K1 = 1.2  # how soon a word that a text repeats adds no more: 0 at once, larger later
B = 0.75  # how much a text's length is held against it: 0 not at all, 1 in full


def vectors(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """The counted texts as vectors whose dot products with the counted words of a question are scores by BM25.

    A word that a text of length dl has tf times weighs idf * tf / (tf + K1 * (1 - B + B * dl / average dl)), where idf
    is log(1 + (N - n + 0.5) / (n + 0.5)) if n of N texts have the word: with the 1, no word speaks against a text,
    however common.
    """
    texts, words = counts.shape
    used_by = np.bincount(counts.indices, minlength=words)
    rarity = np.log1p((texts - used_by + 0.5) / (used_by + 0.5))
    lengths = counts.sum(axis=1).A1
    damping = K1 * (1 - B + B * lengths / lengths.mean())
    weights = rarity[counts.indices] * counts.data / (counts.data + np.repeat(damping, np.diff(counts.indptr)))
    return sparse.csr_matrix((weights.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)
