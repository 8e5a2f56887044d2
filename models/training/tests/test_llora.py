"""L-LoRA: isolation from generation, its start at the backbone, padding, gradients, saving."""

import pytest
import torch
import torch.nn.functional as F

from selfracg.model import backbone, llora


def small_backbone(seed: int = 0, **sizes: int):
    torch.manual_seed(seed)
    config = backbone.default_config(
        vocabulary_size=97,
        hidden_size=32,
        layers=3,
        query_heads=4,
        key_value_heads=2,
        intermediate_size=48,
        context_length=64,
        **sizes,
    )
    model = backbone.create(config, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def trained_adapter(model, **options):
    torch.manual_seed(1)
    module = llora.LLoRA(model, rank=4, alpha=8, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.3)
    return module


def test_generation_is_bit_identical_with_the_adapter_in_the_same_pass():
    model = small_backbone()
    ids = torch.randint(0, 97, (3, 20))
    with torch.no_grad():
        bare = model(input_ids=ids, use_cache=False).logits
    module = trained_adapter(model)
    inputs, logits = module.collect(ids, logits=True)
    module.read(inputs, torch.tensor([20, 11, 4]), llora.QUERY).sum().backward()
    with torch.no_grad():
        after = model(input_ids=ids, use_cache=False).logits
    assert torch.equal(bare, logits)
    assert torch.equal(bare, after)


@pytest.mark.parametrize("project", [True, False])
def test_fresh_adapter_expresses_the_mean_of_the_backbones_attention(project):
    model = small_backbone()
    ids = torch.randint(0, 97, (3, 20))
    lengths = torch.tensor([20, 7, 1])
    heads: list[torch.Tensor] = []
    handles = [
        layer.self_attn.o_proj.register_forward_hook(
            lambda _module, inputs, output: heads.append(output if project else inputs[0])
        )
        for layer in model.model.layers
    ]
    with torch.no_grad():
        model(input_ids=ids, use_cache=False)
    for handle in handles:
        handle.remove()
    rows = torch.arange(3)
    expected = F.normalize(torch.stack([head[rows, lengths - 1] for head in heads]).mean(0), dim=-1)
    module = llora.LLoRA(model, project=project)
    for adapter in (llora.QUERY, llora.FRAGMENT):
        found = module.express(ids, lengths, adapter)
        assert found.shape == (3, 32)
        torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


def test_padding_does_not_reach_the_expression():
    module = trained_adapter(small_backbone())
    ids = torch.randint(0, 97, (1, 12))
    padded = torch.cat([ids, torch.randint(0, 97, (1, 9))], dim=1)
    alone = module.express(ids, torch.tensor([12]), llora.QUERY)
    beside = module.express(padded, torch.tensor([12]), llora.QUERY)
    torch.testing.assert_close(alone, beside, atol=1e-6, rtol=1e-5)


def test_gradients_reach_only_the_named_adapter():
    model = small_backbone()
    module = trained_adapter(model)
    module.express(torch.randint(0, 97, (2, 9)), torch.tensor([9, 5]), llora.FRAGMENT)[:, 0].sum().backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad[llora.QUERY].abs().sum() == 0, name
        assert parameter.grad[llora.FRAGMENT].abs().sum() > 0, name


def test_shared_adapters_express_both_sides_alike_and_separate_ones_do_not():
    model = small_backbone()
    ids, lengths = torch.randint(0, 97, (2, 9)), torch.tensor([9, 9])
    for mode, equal in (("shared", True), ("separate", False)):
        module = trained_adapter(model, adapters=mode)
        query = module.express(ids, lengths, llora.QUERY)
        fragment = module.express(ids, lengths, llora.FRAGMENT)
        assert torch.equal(query, fragment) is equal


def test_saves_the_agreed_tensors_and_loads_them_back(tmp_path):
    model = small_backbone()
    module = trained_adapter(model)
    module.save(tmp_path, nullScore=0.25)
    loaded = llora.load(model, tmp_path)
    ids, lengths = torch.randint(0, 97, (2, 9)), torch.tensor([9, 3])
    assert torch.equal(module.express(ids, lengths, 1), loaded.express(ids, lengths, 1))
    state = loaded.state_dict()
    assert state["layers.0.q.A"].shape == (2, 4, 32) and state["layers.2.v.B"].shape == (2, 16, 4)
    config = llora.load_config(tmp_path)
    assert config == {
        "rank": 4,
        "alpha": 8,
        "adapters": "separate",
        "nullScore": 0.25,
    }


def test_refuses_an_adapter_of_another_backbone(tmp_path):
    trained_adapter(small_backbone()).save(tmp_path)
    other = backbone.create(backbone.default_config(97, 64, 3, 4, 2, 48, 64))
    with pytest.raises(ValueError, match="train the adapter on this backbone"):
        llora.load(other, tmp_path)
