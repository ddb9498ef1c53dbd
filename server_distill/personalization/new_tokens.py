"""New tokens (Gal et al. 2022): words that the tokenizer did not have, and their embeddings, which are trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from server_distill.personalization.concepts import PersonalizationError

RARE = "ktn+pll+ucd"
"""Words of CLIP's vocabulary that mean next to nothing (Kumari et al. 2023, section 4.1)."""


def split(text: str | None) -> list[str]:
    """`<new1>+<new2>` → its parts."""
    return [part for part in text.split("+") if part] if text else []


def initializers(tokenizer: CLIPTokenizer, asked: str | None, count: int, class_words: Sequence[str]) -> list[int]:
    """Token ids whose embeddings the first `count` new tokens start from; before the new ones are added.

    By default CLIP's rare words, and where the vocabulary has none, as a small one, the class words. Raises
    PersonalizationError where a word is several tokens, or there are too few.
    """
    words = split(asked or RARE)
    ids = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    if asked is None and any(len(pieces) != 1 for pieces in ids[:count]):
        words = [word for word in class_words if word]
        ids = [tokenizer.encode(word, add_special_tokens=False) for word in words]
        words, ids = (words * count)[:count], (ids * count)[:count]
        if words:
            print(f"the vocabulary lacks CLIP's rare words; new tokens start as {', '.join(words)}", file=sys.stderr)
    if len(words) < count:
        raise PersonalizationError(f"{count} modifier tokens need as many words in --initializer_token, joined by +")
    for word, pieces in zip(words[:count], ids, strict=False):
        if len(pieces) != 1:
            raise PersonalizationError(
                f"the initializer {word!r} is {len(pieces)} tokens in this vocabulary; give one that is a single token "
                "(--initializer_token)"
            )
    return [pieces[0] for pieces in ids[:count]]


def add_tokens(tokenizer: CLIPTokenizer, tokens: Sequence[str]) -> None:
    """Raises PersonalizationError for one that the tokenizer has already, or that could name no file."""
    for token in tokens:
        if any(character in '/\\\0"' or character.isspace() for character in token):
            raise PersonalizationError(f"the modifier token {token!r} has a character that no file's name can hold")
        known = len(tokenizer.encode(token, add_special_tokens=False)) == 1
        if known or tokenizer.add_tokens(token) == 0:
            raise PersonalizationError(
                f"the modifier token {token} is in the vocabulary already; choose a new word, such as <new1>"
            )


class TokenEmbeddings(nn.Module):
    """A token embedding whose ids ≥ `first` name `rows` (k, d), which are trained, and not the frozen `table`.

    The same mathematics as training the table with the gradients of its other rows set to zero, but for one thing: an
    optimizer of the whole table lets weight decay shrink those rows too, though nothing taught it to.
    """

    def __init__(self, table: nn.Embedding, first: int, initial_ids: Sequence[int]) -> None:
        super().__init__()
        self.table, self.first = table, first
        self.rows = nn.Parameter(table.weight.detach()[list(initial_ids)].float().clone())

    def forward(self, ids: Tensor) -> Tensor:
        """(B, n) → (B, n, d)."""
        ordinary = self.table(ids.clamp(max=self.first - 1))
        rows = functional.embedding((ids - self.first).clamp(min=0), self.rows)
        return torch.where((ids >= self.first).unsqueeze(-1), rows.to(ordinary.dtype), ordinary)


def splice(text_encoder: CLIPTextModel, first: int, initial_ids: Sequence[int]) -> TokenEmbeddings:
    """Give `text_encoder` trained rows for the ids from `first` on; its own are as they were."""
    table = text_encoder.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    embeddings = TokenEmbeddings(table, first, initial_ids)
    text_encoder.set_input_embeddings(embeddings)
    return embeddings


def merge(text_encoder: CLIPTextModel) -> None:
    """Make the rows part of an ordinary, longer table. Its length is what the vocabulary needs, or was before."""
    embeddings = text_encoder.get_input_embeddings()
    if not isinstance(embeddings, TokenEmbeddings):
        return
    old, rows, first = embeddings.table.weight.detach(), embeddings.rows.detach(), embeddings.first
    weight = torch.cat([old[:first], rows.to(old.dtype), old[first + len(rows) :]])
    text_encoder.set_input_embeddings(nn.Embedding.from_pretrained(weight))
    text_encoder.config.vocab_size = len(weight)
