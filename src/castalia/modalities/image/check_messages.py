"""What a check of pictures says: the sentences of its findings and the names of its facts, in
English and in Chinese.
"""

from __future__ import annotations

from castalia.checks.messages import Sentence

FINDINGS: dict[str, Sentence] = {
    "constant": Sentence(
        "warning",
        "{count} pictures are of a single colour.",
        "{count} 张图片只有单一颜色。",
        "{count} picture is of a single colour.",
    ),
    "small": Sentence(
        "warning",
        "{count} pictures are less than half as large as training would make them "
        "({width} x {height}) and would be blurred.",
        "{count} 张图片的边长不到训练尺寸（{width} x {height}）的一半，放大后会模糊。",
        "{count} picture is less than half as large as training would make it ({width} x "
        "{height}) and would be blurred.",
    ),
    "gps": Sentence(
        "warning",
        "{count} pictures carry GPS coordinates in their EXIF data. Training does not "
        "read them, but whoever gets the files does.",
        "{count} 张图片的 EXIF 中带有 GPS 坐标。训练不会读取，但拿到文件的人能看到。",
        "{count} picture carries GPS coordinates in its EXIF data. Training does not read "
        "them, but whoever gets the file does.",
    ),
    "named": Sentence(
        "note",
        "{count} pictures name somebody or a camera in their metadata ({what}).",
        "{count} 张图片的元数据中含有人名或相机信息（{what}）。",
        "{count} picture names somebody or a camera in its metadata ({what}).",
    ),
    "generated": Sentence(
        "warning",
        "{count} pictures carry Castalia's manifest: they were drawn by a model and are "
        "not real data.",
        "{count} 张图片带有 Castalia 清单：它们由模型生成，不是真实数据。",
        "{count} picture carries Castalia's manifest: it was drawn by a model and is not "
        "real data.",
    ),
    "misnamed": Sentence(
        "note",
        "{count} pictures have an ending that is not their format; they are read all the same.",
        "{count} 张图片的扩展名与格式不符；不影响读取。",
        "{count} picture has an ending that is not its format; it is read all the same.",
    ),
    "animated": Sentence(
        "note",
        "{count} files have several frames or pages; only the first is read.",
        "{count} 个文件含有多帧或多页；只读取第一帧。",
        "{count} file has several frames or pages; only the first is read.",
    ),
}
# Facts, as the page and the terminal name them.
LABELS = {
    "widths": ("width", "宽"),
    "heights": ("height", "高"),
    "stored": ("stored as", "存储格式"),
    "sizes": ("sizes", "尺寸"),
    "trained": ("trained at", "训练尺寸"),
}
