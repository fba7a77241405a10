"""Fusion of the results of several searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from cassata import _core, inputs
from cassata.index import HitLists, Hits
from cassata.signatures import described

Rankings: TypeAlias = Sequence[tuple[npt.ArrayLike, npt.ArrayLike] | tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]]


class _Ranking(NamedTuple):
    """What the engine takes, and the shape that the caller gave; None: a triple."""

    core: tuple[str, npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.int64] | list[Any]]
    shape: tuple[int, ...] | None


@described("fuse")
def fuse(
    rankings: Rankings,
    method: str = "rrf",
    *,
    k: float = 60,
    weights: Sequence[float] | None = None,
    normalize: str | None = None,
    best: str | Sequence[str | None] | None = None,
    top: int | None = None,
) -> Hits | HitLists:
    """Fuses the results of several searches for the same queries, e.g. of a dense and a sparse index.

    Only ids and their order count with "rrf", so any rankings can be fused. A sum needs scores of one scale, or
    `normalize`; distances are negated. An id that a ranking lacks adds 0, or as much as the query's worst result there
    if that is negative.

    Returns:
        (scores, ids) as searches return them: of shape (top,) or (nq, top), largest score first, ties by lower id,
        missing places with id -1 or None and score -inf. Of triples: (limits, scores, ids), as `Index.range_search`
        returns them. Results are ordered by their sums in float64, and scores are these sums as float32.

    Raises:
        ValueError: Rankings of different numbers of queries or types of ids, an id twice in a ranking, NaN, a
            ranking that does not show which score is the best, or an argument out of range. The message names the
            ranking, the query and the place.
        TypeError: An argument has a wrong type.

    Example:
        >>> found = [dense.search(vectors, k=100), sparse.search(matrix, k=100)]
        >>> scores, ids = cassata.fuse(found, top=10)
    """
    made = [_ranking(f"rankings[{i}]", one) for i, one in enumerate(rankings)]
    for i, one in enumerate(made[1:], 1):
        texts = isinstance(one.core[3], list)
        if texts != isinstance(made[0].core[3], list):
            kinds = ("texts", "whole numbers") if texts else ("whole numbers", "texts")
            raise ValueError(f"rankings[{i}]: ids are {kinds[0]}, expected {kinds[1]}, as in rankings[0]")
        if (one.shape is None) != (made[0].shape is None) or len(one.shape or ()) != len(made[0].shape or ()):
            raise ValueError(f"rankings[{i}]: {_form(one)}, expected {_form(made[0])}, as rankings[0]")
    each = np.ones(len(made)) if weights is None else inputs.numbers("weights", weights).astype(float)
    if each.ndim != 1:
        raise ValueError(f"weights: shape {each.shape}, expected ({len(made)},), one for each ranking")
    bests = list(best) if isinstance(best, (list, tuple)) else [best] * len(made)
    for name, count in (("weights", len(each)), ("best", len(bests))):
        if count != len(made):
            raise ValueError(f"{name}: {count} given, expected {len(made)}, one for each ranking")
    width = None if top is None else inputs.whole_number("top", top, maximum=2**63 - 1)
    if made and made[0].shape is not None:
        widths = [one.shape[-1] for one in made if one.shape]
        width = max(widths) if width is None else min(width, sum(widths))
    constant = inputs.numbers("k", k)
    if constant.ndim:
        raise ValueError(f"k: shape {constant.shape}, expected a number")
    limits, scores, ids = _core.fuse(
        [one.core for one in made],
        each.tolist(),
        [None if one is None else inputs.word("best", one) for one in bests],
        inputs.word("method", method),
        float(constant),
        "none" if normalize is None else inputs.word("normalize", normalize),
        width,
    )
    if made[0].shape is None or width is None:
        return limits, scores, ids
    shape = (len(limits) - 1, width)
    filled = np.arange(width) < np.diff(limits)[:, None]
    all_scores = np.full(shape, -np.inf, np.float32)
    all_ids: npt.NDArray[Any] = np.full(shape, None if ids.dtype == object else -1, ids.dtype)
    all_scores[filled], all_ids[filled] = scores, ids
    return (all_scores, all_ids) if len(made[0].shape) == 2 else (all_scores[0], all_ids[0])


def _form(ranking: _Ranking) -> str:
    return "limits, scores and ids" if ranking.shape is None else f"scores and ids of {len(ranking.shape)} dimensions"


def _ranking(name: str, given: Any) -> _Ranking:
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise TypeError(f"{name}: a {type(given).__name__} given, expected (scores, ids) or (limits, scores, ids)")
    with np.errstate(over="ignore"):
        scores = inputs.numbers(f"{name}, scores", given[-2]).astype(np.float32)
    ids = np.asarray(given[-1])
    if ids.shape != scores.shape or ids.ndim not in ((1,) if len(given) == 3 else (1, 2)):
        raise ValueError(
            f"{name}: scores of shape {scores.shape} and ids of shape {ids.shape}, expected both (k,) or both (nq, k)"
        )
    if len(given) == 3:
        limits = inputs.numbers(f"{name}, limits", given[0])
        if limits.ndim != 1 or limits.dtype.kind not in "iu":
            raise ValueError(f"{name}, limits: shape {limits.shape}, {limits.dtype}, expected whole numbers (nq + 1,)")
    else:
        queries = len(ids) if ids.ndim == 2 else 1
        limits = np.arange(queries + 1) * ids.shape[-1]
    core = (name, limits.astype(np.int64), scores.ravel(), _ids(name, ids.ravel()))
    return _Ranking(core, None if len(given) == 3 else ids.shape)


def _ids(name: str, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64] | list[Any]:
    if ids.dtype.kind in "iu" or not ids.size:
        if ids.dtype.kind == "u" and ids.size and ids.max() > 2**63 - 1:
            raise ValueError(f"{name}: id {ids.max()}, expected ids below 2**63")
        return ids.astype(np.int64) if ids.dtype.kind in "iu" else []
    texts: list[Any] = ids.tolist()
    for one in texts:
        if one is not None and not isinstance(one, str):
            raise TypeError(f"{name}: id {one!r:.60}, expected whole numbers, or texts and None")
    return texts
