"""Runs a sentence-transformers model with 8-bit weights on OpenVINO; knows neither texts nor vectors.

Weights are rounded to 8 bits symmetrically, with one scale for each channel; activations are rounded at run
time, with one scale for every 32 numbers. So no calibration text is needed, and a text's vector does not
depend on the other texts in its batch.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings
from contextlib import redirect_stdout
from typing import Any

EXTRA = "openvino"
_GROUP = "32"
_EXAMPLE = ["two texts of", "unequal length show which axes may vary"]


def installed() -> bool:
    """Return whether the packages of the extra are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("openvino", "nncf"))


def quantise(model: Any) -> None:
    """Make the transformer inside `model` run in 8 bits; tokenizer, pooling and prompts are unchanged.

    Takes some seconds. Raises: `RuntimeError` if OpenVINO cannot convert the model.
    """
    # Both packages send usage data to their vendors through this one; without it they cannot.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None forbids its import
    import torch  # noqa: PLC0415  # seconds to import, only where it is used
    from transformers.modeling_outputs import BaseModelOutput  # noqa: PLC0415

    nncf: Any = importlib.import_module("nncf")
    openvino: Any = importlib.import_module("openvino")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    inner = model[0].auto_model.eval()

    class Hidden(torch.nn.Module):
        """The model's last hidden state, as a graph of two inputs and one output."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.inner(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    example = model.tokenizer(_EXAMPLE, padding=True, return_tensors="pt")
    inputs = {name: example[name] for name in ("input_ids", "attention_mask")}
    # nncf draws a progress bar, and stdout may be another program's input.
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        # torch warns about each shape that it treats as fixed; the tests show that none of them is.
        warnings.simplefilter("ignore")
        graph = openvino.convert_model(Hidden(), example_input=inputs)
        graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM)
    run = openvino.Core().compile_model(
        graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP}
    )

    def forward(input_ids: Any, attention_mask: Any, **_: Any) -> Any:
        found = run({"input_ids": input_ids, "attention_mask": attention_mask})[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(found))

    inner.forward = forward
