"""A random two-layer BERT as a sentence-transformers model, made in no time."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

DIMENSION = 24
_WORDS = ("texas", "ohio", "austin", "photo", "##synthesis", "the", "capital", "of", "and", "a")
_VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS)


def save_tiny_model(folder: Path, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save the model; another seed makes another one."""
    parts = folder.with_name(f"{folder.name}-parts")
    parts.mkdir(parents=True)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(_VOCABULARY),
        hidden_size=DIMENSION,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    model = BertModel(config)
    torch.nn.Module.to(model, dtype)
    model.save_pretrained(parts)
    (parts / "vocab.txt").write_text("\n".join(_VOCABULARY))
    BertTokenizerFast(vocab_file=str(parts / "vocab.txt")).save_pretrained(parts)
    modules = [Transformer(str(parts), max_seq_length=64), Pooling(DIMENSION)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    # Every repository of the Hub has one.
    (folder / "README.md").write_text("# A model of nothing\n")
    return folder
