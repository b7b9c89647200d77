"""Bodies of wax that touch without merging: their surfaces, and which field holds them.

Two bodies that touch are still separated by a film of liquid. It has to drain before
they merge, which takes seconds to minutes (Chesters 1991, "The modelling of coalescence
processes in fluid-liquid dispersions"), and the film is far thinner than a cell. The
wax is therefore split into K fields, which the same flow carries. Bodies of one field
merge on contact; bodies of different fields never do. A tracker, on the host, moves
bodies from field to field so that two near bodies are never in the same one, and so
that two touching bodies merge at the rate of drainage.

Phase-field models of grain growth do the same with grains: Krill and Chen 2002,
"Computer simulation of 3-D grain growth using a phase-field model", for the repulsion
of fields; Permann, Tonks, Fromm and Gaston 2016, "Order parameter re-mapping algorithm
for 3D phase field model of grain growth using FEM" (the grain tracker of MOOSE), for
the tracker.

A body is a set of at least `LEAST_CELLS` cells of one field with wax > 1/2 that are
connected by faces. Wax that is in none, as in a droplet that the grid cannot resolve,
dissolves and condenses on the bodies (Ostwald ripening).
"""

import functools
import itertools
from typing import NamedTuple

import jax
import numpy as np
import scipy.ndimage

from duralava.simulation import transport
from duralava.simulation.config import LampConfig

LEAST_CELLS = 12

# Two bodies are near if they come within twice as many cells of each other.
_NEAR_CELLS = 2
# Wax that is farther from all bodies of its field dissolves, at this rate.
_REACH_CELLS = 5
_DISSOLVING_SECONDS = 2.0
# How many times bodies are moved in turn to make room for one.
_MAX_CHAIN = 2

_Fields = tuple[int, ...]


class Events(NamedTuple):
    """What a call of the tracker did.

    Attributes:
      moved: number of bodies that were moved to another field, to keep them apart.
      merged: number of pairs of bodies that merged.
      crowded: number of pairs of near bodies for which no field was free.
      dissolved: wax that dissolved, in cells.
    """

    moved: int
    merged: int
    crowded: int
    dissolved: float


class _Body(NamedTuple):
    """A body and its surroundings.

    Attributes:
      field: of the body.
      label: number of the body in its field, from 1.
      box: part of the grid that holds the body and `_NEAR_CELLS` around it.
      next_to: cells in or next to the body, bool[box].
      near: cells within `_NEAR_CELLS` of the body, bool[box].
    """

    field: int
    label: int
    box: tuple[slice, ...]
    next_to: np.ndarray
    near: np.ndarray


def potentials(wax: jax.Array, config: LampConfig) -> jax.Array:
    """Returns the derivatives q of the energy of all surfaces by each field.

    The energy is that of `transport.chemical_potential` for each field, and, so that
    fields do not overlap, 6 r c_a^2 c_b^2 / epsilon for each pair of fields, with r the
    repulsion (Krill and Chen 2002).

    Args:
      wax: share of wax of each field c, f32[K, Nz, Ny, Nx].
      config: the lamp.

    Returns:
      f32[K, Nz, Ny, Nx], for a surface tension of 1.
    """
    alone = functools.partial(
        transport.chemical_potential,
        width=config.surface_width,
        cell=config.cell,
        wall_contact=config.wall_contact,
        top_contact=config.top_contact,
        floor_contact=config.floor_contact,
    )
    square = wax**2
    others = sum(square) - square
    strength = 12 * config.repulsion / config.surface_width
    return jax.vmap(alone)(wax) + strength * wax * others


def track(
    wax: np.ndarray, seconds: float, rng: np.random.Generator, config: LampConfig
) -> tuple[np.ndarray, Events]:
    """Keeps near bodies apart, lets touching ones merge and droplets dissolve.

    Of two near bodies in one field the smaller one is moved to a field that no body
    near it is in. Two bodies touch if they would be one body in the same field. They
    then merge with the probability 1 - exp(-seconds / drainage time): one is moved to
    the field of the other. That changes only the fields of the wax, not their sum.
    Wax outside bodies dissolves, and condenses on their surfaces. The volume of all wax
    stays the same to rounding.

    Args:
      wax: share of wax of each field, f32[K, Nz, Ny, Nx].
      seconds: since the last call.
      rng: decides which of the touching bodies merge.
      config: the lamp.

    Returns:
      The wax, and what was done.
    """
    labels, found = _find(wax)
    near, contacts = _neighbours(wax, found)
    fields = tuple(body.field for body in found)
    fields, moved, crowded = _part(fields, near, config.num_fields)
    fields, merged = _merge(fields, near, contacts, seconds, rng, config)
    wax, dissolved = _dissolve(wax, labels, found, seconds)
    wax = _move(wax, labels, found, fields)
    return wax, Events(moved, merged, crowded, dissolved)


