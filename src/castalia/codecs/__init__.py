"""The contract of codecs (files to tensors and back) and what codecs share. The codecs are in
modalities/.
"""
