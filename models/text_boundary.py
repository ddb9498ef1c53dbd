"""CLIP's text encoder with the modifier tokens' embeddings as an input, so that they can be learned outside it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from models.attention import Attend, attend, causal_mask


class TextBoundary(nn.Module):
    """`text_model` as a function of token ids and modifier embeddings. Shares its weights; leaves it as it was.

    forward(token ids (B,n) int64, modifier embeddings (m,d)) → last hidden state after the final norm (B,n,d).
    An id ≥ vocab_size names row id − vocab_size of the modifier embeddings (Textual Inversion, Gal et al. 2022).
    """

    def __init__(self, text_model: CLIPTextModel, attend: Attend = attend) -> None:
        super().__init__()
        shared = {id(x): x for x in (*text_model.parameters(), *text_model.buffers())}
        self.text_model = copy.deepcopy(text_model, shared).eval()
        self.vocab_size: int = text_model.config.vocab_size
        self.heads: int = text_model.config.num_attention_heads
        self.max_length: int = text_model.config.max_position_embeddings
        self.attend = attend
        self.register_buffer("mask", causal_mask(self.max_length), persistent=False)

    def embed(self, token_ids: Tensor, modifier_embeddings: Tensor) -> Tensor:
        """Token embeddings (B,n,d). One-hot rows, not a longer table: nothing of the vocabulary's size is copied."""
        table = self.text_model.embeddings.token_embedding
        rows = torch.arange(modifier_embeddings.shape[0], device=token_ids.device) + self.vocab_size
        chosen = (token_ids.unsqueeze(-1) == rows).to(modifier_embeddings.dtype)
        ordinary = table(token_ids.clamp(max=self.vocab_size - 1))
        is_ordinary = (token_ids < self.vocab_size).to(ordinary.dtype).unsqueeze(-1)
        return ordinary * is_ordinary + chosen @ modifier_embeddings

    def forward(self, token_ids: Tensor, modifier_embeddings: Tensor) -> Tensor:
        model, length = self.text_model, token_ids.shape[1]
        x = self.embed(token_ids, modifier_embeddings)
        x = x + model.embeddings.position_embedding.weight[:length]
        mask = self.mask[:length, :length]
        for layer in model.encoder.layers:
            attention, normed = layer.self_attn, layer.layer_norm1(x)
            query, key, value = (
                projection(normed) for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            x = x + attention.out_proj(self.attend(query, key, value, self.heads, mask))
            x = x + layer.mlp(layer.layer_norm2(x))
        return model.final_layer_norm(x)