def _find(wax: np.ndarray) -> tuple[np.ndarray, list[_Body]]:
    """Returns the labels i32[K, Nz, Ny, Nx] of all cells, and the bodies by size."""
    labels = np.zeros(wax.shape, np.int32)
    found = []
    for field, part in enumerate(wax):
        scipy.ndimage.label(part > 0.5, output=labels[field])
        cells = np.bincount(labels[field].ravel())
        boxes = scipy.ndimage.find_objects(labels[field])
        for label, box in enumerate(boxes, start=1):
            if cells[label] >= LEAST_CELLS:
                found.append((cells[label], field, label, box))
    found.sort(key=lambda body: (-body[0], body[1:3]))
    return labels, [_surround(labels[body[1]], *body[1:]) for body in found]


def _surround(
    labels: np.ndarray, field: int, label: int, box: tuple[slice, ...]
) -> _Body:
    """Returns a body, from the labels of its field and the box of its cells."""
    box = tuple(
        slice(max(0, side.start - _NEAR_CELLS), side.stop + _NEAR_CELLS) for side in box
    )
    next_to = scipy.ndimage.binary_dilation(labels[box] == label)
    near = scipy.ndimage.binary_dilation(next_to, iterations=_NEAR_CELLS - 1)
    return _Body(field, label, box, next_to, near)


def _neighbours(
    wax: np.ndarray, found: list[_Body]
) -> tuple[np.ndarray, dict[tuple[int, int], np.ndarray]]:
    """Returns which bodies are near each other, and where touching ones touch.

    Returns:
      bool[N, N] for N bodies; and the cells i64[M, 3] at which two bodies touch, for
      each pair (larger, smaller) that does.
    """
    near = np.zeros((len(found), len(found)), bool)
    contacts = {}
    for a, b in itertools.combinations(range(len(found)), 2):
        first, second = found[a], found[b]
        box = _overlap(first.box, second.box)
        if box is None:
            continue
        near[a, b] = near[b, a] = np.any(
            first.near[_within(box, first.box)] & second.near[_within(box, second.box)]
        )
        if near[a, b] and first.field != second.field:
            film = first.next_to[_within(box, first.box)]
            film = film & second.next_to[_within(box, second.box)]
            film &= wax[first.field][box] + wax[second.field][box] > 0.5
            if film.any():
                corner = [side.start for side in box]
                contacts[a, b] = np.argwhere(film) + corner
    return near, contacts


def _overlap(
    first: tuple[slice, ...], second: tuple[slice, ...]
) -> tuple[slice, ...] | None:
    """Returns the part of the grid that is in both boxes; None if there is none."""
    box = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return box if all(side.start < side.stop for side in box) else None


def _within(box: tuple[slice, ...], outer: tuple[slice, ...]) -> tuple[slice, ...]:
    """Returns a part of the grid as a part of the box around it."""
    return tuple(
        slice(side.start - whole.start, side.stop - whole.start)
        for side, whole in zip(box, outer, strict=True)
    )


def _part(
    fields: _Fields, near: np.ndarray, num_fields: int
) -> tuple[_Fields, int, int]:
    """Returns fields in which no near bodies are together, if there are such fields.

    Also returns how many bodies were moved, and how many pairs remain together.
    """
    before, crowded = fields, 0
    for a, b in zip(*np.nonzero(np.triu(near)), strict=True):
        if fields[a] != fields[b]:
            continue
        for body in (b, a):
            others = [f for f in range(num_fields) if f != fields[body]]
            found = _assign(body, others, fields, near, frozenset(), num_fields)
            if found is not None:
                fields = found
                break
        else:
            crowded += 1
    moved = sum(a != b for a, b in zip(before, fields, strict=True))
    return fields, moved, crowded


