"""Contract tests that ship with the package, for families, codecs and metrics.

    from castalia.testing import check_family
    check_family(MyFamily)

A broken contract raises AssertionError naming the item; nothing here needs pytest.
"""

from castalia.testing.codecs import CODEC_CHECKS, check_codec
from castalia.testing.families import FAMILY_CHECKS, check_family
from castalia.testing.family_case import FamilyCase
from castalia.testing.metrics import METRIC_CHECKS, check_metric
from castalia.testing.synthetic import SPECS, synthetic

__all__ = [
    "CODEC_CHECKS",
    "FAMILY_CHECKS",
    "METRIC_CHECKS",
    "SPECS",
    "FamilyCase",
    "check_codec",
    "check_family",
    "check_metric",
    "synthetic",
]
