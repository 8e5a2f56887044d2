"""Table `isolation`: what an adapter changes in generation: nothing for the packaged one, something for a vanilla LoRA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from selfracg.data.tasks import TaskSet
from selfracg.eval.package_under_test import PackageUnderTest, token_losses
from selfracg.model import backbone, llora
from selfracg.tables import Table


def isolation_table(package_under_test: PackageUnderTest, tasks: TaskSet, work: Path, rows: int = 12) -> Table:
    """Positions whose logits differ by a single bit, and the loss with and without the adapter.

    Of the packaged graph: as query, as fragment and with an untrained adapter. Of WORK/backbone and WORK/llora, where they
    are there: the pass that the expression is read from against a backbone that no adapter was attached to, in PyTorch.
    `holds` is false where one of these differs. Of WORK/stages/vanilla, where it is there: the backbone with that LoRA
    against the bare one.
    """
    found = [task for group in tasks.load().values() for task in group][:rows]
    contexts = [
        package_under_test.format.left_to_right(task.cursor.file, task.prefix, package_under_test.copy_limit())
        for task in found
    ]

    def graph(model: str, adapter: int) -> Callable[[list[int]], np.ndarray]:
        one = package_under_test.trained if model == "trained" else package_under_test.untrained
        return lambda row: one.run(np.array([row]), [len(row)], np.arange(len(row))[None], adapter).logits[0]

    def torch_model(model: torch.nn.Module) -> Callable[[list[int]], np.ndarray]:
        def logits(row: list[int]) -> np.ndarray:
            with torch.no_grad():
                return model(input_ids=torch.tensor([row]), use_cache=False).logits[0].numpy()

        return logits

    def expressing(module: llora.LLoRA, adapter: int) -> Callable[[list[int]], np.ndarray]:
        def logits(row: list[int]) -> np.ndarray:
            with torch.no_grad():
                inputs, found = module.collect(torch.tensor([row]), logits=True)
                module.read(inputs, torch.tensor([len(row)]), adapter)
            if found is None:
                raise RuntimeError("expected logits of the pass that the expression is read from, found none")
            return found[0].numpy()

        return logits

    pairs = {
        kind: (graph("trained", -1), graph(model, adapter))
        for kind, model, adapter in (
            ("query", "trained", llora.QUERY),
            ("fragment", "trained", llora.FRAGMENT),
            ("untrained query", "untrained", llora.QUERY),
        )
    }
    if (work / "backbone" / "config.json").is_file() and (work / "llora" / "adapter.safetensors").is_file():
        plain, module = backbone.load(work / "backbone"), llora.load(backbone.load(work / "backbone"), work / "llora")
        for kind, adapter in (("query", llora.QUERY), ("fragment", llora.FRAGMENT)):
            pairs[f"{kind}, PyTorch"] = (torch_model(plain), expressing(module, adapter))
    promised = list(pairs)
    merged = work / "stages" / "vanilla"
    if (merged / "config.json").is_file():
        pairs["vanilla LoRA (not shipped)"] = (
            torch_model(backbone.load(work / "backbone")),
            torch_model(backbone.load(merged)),
        )
    table_rows, different, losses = [], {}, {}
    for kind, (bare, changed) in pairs.items():
        count, without, with_adapter = 0, [], []
        for row in contexts:
            before, after = bare(row), changed(row)
            count += int((before != after).any(axis=-1).sum())
            without.append(token_losses(before[:-1], np.array(row[1:])))
            with_adapter.append(token_losses(after[:-1], np.array(row[1:])))
        different[kind] = count
        losses[kind] = {
            "without": float(np.concatenate(without).mean()),
            "with": float(np.concatenate(with_adapter).mean()),
        }
        tokens = sum(map(len, contexts))
        table_rows.append(
            [kind, str(tokens), str(count), f"{losses[kind]['without']:.4f}", f"{losses[kind]['with']:.4f}"]
        )
    return Table(
        "isolation",
        "Isolation: what the adapter changes in generation",
        ["adapter", "positions compared", "positions whose logits differ", "nats a token without", "nats a token with"],
        table_rows,
        "Logits of the packaged graph with the adapter against those without an expression, compared bit by bit. A vanilla LoRA, "
        "trained for retrieval on the same pairs, is part of the backbone that generates: what it changes is the leak that the "
        "layer-wise adapter has none of.",
        {"tokens": sum(map(len, contexts)), "different": different, "losses": losses},
        holds=not any(different[kind] for kind in promised),
    )
