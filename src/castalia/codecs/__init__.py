"""One file per modality: files to tensors and back. Codecs know nothing of models."""
