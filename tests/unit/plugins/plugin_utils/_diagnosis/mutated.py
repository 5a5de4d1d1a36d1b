# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles that somebody has edited: what stands at some places of the evidence is something else, or gone."""

from __future__ import annotations

import copy
import typing as t

from hypothesis import strategies as st

Json = t.Dict[str, t.Any]
_GONE = "gone"
_ODD = st.sampled_from(
    [None, True, False, 0, -1, 3.5, 1e300, 10**400, "", "x", "FAILED", "2026-11-20T20:00:00Z", "9999-12-31T23:59:59Z"]
    + [[], [1], ["x"], [None], [[]], [{}], {}, {"x": 1}, {"outcome": 1}, [{"resource": []}], _GONE]
)


@st.composite
def mutated(draw: st.DrawFn, bundles: t.Sequence[Json]) -> Json:
    """One of the bundles with one to three changes anywhere in its evidence."""
    bundle = copy.deepcopy(draw(st.sampled_from(bundles)))
    for dummy in range(draw(st.integers(1, 3))):
        holder, place = draw(st.sampled_from(list(_places(bundle["evidence"]))))
        change = draw(_ODD)
        if change == _GONE:
            del holder[place]
        else:
            holder[place] = copy.deepcopy(change)
    return bundle


def _places(holder: t.Any) -> t.Iterator[tuple[t.Any, t.Any]]:
    """(mapping or list, key or number) of every node below."""
    inner = holder.items() if isinstance(holder, dict) else enumerate(holder) if isinstance(holder, list) else ()
    for place, value in inner:
        yield holder, place
        yield from _places(value)
