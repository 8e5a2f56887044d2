"""Greedy decoding of several prompts at once."""

import pytest
import torch

from selfracg.model import backbone, decoding


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    made = backbone.create(backbone.default_config(320, 32, 2, 4, 2, 48, 512))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made.eval()


def test_batched_decoding_equals_decoding_one_prompt_at_a_time(model):
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(7, 300, (length,), generator=generator).tolist() for length in (30, 41, 33, 38)]
    wanted = [
        model.generate(
            torch.tensor([p]),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=6,
            attention_mask=torch.ones(1, len(p)),
        )[0, len(p) :].tolist()
        for p in prompts
    ]
    assert decoding.greedy(model, prompts, lambda row, tokens: False, 12) == wanted
    # Rows end one after the other, and the others go on as if nothing had happened.
    ended = decoding.greedy(model, prompts, lambda row, tokens: len(tokens) > 2 * row, 12)
    assert ended == [tokens[: 2 * row + 1] for row, tokens in enumerate(wanted)]
