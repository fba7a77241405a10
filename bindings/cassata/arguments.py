"""The arguments that only Python has, by the stage of the methods that take them.

All others are parameters of the engine. Each has a name, a type and a default, and below these its text for help and
the reference page. Methods of several stages have those under [any].
"""

TEXT = r"""
[any]
path: Path | None = None
    Index file to write. None: an unnamed temporary file, until `save(path)`.
progress: Progress = None
    True: a bar on stderr. Or a function of (stage, done, total), called about once a second, which may raise to cancel.
resident: str | None = None
    "hot": read the bytes that every query needs into memory now; "all": the whole file. None: queries read what they
    need.
lock: bool = False
    Lock the resident bytes in memory (mlock) while the index is open.
multivec_data_folder: Path
    Folder with the documents' token vectors: doclens.npy and either documents.npy, or centroids.npy,
    index_assignment.npy, pq_centroids.npy and residuals.npy. The documents have the order of the index's vectors.
two_level: bool | None = None
    Which tokens to take from a folder that has both kinds. None: the folder has one kind.
ids: Path | None = None
    .npy file with the id of each vector, (n,) whole numbers or text, compared with ids.npy of the folder.

[build]
data: Data
    Vectors: an array of shape (n, dim); a scipy.sparse matrix or `SparseRows`; the path of a file: .npy, .fvecs,
    .bvecs, .fbin, .u8bin, .i8bin, sparse .bin or .npz; or an index, open or by its path. float32, float16, float64,
    uint8 and int8 arrays are read in place, files are streamed. Of an index the vectors are those of `Index.vectors`,
    and its ids, fields, documents and metric are taken unless other ones are given.
data_path: Path
    .npy (2-D, C order, little-endian f2/f4/f8/u1/i1), .fvecs, .bvecs, .fbin, .u8bin or .i8bin file.
data_vec: npt.ArrayLike
    Real numbers of shape (n, dim), or (n * dim,) with `dim`. float32, float16, float64, uint8 and int8 arrays are read
    in place, other types are copied to float32.
dim: int | None = None
    Dimension of a vector. Optional for 2-D data, with which it must agree.
data_file: Path
    Sparse .bin file (u32 n; for each vector u32 nnz, nnz u32 components, nnz f32 values; little-endian), streamed; or
    an .npz file of scipy.sparse.save_npz, read whole.
components: npt.ArrayLike | SparseMatrix | SparseRows
    Whole numbers from 0 to 2**32 - 2 of shape (entries,), strictly increasing within a vector; int32 and uint32 arrays
    are read in place. Or a scipy.sparse matrix instead of all three arrays: a copy is sorted and its duplicates are
    summed.
values: npt.ArrayLike | None = None
    Real numbers of shape (entries,); float32 arrays are read in place.
offsets: npt.ArrayLike | None = None
    Whole numbers of shape (n + 1,): vector i has the entries offsets[i] to offsets[i + 1] - 1.
ids: Ids | None = None
    The ids by which you know the vectors, all different: whole numbers or str, as an array, a list, or a column of
    pandas or pyarrow. None: row numbers.
fields: FieldColumns | None = None
    Values of the vectors, for conditions: a dict of columns, a pandas DataFrame, or a pyarrow Table. A column is an
    array or a list of whole numbers, floats, bools, times, str, or lists of str (tags). None, NaN, NaT and pandas.NA
    stand for no value.
documents: Documents | None = None
    A text, or bytes, of each vector, in the order of the vectors, stored in the file: a list, an iterator, or a column
    of pandas or Arrow, all str or all bytes. Read once; memory holds one of them.
filter: Filter | None = None
    With an index as `data`: the vectors to take, in their order. As for `search`: truth values, ids, packed bits, a
    set, a function, or a condition over fields. None: all.
layout: str | None = None
    "paged": another name for graph_type="paged". Graph and navigation codes lie in pages, for collections whose codes
    exceed memory. Needs `navigation`.
encoder: str = "pq"
    Codes of the first stage: "pq", "rabitq" (1 bit per dimension), "rabitq-ext" (`rabitq_total_bits`), "int8" or
    "int4".
pq_subspaces: int | None = None
    Number of subspaces of pq, and bytes of a vector. None: 32, or the dimension if less.
rabitq_total_bits: int = 4
    Bits per dimension of rabitq-ext, 1 to 8.
gamma: int
    1 or more. No effect: searches need no lists of the neighbours of neighbours.
rabitq_query_bits: int = 1
    1 to 8. No effect: queries have 8 bits, which cost no more here.
residual_rerank: bool = False
    The second stage holds only the residual of the first, and both scores are summed.
first_stage_value_type: str = "f16"
    Encoding of the first stage. One of "f16", "f32", "fixedu8", "fixedu16" and "dotvbyte". "blocked-sparse" means
    "f16".
second_stage_value_type: str = "f16"
    Encoding of the second stage. One of "f16", "f32", "fixedu8", "fixedu16" and "dotvbyte".

[join]
sparse_index_path: Path
    Index file of a sparse graph class of one stage, with metric dotproduct or cosine.
dense_index_path: Path
    Index file of DensePlainHNSW without navigation, or of DensePQHNSW, with metric dotproduct or cosine.
tokens: Path
    Folder with the documents' token vectors: doclens.npy and either documents.npy, or centroids.npy,
    index_assignment.npy, pq_centroids.npy and residuals.npy. The documents have the order of the index's vectors.

[two_level]
multivec_data_folder: Path
    Holds documents.npy, (total_tokens, token_dim) or padded (documents, tokens, token_dim), float16, float32 or uint16
    (the bits of float16), and doclens.npy, (documents,) integers: the number of tokens of each document.
out_folder: Path
    Another folder, which is created if needed.

[recommend]
data: Data
    The collection: a 2-D array, a scipy.sparse matrix or `SparseRows`, the path of a file (.npy, .fvecs, .bvecs,
    .fbin, .u8bin, .i8bin; sparse: .bin, .npz), or an index, open or by its path. `metric`, unless given, is that of
    the index, and otherwise "dotproduct".
queries: Data | None = None
    Typical queries, given like `data`; up to 500 of them, evenly spread, are used. None: vectors of the sample, which
    are held out of the indexes. They may be easier to answer than real queries, which then need a larger `ef_search`.

[fuse]
rankings: Rankings
    The results of each search: (scores, ids) of shape (k,) for one query, (nq, k) for several, best first; k may
    differ. Or (limits, scores, ids), as `Index.range_search` returns them. Ids are whole numbers, or texts in arrays of
    objects; places with id -1 or None are ignored.
method: str = "rrf"
    "rrf": reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): weight / (k + rank), ranks from 1,
    summed. "sum": weight times score, summed.
k: float = 60
    With "rrf": the larger, the less the first ranks differ from others; 0 to 1e15.
weights: Sequence[float] | None = None
    A weight for each ranking, 0 to 1e30. None: 1.
normalize: str | None = None
    With "sum": "min-max" scales the scores of each query in each ranking, the worst to 0 and the best to 1, or all to 1
    if they are equal. None: scores as they are.
best: str | Sequence[str | None] | None = None
    With "sum": whether the "largest" score of a ranking is the best, or the "smallest", as of distances: a word for all
    rankings, or one for each. None: the order of the scores over all queries shows it, or else the infinite score of
    missing places; where neither does, `best` is needed, unless "min-max" makes all scores 1.
top: int | None = None
    Most results of a query; at most as many as the rankings have. None: the largest k of the rankings; of triples, all.

[load]
path: Path
    The index file.
verify: Verify = False
    True: read the whole file and check every byte and rule now. "touched": check rows, lists and pages before a query
    first uses them.

[search]
queries: npt.ArrayLike
    One query: shape (dim,). Several: (nq, dim) or (nq * dim,). C-contiguous float32 arrays are used in place.
query: npt.ArrayLike | None = None
    Another name for `queries`.
radius: float
    The worst score of a result, inclusive: dot products and cosines are at least `radius`, squared Euclidean and
    Manhattan distances at most. Infinite: all vectors.
max_results: int | None = None
    Only so many of the best results of each query. None: all.
query_components: npt.ArrayLike
    Whole numbers from 0 to 2**32 - 2 of shape (entries,), in any order; values of equal components are summed. Or a
    scipy.sparse matrix whose rows are the queries, instead of all three arrays.
query_values: npt.ArrayLike = None
    Real numbers of shape (entries,).
offsets: npt.ArrayLike | None = None
    Whole numbers of shape (nq + 1,): query i has the entries offsets[i] to offsets[i + 1] - 1. None: one query. As a
    positional argument it may be left out: a single number is the next argument.
multivec_queries: npt.ArrayLike | None = None
    Token vectors of the queries: shape (nq, n_tokens, token_dim), (tokens, token_dim) or flat.
tokens: Tokens | None = None
    Token vectors of the queries, if the index has token vectors: shape (n_tokens, token_dim) for one query, (nq,
    n_tokens, token_dim) for several, or a list of arrays (n_tokens, token_dim), one for each query.
filter: Filters | None = None
    What results may be: truth values of shape (n,); ids, as an array or list; packed bits, uint8 of shape
    (ceil(n / 8),) as of `numpy.packbits` with bitorder="little"; a set, or anything else that contains ids, such as
    `pyroaring.BitMap`; a function, which is called with each id; or a condition over fields, such as
    {"size": {"$lt": 1000}}. Row numbers stand for ids in an index without. A list of these, or truth values of shape
    (nq, n): one for each query. None: all rows.
predicate: Callable[[int], object]
    A function that tells of an id, or of a row number if ids are texts, whether results may have it. It is called with
    each before the search; `filter` takes forms that cost less.
n_tokens: int | None = None
    Number of tokens of a query, if the shape does not determine it.
token_dim: int | None = None
    Dimension of a token vector, as in the index.
residuals: bool = False
    A document's score is the sum of the scores of both stages.
query_doclens: npt.ArrayLike | None = None
    Whole numbers of shape (nq,): number of tokens of each query. Further tokens of 3-D `multivec_queries` are padding.
"""
