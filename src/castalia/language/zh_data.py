"""Chinese: what is left out of data, and what to do about it."""

SENTENCES = {
    # kinds of files
    "sound": "声音文件",
    "sound is not read yet; notes are: MIDI, MusicXML": "暂不读取声音；可读取乐谱：MIDI、MusicXML",
    "music in formats that are not read": "不支持的乐谱格式",
    "save as MusicXML from the program that made them": "请在原软件中另存为 MusicXML",
    "video": "视频",
    "video is not read; save frames as PNG": "不读取视频；请将画面存为 PNG",
    "3-D shapes": "三维模型",
    "shapes are not read; save points as .npy": "不读取三维模型；请将点坐标存为 .npy",
    "office documents": "办公文档",
    "save them as text (.txt) or tables (.csv)": "请另存为文本（.txt）或表格（.csv）",
    "archives": "压缩包",
    "unpack them": "请先解压",
    "pictures in formats that are not read": "不支持的图片格式",
    "save them as PNG or JPEG": "请另存为 PNG 或 JPEG",
    "unfinished downloads": "未完成的下载",
    "download them again": "请重新下载",
}
