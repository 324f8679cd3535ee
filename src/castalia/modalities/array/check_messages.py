"""What a check of arrays says: the sentences of its findings and the names of its facts, in
English and in Chinese.
"""

from __future__ import annotations

from castalia.checks.messages import Sentence

FINDINGS: dict[str, Sentence] = {
    "shapes": Sentence(
        "problem",
        "The arrays have {count} different shapes ({what}); a model needs one.",
        "数组有 {count} 种形状（{what}）；模型只接受一种。",
    ),
    "constant_entries": Sentence(
        "note",
        "{count} of {total} entries never vary.",
        "{total} 个分量中有 {count} 个从不变化。",
        "{count} of {total} entries never varies.",
    ),
    "no_near": Sentence(
        "note", "Near duplicates are not looked for in arrays.", "数组不检查近似重复。"
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "shapes": ("shapes", "形状"),
    "range": ("range", "取值范围"),
}
