"""Chinese: the page that a server shows at its address."""

SENTENCES = {
    # what runs can do
    "continue texts": "续写文本",
    "hold a conversation": "对话",
    "draw pictures": "生成图片",
    "fill parts of pictures": "补全图片的局部",
    "turn items into vectors": "把样本变为向量",
    "make new items": "生成新样本",
    "walk from item to item": "在样本之间插值",
    "make variants of items": "生成样本的变体",
    "fill gaps": "填补空缺",
    "say how likely items are": "计算样本的似然",
    # addresses
    "texts, whole or as a stream": "文本，一次返回或流式返回",
    "replies in a conversation": "对话中的回复",
    "pictures": "图片",
    "vectors of items": "样本的向量",
    "items of any kind": "任意类型的样本",
    "walks, variants and filled gaps": "插值、变体与填空",
    "how likely items are": "样本的似然",
    "what is here, and what it takes": "有哪些运行，各接受什么参数",
    "for whoever runs the server": "供运维使用",
    # the command line
    "web pages from there may use the server, e.g. http://localhost:3000; may be given several times": "允许来自该来源的网页使用服务器，如 http://localhost:3000；可写多次",
    # the page
    "This server answers requests with trained models, in the words of the OpenAI API.": "本服务用训练好的模型应答请求，接口与 OpenAI API 一致。",
    "It wants a key, in the header Authorization: Bearer KEY.": "需要密钥，写在请求头 Authorization: Bearer KEY 中。",
    "Runs": "运行",
    "How to call it": "如何调用",
    "Addresses": "地址",
    "every address and field, for programs.": "所有地址与字段，供程序读取。",
    "The guide is docs/serve.md, in the folder docs of the source.": "使用说明见源码中的 docs/zh/serve.md。",
}
