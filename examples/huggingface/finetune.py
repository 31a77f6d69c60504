"""Fine-tuning with Hugging Face's Trainer through the bridge; its own checkpoints resume it."""

from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)  # fmt: skip
from transformers.trainer_utils import get_last_checkpoint


class Pixels(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Digits as texts of 64 tokens, one a pixel. Put your tokenized texts in their place."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = torch.from_numpy(x.astype(np.int64)), torch.from_numpy(y.astype(np.int64))

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.x[i], "labels": self.y[i]}


def train(
    run: Any, *, rate: Annotated[float, Interval(gt=0, le=1)] = 3e-3, warmup: Annotated[int, Interval(ge=0)] = 20,
    layers: Annotated[int, Interval(ge=1)] = 2, epochs: int = 8,
) -> dict[str, Any]:  # fmt: skip
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.3, random_state=run.seed, stratify=y)
    set_seed(run.seed)
    config = BertConfig(
        vocab_size=17, hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, num_labels=10,
    )  # fmt: skip
    arguments = TrainingArguments(
        output_dir=run.folder, num_train_epochs=epochs, learning_rate=rate, warmup_steps=warmup, seed=run.seed,
        per_device_train_batch_size=32, eval_strategy="epoch", logging_strategy="epoch", save_strategy="epoch",
        save_total_limit=1, report_to="none", disable_tqdm=True, use_cpu=run.device == "cpu",
    )  # fmt: skip
    trainer = Trainer(
        BertForSequenceClassification(config), arguments, train_dataset=Pixels(x, y), eval_dataset=Pixels(x_val, y_val),
        callbacks=[run.bridge("transformers")],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=get_last_checkpoint(run.folder))

    def probabilities(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return torch.from_numpy(trainer.predict(Pixels(x, y)).predictions).double().softmax(1).numpy()

    return {
        "val": {"label": y_val, "probability": probabilities(x_val, y_val)},
        "test": {"label": y_test, "probability": probabilities(x_test, y_test)},
    }
