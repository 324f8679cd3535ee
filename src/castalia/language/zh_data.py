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
    # archives and links
    "members of archives whose names lead out of the archive": "压缩包中路径指向包外的成员",
    "links and devices in archives": "压缩包中的链接和设备文件",
    "sparse files in archives": "压缩包中的稀疏文件",
    "members of archives that a later one of the same name replaces": "压缩包中被后面的同名成员替换的成员",
    "members of archives whose names this system cannot write": "压缩包中文件名无法在本系统写出的成员",
    "pack them again as plain files": "请重新打包为普通文件",
    "links to folders outside the data": "指向数据之外文件夹的链接",
    "data.follow_links=true follows them": "用 data.follow_links=true 可读取它们",
    "unfinished downloads": "未完成的下载",
    "download them again": "请重新下载",
    # tables beside files
    "files without a row in the table": "表格中没有对应行的文件",
    "give each a row, or leave the column out of the recipe": "请为每个文件加一行，或在配方中去掉该列",
    "files without a row, since names in the table may mean several": "因表格中的名称可能指多个文件而没有对应行的文件",
    "write names with their folders in the table, such as a/p0.png": "请在表格中写出带文件夹的名称，例如 a/p0.png",
    "rows of the table without a file": "表格中没有对应文件的行",
    "names in the table are relative to the data folder": "表格中的名称相对于数据文件夹",
}
