"""Which examples share a mask, as a word or a number."""

from __future__ import annotations

from typing import Union

Sharing = Union[str, int]


def sharing_code(sharing: Sharing) -> int:
    """The number of examples that share a mask; 0 is the whole batch."""
    if sharing == "example":
        return 1
    if sharing == "batch":
        return 0
    if isinstance(sharing, int) and not isinstance(sharing, bool) and 1 <= sharing < 2**32:
        return sharing
    raise ValueError(
        f'`sharing` is {sharing!r}; it must be "example", "batch" or a number of consecutive examples, '
        "from 1 to 2**32 - 1"
    )
