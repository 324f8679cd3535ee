"""Trees as text, with as few brackets as the rules of precedence need. The checker does not use it:
it reads what was printed (expressions.py).
"""

from __future__ import annotations

from fractions import Fraction

from castalia.apps.lesson.expressions import SIGNS, Leaf, Operation, Tree, Unknown


def printed(tree: Tree, unknown: str = "x") -> str:
    """The text of a tree."""
    if isinstance(tree, Unknown):
        return unknown
    if isinstance(tree, Leaf):
        return _leaf(tree)
    if tree.bar:
        over, under = printed(tree.left, unknown), printed(tree.right, unknown)
        if isinstance(tree.left, Operation):
            over = f"({over})"
        return f"{over}/{under}"
    left, right = _part(tree.left, tree.sign, False, unknown), printed(tree.right, unknown)
    if (
        tree.sign == "×"
        and isinstance(tree.left, Leaf)
        and isinstance(tree.right, Unknown)
        and unknown == "x"
    ):
        return {"1": "x", "−1": "−x"}.get(left, f"{left}x")
    right = _part(tree.right, tree.sign, True, unknown)
    if tree.sign == "×" and isinstance(tree.left, Leaf) and right.startswith("(") and "x" in right:
        return f"{left}{right}"
    return f"{left} {tree.sign} {right}"


def number(value: Fraction) -> str:
    """A whole number or a fraction in lowest terms."""
    sign = "−" if value < 0 else ""
    over, under = abs(value.numerator), value.denominator
    return f"{sign}{over}" if under == 1 else f"{sign}{over}/{under}"


def decimal(value: Fraction) -> str:
    """A number whose decimals end, in decimals; else as a fraction."""
    for places in range(13):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).zfill(places + 1)
            sign = "−" if value < 0 else ""
            if not places:
                return sign + digits
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return number(value)


def _leaf(leaf: Leaf) -> str:
    if leaf.under == 1:
        return decimal(leaf.over)
    sign = "−" if leaf.over < 0 else ""
    return f"{f'{leaf.whole} ' if leaf.whole else ''}{sign}{abs(leaf.over)}/{leaf.under}"


def _part(tree: Tree, sign: str, on_the_right: bool, unknown: str) -> str:
    text = printed(tree, unknown)
    if not isinstance(tree, Operation):
        return f"({text})" if on_the_right and text.startswith("−") else text
    if tree.bar:
        return text
    loose = SIGNS[tree.sign] < SIGNS[sign]
    same = SIGNS[tree.sign] == SIGNS[sign] and on_the_right and sign in "−÷"
    # a × (b ÷ c) is the same without brackets only where b ÷ c is whole, so they stay
    mixed = on_the_right and sign == "×" and tree.sign == "÷"
    return f"({text})" if loose or same or mixed else text
