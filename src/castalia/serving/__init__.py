"""A run for others: an HTTP server that speaks OpenAI's words and our own. Needs the extra
`serving`.
"""
