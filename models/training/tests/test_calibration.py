"""Steps of int8 activations: layers compute what they did, steps spare what occurs, and real code is found to look at."""

import pytest
import tiny
import torch
from tokenizers import Tokenizer

from selfracg.data import prompt_layout
from selfracg.export import calibration, graph
from selfracg.model import llora

IDS = [[(7 * position + 31 * row) % 300 for position in range(40)] for row in range(6)]


@pytest.fixture(params=[tiny.qwen2, tiny.llama], ids=["qwen2", "llama"])
def model(request):
    torch.manual_seed(2)
    made = request.param(320).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return made


def test_factors_even_out_the_input_of_down_and_change_nothing(model):
    with torch.no_grad():
        # One channel far beyond the others.
        model.model.layers[0].mlp.up_proj.weight[3] *= 60
    found = calibration.calibrate(model, llora.LLoRA(model, rank=4), IDS)
    turned = calibration.smoothed(model, found)
    ids = torch.tensor(IDS)
    with torch.no_grad():
        before, after = model(input_ids=ids).logits, turned(input_ids=ids).logits
    assert (before - after).abs().max() < 1e-4 * before.abs().max()
    seen = []
    for each in (model, turned):
        handle = each.model.layers[0].mlp.down_proj.register_forward_pre_hook(
            lambda _module, inputs: seen.append(inputs[0])
        )
        with torch.no_grad():
            each(input_ids=ids)
        handle.remove()
    spread = [float(x.abs().amax((0, 1)).max() / x.abs().amax((0, 1)).median()) for x in seen]
    assert spread[1] < 0.5 * spread[0]
    assert model.model.layers[0].mlp.up_proj.weight[3].abs().max() > 5


def test_every_input_the_graph_rounds_has_a_step(model):
    module = llora.LLoRA(model, rank=4)
    found = calibration.calibrate(model, module, IDS)
    parts = ("qkv", "output", "gate", "down", "expressed")
    assert set(found.steps) == {"head", *(f"layers.{layer}.{part}" for layer in range(2) for part in parts)}
    assert all(step > 0 for step in found.steps.values())
    # The adapter computes as before, and the model has kept no hook.
    assert module.replaced_projection is None
    assert not any(part._forward_pre_hooks for part in model.modules())


def test_step_is_below_a_single_outlier_and_rounding_saturates():
    torch.manual_seed(0)
    x = torch.randn(4000, 8)
    x[0, 0] = 40.0
    step = calibration._step(x, torch.ones(3, 8))
    assert 3.0 < step * graph.ROW_STEPS < 38.0
    rounded = calibration.rounded(x, step)
    assert rounded[0, 0] == pytest.approx(step * graph.ROW_STEPS, rel=1e-6)
    assert (rounded - x)[1:].abs().max() <= step / 2 + 1e-6
    # Channels that weights make nothing of do not count.
    spared = calibration._step(x, torch.tensor([[0.0, 1, 1, 1, 1, 1, 1, 1]]))
    assert spared < step


def test_calibration_rows_hold_the_projects_languages():
    tokenizer = Tokenizer.from_str(tiny.tokenizer_json(prompt_layout.OWN))
    rows = calibration.real_rows(tokenizer, max_tokens=64)
    assert len(rows) > 20 and all(0 < len(row) <= 64 for row in rows)
    text = "".join(tokenizer.decode(row) for row in rows)
    assert "import" in text and "// " in text and '"""' in text


def test_without_rows_there_is_no_calibration(model):
    with pytest.raises(ValueError, match="rows of real code"):
        calibration.calibrate(model, llora.LLoRA(model, rank=4), [])
