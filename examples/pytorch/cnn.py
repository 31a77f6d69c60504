"""A small convolutional network in PyTorch, on faces: it resumes, and its epochs are shared."""

import os
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval
from torch import nn

torch.use_deterministic_algorithms(True)


def images(path: str, limit: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `limit` images (N, 1, 48, 48) in [-1, 1] of a file with `images` and `labels`, and their labels (N,)."""
    with np.load(path, allow_pickle=False) as archive:
        chosen = np.random.default_rng(seed).permutation(len(archive["labels"]))[:limit]
        pixels, labels = archive["images"][chosen], archive["labels"][chosen]
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).unsqueeze(1), torch.from_numpy(labels).long()


def network(norm: str, width: int) -> nn.Module:
    def block(n_in: int, n_out: int) -> list[nn.Module]:
        norms = {"batch": nn.BatchNorm2d(n_out), "group": nn.GroupNorm(4, n_out), "none": nn.Identity()}
        return [nn.Conv2d(n_in, n_out, 3, padding=1), norms[norm], nn.ReLU(), nn.MaxPool2d(2)]

    layers = [*block(1, width), *block(width, 2 * width), *block(2 * width, 2 * width)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(2 * width * 36, 7))


@torch.no_grad()
def probabilities(model: nn.Module, x: torch.Tensor, device: str) -> np.ndarray:
    model.eval()
    parts = [model(batch.to(device)).softmax(1).cpu() for batch in x.split(500)]
    model.train()
    return torch.cat(parts).double().numpy()


def train(
    run: Any, *, data: str, norm: Literal["batch", "group", "none"] = "batch",
    rate: Annotated[float, Interval(gt=0, le=1)] = 0.02, width: Annotated[int, Interval(ge=4)] = 8,
    schedule: Literal["constant", "cosine"] = "constant", limit: int = 2000, epochs: int = 30,
) -> None:  # fmt: skip
    x, y = images(os.path.join(data, "fer2013_train.npz"), limit, 0)
    x_test, y_test = images(os.path.join(data, "fer2013_test.npz"), limit // 2, 0)
    chosen = np.random.default_rng(run.seed).permutation(limit)
    x_val, y_val, x, y = (
        x[chosen[: limit // 5]],
        y[chosen[: limit // 5]],
        x[chosen[limit // 5 :]],
        y[chosen[limit // 5 :]],
    )
    torch.set_num_threads(run.threads)
    model = network(norm, width).to(run.device)
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs) if schedule == "cosine" else None
    parts = [model, optimizer, *([decay] if decay else [])]

    def load(path: str) -> None:
        for part, state in zip(parts, torch.load(path, weights_only=True), strict=True):
            part.load_state_dict(state)

    run.state(lambda path: torch.save([part.state_dict() for part in parts], path), load)
    for _ in run.steps(epochs):
        losses = []
        for batch in torch.randperm(len(x)).split(64):  # drawn from (seed, step): the same after an interruption
            loss = nn.functional.cross_entropy(model(x[batch].to(run.device)), y[batch].to(run.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if decay:
            decay.step()
        run.report(loss=np.mean(losses))
        if run.milestone:
            run.result(
                val={"label": y_val, "probability": probabilities(model, x_val, run.device)},
                test={"label": y_test, "probability": probabilities(model, x_test, run.device)},
            )
