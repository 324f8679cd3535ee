"""Data: where items come from (source), which side they are on (split), encoded items on disk
(cache), batches (stream).
"""
