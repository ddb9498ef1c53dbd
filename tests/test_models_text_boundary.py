"""The text boundary equals transformers' CLIPTextModel, with and without modifier tokens."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import CLIPTextModel

from models.text_boundary import TextBoundary
from tests.sd_shaped import make_text_encoder

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # float32, the same operations, another attention kernel
VOCABULARY, WIDTH = 40, 16


@pytest.fixture(params=["quick_gelu", "gelu"])
def text_model(request: pytest.FixtureRequest) -> CLIPTextModel:
    return make_text_encoder(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=9,
        bos_token_id=38,
        eos_token_id=39,
        pad_token_id=39,
        hidden_act=request.param,
    )


def test_ordinary_tokens(text_model: CLIPTextModel) -> None:
    ids = torch.tensor([[38, 1, 2, 3, 39, 39], [38, 5, 39, 39, 39, 39]])
    with torch.no_grad():
        expected = text_model(input_ids=ids).last_hidden_state
        actual = TextBoundary(text_model)(ids, torch.randn(2, WIDTH))
    torch.testing.assert_close(actual, expected, **TOLERANCE)


def test_modifier_tokens_forward_and_gradient(text_model: CLIPTextModel) -> None:
    """Against the stock model with two more rows in its table; one token occurs twice, one not at all."""
    modifiers = torch.randn((3, WIDTH), generator=torch.Generator().manual_seed(1))
    extended = copy.deepcopy(text_model)
    extended.resize_token_embeddings(VOCABULARY + 3, mean_resizing=False)
    table = extended.embeddings.token_embedding.weight
    with torch.no_grad():
        table[VOCABULARY:] = modifiers
    ids = torch.tensor([[38, VOCABULARY, 2, VOCABULARY + 2, 39], [38, 4, VOCABULARY, 5, 39]])
    grad = torch.randn((2, 5, WIDTH), generator=torch.Generator().manual_seed(2))

    expected = extended(input_ids=ids).last_hidden_state
    (expected_gradient,) = torch.autograd.grad(expected, table, grad)
    leaf = modifiers.clone().requires_grad_()
    actual = TextBoundary(text_model)(ids, leaf)
    (gradient,) = torch.autograd.grad(actual, leaf, grad)

    torch.testing.assert_close(actual, expected, **TOLERANCE)
    torch.testing.assert_close(gradient, expected_gradient[VOCABULARY:], rtol=1e-4, atol=1e-4)
    assert not gradient[1].any()
