"""Connected blobs of wax in a film, and when they split and merge.

A film is an array `wax f[N, Nz, Ny, Nx]`: the share of wax, 0 to 1, in each cell of a
volume at N moments that follow each other at a steady rate. A flat picture is a volume
with Nz = 1.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import scipy.sparse.csgraph


@dataclasses.dataclass(frozen=True)
class Blobs:
    """All blobs of a film, ordered by time, and which of them overlap.

    Attributes:
      moment: index of the moment at which each blob is seen, i64[B].
      cells: volume in cells, i64[B].
      row: mean row of its cells, f64[B].
      height: number of rows that it spans, i64[B].
      width: number of columns or layers that it spans, the larger of both, i64[B].
      links: pairs (blob, blob of the next moment) that overlap, i64[L, 2].
      overlap: number of cells that each pair shares, i64[L].
      num_moments: N.
    """

    moment: np.ndarray
    cells: np.ndarray
    row: np.ndarray
    height: np.ndarray
    width: np.ndarray
    links: np.ndarray
    overlap: np.ndarray
    num_moments: int

    def counts(self) -> np.ndarray:
        """Returns the number of blobs at each moment, i64[N]."""
        return np.bincount(self.moment, minlength=self.num_moments)


def find_blobs(wax: np.ndarray, min_cells: int) -> Blobs:
    """Finds the blobs of each moment.

    A blob is a set of at least `min_cells` cells with wax > 1/2 that are connected by
    their faces. To find the blobs as seen from the front, pass
    `wax.max(axis=1, keepdims=True)`.

    Args:
      wax: f[N, Nz, Ny, Nx]; or f[N, K, Nz, Ny, Nx] of K fields of wax, where blobs of
        different fields are apart even if they touch.
      min_cells: volume of the smallest blob; anything smaller is spray.
    """
    return measure_blobs(label_blobs(wax, min_cells))


def label_blobs(wax: np.ndarray, min_cells: int) -> np.ndarray:
    """Returns the number of the blob of each cell, i64[N, Nz, Ny, Nx], 0 for none.

    Blobs are those of `find_blobs`, numbered by time. In a cell that blobs of several
    fields share, it is the one with the largest number.
    """
    wax = wax[:, None] if wax.ndim == 4 else wax
    # Cells touch within a field of a moment, not across fields or moments.
    neighbours = np.zeros((3, 3, 3, 3, 3), bool)
    neighbours[1, 1] = scipy.ndimage.generate_binary_structure(3, 1)
    labels = scipy.ndimage.label(wax > 0.5, neighbours)[0].max(axis=1)
    is_blob = np.bincount(labels.ravel()) >= min_cells
    is_blob[0] = False
    return np.where(is_blob, np.cumsum(is_blob), 0)[labels]


def measure_blobs(labels: np.ndarray) -> Blobs:
    """Returns the blobs of a film from the labels of its cells, of `label_blobs`."""
    cells = np.bincount(labels.ravel())[1:]
    rows = np.indices(labels.shape, np.int32, sparse=True)[2]
    row_sum = np.bincount(labels.ravel(), np.broadcast_to(rows, labels.shape).ravel())
    boxes = [
        (moment.start, *(side.stop - side.start for side in sides))
        for moment, *sides in scipy.ndimage.find_objects(labels)
    ]
    moment, depth, height, width = np.array(boxes, np.int64).reshape(-1, 4).T
    links, overlap = _find_overlaps(labels)
    return Blobs(
        moment=moment,
        cells=cells,
        row=row_sum[1:] / cells,
        height=height,
        width=np.maximum(width, depth),
        links=links,
        overlap=overlap,
        num_moments=len(labels),
    )


def join_blobs(parts: Sequence[Blobs]) -> Blobs:
    """Joins the blobs of consecutive parts of a film.

    Each part begins with the last moment of the part before it.
    """
    columns, moments, number = [], 0, 0
    for part in parts:
        known = np.count_nonzero(part.moment == 0) if columns else 0
        own = (part.moment + moments, part.cells, part.row, part.height, part.width)
        links = part.links + number - known
        columns.append((*(values[known:] for values in own), links, part.overlap))
        moments += part.num_moments - 1
        number += len(part.moment) - known
    return Blobs(*map(np.concatenate, zip(*columns, strict=True)), moments + 1)


def splits_and_merges(
    blobs: Blobs, min_moments: int = 1, min_overlap: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """Finds when blobs split and when they merge.

    In a film of several fields, blobs that touch are still two. They merge when they
    come into the same field, and a blob that pinches off has split.

    Two blobs of consecutive moments are related if they share at least `min_overlap` of
    the smaller one. A smaller overlap is a blob in a place that another blob has just
    left. A blob continues as its successor if each has its largest overlap with the
    other; a track is a chain of such blobs. A track that begins inside an earlier blob
    is a split, a track that ends inside a later blob a merge. Tracks shorter than
    `min_moments` count as neither: they come from a thin neck that closes and opens
    again. Tracks that are cut off by the ends of the film count as long. A blob that
    appears or vanishes outside others, because it grew or shrank past the smallest
    volume of a blob, counts as neither.

    Returns:
      The first moments after each split, i64[P], and after each merge, i64[M], in
      order.
    """
    number = len(blobs.moment)
    smaller = blobs.cells[blobs.links].min(axis=1)
    related = blobs.overlap >= min_overlap * smaller
    (earlier, later), overlap = blobs.links[related].T, blobs.overlap[related]
    is_main = _is_largest(earlier, overlap) & _is_largest(later, overlap)
    track, is_long = _tracks(blobs, earlier[is_main], later[is_main], min_moments)

    begins = np.ones(number, bool)
    begins[later[is_main]] = False
    ends = np.ones(number, bool)
    ends[earlier[is_main]] = False
    split = np.unique(later[begins[later] & is_long[track[later]]])
    merged = np.unique(earlier[ends[earlier] & is_long[track[earlier]]])
    return blobs.moment[split], blobs.moment[merged] + 1


def _tracks(
    blobs: Blobs, earlier: np.ndarray, later: np.ndarray, min_moments: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the track of each blob, i64[B], and which tracks are long, bool[K].

    Blob `later[i]` is the successor of blob `earlier[i]`.
    """
    number = len(blobs.moment)
    graph = scipy.sparse.coo_array(
        (np.ones(len(earlier)), (earlier, later)), (number, number)
    )
    num_tracks, track = scipy.sparse.csgraph.connected_components(graph, directed=False)
    first = np.full(num_tracks, blobs.num_moments)
    np.minimum.at(first, track, blobs.moment)
    last = np.full(num_tracks, -1)
    np.maximum.at(last, track, blobs.moment)
    is_cut_off = (first == 0) | (last == blobs.num_moments - 1)
    return track, is_cut_off | (last - first + 1 >= min_moments)


def _find_overlaps(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs (blob, blob of the next moment) and the cells that they share."""
    earlier, later = labels[:-1].ravel(), labels[1:].ravel()
    both = (earlier > 0) & (later > 0)
    size = int(labels.max()) + 1
    pair, shared = np.unique(earlier[both] * size + later[both], return_counts=True)
    return np.stack(np.divmod(pair, size), axis=1) - 1, shared


def _is_largest(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns a mask of the largest value of each key, the first of equal ones."""
    order = np.lexsort((-values, keys))
    largest = np.zeros(len(keys), bool)
    largest[order[np.unique(keys[order], return_index=True)[1]]] = True
    return largest
