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

A body is a set of cells of one field with wax > `LINKED` that are connected by faces,
in at least `LEAST_CELLS` of which wax > 1/2. So a neck counts as cut when nothing of it
is seen any more, and what becomes of a body then cannot be seen either. Wax that is in
no body, as in a droplet that the grid cannot resolve, dissolves and condenses on the
bodies (Ostwald ripening).

In each cell, moving a body only exchanges the shares of wax of the fields. So the
picture, which does not depend on their order, stays the same. Two bodies that merge
leave their film behind, as wax of the field that one of them was in: it dissolves, and
the crease between them fades.
"""

import functools
import itertools
import operator
from typing import NamedTuple

import jax
import numpy as np
import scipy.ndimage

from duralava.simulation import transport
from duralava.simulation.config import LampConfig

LEAST_CELLS = 12
LINKED = 0.25

# Two bodies are near if they come within about twice as many cells of each other.
_NEAR_CELLS = 2
# Wax that is farther from all bodies of its field dissolves, at this rate.
_REACH_STEPS = (1, 2, 2)
_REACH_CELLS = sum(_REACH_STEPS)
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
      box: part of the grid that holds the body, and `_NEAR_CELLS` more on each side.
      next_to: cells in its dense part (wax > 1/2) or next to it, bool[box].
      near: cells within sqrt(6) cells of its dense part, bool[box].
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
    the field of the other. Wax outside bodies dissolves, and condenses on their
    surfaces. Only that changes the sum of the fields. The volume of all wax stays the
    same to rounding.

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
    """Returns the labels i32[K, Nz, Ny, Nx] of all bodies, and the bodies by size."""
    labels = np.zeros(wax.shape, np.int32)
    found = []
    for field, part in enumerate(wax):
        number = scipy.ndimage.label(part > LINKED, output=labels[field])
        sizes = np.bincount(labels[field][part > 0.5], minlength=number + 1)
        boxes = scipy.ndimage.find_objects(labels[field])
        for label, box in enumerate(boxes, start=1):
            if sizes[label] >= LEAST_CELLS:
                found.append((sizes[label], field, label, box))
            else:
                cells = labels[field][box]
                cells[cells == label] = 0
    found.sort(key=lambda body: (-body[0], body[1:3]))
    return labels, [_surround(wax, labels, *body[1:]) for body in found]


def _surround(
    wax: np.ndarray,
    labels: np.ndarray,
    field: int,
    label: int,
    box: tuple[slice, ...],
) -> _Body:
    """Returns a body, from the labels of all bodies and the box of its cells."""
    box = tuple(
        slice(max(0, side.start - _NEAR_CELLS), side.stop + _NEAR_CELLS) for side in box
    )
    cells = (labels[field][box] == label) & (wax[field][box] > 0.5)
    next_to = functools.reduce(np.bitwise_or, (_spread(cells, a) for a in range(3)))
    near = functools.reduce(_spread, range(3), next_to)
    return _Body(field, label, box, next_to, near)


def _spread(cells: np.ndarray, axis: int, by: int = 1) -> np.ndarray:
    """Returns cells, and those `by` cells before and after them along an axis."""
    before = (slice(None),) * axis + (slice(None, -by),)
    after = (slice(None),) * axis + (slice(by, None),)
    spread = cells.copy()
    spread[after] |= cells[before]
    spread[before] |= cells[after]
    return spread


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
    share = np.float32(-np.expm1(-seconds / _DISSOLVING_SECONDS))
    loose = wax * (share * ~_in_reach((labels > 0) & (wax > 0.5)))
    dissolved = loose.sum(dtype=np.float64)
    room = np.maximum(1 - wax.sum(axis=0), 0)
    wax = wax - loose
    # Most condenses where half a cell is wax, none where there is no room for it.
    surface = wax * room
    surface *= dissolved / surface.sum(dtype=np.float64)
    return wax + surface, float(dissolved)


def _in_reach(cells: np.ndarray) -> np.ndarray:
    """Returns which cells are within `_REACH_CELLS` of some, along each axis.

    Cells that stay empty part the rows, so that a row is spread as one long one.
    """
    shape = cells.shape[1:]
    padded = np.pad(cells, ((0, 0), *((0, _REACH_CELLS) for _ in shape)))
    flat = padded.ravel()
    for stride in itertools.accumulate((1, *padded.shape[:1:-1]), operator.mul):
        for steps in _REACH_STEPS:
            flat = _spread(flat, 0, stride * steps)
    return flat.reshape(padded.shape)[:, : shape[0], : shape[1], : shape[2]]


def _move(
    wax: np.ndarray, labels: np.ndarray, found: list[_Body], fields: _Fields
) -> np.ndarray:
    """Returns the wax after bodies were moved to `fields`.

    A body takes along the wax of its field to which it is the nearest. Each cell keeps
    its shares of wax, though in other fields: of two that go to the same field, that of
    the nearer body does.
    """
    before, after = np.array([body.field for body in found]), np.array(fields)
    is_moved = before != after
    if not is_moved.any():
        return wax
    owner, distance = _owners(labels, found, {*before[is_moved], *after[is_moved]})
    # The last one is no body: owner -1.
    cells = np.append(is_moved, False)[owner].any(axis=0)
    shares, owner = wax[:, cells], owner[:, cells]
    own = np.broadcast_to(np.arange(len(wax))[:, None], owner.shape)
    wanted = np.where(owner < 0, own, after[owner])
    order = np.lexsort((-shares, distance[:, cells]), axis=0)
    target = _hand_out(wanted, own, order)
    moved, exchanged = wax.copy(), np.empty_like(shares)
    np.put_along_axis(exchanged, target, shares, axis=0)
    moved[:, cells] = exchanged
    return moved


def _owners(
    labels: np.ndarray, found: list[_Body], fields: set[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest body of each of some fields, and its distance in cells.

    Returns:
      The number of the body i64[K, Nz, Ny, Nx], -1 if none is in reach; and its
      distance f64[K, Nz, Ny, Nx], infinite if none is.
    """
    owner = np.full(labels.shape, -1)
    distance = np.full(labels.shape, np.inf)
    for field in fields:
        numbers = {body.label: n for n, body in enumerate(found) if body.field == field}
        if not numbers:
            continue
        away, nearest = scipy.ndimage.distance_transform_edt(
            labels[field] == 0, return_indices=True
        )
        number_of = np.array([numbers.get(n, -1) for n in range(max(numbers) + 1)])
        in_reach = away <= _REACH_CELLS
        owner[field] = np.where(in_reach, number_of[labels[field][tuple(nearest)]], -1)
        distance[field] = np.where(in_reach, away, np.inf)
    return owner, distance


def _hand_out(wanted: np.ndarray, own: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns fields for all shares of wax in M cells, a different one for each.

    In each cell all shares, one after the other, get the field that they want if it is
    free, then their own, then any.

    Args:
      wanted: field that each share wants, i64[K, M].
      own: field that each share is in, i64[K, M].
      order: of the shares in each cell, i64[K, M].
    """
    number = len(wanted)
    target, is_free = np.full(wanted.shape, -1), np.ones(wanted.shape, bool)
    for choice in (wanted, *((own + shift) % number for shift in range(number))):
        for share in order:
            cells = np.flatnonzero(target[share, np.arange(len(share))] < 0)
            field = choice[share[cells], cells]
            is_free_here = is_free[field, cells]
            cells, field = cells[is_free_here], field[is_free_here]
            target[share[cells], cells] = field
            is_free[field, cells] = False
    return target
