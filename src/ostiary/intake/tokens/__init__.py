"""Tokenizers and vocabularies: which ids can come out, and what reading a text could cost."""
