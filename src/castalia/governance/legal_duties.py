"""What two sets of rules ask of whoever offers generated content, each point answered from what is
known, or marked open.

    EU     Regulation (EU) 2024/1689 (AI Act), Article 50: applies since 2 August 2026; by the
           "Digital Omnibus" (adopted by the Council on 29 June 2026) systems on the market before
           that day have until 2 December 2026 for Article 50(2). Code of Practice on Transparency
           of AI-Generated Content, 10 June 2026 (voluntary): measures 1.1.1 to 1.1.3 and 1.2, as
           IPTC reports them, https://iptc.org/news/eu-ai-transparency-code-of-practice-june-2026/
    China  人工智能生成合成内容标识办法 (国信办通字〔2025〕2号), in force since 1 September 2025,
           articles 4, 5, 8, 9, 10, 12; and GB 45438-2025, annex E. The field layout is read from
           implementations in public use and from TC260's practice guide as they quote it, not from
           the standard's own text. Check the text before you rely on it.

This is a checklist of facts, not legal advice. "Open" means that the software cannot know: the
answer lies in how a model is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["met", "partly", "open"]


@dataclass(frozen=True)
class Known:
    """What the answers rest on. embedded: manifests lie inside the files; released: ledger lines;
    intact: of the ledger, None without one.
    """

    embedded: bool
    labelled: bool
    released: int
    intact: bool | None
    producer: str


@dataclass(frozen=True)
class Duty:
    """One point: where it stands, what it asks, how it stands here, each in English and Chinese."""

    where: str
    asks: tuple[str, str]
    state: State
    answer: tuple[str, str]


def european(known: Known) -> list[Duty]:
    """Article 50 of the AI Act, and the marking measures of the Code of Practice."""
    return [
        Duty(
            "Art. 50(1)",
            (
                "People are told that they deal with an AI system",
                "告知用户其正在与人工智能系统交互",
            ),
            "open",
            ("depends on the application around the model", "取决于模型所在的应用"),
        ),
        Duty(
            "Art. 50(2)",
            ("Outputs are marked in a machine-readable format", "输出带有机器可读的标记"),
            *_marked(known),
        ),
        Duty(
            "Art. 50(2)",
            (
                "Outputs are detectable as generated; the solution is robust",
                "输出可被检测为生成内容，且方案稳健",
            ),
            "partly",
            (
                "`castalia verify` detects a file with its manifest; re-saving a file "
                "removes it, and nothing is hidden in the content itself",
                "`castalia verify` 可检测带清单的文件；重新保存会去掉清单，内容本身没有隐藏标记",
            ),
        ),
        Duty(
            "Code 1.1.1",
            ("Metadata are digitally signed and time-stamped", "元数据经过数字签名并带时间戳"),
            "open",
            (
                "a manifest has a time and a hash of itself, but no signature: sign files "
                "with a C2PA tool before publication",
                "清单含时间和自身的哈希，但没有签名：发布前请用 C2PA 工具签名",
            ),
        ),
        Duty(
            "Code 1.1.2",
            ("An imperceptible watermark", "不可察觉的数字水印"),
            "open",
            ("there is none", "没有"),
        ),
        Duty(
            "Code 1.1.3",
            ("Fingerprints or logs of outputs (optional)", "输出的指纹或日志（可选）"),
            *_logged(known),
        ),
        Duty(
            "Code 1.2",
            ("Markings of inputs are kept, not removed", "保留而不去除输入内容上的标记"),
            "open",
            (
                "an edit records the hash of its inputs; marks inside them are not carried over",
                "编辑结果记录输入文件的哈希；输入中的标记不会带入输出",
            ),
        ),
        Duty(
            "Art. 50(3)",
            (
                "People exposed to emotion recognition or biometric categorisation are told",
                "告知被情绪识别或生物特征分类的人员",
            ),
            "open",
            (
                "this model generates; whether the application recognises people is not known here",
                "本模型只做生成；应用是否识别人员，此处无从得知",
            ),
        ),
        Duty(
            "Art. 50(4)",
            (
                "Deep fakes, and texts on matters of public interest, are disclosed",
                "披露深度伪造内容及涉及公共利益的文本",
            ),
            "open",
            (
                "depends on what is published, and on whether an editor answers for it",
                "取决于发布的内容，以及是否有编辑负责",
            ),
        ),
        Duty(
            "Art. 50(5)",
            (
                "The information is clear, distinguishable and accessible, at first contact",
                "信息清晰、可辨、可及，且在首次接触时给出",
            ),
            "open",
            ("depends on the application around the model", "取决于模型所在的应用"),
        ),
    ]


def chinese(known: Known) -> list[Duty]:
    """The labelling measures, and the implicit label of GB 45438-2025."""
    return [
        Duty(
            "第四条",
            (
                "An explicit label that people can see or hear, also in what is downloaded",
                "用户可明显感知的显式标识，下载、复制、导出的文件中亦应有",
            ),
            "open",
            ("none is added to the content itself", "内容本身未添加显式标识"),
        ),
        Duty(
            "第五条",
            (
                "Implicit label in the metadata: that the content is generated",
                "文件元数据隐式标识：生成合成内容属性信息",
            ),
            *_label(known),
        ),
        Duty(
            "第五条",
            (
                "Implicit label: name or code of the service provider",
                "隐式标识：服务提供者名称或者编码",
            ),
            "met" if known.producer else "open",
            (
                f"ContentProducer: {known.producer}"
                if known.producer
                else "empty: set `producer` in the policy file",
                f"ContentProducer：{known.producer}"
                if known.producer
                else "为空：请在策略文件中设置 `producer`",
            ),
        ),
        Duty(
            "第五条",
            ("Implicit label: a number of the content", "隐式标识：内容编号"),
            *_label(known, "ProduceID"),
        ),
        Duty(
            "第五条",
            ("A digital watermark (encouraged)", "数字水印形式的隐式标识（鼓励）"),
            "open",
            ("there is none", "没有"),
        ),
        Duty(
            "第八条",
            ("The user agreement explains the labels", "用户服务协议说明标识的方法、样式等"),
            "open",
            ("a document of the service, not known here", "属于服务文档，此处无从得知"),
        ),
        Duty(
            "第九条",
            (
                "Content without an explicit label goes out only by agreement; logs are "
                "kept for six months",
                "经协议提供不含显式标识的内容，日志留存不少于六个月",
            ),
            "open",
            (
                "the ledger keeps what was released, not to whom; keep both for six months",
                "账本记录发布了什么，不记录发给谁；两者均须留存六个月",
            ),
        ),
        Duty(
            "第十条",
            ("Labels are not removed, altered, forged or hidden", "不得删除、篡改、伪造、隐匿标识"),
            "partly",
            (
                "`castalia verify` finds a changed manifest, and a removed one where the "
                "run's ledger is here; nothing prevents either",
                "`castalia verify` "
                "能发现被改动的清单；若账本在本机，也能发现被去掉的清单；但无法阻止",
            ),
        ),
        Duty(
            "第十二条",
            (
                "Labelling documents for algorithm filing and security assessment",
                "算法备案、安全评估时提供标识相关材料",
            ),
            "open",
            ("this card may be part of them", "本卡片可作为其中一部分"),
        ),
    ]


def _marked(known: Known) -> tuple[State, tuple[str, str]]:
    if known.labelled:
        return "met", (
            "each file holds XMP with IPTC's DigitalSourceType trainedAlgorithmicMedia, "
            "and a manifest",
            "每个文件含 XMP（IPTC DigitalSourceType：trainedAlgorithmicMedia）和清单",
        )
    if known.embedded:
        return "partly", (
            "each file holds a manifest that says `synthetic`, in a format of our own",
            "每个文件含自有格式的清单，注明 `synthetic`",
        )
    return "partly", (
        "a manifest lies beside each file (.json) and says `synthetic`; text that is "
        "copied loses it",
        "清单（.json）在每个文件旁，注明 `synthetic`；文本被复制后即丢失",
    )


def _label(known: Known, name: str = "Label") -> tuple[State, tuple[str, str]]:
    value = "Label=1" if name == "Label" else name
    if known.labelled:
        return "met", (
            f"`TC260:AIGC` in the XMP of each file: {value}",
            f"每个文件 XMP 中的 `TC260:AIGC`：{value}",
        )
    where = (
        "inside each file" if known.embedded else "in the .json beside each file",
        "每个文件内" if known.embedded else "每个文件旁的 .json 中",
    )
    return "partly", (
        f"`AIGC` {where[0]}: {value}; the format's own metadata have no place for it",
        f"{where[1]}的 `AIGC`：{value}；该格式自身没有元数据位置",
    )


def _logged(known: Known) -> tuple[State, tuple[str, str]]:
    if known.intact is None:
        return "open", ("nothing was released yet", "尚未发布任何内容")
    if not known.intact:
        return "partly", (
            "there is a ledger, but it is not intact: `castalia ledger verify`",
            "账本存在但不完整：`castalia ledger verify`",
        )
    return "met", (
        f"a hash-chained ledger with {known.released} released items, by the hash of their content",
        f"哈希链账本，含 {known.released} 条发布记录，按内容哈希登记",
    )