def _assign(
    body: int,
    options: list[int],
    fields: _Fields,
    near: np.ndarray,
    fixed: frozenset[int],
    num_fields: int,
    chain: int = _MAX_CHAIN,
) -> _Fields | None:
    """Returns the fields of all bodies after one of them is put into a new field.

    Bodies near it that are in this field are put into others in turn, and so on.

    Args:
      body: number of the body.
      options: fields into which it may go.
      fields: of all bodies.
      near: which bodies are near each other, bool[N, N].
      fixed: bodies whose field must not change.
      num_fields: K.
      chain: how many times bodies may be put elsewhere in turn.

    Returns:
      The fields of all bodies; None if there is no way.
    """

    def clashes(field: int) -> list[int]:
        return [b for b in np.nonzero(near[body])[0] if fields[b] == field]

    fixed = fixed | {body}
    for field in sorted(options, key=lambda field: len(clashes(field))):
        in_the_way = clashes(field)
        if in_the_way and (not chain or fixed & set(in_the_way)):
            continue
        trial = (*fields[:body], field, *fields[body + 1 :])
        others = [f for f in range(num_fields) if f != field]
        for other in in_the_way:
            trial = _assign(other, others, trial, near, fixed, num_fields, chain - 1)
            if trial is None:
                break
        else:
            return trial
    return None


def _merge(
    fields: _Fields,
    near: np.ndarray,
    contacts: dict[tuple[int, int], np.ndarray],
    seconds: float,
    rng: np.random.Generator,
    config: LampConfig,
) -> tuple[_Fields, int]:
    """Returns fields in which some of the touching bodies are together, and how many.

    Bodies near them that are in this field are moved away.
    """
    near = near.copy()
    merged: frozenset[int] = frozenset()
    for (a, b), cells in contacts.items():
        rate = 1 / _drainage_seconds(cells, config)
        if rng.random() >= -np.expm1(-seconds * rate):
            continue
        if fields[a] == fields[b] or a in merged or b in merged:
            continue
        near[a, b] = near[b, a] = False
        for body, other in ((b, a), (a, b)):
            fixed = merged | {other}
            found = _assign(
                body, [fields[other]], fields, near, fixed, config.num_fields
            )
            if found is not None:
                fields, merged = found, merged | {a, b}
                break
        else:
            near[a, b] = near[b, a] = True
    return fields, len(merged) // 2


def _drainage_seconds(cells: np.ndarray, config: LampConfig) -> float:
    """Returns the mean time for which a film stays that lies in `cells` i64[M, 3]."""
    z, y, x = ((cells + 0.5) * config.cell).T
    is_near = (y < config.coil_height) & (
        np.hypot(x - 0.5, z - 0.5) < config.coil_radius
    )
    return config.coil_drainage_seconds if is_near.any() else config.drainage_seconds


def _dissolve(
    wax: np.ndarray, labels: np.ndarray, found: list[_Body], seconds: float
) -> tuple[np.ndarray, float]:
    """Returns the wax after some of what is in no body went to them, and how much."""
    if not found:
        return wax, 0.0
    is_body = np.zeros(wax.shape, np.uint8)
    for body in found:
        is_body[body.field][body.box] |= labels[body.field][body.box] == body.label
    size = 2 * _REACH_CELLS + 1
    in_reach = scipy.ndimage.maximum_filter(is_body, (1, size, size, size))
    loose = np.where(in_reach, 0, -np.expm1(-seconds / _DISSOLVING_SECONDS) * wax)
    loose = loose.astype(wax.dtype)
    dissolved = loose.sum(dtype=np.float64)
    # Most condenses where half a cell is wax, none where there is no room for it.
    surface = (wax - loose) * np.maximum(1 - wax.sum(axis=0), 0)
    surface *= dissolved / surface.sum(dtype=np.float64)
    return wax - loose + surface, float(dissolved)


def _move(
    wax: np.ndarray, labels: np.ndarray, found: list[_Body], fields: _Fields
) -> np.ndarray:
    """Returns the wax after bodies were moved to `fields`.

    A body takes along all wax of its field to which it is the nearest.
    """
    moves = [
        (body, to) for body, to in zip(found, fields, strict=True) if body.field != to
    ]
    if not moves:
        return wax
    taken, given = wax.copy(), np.zeros_like(wax)
    for field in {body.field for body, _ in moves}:
        distance, nearest = scipy.ndimage.distance_transform_edt(
            labels[field] == 0, return_indices=True
        )
        owner = labels[field][tuple(nearest)]
        owner[distance > _REACH_CELLS] = 0
        for body, to in moves:
            if body.field == field:
                cells = owner == body.label
                given[to][cells] += wax[field][cells]
                taken[field][cells] = 0
    return taken + given
