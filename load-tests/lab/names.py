"""Names of users that are new in every load and never look alike.

Two names that look alike are taken for one (docs/contract.md section 2.2), so digits are used of which none looks like
another, nor like two others. A name is the load's prefix of three digits, one digit for the thread, and a counter of at
least three: 7 to 14 characters of [a-z0-9]. The Lua and JavaScript beside this file spell counters in the same way.
"""

import itertools

DIGITS = "bcdfghjkpqstvxyz23456789"

_loads = itertools.count()


def spell(number: int, width: int = 3) -> str:
    text = ""
    while number or len(text) < width:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return text


def new_prefix() -> str:
    """The prefix of a load; no two loads of one run share it."""
    return spell(next(_loads))
